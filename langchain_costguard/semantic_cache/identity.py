"""Which model a lookup is for: noted when a chat run begins, because the key LangChain gives a cache can omit it.

LangChain's `llm_string` names no model for integrations that are not serialisable, and goes stale when a model is
copied with other settings. What a run's start says is always right. So a handler that does no I/O is registered once
for the process and keeps the newest runs of each context; a lookup takes the one that was started with its messages.
Text LLMs look up before their run starts, so they have no identity here.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from langchain_costguard.callbacks.inline import PlacedHandler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from langchain_core.messages import BaseMessage

_MOST_RUNS: Final = 4
_NOTHING: Final[dict[str, Any]] = {}


class PromptShape(NamedTuple):
    """By what a prompt is known again: how many messages it has, and the text of its last one."""

    messages: int
    last_text: str


class RunIdentity(NamedTuple):
    """What the start of a chat run says about it."""

    params: Mapping[str, Any]
    """The parameters of the request: model, limits, tools."""
    options: Mapping[str, Any]
    """What was given with the call itself."""
    metadata: Mapping[str, Any]
    """The run's metadata: LangChain's names for model and provider, and the user's own keys."""
    serialized: Mapping[str, Any]
    """The model as LangChain describes it."""
    shapes: set[PromptShape]
    """The prompts of the run: several where one `generate` was given several."""

    @property
    def model(self) -> str | None:
        """The model that was asked for."""
        name = self.metadata.get("ls_model_name") or self.params.get("model") or self.params.get("model_name")
        return None if name is None else str(name)

    @property
    def temperature(self) -> float | None:
        """The temperature that was asked for; `None` leaves it to the provider."""
        given = self.params.get("temperature", self.metadata.get("ls_temperature"))
        return float(given) if isinstance(given, int | float) else None


def text_of_content(content: Any) -> str:  # noqa: ANN401 - message content is open by design
    """The text of a message's content, its blocks on lines of their own."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else ()
    texts = (block.get("text") if isinstance(block, dict) else block for block in blocks)
    return "\n".join(text for text in texts if isinstance(text, str))


class IdentityObserver(PlacedHandler):
    """Notes the chat runs that begin, in the context in which their lookups happen; it never waits for anything."""

    def __init__(self) -> None:
        """Begin unknown to LangChain; `observe` registers it."""
        super().__init__()
        self._lock = threading.Lock()
        self._is_registered = False

    @property
    def ignore_llm(self) -> bool:
        """Text LLMs look up before they start."""
        return True

    @property
    def ignore_chain(self) -> bool:
        """Chains ask no model."""
        return True

    @property
    def ignore_agent(self) -> bool:
        """Tools ask no model."""
        return True

    @property
    def ignore_retriever(self) -> bool:
        """Retrievers ask no model."""
        return True

    def get(self) -> IdentityObserver:
        """What LangChain's configure loop asks for; shaped like `ContextVar.get`."""
        return self

    def register(self) -> None:
        """Tell LangChain of the observer, once for the life of the process."""
        with self._lock:
            if not self._is_registered:
                from langchain_core.tracers.context import register_configure_hook

                register_configure_hook(cast("ContextVar[Any]", self), inheritable=True)
                self._is_registered = True

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,  # noqa: ARG002 - the signature is LangChain's
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> None:
        """A chat model run begins."""
        params = kwargs.get("invocation_params")
        shapes = {_shape(prompt) for prompt in messages}
        known = _RUNS.get()
        if known and metadata and known[0].params is params and known[0].metadata is metadata:
            known[0].shapes.update(shapes)  # another prompt of the same `generate`
            return
        options = kwargs.get("options") or _NOTHING
        identity = RunIdentity(
            _NOTHING if params is None else params, options, metadata or _NOTHING, serialized or _NOTHING, shapes
        )
        _RUNS.set((identity, *known[: _MOST_RUNS - 1]))

    def __deepcopy__(self, memo: dict[int, Any]) -> IdentityObserver:
        """The observer itself: there is one for the process."""
        return self


def identity_of(shape: PromptShape) -> RunIdentity | None:
    """The newest chat run of this context that was started with such a prompt; `None` when there is none."""
    return next((identity for identity in _RUNS.get() if shape in identity.shapes), None)


def _shape(messages: Sequence[BaseMessage]) -> PromptShape:
    return PromptShape(len(messages), text_of_content(messages[-1].content) if messages else "")


_RUNS: Final[ContextVar[tuple[RunIdentity, ...]]] = ContextVar("langchain_costguard_cache_runs", default=())

OBSERVER: Final = IdentityObserver()
"""The process's observer."""
