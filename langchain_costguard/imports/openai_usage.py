"""What a row of OpenAI's own usage report says: the calls of a time bucket, added up."""

from __future__ import annotations

from typing import Final

from langchain_costguard.imports import cells
from langchain_costguard.imports.aggregates import Groups
from langchain_costguard.imports.calls import ForeignCall
from langchain_costguard.usage import TokenUsage

_GROUPED_BY: Final = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source")
_ADVICE_BATCH: Final = "it does not say whether it was batch, and is priced as not: export grouped by batch"
_ADVICE_IMAGES: Final = "it has image tokens, which are priced as text"


class OpenAIUsage:
    """Usage of an organisation: results of the usage API for completions and embeddings, or the dashboard's CSV."""

    source: Final = "openai"
    title: Final = "usage export of OpenAI"
    required: Final = (("start_time", "start_time_iso"), ("input_tokens",), ("num_model_requests",))
    advice: Final = (
        "export usage (completions or embeddings, not costs, which `reconcile()` takes) grouped by model, batch and "
        "service_tier"
    )

    def __init__(self) -> None:
        """Begin a file."""
        self._groups = Groups()

    def read(self, row: cells.Row) -> ForeignCall | None:
        """The calls of a row, `None` where nothing was used.

        Raises:
            UnreadableRow: something in it cannot be read.
        """
        given = cells.count(row, "input_tokens")
        answered = cells.count(row, "output_tokens") or 0
        calls = cells.count(row, "num_model_requests")
        if not given and not answered and not calls:
            _refuse_costs(row)
            return None
        if given is None or not calls:
            cells.refuse("it has no input_tokens" if given is None else "it has tokens and no num_model_requests")
        read = cells.count(row, "input_cached_tokens") or 0
        written = cells.count(row, "input_cache_write_tokens") or 0
        audio = cells.count(row, "input_audio_tokens") or 0
        audio_out = cells.count(row, "output_audio_tokens") or 0
        if read + written + audio > given or audio_out > answered:
            cells.refuse("its cached and audio tokens are more than all of its tokens")
        usage = TokenUsage(
            uncached_input=given - read - written - audio,
            cache_read=read,
            cache_write_5m=written,
            audio_input=audio,
            output_text=answered - audio_out,
            audio_output=audio_out,
        )
        started = cells.needed_moment_us(row, "start_time", "start_time_iso")
        ended = cells.moment_us(row, "end_time", "end_time_iso")
        batch = cells.flag(row, "batch")
        group = (started, ended, *(cells.text(row, name) for name in _GROUPED_BY if name != "batch"), batch)
        return ForeignCall(
            source=self.source,
            id=self._groups.name(group, (usage.counts, calls)),
            started_at_us=started,
            kind="manual",
            calls=calls,
            model=cells.text(row, "model"),
            provider="openai",
            service_tier=cells.text(row, "service_tier"),
            batch=bool(batch),
            usage=usage,
            user=cells.text(row, "user_id"),
            metadata={name: row[name] for name in ("project_id", "api_key_id") if row.get(name)},
            doubts=_doubts(row, batch),
        )


def _refuse_costs(row: cells.Row) -> None:
    """Tell a row of the costs report from a bucket in which nothing was used."""
    if cells.first(row, "amount", "amount_value")[1] is not None:
        cells.refuse("it is a cost, not usage")


def _doubts(row: cells.Row, batch: bool | None) -> tuple[str, ...]:
    is_embedding = "embeddings" in (cells.text(row, "object") or "")
    images = (cells.count(row, "input_image_tokens") or 0) + (cells.count(row, "output_image_tokens") or 0)
    found = [_ADVICE_BATCH] if batch is None and not is_embedding else []
    return (*found, _ADVICE_IMAGES) if images else tuple(found)
