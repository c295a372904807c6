"""The price list: from a model's name, its context and a moment to a rate card, or to why there is none."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.cost import PriceSource
from langchain_costguard.pricing import additions, genai, lists
from langchain_costguard.pricing.compiling import Span, Tiered, compile_card, has_token_price
from langchain_costguard.pricing.genai import STANDARD_TIERS, Listed, Unlisted
from langchain_costguard.pricing.names import candidates, is_not_openais, is_self_hosted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_prices.types import ModelInfo, Provider

    from langchain_costguard.pricing.additions import Additions
    from langchain_costguard.pricing.rates import RateCard

_REMEMBERED: Final = 4096
"""How many names and cards a catalogue keeps at hand; unknown names count, so that they cannot fill the memory."""

_HOMES: Final = ("openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "cohere", "voyageai", "perplexity")
"""Whose lists are asked for a bare name that no provider claims, such as `text-embedding-3-small`."""

_FREE_SUFFIX: Final = ":free"
_ZERO: Final = {"input_mtok": Tiered(Decimal(0)), "output_mtok": Tiered(Decimal(0))}


class Context(NamedTuple):
    """What else than the model decides the price."""

    tier: str | None = None
    """The service tier in lower case, `None` for the standard one."""
    batch: bool = False
    """Whether the call went through the provider's Batch API."""
    region: str | None = None
    """Where the provider was told to process the call, in lower case; `None` for anywhere."""


STANDARD: Final = Context()
"""The standard price, anywhere."""


class Entry(NamedTuple):
    """A model of the list."""

    provider: str
    """The provider as the list names it."""
    model: str
    """The model as the list names it."""
    name: str
    """The name it was found under."""
    info: ModelInfo | None
    """The list's own record; `None` for a model that only the additions have."""
    own: bool
    """Whether the record stands in the provider's own list, not in one it borrows from."""
    addition: int
    """Which of the additions has it; meaningless where `info` is set."""

    def __hash__(self) -> int:
        """By name: the list's records cannot be hashed."""
        return hash(self[:3])


class Catalog:
    """One price list with our additions, compiled into rate cards as they are needed and kept while they hold.

    Thread-safe. Nothing global is read or changed: a process may hold several, old and new.
    """

    def __init__(
        self, providers: tuple[Provider, ...], *added: Additions, source: str, version: str, dated: date
    ) -> None:
        """Use the parts of a list; `bundled` and `from_file` are the usual ways.

        Args:
            providers: the providers of genai-prices.
            added: additions; the models of those that are asked first come first.
            source: the name of the list, for the provenance of costs.
            version: the version of the list, for the provenance of costs.
            dated: the day of the list.
        """
        self.source = source
        """The name of the list."""
        self.version = version
        """The version of the list."""
        self.dated = dated
        """The day of the list; see `bundled` and `from_file` for how it is known."""
        self.providers = providers
        """The providers of the list."""
        self.added = added
        """What is added to it, in the order in which it is asked."""
        self._providers = {provider.id: provider for provider in providers}
        self._contracts = {rule.provider for part in added[:-1] for rule in part.models}
        self._all = list(providers)
        self._find = lru_cache(_REMEMBERED)(self._find_now)
        self._cards = lru_cache(_REMEMBERED)(_Cards)
        self._dearest = lru_cache(64)(self._dearest_now)

    @classmethod
    def bundled(cls) -> Catalog:
        """The list of the installed genai-prices with our additions, read once per process.

        genai-prices does not say how old it is. For the versions we tested, the day is recorded with our additions:
        the newest price of the list that had taken effect when it was published. For other versions it is the newest
        price in the list that has taken effect by today, so a list is never called newer than its newest price.
        """
        return _bundled()

    @classmethod
    def from_file(cls, path: str | Path, *, dated: date | None = None) -> Catalog:
        """A newer list from a file, without a new release of this package.

        Args:
            path: the `data.json` that the genai-prices project publishes, or a list with the schema of our
                additions (`"schema": "costguard-prices/1"`), whose models win over the bundled list.
            dated: the day of the list; if not given, what the file says, else the newest price in it.

        Raises:
            PriceFormatError: the file cannot be read, or has another schema.
        """
        raw = lists.read(Path(path))
        if isinstance(raw, dict):
            own = additions.parse(raw, path=str(path))
            bundled = cls.bundled()
            return cls(
                bundled.providers,
                own,
                *bundled.added,
                source=bundled.source,
                version=f"{bundled.version}+{own.name} {own.dated}",
                dated=dated or date.fromisoformat(own.dated),
            )
        providers = genai.parse(raw, path=str(path))
        day = dated or lists.newest_price(providers)
        return cls(providers, lists.overlay(), source="genai-prices", version=f"file {day.isoformat()}", dated=day)

    def age_days(self, today: date | None = None) -> int:
        """How old the list is, in days.

        Args:
            today: the day to count from; the current day in UTC if not given.
        """
        return ((today or datetime.now(UTC).date()) - self.dated).days

    def card(
        self, model: str, provider: str | None = None, context: Context = STANDARD, *, at: float | None = None
    ) -> RateCard | Unlisted:
        """The price of a model.

        Args:
            model: its name, in any of the forms a LangChain user meets.
            provider: who served it, as LangChain (`ls_provider`) or the list names it.
            context: the tier, the Batch API and the region.
            at: when the call was made, in seconds since 1970-01-01 UTC; now if not given.

        Returns:
            The card, or why there is none. Both say from when until when they hold.
        """
        if is_self_hosted(provider, model):
            return Unlisted(_self_hosted(model, provider), Span())
        if is_not_openais(model, provider):
            return Unlisted(_not_openais(model), Span())
        entry = self._find(model, provider)
        if entry is None:
            return Unlisted(_unknown(model, provider), Span())
        moment = datetime.now(UTC).timestamp() if at is None else at
        return self._cards(self, entry, context).at(moment)

    def find(self, model: str, provider: str | None = None) -> Entry | None:
        """The list's own entry for a model; `None` if it has none."""
        has_no_list = is_self_hosted(provider, model) or is_not_openais(model, provider)
        return None if has_no_list else self._find(model, provider)

    def entries(self, provider: str | None = None) -> Iterator[Entry]:
        """The models of the list under their own names.

        Args:
            provider: only those of this provider, as the list names it.
        """
        for listed in self._all:
            if provider in {None, listed.id}:
                for info in listed.models:
                    yield Entry(listed.id, info.id, info.id.lower(), info, own=True, addition=0)

    def homes(self) -> Iterator[Entry]:
        """The models of the great houses, under whose lists a bare name is looked for."""
        for home in _HOMES:
            yield from self.entries(home)

    def dearest(self, provider: str | None) -> RateCard | None:
        """A card that no model of a provider exceeds today, whatever its tier and the length of its input.

        Args:
            provider: the provider as the list names it; `None` or an unknown one for the dearest of all.
        """
        return self._dearest(provider if provider in self._providers else None, datetime.now(UTC).date())

    def _find_now(self, model: str, provider: str | None) -> Entry | None:
        names = candidates(model, provider)
        for name in names:
            is_known = name.provider in self._providers or name.provider in self._contracts
            entry = self._entry(name.provider or "", name.name) if is_known else self._entry_anywhere(name.name)
            if entry is not None:
                return entry
        return next((_free(name.name) for name in names if _is_free(name.provider, name.name)), None)

    def _entry(self, provider: str, name: str) -> Entry | None:
        """The model in a provider's list. A file's own models come before the list, our additions after it."""
        for number, added in enumerate(self.added[:-1]):
            if (model := added.has_model(provider, name)) is not None:
                return Entry(provider, model, name, None, own=True, addition=number)
        listed = self._providers.get(provider)
        if listed is None:
            return None
        info = listed.find_model(name, all_providers=self._all)
        if info is not None:
            return Entry(provider, info.id, name, info, own=any(info is own for own in listed.models), addition=0)
        for home in (provider, *(listed.fallback_model_providers or ())):
            if self.added and (model := self.added[-1].has_model(home, name)) is not None:
                return Entry(provider, model, name, None, own=home == provider, addition=len(self.added) - 1)
        return None

    def _entry_anywhere(self, name: str) -> Entry | None:
        """The model by its name alone: with the provider that claims such names, else with the great houses."""
        claiming = [listed.id for listed in self._all if listed.model_match and listed.model_match.is_match(name)]
        homes = dict.fromkeys([*claiming, *_HOMES, *sorted(self._contracts)])
        found = (self._entry(home, name) for home in homes)
        return next((entry for entry in found if entry is not None and entry.own), None)

    def _compile(self, entry: Entry, context: Context, moment: float) -> RateCard | Unlisted:
        listed = self._listed(entry, context, moment)
        if isinstance(listed, Unlisted):
            return listed
        prices, span = dict(listed.prices), listed.span
        notes = [listed.context] if listed.context else []
        source = self.added[entry.addition].name if entry.info is None and self.added else self.source
        for added in self.added if entry.info is not None else ():
            extra, extra_span = added.missing_rates(entry.provider, entry.name, moment)
            span = span.overlap(extra_span)
            if extra.keys() - prices.keys():
                notes.append(f"{added.name} rates")
            prices = {**extra, **prices}
        if not prices and entry.name.endswith(_FREE_SUFFIX):
            prices = dict(_ZERO)
        if not has_token_price(prices):
            return Unlisted(f"the price list has no token price for {entry.model}: give an override for it", span)
        factor = Decimal(1)
        if context.region is not None:
            for added in self.added:
                uplift, uplift_span = added.uplift(entry.provider, entry.name, context.region, moment)
                factor, span = factor * uplift, span.overlap(uplift_span)
            if factor != 1:
                notes.append(f"region {context.region} x{factor}")
        return compile_card(
            prices,
            source=PriceSource(
                source, self.version, entry.provider, entry.model, ", ".join(notes), listed.effective_from
            ),
            span=span,
            factor=factor,
        )

    def _listed(self, entry: Entry, context: Context, moment: float) -> Listed | Unlisted:
        tier = context.tier
        batch = context.batch or tier == "batch"
        tier = None if tier == "batch" else tier
        for added in self.added:
            tier = added.tier_as(entry.provider, tier) if tier else tier
        if entry.info is None:
            return self._added_price(entry, None if tier in STANDARD_TIERS else tier, batch=batch, moment=moment)
        listed = genai.listed(entry.info, own=entry.own, tier=tier, batch=batch, moment=moment)
        is_moving = any(added.is_moving(entry.provider, entry.name) for added in self.added)
        if is_moving and isinstance(listed, Listed) and not listed.effective_from:
            return Unlisted(
                f"{entry.name} is a name that {entry.provider} moves from model to model, and the price list does not "
                "say since when its price holds: ask for the model by its full name, or give an override",
                listed.span,
            )
        return listed

    def _added_price(self, entry: Entry, tier: str | None, *, batch: bool, moment: float) -> Listed | Unlisted:
        if _is_free(entry.provider, entry.name):
            return Listed(_ZERO, Span(), "", "free by its name")
        added = self.added[entry.addition]
        home = (
            entry.provider if entry.own else next(rule.provider for rule in added.models if rule.model == entry.model)
        )
        rules = added.model(home, entry.name, batch=batch, tier=tier or "")
        span = Span.around(moment, [rule.since for rule in rules])
        rule = next((rule for rule in rules if rule.since <= moment), None)
        if rule is None:
            kind = ", ".join(filter(None, ("batch" if batch else "", tier))) or "standard"
            return Unlisted(f"there is no {kind} price for {entry.model} at that time: give an override for it", span)
        context = ", ".join(filter(None, ("batch" if batch else "", tier)))
        return Listed(rule.prices, span, rule.effective_from, context)

    def _dearest_now(self, provider: str | None, today: date) -> RateCard | None:
        moment = datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp()
        tiers = (None, "priority", "fast")
        cards = [
            card
            for entry, tier in product(self.entries(provider), tiers)
            if not isinstance(card := self._compile(entry, Context(tier), moment), Unlisted)
        ]
        if not cards:
            return None
        scale = max(card.scale for card in cards)
        columns = zip(*([rate * 10 ** (scale - card.scale) for rate in card.dearest()] for card in cards), strict=True)
        source = PriceSource(self.source, self.version, provider or "all", "the dearest of each rate", "upper bound")
        call = max(card.per_call * 10 ** (scale - card.scale) for card in cards)
        return cards[0].dearer(tuple(max(column) for column in columns), scale=scale, per_call=call, source=source)


class _Cards:
    """The cards of one model in one context: one for each stretch of time that was asked for."""

    __slots__ = ("_catalog", "_context", "_entry", "_known")

    _MOST = 16

    def __init__(self, catalog: Catalog, entry: Entry, context: Context) -> None:
        self._catalog = catalog
        self._entry = entry
        self._context = context
        self._known: tuple[tuple[Span, RateCard | Unlisted], ...] = ()

    def at(self, moment: float) -> RateCard | Unlisted:
        for span, known in self._known:
            if span.holds(moment):
                return known
        found = self._catalog._compile(self._entry, self._context, moment)  # noqa: SLF001 - its other half
        span = found.span if isinstance(found, Unlisted) else Span(found.valid_from, found.valid_until)
        self._known = ((span, found), *self._known[: self._MOST - 1])
        return found


@cache
def _bundled() -> Catalog:
    providers, version = genai.bundled()
    day = lists.day_of_bundled(providers, version)
    return Catalog(providers, lists.overlay(), source="genai-prices", version=version, dated=day)


def _is_free(provider: str | None, name: str) -> bool:
    """OpenRouter serves a model for nothing where its name ends in `:free`."""
    return provider == "openrouter" and name.endswith(_FREE_SUFFIX)


def _free(name: str) -> Entry:
    return Entry("openrouter", name, name, None, own=True, addition=-1)


def _self_hosted(model: str, provider: str | None) -> str:
    return (
        f"{model} is served by {provider or 'your own machine'}, which has no price list: give "
        f"overrides={{{model!r}: gpu_hour(usd)}} for a machine you pay for, or free()"
    )


def _not_openais(model: str) -> str:
    return (
        f"{model} was called with OpenAI's client, but OpenAI does not sell it, and who served it is not known: give "
        f"overrides={{{model!r}: gpu_hour(usd)}} or free() for a server of your own, or provider= to name who bills it"
    )


def _unknown(model: str, provider: str | None) -> str:
    if not model.strip():
        return "the call does not name its model: give model="
    whose = f" of {provider}" if provider else ""
    return f"no price list has the model {model!r}{whose}: give overrides={{{model!r}: per_token(input, output)}}"
