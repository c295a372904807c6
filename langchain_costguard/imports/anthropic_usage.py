"""What a row of Anthropic's own usage report says: the tokens of a time bucket, added up."""

from __future__ import annotations

from typing import Final

from langchain_costguard.imports import cells
from langchain_costguard.imports.aggregates import Groups
from langchain_costguard.imports.calls import ForeignCall
from langchain_costguard.usage import TokenUsage

_MODEL: Final = ("model", "model_version")
_TIER: Final = ("service_tier", "usage_type")
_KEY: Final = ("api_key_id", "api_key")
_WORKSPACE: Final = ("workspace_id", "workspace")
_GROUPED_BY: Final = (_KEY, _WORKSPACE, _MODEL, _TIER, ("context_window",), ("inference_geo",), ("speed",))
_MORE_GROUPS: Final = (("account_id",), ("service_account_id",))
_NO_PLACE: Final = frozenset({"global", "not_available"})
_SHORT_CONTEXT: Final = 200_000
_LONG_CONTEXT: Final = 1_000_000
_NO_REQUESTS: Final = "it does not say how many requests it was: `calls` is the fewest that can hold its tokens"
_NO_TIER: Final = "it does not say its service tier, and is priced as standard: export grouped by service_tier"
_NO_WINDOW: Final = "it does not say its context window, and is priced as up to 200k: export grouped by context_window"
_SEARCHES: Final = "it has web searches, whose fee is not in its cost"


class AnthropicUsage:
    """Usage of an organisation: results of the usage report for messages, or the console's CSV."""

    source: Final = "anthropic"
    title: Final = "usage export of Anthropic"
    required: Final = (
        ("usage_date_utc", "starting_at"),
        _MODEL,
        ("usage_input_tokens_no_cache", "uncached_input_tokens"),
        ("usage_output_tokens", "output_tokens"),
    )
    advice: Final = (
        "export token usage (not cost) grouped by model, service_tier and context_window from the console or the "
        "usage report of the Admin API"
    )

    def __init__(self) -> None:
        """Begin a file."""
        self._groups = Groups()

    def read(self, row: cells.Row) -> ForeignCall | None:
        """The calls of a row, `None` where nothing was used.

        Raises:
            UnreadableRow: something in it cannot be read.
        """
        usage = _usage(row)
        if not any(usage.counts):
            return None
        tier = cells.text(row, *_TIER)
        speed = cells.text(row, "speed")
        place = cells.text(row, "inference_geo")
        started = cells.needed_moment_us(row, "starting_at", "usage_date_utc")
        names = (*_GROUPED_BY, *_MORE_GROUPS)
        group = (started, cells.moment_us(row, "ending_at"), *(cells.text(row, *name) for name in names))
        kept = {"api_key": _KEY, "workspace": _WORKSPACE, "context_window": ("context_window",)}
        return ForeignCall(
            source=self.source,
            id=self._groups.name(group, usage.counts),
            started_at_us=started,
            kind="manual",
            calls=_fewest_calls(row, usage.input_tokens),
            model=cells.text(row, *_MODEL),
            provider="anthropic",
            service_tier="fast" if speed == "fast" else None if tier in {None, "batch"} else tier,
            region=None if place in _NO_PLACE else place,
            batch=tier == "batch",
            usage=usage,
            user=cells.text(row, "account_id"),
            metadata={
                name: value for name, value in ((name, cells.text(row, *of)) for name, of in kept.items()) if value
            },
            doubts=_doubts(row, tier),
        )


def _usage(row: cells.Row) -> TokenUsage:
    """The tokens: input without the cache, the cache beside it."""
    written = cells.mapping(row, "cache_creation")
    given = cells.count(row, "uncached_input_tokens", "usage_input_tokens_no_cache")
    answered = cells.count(row, "output_tokens", "usage_output_tokens")
    if given is None or answered is None:
        cells.refuse(f"it has no {'uncached_input_tokens' if given is None else 'output_tokens'}")
    return TokenUsage(
        uncached_input=given,
        cache_read=cells.count(row, "cache_read_input_tokens", "usage_input_tokens_cache_read") or 0,
        cache_write_5m=_written(row, written, "5m"),
        cache_write_1h=_written(row, written, "1h"),
        output_text=answered,
    )


def _written(row: cells.Row, written: cells.Row, lifetime: str) -> int:
    in_json = cells.count(written, f"ephemeral_{lifetime}_input_tokens")
    return in_json or cells.count(row, f"usage_input_tokens_cache_write_{lifetime}") or 0


def _is_long(row: cells.Row) -> bool:
    """Whether the requests were beyond 200,000 input tokens each: `200k-1M`, or `> 200k` in the console's words."""
    window = (cells.text(row, "context_window") or "").replace(" ", "").lower()
    return window.startswith(("200k-", ">"))


def _fewest_calls(row: cells.Row, input_tokens: int) -> int:
    """The fewest requests that can hold so many tokens in this context window."""
    return max(1, -(-input_tokens // (_LONG_CONTEXT if _is_long(row) else _SHORT_CONTEXT)))


def _doubts(row: cells.Row, tier: str | None) -> tuple[str, ...]:
    tools = cells.mapping(row, "server_tool_use")
    searches = cells.count(tools, "web_search_requests") or cells.count(row, "web_search_count")
    found = {
        _NO_REQUESTS: True,
        _NO_TIER: tier is None,
        _NO_WINDOW: cells.text(row, "context_window") is None,
        _SEARCHES: bool(searches),
    }
    return tuple(doubt for doubt, is_open in found.items() if is_open)
