"""Making a cascade from the names of its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.cascade.runnable import Cascade
from langchain_costguard.exceptions import OptionalDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.language_models.chat_models import BaseChatModel

    from langchain_costguard.cascade.acceptance import AnySignal
    from langchain_costguard.cascade.course import OnDraft
    from langchain_costguard.cascade.steps import OnError, OnRefused

_OPENAI: Final = "openai"


def init_cascade(
    *models: str | BaseChatModel,
    accept: AnySignal | Sequence[AnySignal] | None = None,
    on_refused: OnRefused = "best",
    on_error: OnError = "escalate",
    on_draft: OnDraft = "hide",
    names: Sequence[str] | None = None,
    **settings: Any,  # noqa: ANN401 - the models' own
) -> Cascade:
    """A cascade of models that are named as `init_chat_model` takes them.

    Args:
        *models: two or more, the cheapest first: names such as `"openai:gpt-4o-mini"`, or models.
        accept: who judges answers; see `Cascade` for this and the next four.
        on_refused: what a refused escalation gives.
        on_error: what a failing tier leads to.
        on_draft: what is shown of drafts.
        names: what the tiers are called in metadata.
        **settings: for every model that is named, such as `temperature=0`.

    Returns:
        The cascade.

    Raises:
        OptionalDependencyError: `langchain` is not installed; models of OpenAI need it not.
        ValueError: there are fewer than two models, or a name is not understood.

    Example:
        ```python
        model = init_cascade("openai:gpt-4o-mini", "openai:gpt-4o", temperature=0)
        ```
    """
    tiers = [_model(model, settings) if isinstance(model, str) else model for model in models]
    return Cascade(tiers, accept, on_refused=on_refused, on_error=on_error, on_draft=on_draft, names=names)


def _model(name: str, settings: Mapping[str, Any]) -> BaseChatModel:
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        provider, _, model = name.partition(":")
        if provider != _OPENAI or not model:
            package = "langchain"
            raise OptionalDependencyError(package, extra="agents", purpose=f"init_cascade({name!r})") from error
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model=model, **settings)
    made: BaseChatModel = init_chat_model(name, **settings)
    return made
