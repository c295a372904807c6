"""What a row of a LangSmith export says: a run, as the API, the SDK or a table gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from langchain_costguard.imports import cells
from langchain_costguard.imports.calls import ForeignCall, foreign_uuid
from langchain_costguard.usage import TokenUsage, is_replayed, read_usage

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODEL_TYPES: Final = {"llm": "chat", "embedding": "embedding"}


class LangSmithExport:
    """Runs of LangSmith; those that are no model call are passed over.

    A run keeps LangChain's own id: a call that this package recorded as well is booked once.
    """

    source: Final = "langsmith"
    title: Final = "LangSmith export of runs"
    required: Final = (("id",), ("run_type",), ("start_time",))
    advice: Final = "export runs with id, run_type, start_time, extra, prompt_tokens and completion_tokens"

    def read(self, row: cells.Row) -> ForeignCall | None:
        """The call of a row, `None` where the row is none.

        Raises:
            UnreadableRow: something in it cannot be read.
        """
        kind = _MODEL_TYPES.get(cells.needed_text(row, "run_type"))
        if kind is None:
            return None
        extra = cells.mapping(row, "extra")
        metadata = {**cells.mapping(row, "metadata"), **cells.mapping(extra, "metadata")}
        id_ = cells.needed_text(row, "id")
        ended = cells.moment_us(row, "end_time")
        reported, usage = _usage(row, metadata)
        failed = cells.text(row, "status") == "error" or cells.first(row, "error")[1] is not None
        started = cells.needed_moment_us(row, "start_time")
        return ForeignCall(
            source=self.source,
            id=id_,
            run_id=_uuid(id_),
            parent_run_id=_uuid(cells.text(row, "parent_run_id")),
            root_run_id=_uuid(cells.text(row, "trace_id")),
            started_at_us=started,
            ended_at_us=ended,
            first_token_at_us=cells.moment_us(row, "first_token_time"),
            kind="chat" if kind == "chat" else "embedding",
            status=_status(failed=failed, is_open=ended is None and usage is None, reported=reported),
            error="error" if failed else None,
            model=_model(row, metadata, extra),
            provider=cells.text(metadata, "ls_provider"),
            service_tier=None if reported is None else read_usage(reported)[1],
            usage=usage,
            tags=cells.texts(row, "tags"),
            metadata={name: value for name, value in metadata.items() if name != "usage_metadata"},
            prompt=_prompt(row),
            foreign_cost=cells.dollars(row, "total_cost"),
        )


def _status(*, failed: bool, is_open: bool, reported: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - a CallStatus
    if failed:
        return "error"
    if reported is not None and is_replayed(reported):
        return "cached"
    return "lost" if is_open else "ok"


def _uuid(name: str | None) -> UUID | None:
    if name is None:
        return None
    try:
        return UUID(name)
    except ValueError:
        return foreign_uuid(LangSmithExport.source, name)


def _model(row: cells.Row, metadata: cells.Row, extra: cells.Row) -> str | None:
    asked = cells.mapping(extra, "invocation_params")
    return cells.text(metadata, "ls_model_name") or cells.text(asked, "model", "model_name") or cells.text(row, "model")


def _usage(row: cells.Row, metadata: cells.Row) -> tuple[Mapping[str, Any] | None, TokenUsage | None]:
    """The usage as it was reported, and as buckets: LangChain's own, else the columns that LangSmith added up."""
    outputs = cells.mapping(row, "outputs")
    for holder in (metadata, outputs, _message(outputs)):
        reported = holder.get("usage_metadata")
        if isinstance(reported, Mapping) and reported.get("input_tokens") is not None:
            return reported, _checked(reported)
    given = cells.count(row, "prompt_tokens", "input_tokens")
    answered = cells.count(row, "completion_tokens", "output_tokens")
    if given is None and answered is None:
        return None, None
    reported = {
        "input_tokens": given or 0,
        "output_tokens": answered or 0,
        "total_tokens": cells.count(row, "total_tokens"),
        "input_token_details": cells.mapping(row, "prompt_token_details", "input_token_details"),
        "output_token_details": cells.mapping(row, "completion_token_details", "output_token_details"),
    }
    return reported, _checked(reported)


def _checked(reported: Mapping[str, Any]) -> TokenUsage | None:
    """The buckets, if every count is one; a text that is a count is read as one."""
    counts: dict[str, Any] = {**reported, **_counts(reported, ("input_tokens", "output_tokens", "total_tokens"))}
    for name in ("input_token_details", "output_token_details"):
        if isinstance(details := reported.get(name), Mapping):
            counts[name] = {**details, **_counts(details, details)}
    return TokenUsage.from_langchain(counts)


def _counts(row: cells.Row, names: Iterable[str]) -> dict[str, int]:
    found = {name: cells.count(row, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _message(outputs: cells.Row) -> Mapping[str, Any]:
    """The first message of `{"generations": [[{"message": {"kwargs": ...}}]]}`, as LangChain's tracer writes it."""
    found: Any = outputs.get("generations")
    while isinstance(found, list) and found:
        found = found[0]
    for name in ("message", "kwargs"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _prompt(row: cells.Row) -> Any:  # noqa: ANN401 - whatever was sent
    inputs = cells.mapping(row, "inputs")
    return inputs.get("messages") or inputs.get("prompts") or inputs.get("prompt") or inputs or None
