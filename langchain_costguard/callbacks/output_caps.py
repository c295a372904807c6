"""How long an answer may get: what integrations call that setting, and what a call is given so that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.language_models import BaseChatModel

_USUAL: Final = "max_tokens"
_BY_PROVIDER: Final = {
    "google_genai": "max_output_tokens",
    "google_vertexai": "max_output_tokens",
}
"""What integrations call the most tokens of an answer, by `ls_provider`, where it is not `max_tokens`."""

_NAMES: Final = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "max_tokens_to_sample",
)
_OLLAMA: Final = "num_predict"
_OLLAMA_OPTIONS: Final = "options"


def call_params(chat: BaseChatModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a call's request is made of: the model's own settings, and above them the call's."""
    stop = settings.get("stop")
    given = {name: value for name, value in settings.items() if name != "stop"}
    return {**chat._get_invocation_params(stop=stop, **given), **given}  # noqa: SLF001 - as `generate` does it


def own_cap(chat: BaseChatModel, settings: Mapping[str, Any]) -> int | None:
    """The strictest limit on the answer's tokens that a model and its call have already; `None` without any."""
    if _takes_options(chat):
        return min(_positive(_ollama_options(chat, settings), (_OLLAMA,)), default=None)
    return min(_positive(call_params(chat, settings), _NAMES), default=None)


def capped(chat: BaseChatModel, settings: Mapping[str, Any], cap: int) -> dict[str, Any]:
    """What a call is given so that its answer has at most `cap` tokens.

    Args:
        chat: the chat model itself, without what is bound to it.
        settings: what is bound to it, and what the call brings.
        cap: the most tokens, in place of whatever else was said.

    Returns:
        Settings that replace those of the same name.
    """
    if _takes_options(chat):
        return {_OLLAMA_OPTIONS: {**_ollama_options(chat, settings), _OLLAMA: cap}}
    params = call_params(chat, settings)
    said = [name for name in _NAMES if name in settings]
    own = [name for name in _NAMES if _positive(params, (name,))]
    provider = str(chat._get_ls_params().get("ls_provider") or "")  # noqa: SLF001 - as LangChain describes runs itself
    names = {*said, next(iter(own), _BY_PROVIDER.get(provider, _USUAL))}  # beside its own, another would not do
    return dict.fromkeys(names, cap)


def _takes_options(chat: BaseChatModel) -> bool:
    """Whether the limit is one of Ollama's options, which a call can only replace all together."""
    return _OLLAMA in type(chat).model_fields


def _ollama_options(chat: Any, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401 - its package is optional
    given = settings.get(_OLLAMA_OPTIONS)
    if given is None:
        given = chat._chat_params([], stop=settings.get("stop"))[_OLLAMA_OPTIONS]  # noqa: SLF001 - as its own calls do
    options: Mapping[str, Any] = given
    return options


def _positive(params: Mapping[str, Any], names: tuple[str, ...]) -> list[int]:
    """The limits among some settings; zero and below mean none at all."""
    values = [params.get(name) for name in names]
    return [value for value in values if type(value) is int and value > 0]
