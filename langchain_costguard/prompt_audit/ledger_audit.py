"""What a ledger tells about prompts without holding any: the share of input, what repeats, what begins alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard.recorder.lines import PREFIX_BLOCK_BYTES
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.pricing import PriceBook
    from langchain_costguard.reports.view import Table


class ChainAudit(NamedTuple):
    """What the calls of one chain to one model have in common."""

    chain: str
    """The names of the runs around the calls; empty for a bare model."""
    model: str | None
    """The model."""
    calls: int
    """How many calls."""
    input_tokens: int
    """Their input tokens."""
    output_tokens: int
    """Their output tokens."""
    input_cost: Decimal | None
    """What the input cost at today's rates, in US dollars; `None` where a price is not known."""
    output_cost: Decimal | None
    """What the output cost, likewise."""
    repeated_calls: int
    """Calls whose very prompt was sent before: a cache would have answered them."""
    shared_prefix_bytes: int
    """At least so many bytes begin all prompts alike; in whole blocks of 4,096. Prompts up to that long say nothing."""
    cached_tokens: int
    """Input tokens that were read from the provider's prompt cache."""


class LedgerAudit(tuple[ChainAudit, ...]):
    """The chains of a ledger, those with most input first: a tuple that shows itself as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The table as text."""
        from langchain_costguard.reports.text import table_as_text

        return table_as_text(self._table).rstrip()

    def _repr_html_(self) -> str:
        from langchain_costguard.reports.html import table_as_html

        return table_as_html(self._table)

    @property
    def _table(self) -> Table:
        from langchain_costguard.reports.money import plain
        from langchain_costguard.reports.view import Table

        columns = {
            "Chain (model)": [plain(f"{row.chain or 'bare model'} ({row.model or 'unknown'})") for row in self],
            "Calls": [f"{row.calls:,}" for row in self],
            "Input": [f"{row.input_tokens:,}" for row in self],
            "Output": [f"{row.output_tokens:,}" for row in self],
            "Cost in input": [_share(row) for row in self],
            "Repeated": [f"{row.repeated_calls:,}" for row in self],
            "From cache": [f"{row.cached_tokens:,}" for row in self],
            "Shared start": [f"{row.shared_prefix_bytes:,} B" for row in self],
        }
        return Table("", tuple(columns), tuple(zip(*columns.values(), strict=True)))


def audit_ledger(entries: Iterable[LedgerEntry], prices: PriceBook) -> LedgerAudit:
    """Group the lines by chain and model, and look at each group."""
    groups: defaultdict[tuple[str, str | None], list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        if entry.usage is not None and entry.kind in {"chat", "llm"} and entry.status != "cached":
            groups[entry.chain, entry.model].append(entry)
    rows = [_chain(chain, model, lines, prices) for (chain, model), lines in groups.items()]
    return LedgerAudit(sorted(rows, key=lambda row: -row.input_tokens))


def _chain(chain: str, model: str | None, lines: Sequence[LedgerEntry], prices: PriceBook) -> ChainAudit:
    usages = [line.usage for line in lines if line.usage is not None]
    whole = reduce(TokenUsage.combined, usages)
    digests = Counter(line.prompt_digest for line in lines if line.prompt_digest is not None)
    read = whole._replace(output_text=0, reasoning=0, audio_output=0)
    written = TokenUsage(output_text=whole.output_text, reasoning=whole.reasoning, audio_output=whole.audio_output)
    provider = lines[0].provider
    return ChainAudit(
        chain=chain,
        model=model,
        calls=len(lines),
        input_tokens=whole.input_tokens,
        output_tokens=whole.output_tokens,
        input_cost=_cost(read, model, provider, prices),
        output_cost=_cost(written, model, provider, prices),
        repeated_calls=sum(times - 1 for times in digests.values()),
        shared_prefix_bytes=_shared(lines) * PREFIX_BLOCK_BYTES,
        cached_tokens=whole.cache_read,
    )


def _shared(lines: Sequence[LedgerEntry]) -> int:
    """How many blocks all prompts begin with alike; none where there is but one prompt."""
    prompts = {line.prompt_digest: line.prefix_digests for line in lines}
    if len(prompts) < 2:  # noqa: PLR2004 - one prompt shares nothing
        return 0
    shared = 0
    for blocks in zip(*prompts.values(), strict=False):
        if len(set(blocks)) > 1:
            break
        shared += 1
    return shared


def _cost(usage: TokenUsage, model: str | None, provider: str | None, prices: PriceBook) -> Decimal | None:
    cost = None if model is None else prices.price(usage, model=model, provider=provider)
    return None if cost is None else cost.total


def _share(row: ChainAudit) -> str:
    """How much of the cost is input."""
    if row.input_cost is None or row.output_cost is None:
        return "unknown"
    whole = row.input_cost + row.output_cost
    return f"{100 * row.input_cost / whole:.0f} %" if whole else "free"
