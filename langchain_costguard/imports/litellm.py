"""What a row of LiteLLM's spend logs says: one request through the proxy (the table `LiteLLM_SpendLogs`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard.imports import cells
from langchain_costguard.imports.calls import ForeignCall
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from langchain_costguard.ledger import CallKind

_KINDS: Final[tuple[tuple[str, CallKind], ...]] = (
    ("embedding", "embedding"),
    ("text_completion", "llm"),
    ("completion", "chat"),
    ("responses", "chat"),
    ("anthropic_messages", "chat"),
    ("generate_content", "chat"),
)
"""What the name of a call's type ends with or holds, and its kind; other calls (images, speech) are `manual`."""

_TRUE: Final = frozenset({"True", "true", "t"})
"""True as LiteLLM writes it, as JSON does and as PostgreSQL's own export does."""
_KEPT: Final = ("team_id", "organization_id", "model_group", "user_api_key_alias", "user_api_key_team_alias")


class LiteLLMSpendLogs:
    """Spend logs of a LiteLLM proxy, as its database or its API gives them."""

    source: Final = "litellm"
    title: Final = "export of LiteLLM_SpendLogs"
    required: Final = (
        ("request_id",),
        ("startTime", "start_time"),
        ("model",),
        ("prompt_tokens",),
        ("completion_tokens",),
    )
    advice: Final = "export the table LiteLLM_SpendLogs with its header, or what /spend/logs answers"

    def read(self, row: cells.Row) -> ForeignCall | None:
        """The call of a row.

        Raises:
            UnreadableRow: something in it cannot be read.
        """
        metadata = cells.mapping(row, "metadata")
        failed = cells.text(row, "status") == "failure"
        fault = cells.mapping(metadata, "error_information")
        return ForeignCall(
            source=self.source,
            id=cells.needed_text(row, "request_id"),
            started_at_us=cells.needed_moment_us(row, "startTime", "start_time"),
            ended_at_us=cells.moment_us(row, "endTime", "end_time"),
            first_token_at_us=_first_token(row),
            kind=_kind(cells.text(row, "call_type") or "completion"),
            status="error" if failed else "cached" if cells.text(row, "cache_hit") in _TRUE else "ok",
            error=(cells.text(fault, "error_class") or "error") if failed else None,
            model=cells.text(row, "model"),
            provider=cells.text(row, "custom_llm_provider"),
            usage=_usage(row, metadata),
            user=cells.text(row, "end_user") or cells.text(row, "user"),
            session=cells.text(row, "session_id"),
            tags=cells.texts(row, "request_tags"),
            metadata={name: value for name in _KEPT if (value := row.get(name) or metadata.get(name))},
            prompt=_prompt(row),
            foreign_cost=cells.dollars(row, "spend"),
        )


def _kind(call_type: str) -> CallKind:
    return next((kind for name, kind in _KINDS if name in call_type), "manual")


def _first_token(row: cells.Row) -> int | None:
    """The moment of the first token; LiteLLM repeats the end where nothing was streamed."""
    moment = cells.moment_us(row, "completionStartTime")
    return None if moment == cells.moment_us(row, "endTime", "end_time") else moment


def _usage(row: cells.Row, metadata: cells.Row) -> TokenUsage | None:
    """The tokens: `prompt_tokens` has the cached ones in it; the usage object in the metadata tells them apart."""
    reported = cells.mapping(metadata, "usage_object")
    details, answered = (
        cells.mapping(reported, "prompt_tokens_details"),
        cells.mapping(reported, "completion_tokens_details"),
    )
    given = cells.count(row, "prompt_tokens")
    if given is None:
        cells.refuse("it has no prompt_tokens")
    return TokenUsage.from_langchain(
        {
            "input_tokens": given,
            "output_tokens": cells.count(row, "completion_tokens") or 0,
            "total_tokens": cells.count(row, "total_tokens"),
            "input_token_details": {
                "cache_read": cells.count(reported, "cache_read_input_tokens")
                or cells.count(details, "cached_tokens")
                or 0,
                "cache_creation": cells.count(reported, "cache_creation_input_tokens")
                or cells.count(details, "cache_creation_tokens")
                or 0,
                "audio": cells.count(details, "audio_tokens") or 0,
            },
            "output_token_details": {
                "reasoning": cells.count(answered, "reasoning_tokens") or 0,
                "audio": cells.count(answered, "audio_tokens") or 0,
            },
        }
    )


def _prompt(row: cells.Row) -> object:
    """The messages, where the proxy stores prompts."""
    messages = row.get("messages")
    return None if messages in (None, "", "{}", "[]", {}, []) else messages
