"""The facts of a call: what is known when it begins, and what becomes of it."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal
    from uuid import UUID

    from langchain_costguard.cost import Cost
    from langchain_costguard.guard.holds import Hold
    from langchain_costguard.ledger import CallKind, CallStatus, LedgerEntry
    from langchain_costguard.recorder.writer import Recorder
    from langchain_costguard.stores.base import LedgerStore
    from langchain_costguard.tokens import TokenCount
    from langchain_costguard.usage import TokenUsage

_NO_METADATA: Final[Mapping[str, Any]] = MappingProxyType({})


class View(Protocol):
    """Somebody who wants to see the lines of the calls it watches."""

    @property
    def recorder(self) -> Recorder:
        """Who prices and writes for it."""

    def see(self, entry: LedgerEntry) -> None:
        """Take note of a finished call."""


class StartedCall:
    """A model call that has begun: the facts known before its answer.

    Attributes that are seldom set have their defaults on the class: a call is made for every run, and this is cheaper
    than setting each of them.
    """

    parent_run_id: UUID | None = None
    root_run_id: UUID | None = None
    chain = ""
    provider: str | None = None
    endpoint_provider: str | None = None
    """Who serves the endpoint the client was pointed at, where that is known to be somebody else."""
    request_model: str | None = None
    requested_tier: str | None = None
    region: str | None = None
    """Where the provider was told to process the call."""
    tags: Iterable[str] = ()
    metadata: Mapping[str, Any] = _NO_METADATA
    params: Mapping[str, Any] = _NO_METADATA
    """What goes with the prompt: the limits and tools of the request."""
    is_timed = True
    """Whether the time from beginning to end means anything; not so for what was recorded afterwards."""
    first_token_ns: int | None = None
    last_sign_ns = 0
    """When something was last heard of a stream; 0 for a call that does not stream."""
    sent: object = None
    """The very object that was sent, by which several handlers know that they are told of the same start."""
    prompt_tokens: Callable[[Any, str | None], TokenCount] | None = None
    """How to count the prompt's tokens with everything that goes with it; `None` counts its text."""
    last_chunk: object = None
    """The last chunk that carried usage; several handlers are told of the same one."""
    stream_usage: StreamUsage | None = None
    busy: dict[int, Any] | None = None
    """For each recorder that meters it, the clock and its token; afterwards `None` and the share in nanoseconds."""
    task: Any = None
    """What gives the task that the call is made in, and `None` once that is gone; `None` outside an event loop."""
    thread = 0
    """The thread the call runs in, 0 in an event loop."""
    worker: Any = None
    """A weak reference to that thread, `None` in an event loop."""
    batch_group: object = None
    """The same object for all prompts of one `generate`."""
    is_root_known = True
    """Whether the outermost run around the call is known; not so where only the model is watched."""
    holds: Sequence[Hold] = ()
    """What its budgets have reserved for it."""
    is_counting = False
    """Whether an ending of it waits for its tokens to be counted; a later ending then waits for its turn."""
    noted_in: LedgerStore | None = None
    """The store in which its beginning was noted together with a reservation."""

    def __init__(self, run_id: UUID, kind: CallKind, prompt: Any, prompt_text: Callable[[Any], str]) -> None:  # noqa: ANN401 - whatever was sent
        """Note that a call begins now.

        Args:
            run_id: the run's id.
            kind: what kind of call.
            prompt: whatever was sent; held by reference until the call ends and never stored.
            prompt_text: how to read the prompt as text, asked only when it is needed.
        """
        self.run_id = run_id
        self.kind = kind
        self.prompt = prompt
        self.prompt_text = prompt_text
        self.started_ns: int = time.perf_counter_ns()
        self.started_at_us: int = time.time_ns() // 1000
        self.views: list[View] = []
        self.recorders: list[Recorder] = []

    def watch(self, views: Iterable[View]) -> list[Recorder]:
        """Add those who watch.

        Returns:
            The recorders that are new to the call by this; they are to take note of its beginning.
        """
        new: list[Recorder] = []
        for view in views:
            if view not in self.views:
                self.views.append(view)
                recorder = view.recorder
                if recorder not in self.recorders:
                    self.recorders.append(recorder)
                    new.append(recorder)
        return new

    @property
    def served_by(self) -> str | None:
        """Who serves the call: whom the endpoint tells, else whom the integration names."""
        return self.endpoint_provider or self.provider

    def text(self) -> str:
        """The prompt as text."""
        return self.prompt_text(self.prompt)

    def parts(self) -> Sequence[str]:
        """The texts whose tokens add up to the prompt's: one, but for embeddings, which take several at once."""
        return self.prompt if self.kind == "embedding" else (self.text(),)

    def text_bytes(self) -> bytes:
        """The prompt as UTF-8."""
        return self.prompt_text(self.prompt).encode("utf-8", "surrogatepass")


class StreamUsage:
    """Usage as the chunks of one stream reported it, to tell cumulative reports from partial ones."""

    __slots__ = ("chunks", "is_cumulative", "last")

    def __init__(self, usage: Mapping[str, Any]) -> None:
        """Begin with the first chunk that carries usage."""
        self.last: Mapping[str, Any] = usage
        self.chunks: int = 1
        self.is_cumulative: bool = False

    def add(self, usage: Mapping[str, Any]) -> None:
        """Note the next chunk's usage.

        vLLM, Ollama and some gateways repeat the running total in every chunk: the input stands there again, and the
        output only grows. Adding those up, as merged chunks do, bills the input once per chunk.
        """
        repeated = 0 < _tokens(self.last, "input_tokens") <= _tokens(usage, "input_tokens")
        growing = _tokens(self.last, "output_tokens") <= _tokens(usage, "output_tokens")
        self.is_cumulative = repeated and growing and (self.is_cumulative or self.chunks == 1)
        self.last = usage
        self.chunks += 1


def _tokens(usage: Mapping[str, Any], name: str) -> int:
    """A total as a whole number, 0 for anything else."""
    told = usage.get(name)
    return told if isinstance(told, int) else 0


class Outcome(NamedTuple):
    """What became of a call: the facts known from its answer, or from its failing."""

    status: CallStatus
    """How it ended."""
    usage: TokenUsage | None = None
    """What the provider reported; `None` if it reported nothing."""
    response_model: str | None = None
    """The model that answered."""
    service_tier: str | None = None
    """The tier the provider used, where it says so."""
    output_text: str = ""
    """The answer as text, only to be counted when usage is missing."""
    reported_usd: Decimal | None = None
    """The cost the provider itself reported, in US dollars."""
    error: str | None = None
    """The class of the exception."""
    is_unbilled: bool = False
    """Whether it is certain that nothing is owed to the provider for it (refused, never sent)."""
    calls: int = 1
    """How many calls it stands for."""
    cost: Cost | None = None
    """What it costs, where the caller of `record()` said so; `None` has it priced."""
    retries: int | None = None
    """How many attempts its client made before the one that ended so; `None` if it does not say."""
    technique: str | None = None
    """The technique that the answer names: whose cache it came from."""
    avoided_nano: int | None = None
    """What an answer from a cache would have cost, in nano-USD, where it says so; `None` has it priced."""
