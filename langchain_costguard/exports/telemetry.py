"""OpenTelemetryExporter: each call as measurements and as attributes of a span, while a program runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Literal
from weakref import WeakSet

from langchain_costguard._optional import require
from langchain_costguard._version import __version__
from langchain_costguard.cost import NANO_PER_USD
from langchain_costguard.exports.telemetry_words import common_attributes, span_attributes

if TYPE_CHECKING:
    from uuid import UUID

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from langchain_costguard.ledger import LedgerEntry

Spans = Literal["current", "own", "none"]
"""Where a call is described: on the span around it, on a span of its own, or nowhere."""

TOKEN_BUCKETS: Final[tuple[float, ...]] = tuple(4**power for power in range(14))
"""The bounds that the conventions advise for `gen_ai.client.token.usage`."""

SECONDS_BUCKETS: Final[tuple[float, ...]] = tuple(0.01 * 2**power for power in range(14))
"""Those for `gen_ai.client.operation.duration`."""

_SCOPE: Final = "langchain_costguard"
_REMEMBERED: Final = 1000
_US_PER_SECOND: Final = 1_000_000
_NS_PER_US: Final = 1000


class OpenTelemetryExporter:
    """Tells OpenTelemetry of each call: tokens and durations by its conventions, cost under our own names.

    The conventions (1.45, status "development") have no word for cost. Measurements are `gen_ai.client.token.usage`,
    `gen_ai.client.operation.duration`, `costguard.cost` (`{USD}`), `costguard.savings` (`{USD}`, by technique) and
    `costguard.unpriced_calls` (`{call}`), so that a cost that is not known is counted and never a zero. They are
    doubles, as OpenTelemetry has it: exact money is in the ledger.

    A call is told of once, however many handlers have this exporter. A span holds one call: where the current span has
    one already, the next call gets a span of its own below it, and sums over spans come out right. Calls that were
    given up for lost are not told of until their end is known.

    Example:
        ```python
        handler = install(CostCallbackHandler().subscribe(OpenTelemetryExporter()))
        ```
    """

    def __init__(
        self,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
        *,
        spans: Spans = "current",
    ) -> None:
        """Begin to measure.

        Args:
            meter_provider: where measurements go; `None` for the process's own.
            tracer_provider: where spans of ours go; `None` for the process's own.
            spans: `"current"` describes the call on the span around it, if that is recording; `"own"` makes a span for
                each call, below the current one; `"none"` leaves spans alone.

        Raises:
            OptionalDependencyError: OpenTelemetry is not installed.
            ValueError: `spans` is none of these.
        """
        if spans not in {"current", "own", "none"}:
            msg = f"spans={spans!r} is not known: give 'current', 'own' or 'none'"
            raise ValueError(msg)
        metrics = require("opentelemetry.metrics", extra="otel", purpose="exporting to OpenTelemetry")
        self._trace: Any = require("opentelemetry.trace", extra="otel", purpose="exporting to OpenTelemetry")
        self._tracer = self._trace.get_tracer(_SCOPE, __version__, tracer_provider)
        self._spans = spans
        self._described: WeakSet[Span] = WeakSet()
        self._told: dict[UUID, None] = {}
        self._lock = threading.Lock()
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
        )
        self._seconds = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=SECONDS_BUCKETS,
        )
        self._cost = meter.create_counter("costguard.cost", unit="{USD}", description="What priced calls cost.")
        self._savings = meter.create_up_down_counter(
            "costguard.savings", unit="{USD}", description="What techniques saved; negative where one cost more."
        )
        self._unpriced = meter.create_counter(
            "costguard.unpriced_calls", unit="{call}", description="Calls whose cost is not known."
        )

    def __call__(self, entry: LedgerEntry) -> None:
        """Tell of a call that has ended; what `CostCallbackHandler.subscribe` calls.

        Args:
            entry: its line.
        """
        if entry.kind == "adjustment" or entry.status in {"open", "lost"} or self._was_told(entry):
            return
        attributes = common_attributes(entry)
        if entry.status != "cached":  # nobody was asked, so that there is no operation to measure
            self._measure_call(entry, attributes)
        self._measure_money(entry, attributes)
        if self._spans != "none":
            self._describe(entry)

    def _was_told(self, entry: LedgerEntry) -> bool:
        """Whether the call was told of before: by another handler, or when it was cancelled and only ends now."""
        with self._lock:
            if entry.run_id in self._told:
                return True
            self._told[entry.run_id] = None
            if len(self._told) > _REMEMBERED:
                del self._told[next(iter(self._told))]
            return False

    def _measure_call(self, entry: LedgerEntry, attributes: dict[str, Any]) -> None:
        if entry.usage is not None:
            self._tokens.record(entry.usage.input_tokens, {**attributes, "gen_ai.token.type": "input"})
            self._tokens.record(entry.usage.output_tokens, {**attributes, "gen_ai.token.type": "output"})
        if entry.latency_us is not None:
            failed = {} if entry.error is None else {"error.type": entry.error}
            self._seconds.record(entry.latency_us / _US_PER_SECOND, {**attributes, **failed})

    def _measure_money(self, entry: LedgerEntry, attributes: dict[str, Any]) -> None:
        if entry.billed_nano is None:
            self._unpriced.add(entry.calls, attributes)
        else:
            self._cost.add(entry.billed_nano / NANO_PER_USD, attributes)
        if entry.savings is not None:
            for step, nano in entry.savings._asdict().items():
                if nano:
                    self._savings.add(nano / NANO_PER_USD, {**attributes, "costguard.technique": step})

    def _describe(self, entry: LedgerEntry) -> None:
        span = self._trace.get_current_span()
        if self._spans == "current" and not span.is_recording():
            return
        if self._spans == "current" and self._claim(span):
            span.set_attributes(span_attributes(entry))
            return
        self._own_span(entry)

    def _claim(self, span: Span) -> bool:
        """Whether a span is free; from now on it is not."""
        with self._lock:
            if span in self._described:
                return False
            self._described.add(span)
            return True

    def _own_span(self, entry: LedgerEntry) -> None:
        attributes = span_attributes(entry)
        name = f"{attributes['gen_ai.operation.name']} {entry.model or ''}".strip()
        started_ns = entry.started_at_us * _NS_PER_US
        span = self._tracer.start_span(
            name, kind=self._trace.SpanKind.CLIENT, attributes=attributes, start_time=started_ns
        )
        if entry.error is not None:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end(started_ns + (entry.latency_us or 0) * _NS_PER_US)
