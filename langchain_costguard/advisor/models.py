"""Which calls a cheaper model may answer: as a cascade has found on this ledger, or a sibling of unknown quality."""

from __future__ import annotations

import re
from math import ceil, sqrt
from typing import TYPE_CHECKING, Final

from langchain_costguard.advisor.changes import MILLION, SCENARIOS, Changes, OtherModel
from langchain_costguard.advisor.proposals import Proposal
from langchain_costguard.advisor.rates import Pricer
from langchain_costguard.advisor.reading import outermost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_costguard.advisor.calls import Calls, Trial
    from langchain_costguard.advisor.rates import PriceGroup
    from langchain_costguard.pricing.book import PriceBook

_FEWEST_TRIALS: Final = 30
_DEVIATIONS: Final = 3.29
"""The interval of a share holds in 999 of 1,000 cases."""
_DATE: Final = re.compile(r"-(\d{8}|\d{4}-\d\d-\d\d)$")
_SMALLER: Final = (
    (re.compile(r"opus"), "sonnet"),
    (re.compile(r"sonnet"), "haiku"),
    (re.compile(r"-pro$"), "-flash"),
    (re.compile(r"-flash$"), "-flash-lite"),
    (re.compile(r"-large"), "-small"),
    (re.compile(r"-mini$"), "-nano"),
    (re.compile(r"^((?:gpt|o\d)[^:]*?)(?<!-mini)(?<!-nano)$"), r"\1-mini"),
)
"""How houses name the next smaller model of a family."""


def cheaper_models(
    calls: Calls, prices: PriceBook, alternatives: Mapping[str, str] | None = None
) -> Iterator[Proposal]:
    """Calls of a model that has a cheaper one beside it.

    Args:
        calls: all calls.
        prices: the price book.
        alternatives: for a model the cheaper one to compare it with, as the user says.

    Yields:
        One proposal per chain and model that a cascade was tried on (low and expected: the lower end of the share that
        it accepted), and one per model that has a sibling (low and expected zero: nobody has compared answers).
    """
    pricer, named = Pricer(prices), dict(alternatives or {})
    tried: set[int] = set()
    for (chain, full, small), trial in calls.trials.items():
        numbers = [n for n, group in enumerate(calls.groups) if _is_open(group, full, chain)]
        if trial.small >= _FEWEST_TRIALS and numbers:
            proposal = _tried(calls, pricer, numbers, (chain, full, small), trial)
            if proposal is not None:
                tried.update(numbers)
                yield proposal
    models: dict[str, list[int]] = {}
    for number, group in enumerate(calls.groups):
        if number not in tried and not group.is_chosen and group.has_rates:
            models.setdefault(group.question.model, []).append(number)
    for model, numbers in models.items():
        proposal = _sibling(calls, pricer, prices, numbers, model, named.get(model))
        if proposal is not None:
            yield proposal


def share_between(count: int, of: int, later: int) -> tuple[float, float]:
    """Between which shares it will happen in later calls, by Wilson's interval.

    Both samples have their chance: so many calls tell of so many others what `1 / (1 / of + 1 / later)` calls tell of
    the share itself.

    Args:
        count: how often it happened.
        of: how often it could have.
        later: for how many calls it is asked.
    """
    share, square = count / of, _DEVIATIONS**2
    told = 1 / (1 / of + 1 / later)
    middle = (share + square / (2 * told)) / (1 + square / told)
    reach = _DEVIATIONS / (1 + square / told) * sqrt(share * (1 - share) / told + square / (4 * told * told))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _is_open(group: PriceGroup, model: str, chain: str) -> bool:
    names = {group.question.model, _DATE.sub("", group.question.model)}
    return not group.is_chosen and group.has_rates and model in names and outermost(group.chain) == chain


def _tried(
    calls: Calls, pricer: Pricer, numbers: list[int], names: tuple[str, str, str], trial: Trial
) -> Proposal | None:
    chain, full, small = names
    accepted = max(0, trial.small - trial.full)
    low, high = share_between(accepted, trial.small, len(calls.in_groups(numbers)))
    refused = {"low": 1 - low, "expected": 1 - low, "high": 1 - high}
    shares = {name: ceil(refused[name] * MILLION) for name in SCENARIOS}
    models: dict[int, OtherModel] = {}
    for number in numbers:
        found = pricer.other_model(calls.groups[number], small)
        if found is not None:
            models[number] = OtherModel(*found, dict.fromkeys(SCENARIOS, MILLION), shares)
    if not models:
        return None
    where = calls.in_groups(list(models))
    return Proposal(
        technique="cascade",
        target=chain or full,
        title=f"Ask {small} first",
        where=where,
        changes=dict.fromkeys(SCENARIOS, Changes(models=models)),
        evidence=(
            f"a cascade asked {small} first for {trial.small:,} calls{f' of {chain}' if chain else ''} and kept "
            f"{accepted:,} of its answers ({accepted / trial.small:.0%}); {len(where):,} calls went to {full} at once"
        ),
        figures={"tried": trial.small, "accepted": accepted, "calls": len(where)},
        code=f"model = Cascade.calibrated([{_variable(small)}, {_variable(full)}], examples, "
        "target=QualityTarget(0.95))",
    )


def _sibling(
    calls: Calls, pricer: Pricer, prices: PriceBook, numbers: list[int], model: str, named: str | None
) -> Proposal | None:
    groups = calls.groups
    for small in (named,) if named else smaller_names(model):
        if not named and not _is_listed(prices, small, groups[numbers[0]].question.provider):
            continue
        models: dict[int, OtherModel] = {}
        for number in numbers:
            found = pricer.other_model(groups[number], small)
            if found is not None and sum(found[0]) < sum(groups[number].own):
                asked = {"low": 0, "expected": 0, "high": MILLION}
                full = {name: MILLION - share for name, share in asked.items()}
                models[number] = OtherModel(*found, asked, full)  # type: ignore[arg-type] # keys are the scenarios
        if models:
            where = calls.in_groups(list(models))
            return Proposal(
                technique="cascade",
                target=model,
                title=f"Find out what {small} can answer",
                where=where,
                changes=dict.fromkeys(SCENARIOS, Changes(models=models)),
                evidence=f"{len(where):,} calls went to {model}; {small} is the cheaper one beside it. Nothing in the "
                "ledger says how many of the answers would be as good, so none to all of the difference is the range",
                figures={"calls": len(where)},
                code=f"model = Cascade.calibrated([{_variable(small)}, {_variable(model)}], examples, "
                "target=QualityTarget(0.95))",
            )
    return None


def smaller_names(model: str) -> tuple[str, ...]:
    """The names that the next smaller model of a family may have.

    Example:
        >>> smaller_names("gpt-4o-2024-08-06"), smaller_names("claude-sonnet-4-5")
        (('gpt-4o-mini',), ('claude-haiku-4-5',))
    """
    plain = _DATE.sub("", model)
    made = (pattern.sub(other, plain) for pattern, other in _SMALLER)
    return tuple(dict.fromkeys(name for name in made if name != plain))


def _is_listed(prices: PriceBook, model: str, provider: str | None) -> bool:
    found = prices.catalog.find(model, provider)
    return found is not None and model in {found.model, _DATE.sub("", found.model)}


def _variable(model: str) -> str:
    name = re.sub(r"\W+", "_", model).strip("_")
    return name if name.isidentifier() else f"model_{name}"
