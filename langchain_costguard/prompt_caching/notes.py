"""What else a reader of a plan should know: where sources disagree, what was not asked, what happens unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard.tokens.counting import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from langchain_costguard.prompt_caching.deciding import Decision
    from langchain_costguard.prompt_caching.forecasting import Traffic
    from langchain_costguard.prompt_caching.rules import CacheRules

_A_MINUTE: Final = 60


def notes_on(
    rules: CacheRules | None,
    decision: Decision,
    traffic: Traffic,
    *,
    grows: bool,
    turn_gap: timedelta | None,
    model: str,
) -> tuple[str, ...]:
    """The notes of a plan."""
    return () if rules is None else tuple(_notes(rules, decision, traffic, grows=grows, turn_gap=turn_gap, model=model))


def _notes(
    rules: CacheRules,
    decision: Decision,
    traffic: Traffic,
    *,
    grows: bool,
    turn_gap: timedelta | None,
    model: str,
) -> Iterator[str]:
    method = count_tokens("", model).method
    if method.endswith(("~", "3.6")):
        yield f"{model}'s tokenizer is not on this machine: tokens are counted with {method}, a few per cent off."
    for other in rules.disagreements:
        yield f"the minimum of {rules.min_tokens:,} is disputed: {other.min_tokens:,} by {other.source}."
    if grows and turn_gap is None and rules.max_breakpoints:
        yield "the conversation grows: give turn_gap= to have its end cached too."
    if rules.writes_unasked and decision.worth_it is False:
        yield "left alone this model writes long prompts anyway, at the price of a write: apply() turns that off."
    if rules.control == "cached_contents":
        yield (
            "apply() changes nothing: implicit caching needs nothing and promises nothing; the figures are those of "
            "an explicit cache, which is made with the provider's client and given as cached_content=."
        )
    limit, minutes = rules.calls_per_minute_per_key, traffic.seconds / _A_MINUTE
    if limit is not None and minutes and traffic.calls / minutes > limit:
        yield f"above {limit} calls a minute with one key some calls reach a machine without the prefix."
