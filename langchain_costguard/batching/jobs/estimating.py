"""What a job would cost: its requests made and counted, one after the other, and nothing written or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.batching.jobs.batch_estimate import BatchEstimate
from langchain_costguard.batching.jobs.bounding import Bounder
from langchain_costguard.callbacks.prompts import ChatPrompt, chat_tokens
from langchain_costguard.cost import NANO_PER_USD, PICO_PER_USD, to_usd
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_costguard.batching.jobs.context import ChainContext
    from langchain_costguard.batching.jobs.preparing import Limits, Made


class _Sums(NamedTuple):
    """Sums of costs, in one unit of money; `None` once one of them is not known."""

    low: int | None = 0
    expected: int | None = 0
    high: int | None = 0

    def plus(self, low: int | None, expected: int | None, high: int | None) -> _Sums:
        """The sums with one more request."""
        return _Sums(_plus(self.low, low), _plus(self.expected, expected), _plus(self.high, high))


class Estimator:
    """Adds up what requests of the first step would cost."""

    def __init__(self, chain: ChainContext, job: str, limits: Limits, expected_output_tokens: int | None) -> None:
        """Begin with none.

        Args:
            chain: the chain.
            job: the job's id, or any text where there is none.
            limits: into what files requests are split.
            expected_output_tokens: the length of an answer that is expected.
        """
        self._chain = chain
        self._limits = limits
        self._expected = expected_output_tokens
        self._calls = chain.calls(job, 0)
        self._bounder = Bounder(self._calls, chain.watchers(0).recorder.prices)
        self._batch, self._standard = _Sums(), _Sums()
        self._models: dict[str, None] = {}
        self._files: dict[object, tuple[int, int, int]] = {}
        self._requests = self._bytes = self._input = self._file_count = 0
        self._output: int | None = 0
        self._reasons: dict[str, None] = {}

    def add(self, made: Made) -> None:
        """Add one request."""
        request, length = made.request, len(made.body) + _FRAME_BYTES
        tokens = chat_tokens(ChatPrompt(made.messages, self._calls.params), request.model).tokens
        bound = self._bounder.of(made.messages)
        self._requests += 1
        self._bytes += length
        self._input += tokens
        self._models[request.model] = None
        self._output = _plus(self._output, bound.output_tokens)
        self._count_file((request.model, request.url, request.betas), length, tokens)
        given = TokenUsage(uncached_input=tokens)
        most = self._expected if bound.output_tokens is None else min(self._expected or 0, bound.output_tokens)
        answered = None if self._expected is None else given._replace(output_text=most or 0)
        self._batch = self._batch.plus(*self._costs(given, answered, batch=True), bound.nano_usd)
        self._standard = self._standard.plus(*self._costs(given, answered, batch=False), bound.standard_nano_usd)
        if bound.bound.problem is not None:
            self._reasons[bound.bound.problem] = None
        if self._batch.low is None and bound.bound.problem is None:
            self._reasons[f"no batch price is known for {request.model}: give prices="] = None

    def estimate(self) -> BatchEstimate:
        """The estimate of what was added."""
        has_length = self._expected is not None
        return BatchEstimate(
            requests=self._requests,
            files=self._file_count,
            bytes=self._bytes,
            models=tuple(self._models),
            steps=len(self._chain.plan.steps),
            input_tokens=self._input,
            max_output_tokens=self._output,
            low=_dollars(self._batch.low),
            expected=_dollars(self._batch.expected) if has_length else None,
            high=_dollars(self._batch.high, NANO_PER_USD),
            synchronous_low=_dollars(self._standard.low),
            synchronous_expected=_dollars(self._standard.expected) if has_length else None,
            synchronous_high=_dollars(self._standard.high, NANO_PER_USD),
            reasons=tuple(self._reasons),
        )

    def _costs(self, given: TokenUsage, answered: TokenUsage | None, *, batch: bool) -> tuple[int | None, int | None]:
        low = self._bounder.cost(given, batch=batch)
        return low, None if answered is None else self._bounder.cost(answered, batch=batch)

    def _count_file(self, group: object, length: int, tokens: int) -> None:
        requests, size, enqueued = self._files.get(group, (0, 0, 0))
        limits = self._limits
        is_full = not requests or requests >= limits.requests or size + length > limits.bytes
        if is_full or (limits.tokens is not None and enqueued + tokens > limits.tokens):
            self._file_count += 1
            requests = size = enqueued = 0
        self._files[group] = (requests + 1, size + length, enqueued + tokens)


_FRAME_BYTES: Final = 128
"""About what stands around a body in its line: the id, the method, the endpoint."""


def _plus(total: int | None, more: int | None) -> int | None:
    return None if total is None or more is None else total + more


def _dollars(amount: int | None, unit: int = PICO_PER_USD) -> Decimal | None:
    return None if amount is None else to_usd(amount, unit)
