"""What a model can be asked with, which models tell how probable their tokens were, and what they told."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.language_models import BaseLanguageModel
from langchain_core.runnables import RunnableParallel, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

_WITHOUT: Final = (
    "anthropic",
    "google",
    "gemini",
    "vertex",
    "mistral",
    "bedrock",
    "amazon",
    "aws",
    "deepseek",
    "cohere",
)
"""Beginnings of providers' names whose integrations hand no log-probabilities on: partner packages of October 2026."""
_REASONING: Final = re.compile(r"^(o\d|gpt-[5-9])(?!.*chat)")
"""Models of OpenAI that think before they answer refuse `logprobs`, unless thinking is off."""
_SHAPING: Final = frozenset(
    {"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "format", "strict"}
    | {"ls_structured_output_format"}
)
"""What, bound to a model, decides the shape of its answers."""
_RAW: Final = "raw"
"""The step of a model with structured output that asks the model."""
_OPENAI: Final = ("openai", "azure")
_LEAST: Final = -9999.0
"""What OpenAI reports for a token that was as good as impossible; nothing is counted as less."""


class Token(NamedTuple):
    """One token of an answer."""

    text: str
    logprob: float
    """The natural logarithm of its probability; NaN where the provider says nothing usable."""
    likeliest: Sequence[tuple[str, float]]
    """The most probable tokens in its place with their logarithms, most probable first; empty if not told."""


def why_no_logprobs(model: Runnable[Any, Any]) -> str | None:
    """Why a model cannot tell how probable its tokens are; `None` if it can, or if nothing is known against it."""
    inner, bound = innermost(model)
    provider, name = _identity(inner, bound)
    if provider.startswith(_WITHOUT):
        return f"{provider} reports no token probabilities"
    if any(part.startswith(_WITHOUT) for part in name.split("/")[:-1]):
        return f"{name} comes from a provider that reports no token probabilities"
    if not provider.startswith(_OPENAI):
        return None
    if _uses_responses(inner, bound):
        return "OpenAI's Responses API is used, through which LangChain gets no token probabilities"
    if _reasons(name, inner, bound):
        return f"{name} reasons, and OpenAI's reasoning models report no token probabilities"
    return None


def innermost(model: Runnable[Any, Any]) -> tuple[Any, dict[str, Any]]:
    """The model inside bindings, chains and structured output, and all that is bound to it."""
    bound: dict[str, Any] = {}
    inner: Any = model
    while True:
        if isinstance(inner, RunnableBindingBase):
            bound = {**inner.kwargs, **bound}
            inner = inner.bound
        elif isinstance(inner, RunnableSequence):
            inner = next((step for step in reversed(inner.steps) if _has_model(step)), inner.first)
        elif isinstance(inner, RunnableParallel) and _RAW in inner.steps__:
            inner = inner.steps__[_RAW]
        else:
            return inner, bound


def refuses_temperature(model: Runnable[Any, Any]) -> bool:
    """Whether a model is known to refuse a temperature, as OpenAI's do that reason."""
    inner, bound = innermost(model)
    provider, name = _identity(inner, bound)
    return provider.startswith(_OPENAI) and _reasons(name, inner, bound)


def without_tools(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The model as it was before tools or a format of answers were bound to it."""
    if not isinstance(model, RunnableBindingBase):
        return model
    kwargs = {name: value for name, value in model.kwargs.items() if name not in _SHAPING}
    if kwargs == model.kwargs and without_tools(model.bound) is model.bound:
        return model
    return model.model_copy(update={"bound": without_tools(model.bound), "kwargs": kwargs})


def logprobs_of(answer: AIMessage) -> list[float]:
    """The log-probabilities of an answer's tokens alone, as `tokens_of` reads them, several times faster."""
    rows = _rows(answer)
    if isinstance(rows, dict):
        return [token.logprob for token in _parallel(rows)]
    return [_number(row.get("logprob")) for row in _list(rows) if isinstance(row, dict)]


def tokens_of(answer: AIMessage) -> list[Token]:
    """The tokens of an answer with their log-probabilities; none where the provider reports none.

    Understood are OpenAI's form (`{"content": [...]}`), the bare list of Ollama, and the parallel lists of the older
    completions protocol (`tokens`, `token_logprobs`, `top_logprobs`).
    """
    rows = _rows(answer)
    if isinstance(rows, dict):
        return _parallel(rows)
    return [_token(row) for row in _list(rows) if isinstance(row, dict)]


def _rows(answer: AIMessage) -> Any:  # noqa: ANN401 - a list, parallel lists, or what a provider sent by mistake
    told = answer.response_metadata.get("logprobs")
    return told.get("content") if isinstance(told, dict) and "content" in told else told


def _parallel(told: Mapping[str, Any]) -> list[Token]:
    texts, logprobs = _list(told.get("tokens")), _list(told.get("token_logprobs"))
    likeliest = _list(told.get("top_logprobs")) or [None] * len(texts)
    if not len(texts) == len(logprobs) == len(likeliest):
        return []
    return [
        Token(str(text), _number(logprob), _sorted(other.items() if isinstance(other, dict) else ()))
        for text, logprob, other in zip(texts, logprobs, likeliest, strict=True)
    ]


def _token(row: Mapping[str, Any]) -> Token:
    told = (other for other in _list(row.get("top_logprobs")) if isinstance(other, dict))
    others = [(other.get("token"), other.get("logprob")) for other in told]
    return Token(str(row.get("token", "")), _number(row.get("logprob")), _sorted(others))


def _list(told: Any) -> list[Any]:  # noqa: ANN401 - whatever the provider sent
    return told if isinstance(told, list) else []


def _sorted(others: Any) -> list[tuple[str, float]]:  # noqa: ANN401 - pairs of whatever the provider sent
    pairs = [(str(token), _number(logprob)) for token, logprob in others]
    return sorted((pair for pair in pairs if not math.isnan(pair[1])), key=lambda pair: -pair[1])


def _number(value: object) -> float:
    """A log-probability: not above 0, not below what counts as impossible, NaN for anything that is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124 - NaN, also beside whole numbers no float holds
        return math.nan
    return float(min(0.0, max(_LEAST, value)))


def _has_model(step: object) -> bool:
    if isinstance(step, RunnableBindingBase):
        return _has_model(step.bound)
    return isinstance(step, BaseLanguageModel) or (isinstance(step, RunnableParallel) and _RAW in step.steps__)


def _identity(inner: object, bound: Mapping[str, Any]) -> tuple[str, str]:
    """The provider and the model's name, in small letters; empty where the model does not say."""
    told: Mapping[str, Any] = {}
    if isinstance(inner, BaseLanguageModel) and hasattr(inner, "_get_ls_params"):
        told = inner._get_ls_params(**bound)  # noqa: SLF001 - LangChain's own way to tell provider and model
    name = bound.get("model") or told.get("ls_model_name") or ""
    return str(told.get("ls_provider") or "").lower(), str(name).lower()


def _uses_responses(inner: object, bound: Mapping[str, Any]) -> bool:
    decide = getattr(inner, "_use_responses_api", None)
    return bool(decide(dict(bound))) if callable(decide) else False


def _reasons(name: str, inner: object, bound: Mapping[str, Any]) -> bool:
    effort = bound.get("reasoning_effort") or getattr(inner, "reasoning_effort", None)
    return bool(_REASONING.match(name.rpartition("/")[2])) and effort != "none"
