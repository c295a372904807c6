"""What OpenTelemetry's own SDK collects of calls."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as words
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.trace import SpanKind, StatusCode

from langchain_costguard import CostCallbackHandler, OptionalDependencyError, track_costs
from langchain_costguard.exports import OpenTelemetryExporter
from langchain_costguard.exports.telemetry_words import provider_name, span_attributes
from langchain_costguard.savings import Savings
from langchain_costguard.testing.lines import make_entry
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan


class Collected:
    """The real SDK, and what it has collected."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])
        self.finished = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.finished))
        self.tracer = self.tracers.get_tracer("test")

    def exporter(self, **arguments: Any) -> OpenTelemetryExporter:
        """An exporter into here."""
        return OpenTelemetryExporter(self.meters, self.tracers, **arguments)

    def metrics(self) -> dict[str, Any]:
        """The metrics by name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name: str) -> list[Any]:
        """The data points of one metric."""
        return list(self.metrics()[name].data.data_points)

    def spans(self) -> dict[str, ReadableSpan]:
        """The finished spans by name."""
        return {span.name: span for span in self.finished.get_finished_spans()}


@pytest.fixture
def collected() -> Iterator[Collected]:
    """The real SDK, shut down afterwards."""
    found = Collected()
    yield found
    found.meters.shutdown()
    found.tracers.shutdown()


def test_metrics_are_named_and_filed_as_the_conventions_say(collected: Collected) -> None:
    """A dashboard made for the conventions shows our calls without a change."""
    collected.exporter()(make_entry(latency_us=1_500_000))
    metrics = collected.metrics()
    assert {gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE, gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION} < set(metrics)
    assert (metrics["gen_ai.client.token.usage"].unit, metrics["gen_ai.client.operation.duration"].unit) == (
        "{token}",
        "s",
    )
    tokens = {
        point.attributes[words.GEN_AI_TOKEN_TYPE]: point for point in collected.points("gen_ai.client.token.usage")
    }
    assert (tokens["input"].sum, tokens["output"].sum) == (1000, 100)
    assert dict(tokens["input"].attributes) == {
        words.GEN_AI_OPERATION_NAME: words.GenAiOperationNameValues.CHAT.value,
        words.GEN_AI_PROVIDER_NAME: words.GenAiProviderNameValues.OPENAI.value,
        words.GEN_AI_REQUEST_MODEL: "gpt-4o-mini",
        words.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
        words.GEN_AI_TOKEN_TYPE: "input",
    }
    assert tokens["input"].explicit_bounds == (
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
    )  # fmt: skip
    (duration,) = collected.points("gen_ai.client.operation.duration")
    assert (duration.sum, duration.explicit_bounds[0], duration.explicit_bounds[-1]) == (1.5, 0.01, 81.92)


def test_cost_is_a_sum_in_dollars_and_what_is_not_priced_is_counted(collected: Collected) -> None:
    """A call without a price that adds zero makes a bill look smaller than it is."""
    export = collected.exporter()
    for _ in range(3):
        export(make_entry())
    export(make_entry(billed_nano=None, provider=None))
    (cost,) = collected.points("costguard.cost")
    assert round(Decimal(cost.value), 9) == Decimal("0.00063")
    assert collected.metrics()["costguard.cost"].unit == "{USD}"
    (unpriced,) = collected.points("costguard.unpriced_calls")
    assert (unpriced.value, unpriced.attributes[words.GEN_AI_PROVIDER_NAME]) == (1, "unknown")


def test_savings_are_told_by_technique_and_may_be_negative(collected: Collected) -> None:
    """A technique that costs more than it saves must show."""
    export = collected.exporter()
    export(make_entry(savings=Savings(cascade=-1_000_000_000, batch=500_000_000)))
    export(make_entry(savings=Savings(batch=500_000_000)))
    found = {point.attributes["costguard.technique"]: point.value for point in collected.points("costguard.savings")}
    assert found == {"cascade": -1.0, "batch": 1.0}


def test_a_cached_answer_is_no_operation_of_a_provider(collected: Collected) -> None:
    """Nobody was asked: its tokens were not used and its microseconds are no latency of a model."""
    collected.exporter()(make_entry(status="cached", billed_nano=0, savings=Savings(exact_cache=210_000)))
    assert set(collected.metrics()) == {"costguard.cost", "costguard.savings"}


def test_a_failed_call_says_of_what_class_its_error_was(collected: Collected) -> None:
    """The conventions file durations by it."""
    collected.exporter()(make_entry(status="error", usage=None, billed_nano=0, error="RateLimitError"))
    (duration,) = collected.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == "RateLimitError"
    assert "gen_ai.client.token.usage" not in collected.metrics()


def test_a_call_is_told_once_whoever_sees_it(collected: Collected) -> None:
    """Nested blocks see the same call, and a cancelled call may end after all."""
    export = collected.exporter()
    with track_costs() as outer, track_costs() as inner:
        outer.subscribe(export).subscribe(export)
        inner.subscribe(export)
        inner.record(cost="0.25")
    run_id = UUID(int=5)
    export(make_entry(run_id=run_id, status="cancelled", billed_nano=1))
    export(make_entry(run_id=run_id, billed_nano=2))
    values = {
        point.attributes[words.GEN_AI_OPERATION_NAME]: point.value for point in collected.points("costguard.cost")
    }
    assert values == {"manual": 0.25, "chat": 1e-09}


@pytest.mark.parametrize("change", [{"status": "lost"}, {"status": "open"}, {"kind": "adjustment", "billed_nano": -5}])
def test_what_is_no_ended_call_is_not_told(change: dict[str, Any], collected: Collected) -> None:
    """A lost call may still end, and an adjustment would take from a counter that only grows."""
    collected.exporter()(make_entry(**change))
    assert collected.metrics() == {}


def test_the_current_span_says_what_the_call_was_and_cost(collected: Collected) -> None:
    """Whoever looks at a slow trace sees what it cost, too."""
    usage = TokenUsage(uncached_input=700, cache_read=200, cache_write_5m=100, output_text=60, reasoning=40)
    with collected.tracer.start_as_current_span("ask"):
        collected.exporter()(make_entry(usage=usage, thread="t1", run_id=UUID(int=1)))
    assert dict(collected.spans()["ask"].attributes or {}) == {
        words.GEN_AI_OPERATION_NAME: "chat",
        words.GEN_AI_PROVIDER_NAME: "openai",
        words.GEN_AI_REQUEST_MODEL: "gpt-4o-mini",
        words.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
        words.GEN_AI_USAGE_INPUT_TOKENS: 1000,
        words.GEN_AI_USAGE_OUTPUT_TOKENS: 100,
        words.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 200,
        words.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS: 100,
        words.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: 40,
        words.GEN_AI_CONVERSATION_ID: "t1",
        "gen_ai.usage.cost": 0.00021,
        "costguard.cost_usd": "0.00021",
        "costguard.run_id": str(UUID(int=1)),
        "costguard.status": "ok",
    }


def test_a_cost_that_is_not_known_is_no_attribute() -> None:
    """Zero would be read as free."""
    found = span_attributes(make_entry(billed_nano=None, unpriced_reason="no price is known"))
    assert found["costguard.unpriced_reason"] == "no price is known"
    assert {"gen_ai.usage.cost", "costguard.cost_usd"} & set(found) == set()


def test_the_second_call_in_a_span_gets_its_own(collected: Collected) -> None:
    """Overwritten attributes would lose the first call, and sums of both on a parent would count twice."""
    export = collected.exporter()
    with collected.tracer.start_as_current_span("chain") as chain:
        export(make_entry())
        export(make_entry(request_model="gpt-4o", billed_nano=5_000_000, latency_us=2_000_000))
    second = collected.spans()["chat gpt-4o"]
    assert second.parent is not None
    assert second.parent.span_id == chain.get_span_context().span_id
    assert (second.kind, (second.end_time or 0) - (second.start_time or 0)) == (SpanKind.CLIENT, 2_000_000_000)
    costs = [(span.attributes or {})["costguard.cost_usd"] for span in collected.spans().values()]
    assert sorted(map(str, costs)) == ["0.00021", "0.005"]


def test_spans_of_their_own_need_none_around_them(collected: Collected) -> None:
    """Without any tracing of one's own, each call is a trace."""
    export = collected.exporter(spans="own")
    export(make_entry())
    export(make_entry(status="error", error="RateLimitError", request_model="gpt-4o"))
    spans = collected.spans()
    assert set(spans) == {"chat gpt-4o-mini", "chat gpt-4o"}
    assert spans["chat gpt-4o"].status.status_code is StatusCode.ERROR
    assert (spans["chat gpt-4o"].attributes or {})["error.type"] == "RateLimitError"


@pytest.mark.parametrize("spans", ["current", "none"])
def test_no_span_is_made_where_none_is_wanted(spans: str, collected: Collected) -> None:
    """Who only wants metrics pays for nothing else."""
    export = collected.exporter(spans=spans)
    export(make_entry())
    assert collected.spans() == {}
    if spans == "none":
        with collected.tracer.start_as_current_span("ask"):
            export(make_entry())
        assert dict(collected.spans()["ask"].attributes or {}) == {}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("amazon_bedrock", words.GenAiProviderNameValues.AWS_BEDROCK.value),
        ("azure", words.GenAiProviderNameValues.AZURE_AI_OPENAI.value),
        ("google_genai", words.GenAiProviderNameValues.GCP_GEMINI.value),
        ("google_vertexai", words.GenAiProviderNameValues.GCP_VERTEX_AI.value),
        ("ibm", words.GenAiProviderNameValues.IBM_WATSONX_AI.value),
        ("mistralai", words.GenAiProviderNameValues.MISTRAL_AI.value),
        ("xai", words.GenAiProviderNameValues.X_AI.value),
        ("anthropic", words.GenAiProviderNameValues.ANTHROPIC.value),
        ("house", "house"),
    ],
)
def test_providers_have_the_conventions_names(ours: str, theirs: str) -> None:
    """Otherwise one provider is two on a dashboard."""
    assert provider_name(ours) == theirs


def test_an_observer_that_fails_breaks_nothing_and_is_counted() -> None:
    """A dashboard that is down must not cost an answer that was paid for."""

    def fail(_: object) -> None:
        msg = "the collector is down"
        raise ConnectionError(msg)

    seen: list[object] = []
    handler = CostCallbackHandler().subscribe(fail).subscribe(seen.append)
    before = handler.recorder.faults
    assert handler.record(cost="0.25").billed_cost == Decimal("0.25")
    assert (len(seen), handler.recorder.faults - before) == (1, 1)


def test_a_run_that_is_recorded_again_is_not_told_again() -> None:
    """A job that is repeated after a crash must not double a dashboard."""
    seen: list[object] = []
    handler = CostCallbackHandler().subscribe(seen.append)
    for _ in range(2):
        handler.record(cost="0.25", run_id=str(UUID(int=9)))
    assert len(seen) == 1


def test_an_unknown_place_for_spans_is_refused() -> None:
    """A typing error would export nothing without a word."""
    with pytest.raises(ValueError, match="spans='all' is not known: give 'current', 'own' or 'none'"):
        OpenTelemetryExporter(spans="all")


def test_without_opentelemetry_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is one line."""
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(OptionalDependencyError, match=r"langchain-costguard\[otel\]"):
        OpenTelemetryExporter()
