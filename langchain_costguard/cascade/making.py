"""What a cascade is made of, checked when it is made: its tiers, who judges them, and what they are asked with."""

# ruff: noqa: ANN401 - questions, answers and tiers are of any kind

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from langchain_costguard.cascade.acceptance import as_signal
from langchain_costguard.cascade.course import OnDraft, Plan
from langchain_costguard.cascade.steps import OnError, OnRefused, Rules
from langchain_costguard.cascade.tiers import (
    baseline_of,
    check_tiers,
    in_one_piece,
    model_of,
    name_of,
    structured,
    with_settings,
    with_tools,
)
from langchain_costguard.cascade.uncertainty import NotUncertain
from langchain_costguard.exceptions import UncalibratedSignalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.acceptance import AnySignal
    from langchain_costguard.cascade.verdicts import Signal


def make_plan(
    tiers: Sequence[Runnable[Any, Any]],
    accept: AnySignal | Sequence[AnySignal] | None = None,
    *,
    names: Sequence[str] | None = None,
    on_refused: OnRefused = "best",
    on_error: OnError = "escalate",
    on_draft: OnDraft = "hide",
) -> Plan:
    """The plan of a cascade; see `Cascade` for its arguments.

    Raises:
        ValueError: there are fewer than two tiers, the signals or names are not as many, a signal needs what its
            tier's provider cannot do, or `on_refused`, `on_error` or `on_draft` is none of the words it may be.
        UncalibratedSignalError: a signal has no threshold.
        TypeError: a tier is no model, the tiers answer with different things, or a signal is none.
    """
    if not hasattr(tiers, "__iter__"):
        msg = f"{tiers!r} is no list of models: give two or more models as `tiers`, `[mini, full]`."
        raise TypeError(msg)
    given = tuple(tiers)
    _check_choices(on_refused=(on_refused, OnRefused), on_error=(on_error, OnError), on_draft=(on_draft, OnDraft))
    signals = _signals(accept, len(given))
    rules = Rules(
        len(given), on_refused=on_refused, on_error=on_error, is_last_judged=bool(signals) and signals[-1] is not None
    )
    check_tiers(given)
    _check_calibrated(signals)
    if names is not None and len(names) != len(given):
        msg = f"There are {len(names)} names for {len(given)} tiers: give one of each in `names`, or none at all."
        raise ValueError(msg)
    settings = tuple(
        {} if signal is None else dict(signal.settings(model_of(tier)))
        for signal, tier in zip(signals, given, strict=True)
    )
    return Plan(
        rules=rules,
        tiers=given,
        asked=_asked(given, settings),
        signals=signals,
        settings=settings,
        names=tuple(names) if names is not None else tuple(map(name_of, given)),
        baseline=baseline_of(given[-1]),
        on_draft=on_draft,
    )


def plan_with_tools(plan: Plan, tools: Sequence[Any], **settings: Any) -> Plan:
    """The plan of the same cascade with tools bound to each tier, in each provider's form."""
    asked = _asked([with_tools(tier, tools, **settings) for tier in plan.tiers], plan.settings)
    return replace(plan, asked=asked, tools=tuple(tools))


def plan_with_schema(plan: Plan, schema: Any, *, include_raw: bool, **settings: Any) -> Plan:
    """The plan of the same cascade whose answers have a schema."""
    asked = _asked([structured(tier, schema, **settings) for tier in plan.tiers], plan.settings)
    return replace(plan, asked=asked, schema=schema, is_structured=True, include_raw=include_raw)


def _asked(
    tiers: Sequence[Runnable[Any, Any]], settings: Sequence[Mapping[str, Any]]
) -> tuple[Runnable[Any, Any], ...]:
    """The tiers with what their signals need; all but the last answer in one piece."""
    asked = tuple(map(with_settings, tiers, settings))
    return (*map(in_one_piece, asked[:-1]), *asked[-1:])


def _signals(accept: AnySignal | Sequence[AnySignal] | None, tiers: int) -> tuple[Signal | None, ...]:
    """Who judges each tier; one signal judges all but the last."""
    if not isinstance(accept, (list, tuple)):
        one = NotUncertain() if accept is None else as_signal(accept)
        return (*(one for _ in range(tiers - 1)), *(None for _ in range(tiers and 1)))
    if len(accept) not in {tiers - 1, tiers}:
        msg = (
            f"There are {len(accept)} signals for {tiers} tiers: give one to `accept`, one for each tier but the last, "
            "or one for each."
        )
        raise ValueError(msg)
    found: list[Signal | None] = [as_signal(one) for one in accept]
    return tuple(found) if len(found) == tiers else (*found, None)


def _check_choices(**choices: tuple[Any, Any]) -> None:
    """Refuse words that say nothing.

    Raises:
        ValueError: there is one.
    """
    for name, (given, known) in choices.items():
        if given not in get_args(known):
            msg = f"{name}={given!r} is not known: give {' or '.join(map(repr, get_args(known)))} as `{name}`."
            raise ValueError(msg)


def _check_calibrated(signals: Sequence[Signal | None]) -> None:
    """Refuse signals that cannot judge yet.

    Raises:
        UncalibratedSignalError: there is one.
    """
    for signal in signals:
        if signal is not None and not signal.is_calibrated:
            msg = (
                f"{signal!r} has no threshold: give it one, `threshold=`, or have one found, "
                "`Cascade.calibrated(tiers, examples, signal=...)`."
            )
            raise UncalibratedSignalError(msg)
