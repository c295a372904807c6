"""What one row of a foreign export says of a call, and the ledger line it becomes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from langchain_costguard import tags as keys
from langchain_costguard.recorder import LineMaker, Outcome, StartedCall

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from langchain_costguard.ledger import CallKind, CallStatus, LedgerEntry
    from langchain_costguard.usage import TokenUsage

IMPORTED_FROM: Final = "imported_from"
"""The metadata key that names the source of an imported line."""
IMPORTED_ID: Final = "imported_id"
"""The metadata key of the id that the source gave the call."""
IMPORTED_COST: Final = "imported_cost_usd"
"""The metadata key of the cost that the source had computed: a text, so that it stays exact. It is never booked."""

_MOST_NANO_USD: Final = 10**16


@dataclass(slots=True, kw_only=True)
class ForeignCall:
    """One call, or several added up, as another system saw it."""

    source: str
    id: str
    """The source's own id of it, or what stands for one."""
    started_at_us: int
    model: str | None
    usage: TokenUsage | None
    run_id: UUID | None = None
    """LangChain's own run id, where the source kept it; made of source and id where it did not."""
    parent_run_id: UUID | None = None
    root_run_id: UUID | None = None
    kind: CallKind = "chat"
    status: CallStatus = "ok"
    response_model: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    region: str | None = None
    batch: bool = False
    calls: int = 1
    ended_at_us: int | None = None
    first_token_at_us: int | None = None
    chain: str = ""
    error: str | None = None
    user: str | None = None
    session: str | None = None
    thread: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    prompt: Any = None
    """What was asked, for its digests only."""
    foreign_cost: Decimal | None = None
    """What the source computed, in US dollars."""
    doubts: tuple[str, ...] = ()
    """What the row leaves open, one short sentence each; the same words for the same doubt."""


def foreign_uuid(source: str, name: str) -> UUID:
    """The id under which a call of a source is booked: always the same, so that importing twice books once.

    Args:
        source: the source.
        name: its own id.
    """
    whole = name.encode("utf-8", "backslashreplace").decode()  # JSON can hold half a character, which has no bytes
    return uuid5(NAMESPACE_URL, f"langchain-costguard:{source}:{whole}")


def line_of(call: ForeignCall, maker: LineMaker) -> LedgerEntry:
    """The ledger line of a foreign call, priced at the moment it began.

    Args:
        call: the call.
        maker: makes lines with the prices and the digests of a ledger.
    """
    run_id = call.run_id or foreign_uuid(call.source, call.id)
    prompt = None if call.usage is None else call.prompt  # with a prompt and no usage the tokens would be estimated
    started = StartedCall(run_id, call.kind, prompt, _prompt_text)
    started.started_at_us = call.started_at_us
    started.is_timed = False
    started.parent_run_id, started.root_run_id = call.parent_run_id, call.root_run_id
    started.chain, started.provider, started.region = call.chain, call.provider, call.region
    started.request_model, started.tags, started.metadata = call.model, call.tags, _metadata(call)
    outcome = Outcome(
        call.status, call.usage, call.response_model, call.service_tier, error=call.error, calls=call.calls
    )
    entry = maker.finished(started, outcome, started.started_ns)
    entry.latency_us = _since(call.started_at_us, call.ended_at_us)
    entry.first_token_us = _since(call.started_at_us, call.first_token_at_us)
    return entry


def is_possible(entry: LedgerEntry) -> bool:
    """Whether a ledger can hold what the line costs."""
    return all(
        nano is None or abs(nano) <= _MOST_NANO_USD for nano in (entry.billed_nano, entry.list_nano, entry.avoided_nano)
    )


def _metadata(call: ForeignCall) -> dict[str, Any]:
    """The call's metadata as a run would carry it, with where the line comes from."""
    people = {"user": call.user, "session": call.session, "thread_id": call.thread}
    found = {**call.metadata, **{name: value for name, value in people.items() if value is not None}}
    if call.batch:
        found[keys.BATCH] = True
    found[IMPORTED_FROM] = call.source
    found[IMPORTED_ID] = call.id
    if call.foreign_cost is not None:
        found[IMPORTED_COST] = f"{call.foreign_cost:f}"
    return found


def _prompt_text(prompt: Any) -> str:  # noqa: ANN401 - whatever a source kept of a prompt
    """A prompt as text whose beginnings are equal where its first messages are."""
    if isinstance(prompt, str):
        return prompt
    messages = prompt if isinstance(prompt, list) else [prompt]
    return "\n".join(json.dumps(message, ensure_ascii=False, default=str) for message in messages)


def _since(started_at_us: int, later_us: int | None) -> int | None:
    return None if later_us is None or later_us < started_at_us else later_us - started_at_us
