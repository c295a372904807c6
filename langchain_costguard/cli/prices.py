"""`prices`: what a model costs, in every tier the list knows, with the list's name and date."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import epilog, fail, print_json, print_table, warn_if_stale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.cost import PriceSource
    from langchain_costguard.pricing import PriceBook, RateCard

EPILOG: Final = epilog(
    "prices gpt-4o",
    "prices claude-sonnet-4-5 --provider anthropic --json",
    "prices gpt-4o --at 2026-01-31",
    "prices gpt-4o --update data.json",
)
_TIERS: Final = ("flex", "priority", "fast")
_MTOK_DIGITS: Final = 6


class _Rates(NamedTuple):
    """The rates of a model in one tier, up to or above one length of the input."""

    tier: str
    above_input_tokens: int | None
    usd_per_mtok: dict[str, Decimal | None]
    usd_per_call: Decimal
    source: PriceSource

    @property
    def heading(self) -> str:
        if self.above_input_tokens is None:
            return self.tier
        return f"{self.tier} > {self.above_input_tokens:,}"


def prices(
    model: Annotated[str, typer.Argument(help="A model, in any form LangChain writes it.")],
    *,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who serves it, where its name does not say.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="DATE", help="The prices of that day. Default: today's.")] = None,
    update: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Check this price list, and price by it: the data.json of genai-prices ..."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the rates of a model: source, version, day they took effect, and every tier that is listed.

    --update reads a newer list and says whether it is in order; in Python it is used by
    PriceBook(catalog=Catalog.from_file(FILE)).
    """
    moment = options.moment(at, "--at") or datetime.now(UTC)
    book = options.price_book(update)
    _refuse_unknown_provider(book, provider)
    found = list(_rates(book, model, provider, moment.timestamp()))
    if not found:
        fail(book.why_unpriced(model, provider, at=moment))
    if as_json:
        print_json(_as_dict(book, model, found))
    else:
        _print(book, found)
    warn_if_stale(book.catalog)


def _refuse_unknown_provider(book: PriceBook, provider: str | None) -> None:
    """Refuse a provider nobody knows, whose prices would be those of somebody else."""
    import difflib

    from langchain_costguard.pricing.names import LISTED, PROVIDERS, SELF_HOSTED, catalogue_provider

    listed = {entry.provider for entry in book.catalog.entries()}
    known = listed | LISTED | SELF_HOSTED | PROVIDERS.keys()
    name = catalogue_provider(provider)
    if name is None or name in known:
        return
    near = difflib.get_close_matches(name, sorted(known), n=3) or sorted(listed)
    fail(f"{provider} is no provider of the price list: give one such as {', '.join(near)}, or leave --provider out")


def _rates(book: PriceBook, model: str, provider: str | None, at: float) -> Iterator[_Rates]:
    """The standard rates first; nothing if there are none."""
    from langchain_costguard.pricing import RateCard

    standard = book.resolve(model, provider, at=at)
    if not isinstance(standard, RateCard):
        return
    yield from _of_card("standard", standard)
    batch = book.resolve(model, provider, batch=True, at=at)
    if isinstance(batch, RateCard):
        yield from _of_card("batch", batch)
    shown = [standard.rates]
    for tier in _TIERS:
        card = book.resolve(model, provider, service_tier=tier, at=at)
        if isinstance(card, RateCard) and card.rates not in shown:
            shown.append(card.rates)
            yield from _of_card(tier, card)


def _of_card(tier: str, card: RateCard) -> Iterator[_Rates]:
    from langchain_costguard.pricing.rates import BUCKETS

    per_call = Decimal(card.per_call).scaleb(-card.scale)
    for above, rates, source in ((None, card.rates, card.source), *reversed(card.steps)):
        usd = {
            bucket: None if position in card.unpriced else Decimal(rate).scaleb(_MTOK_DIGITS - card.scale)
            for position, (bucket, rate) in enumerate(zip(BUCKETS, rates, strict=True))
        }
        yield _Rates(tier, above, usd, per_call, source)


def _as_dict(book: PriceBook, model: str, found: list[_Rates]) -> dict[str, Any]:
    catalog = book.catalog
    return {
        "model": model,
        "price_list": {"source": catalog.source, "version": catalog.version, "dated": catalog.dated.isoformat()},
        "prices": [
            {
                "tier": rates.tier,
                "above_input_tokens": rates.above_input_tokens,
                "usd_per_mtok": {
                    bucket: None if usd is None else _plain(usd) for bucket, usd in rates.usd_per_mtok.items()
                },
                "usd_per_call": _plain(rates.usd_per_call),
                "source": rates.source._asdict(),
            }
            for rates in found
        ],
    }


def _print(book: PriceBook, found: list[_Rates]) -> None:
    from langchain_costguard.reports.money import dollars
    from langchain_costguard.reports.notes import list_in_use

    source = found[0].source
    typer.echo(f"{source.provider}/{source.model}, US dollars per million tokens\n")
    rows = [
        (bucket, *("-" if (usd := rates.usd_per_mtok[bucket]) is None else dollars(usd) for rates in found))
        for bucket in found[0].usd_per_mtok
    ]
    if any(rates.usd_per_call for rates in found):
        rows.append(("each call", *(dollars(rates.usd_per_call) for rates in found)))
    rows.append(("in force since", *(rates.source.effective_from or "not said" for rates in found)))
    print_table(("", *(rates.heading for rates in found)), rows)
    typer.echo(f"\n{list_in_use(book.catalog)}")


def _plain(usd: Decimal) -> str:
    return f"{usd.normalize():f}"
