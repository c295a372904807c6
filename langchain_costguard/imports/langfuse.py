"""What a row of a Langfuse export says: an observation from the table, the API or the blob storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.imports import cells
from langchain_costguard.imports.calls import ForeignCall, foreign_uuid
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_costguard.ledger import CallKind

_KINDS: Final[Mapping[str, CallKind]] = {"GENERATION": "chat", "EMBEDDING": "embedding"}
_MODEL: Final = ("provided_model_name", "providedModelName", "model")
_USAGE: Final = ("usage_details", "usageDetails", "usage")
_INPUT: Final = ("input_usage", "inputUsage", "promptTokens", "prompt_tokens")
_OUTPUT: Final = ("output_usage", "outputUsage", "completionTokens", "completion_tokens")
_TOTAL: Final = ("total_usage", "totalUsage", "totalTokens", "total_tokens")

_READ: Final = ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens", "input_cache_read_tokens")
_WRITE: Final = ("input_cache_creation", "cache_creation_input_tokens", "input_cache_creation_tokens")
_WRITE_5M: Final = ("input_cache_creation_5m", "input_cache_creation_ephemeral_5m_input_tokens")
_WRITE_1H: Final = ("input_cache_creation_1h", "input_cache_creation_ephemeral_1h_input_tokens")
_AUDIO: Final = ("input_audio_tokens", "input_audio")
_REASONING: Final = ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens", "reasoning")
_AUDIO_OUT: Final = ("output_audio_tokens", "output_audio")
_KNOWN: Final = frozenset(
    ("input", "output", "total", "unit", *_READ, *_WRITE, *_WRITE_5M, *_WRITE_1H, *_AUDIO, *_REASONING, *_AUDIO_OUT)
)


class LangfuseExport:
    """Observations of Langfuse; those that are no generation and no embedding are passed over."""

    source: Final = "langfuse"
    title: Final = "Langfuse export of observations"
    required: Final = (("id",), ("start_time", "startTime"), _MODEL, (*_USAGE, *_INPUT))
    advice: Final = "export the observations (not the traces) from Langfuse"

    def read(self, row: cells.Row) -> ForeignCall | None:
        """The call of a row, `None` where the row is none.

        Raises:
            UnreadableRow: something in it cannot be read.
        """
        kind = _KINDS.get((cells.text(row, "type") or "GENERATION").upper())
        if kind is None:
            return None
        metadata = cells.mapping(row, "metadata")
        id_ = cells.needed_text(row, "id")
        usage, doubts = _usage(row)
        ended = cells.moment_us(row, "end_time", "endTime")
        failed = (cells.text(row, "level") or "").upper() == "ERROR"
        return ForeignCall(
            source=self.source,
            id=id_,
            started_at_us=cells.needed_moment_us(row, "start_time", "startTime"),
            ended_at_us=ended,
            first_token_at_us=cells.moment_us(row, "completion_start_time", "completionStartTime"),
            kind=kind,
            status="error" if failed else "lost" if ended is None and usage is None else "ok",
            error="error" if failed else None,
            model=cells.text(row, *_MODEL),
            provider=cells.text(metadata, "ls_provider"),
            usage=usage,
            root_run_id=_id_of(cells.text(row, "trace_id", "traceId"), "trace"),
            parent_run_id=_id_of(cells.text(row, "parent_observation_id", "parentObservationId")),
            chain=cells.text(row, "trace_name", "traceName") or "",
            user=cells.text(row, "user_id", "userId"),
            session=cells.text(row, "session_id", "sessionId"),
            tags=cells.texts(row, "tags", "trace_tags", "traceTags"),
            metadata=metadata,
            prompt=row.get("input") or None,
            foreign_cost=cells.dollars(row, "total_cost", "totalCost", "calculatedTotalCost"),
            doubts=doubts,
        )


def _id_of(name: str | None, kind: str = "") -> Any:  # noqa: ANN401 - an id or nothing
    return None if name is None else foreign_uuid("langfuse", f"{kind}:{name}" if kind else name)


def _usage(row: cells.Row) -> tuple[TokenUsage | None, tuple[str, ...]]:
    """The tokens of a row, and what is open about them."""
    details = dict(cells.mapping(row, *_USAGE))
    for name, names in (("input", _INPUT), ("output", _OUTPUT), ("total", _TOTAL)):
        if details.get(name) is None:
            details[name] = cells.count(row, *names)
    if str(details.get("unit") or "TOKENS").upper() != "TOKENS":
        cells.refuse(f"its usage is counted in {details['unit']}, not in tokens")
    if details["input"] is None and details["output"] is None:
        return None, ()
    return _buckets(details)


def _buckets(details: Mapping[str, Any]) -> tuple[TokenUsage, tuple[str, ...]]:
    """Langfuse counts cached and reasoning tokens beside input and output; a total that says otherwise is believed."""
    given = cells.count(details, "input") or 0
    answered = cells.count(details, "output") or 0
    read, audio = cells.count(details, *_READ) or 0, cells.count(details, *_AUDIO) or 0
    write_1h = cells.count(details, *_WRITE_1H) or 0
    write_5m = cells.count(details, *_WRITE_5M) or max(0, (cells.count(details, *_WRITE) or 0) - write_1h)
    reasoning, audio_out = cells.count(details, *_REASONING) or 0, cells.count(details, *_AUDIO_OUT) or 0
    inside, inside_out = read + write_5m + write_1h + audio, reasoning + audio_out
    total = cells.count(details, "total")
    if inside + inside_out and total == given + answered and inside <= given and inside_out <= answered:
        given, answered = given - inside, answered - inside_out
    doubts = () if _KNOWN.issuperset(details) else ("its usage has kinds of tokens that are not known here",)
    return TokenUsage(given, read, write_5m, write_1h, audio, answered, reasoning, audio_out), doubts
