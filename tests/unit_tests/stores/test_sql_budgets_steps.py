"""The steps of budgets in a database, without one: from the rows that were read to what is answered and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.budgets.claims import OVERRUN_NOTE, Charge, Claim, Settlement
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.owners import Owner
from langchain_costguard.stores.sql_budgets_admission import Asked, admitting, gone
from langchain_costguard.stores.sql_budgets_counters import Counters
from langchain_costguard.stores.sql_budgets_ends import charging, expiring, settling
from langchain_costguard.stores.sql_budgets_statements import Statement, budget_statements_for
from langchain_costguard.testing.claims import TODAY, make_claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.stores.sql_budgets_step import Outcome, Step

SQL = budget_statements_for("sqlite")
QUESTION = Statement("what the owner holds")
ROLLING = make_claim(30, slot_us=TODAY, since_us=TODAY - 10)


def row(spent: int = 0, reserved: int = 0, *, slot_us: int = TODAY, frozen: str | None = None, told: str = "") -> Any:
    """A counter's row, with an overrun of 2 and one refusal."""
    return ("usd/day", slot_us, "usd", spent, reserved, 2, 1, frozen, told)


def held(claim: Claim, key: str = "call", state: str = "open") -> tuple[Any, ...]:
    """A reservation's row."""
    alerts = ",".join(map(str, claim.alerts_ppm))
    named = (claim.counter, claim.slot_us, claim.since_us, claim.budget, claim.unit)
    return (key, state, *named, claim.amount, claim.limit, int(claim.refuses), int(claim.charges_lost), alerts)


def decide(step: Step[Any], *answers: Sequence[Any]) -> Outcome[Any]:
    """What a step comes to, given its answers and nobody to expire."""
    return step.decide(answers, lambda statements: [[] for _ in statements])


def added(outcome: Outcome[Any]) -> list[tuple[Any, ...]]:
    """What is added to counters: slot, spent, reserved, unsettled, overrun, refused, why frozen, what was told."""
    statements = [one for one in outcome.writes if one.sql in {SQL.add, SQL.add_told}]
    return [(values[1], *values[4:]) for _, values in statements]


# -- expiring -------------------------------------------------------------------------------------------------------


def test_what_a_dead_process_held_is_charged_and_stays_to_be_corrected() -> None:
    """Nobody knows whether its call was billed; a hard budget takes it as spent."""
    claim = make_claim(30, alerts_ppm=(500_000,))
    outcome = decide(expiring([claim], QUESTION, SQL), [held(claim)], [row(25, 30)], [])
    assert added(outcome) == [(TODAY, 30, -30, 30, 0, 0, None, "500000")]
    assert outcome.writes[-1] == Statement(SQL.mark, ("charged", "call", "usd/day", TODAY))
    (crossing,) = outcome.result
    assert crossing[1:] == ("threshold", 500_000, 100, 55, 0)


def test_what_a_soft_budget_held_for_a_dead_process_is_let_go() -> None:
    """It only watches: a charge that nobody made would raise its alerts for nothing."""
    claim = make_claim(30, charges_lost=False, alerts_ppm=(100_000,))
    outcome = decide(expiring([claim], QUESTION, SQL), [held(claim)], [row(25, 30)], [])
    assert (outcome.result, added(outcome)) == ((), [(TODAY, 0, -30, 0, 0, 0, None, "")])
    assert outcome.writes[-1] == Statement(SQL.mark, ("released", "call", "usd/day", TODAY))


def test_a_reservation_with_a_counter_that_is_not_locked_is_left_for_the_next_time() -> None:
    """It began after the question was asked; expiring half of it would charge the rest to nobody."""
    known, late = make_claim(30), make_claim(5, "usd/week")
    step = expiring([known], QUESTION, SQL)
    rows = [held(known, "old"), held(known, "new"), held(late, "new")]
    outcome = decide(step, rows, [row(0, 65)], [])
    assert added(outcome) == [(TODAY, 30, -30, 30, 0, 0, None, "")]
    assert [one.row[1] for one in outcome.writes if one.sql == SQL.mark] == ["old"]
    assert (step.locks, step.reads[0], step.is_repeatable) == (["usd/day"], QUESTION, True)


# -- settling -------------------------------------------------------------------------------------------------------


def test_a_late_settlement_takes_back_what_the_expiry_had_charged() -> None:
    """The process was only slow; its call is charged once, as it was."""
    claim = make_claim(30)
    step = settling(Settlement("call", (Charge(claim, 10),)), SQL)
    outcome = decide(step, [held(claim, state="charged")], [row(30)], [])
    assert (outcome.result.is_applied, added(outcome)) == (True, [(TODAY, -20, 0, -30, 0, 0, None, "")])
    assert Statement(SQL.drop, ("call",)) in outcome.writes


def test_a_late_settlement_of_what_was_let_go_is_charged_and_takes_nothing_back() -> None:
    """Taking it back twice would let the budget spend more than its limit."""
    claim = make_claim(30, charges_lost=False)
    step = settling(Settlement("call", (Charge(claim, 10),)), SQL)
    assert added(decide(step, [held(claim, state="released")], [row()], [])) == [(TODAY, 10, 0, 0, 0, 0, None, "")]


def test_an_unknown_reservation_is_settled_by_its_line_alone() -> None:
    """A settlement that was repeated must not charge again, and its line must not be lost."""
    line = Statement("the line")
    step = settling(Settlement("call", (Charge(make_claim(30), 10),)), SQL, [line])
    outcome = decide(step, [], [row(5)], [])
    assert (outcome.result.is_applied, outcome.result.crossings, list(outcome.writes)) == (False, (), [line])


def test_an_overrun_is_what_goes_beyond_the_reservation_and_freezes_once() -> None:
    """The figure says by how much the bound was wrong; the freeze keeps the next call from repeating it."""
    claim = make_claim(30)
    step = settling(Settlement("call", (Charge(claim, 42, freezes=True),)), SQL)
    outcome = decide(step, [held(claim)], [row(10, 30)], [])
    assert added(outcome) == [(TODAY, 42, -30, 0, 12, 0, OVERRUN_NOTE, "overrun")]
    (crossing,) = outcome.result.crossings
    assert crossing[1:] == ("overrun", 520_000, 100, 52, 0)
    again = decide(step, [held(claim)], [row(10, 30, frozen="by hand", told="overrun")], [])
    assert (again.result.crossings, added(again)) == ((), [(TODAY, 42, -30, 0, 12, 0, None, "overrun")])


def test_exactly_what_was_reserved_is_no_overrun() -> None:
    """The bound held: nothing to tell, nothing to freeze."""
    claim = make_claim(30)
    outcome = decide(settling(Settlement("call", (Charge(claim, 30, freezes=True),)), SQL), [held(claim)], [row()], [])
    assert (outcome.result.crossings, added(outcome)) == ((), [(TODAY, 30, -30, 0, 0, 0, None, "")])


# -- charging -------------------------------------------------------------------------------------------------------


def test_what_nobody_reserved_is_all_overrun_and_a_correction_is_none() -> None:
    """Charges without a reservation are the share of spending that no budget could refuse."""
    claim = make_claim(0)
    step = charging([Charge(claim, 12), Charge(claim, -5)], SQL)
    assert added(decide(step, [row(1)], [])) == [(TODAY, 7, 0, 0, 12, 0, None, "")]
    assert step.is_repeatable is False


# -- admitting ------------------------------------------------------------------------------------------------------


def ask_for(*claims: Claim, **asked: Any) -> Step[Any]:
    """The step of a reservation."""
    return admitting(Asked("call", claims, 1_000, 500, **asked), SQL, may_wait_for_expiry=False)


def test_the_limit_itself_fits_and_one_more_does_not() -> None:
    """The one comparison that every budget rests on."""
    fits = decide(ask_for(make_claim(30)), [], [row(50, 20)], [])
    assert (fits.result.is_admitted, added(fits)) == (True, [(TODAY, 0, 30, 0, 0, 0, None, "")])
    full = decide(ask_for(make_claim(30)), [], [row(50, 21)], [])
    (refusal,) = full.result.refusals
    assert refusal[1:] == (100, 50, 21, "full", "")
    assert added(full) == [(TODAY, 0, 0, 0, 0, 1, None, "refused")]


def test_a_hold_is_kept_with_the_end_of_its_lease_and_all_that_a_settlement_needs() -> None:
    """Another process must be able to expire it, to the nano-dollar, after its owner died."""
    claim = make_claim(30, alerts_ppm=(500_000, 1_000_000))
    outcome = decide(ask_for(claim, opening=(Statement("the opening"),)), [], [], [])
    assert outcome.writes[-1] == Statement("the opening")
    ((_, values),) = [one for one in outcome.writes if one.sql == SQL.hold]
    assert values[:12] == (
        *("call", "usd/day", TODAY, TODAY, "usd/day", "usd", 30, 100, True, True, "500000,1000000", 1_500),
    )


def test_only_the_first_refusal_of_a_window_is_told_and_every_one_is_counted() -> None:
    """A service at its limit refuses thousands of calls a minute, and one alert is enough."""
    outcome = decide(ask_for(make_claim(30)), [], [row(90, told="refused")], [])
    assert (outcome.result.crossings, added(outcome)) == ((), [(TODAY, 0, 0, 0, 0, 1, None, "refused")])


def test_a_soft_budget_that_does_not_fit_counts_and_holds_and_tells_no_refusal() -> None:
    """It refuses nothing: an alert that says so would be wrong."""
    outcome = decide(ask_for(make_claim(30, refuses=False)), [], [row(90)], [])
    assert (outcome.result.is_admitted, outcome.result.crossings) == (True, ())
    assert [refusal.spent for refusal in outcome.result.exceeded] == [90]
    assert added(outcome) == [(TODAY, 0, 30, 0, 0, 1, None, "")]


def test_a_rolling_window_counts_every_slot_from_its_first_and_none_before() -> None:
    """One slot too few lets the budget spend more than its limit in its length."""
    rows = [row(40, slot_us=TODAY - 11), row(30, 5, slot_us=TODAY - 10), row(20, 15)]
    outcome = decide(ask_for(ROLLING), [], rows, [])
    assert outcome.result.is_admitted
    more = decide(ask_for(ROLLING._replace(amount=31)), [], rows, [])
    assert more.result.refusals[0][1:4] == (100, 50, 20)


def test_several_claims_on_one_counter_are_answered_from_the_earliest_slot_on() -> None:
    """One question for both: what only the later needs is among it."""
    early = ROLLING._replace(slot_us=TODAY - 5, since_us=TODAY - 15)
    (question, setting) = Counters([ROLLING, early], SQL).reads()
    assert question == Statement(SQL.window, ("usd/day", TODAY - 15))
    assert setting == Statement(SQL.setting, ("usd/day",))
    assert Counters([ROLLING], SQL).reads()[0] == Statement(SQL.window, ("usd/day", TODAY - 10))
    assert Counters([make_claim()], SQL).reads()[0] == Statement(SQL.slot, ("usd/day", TODAY))


def test_what_an_operator_has_set_goes_before_what_the_code_says() -> None:
    """Otherwise a deploy would have to happen before a limit can be raised or a budget stopped."""
    raised = decide(ask_for(make_claim(30)), [], [row(90)], [(200, None)])
    assert raised.result.is_admitted
    frozen = decide(ask_for(make_claim(30)), [], [row(0, frozen="an overrun")], [(None, "by hand")])
    assert frozen.result.refusals[0][1:] == (100, 0, 0, "frozen", "by hand")


def test_headroom_is_what_the_limit_leaves_and_nothing_of_a_frozen_counter() -> None:
    """It is leased ahead of calls, so that any more than this would overrun."""
    counters = Counters([make_claim()], SQL)
    counters.read([[row(50, 20)], []])
    assert counters.headroom(make_claim()) == 30
    counters.read([[row(50, 20, frozen="an overrun")], []])
    assert counters.headroom(make_claim()) == 0


def test_only_rows_that_changed_are_written_in_the_order_of_their_counters() -> None:
    """A fixed order is what keeps two processes from waiting for each other."""
    claims = [make_claim(1, "b"), make_claim(1, "a"), make_claim(1, "c")]
    counters = Counters(claims, SQL)
    counters.read([[], [], [("c", TODAY, "usd", 5, 0, 0, 0, None, "")], [], [], []])
    counters.slot(claims[0]).add(spent=1)
    counters.slot(claims[1]).add(spent=1)
    assert [statement.row[0] for statement in counters.writes()] == ["a", "b"]


@pytest.mark.parametrize("figure", [{"spent": 2**63}, {"reserved": 2**63}, {"overrun": 2**63}, {"spent": -(2**63)}])
def test_a_figure_that_no_database_holds_is_refused_before_it_is_written(figure: dict[str, int]) -> None:
    """SQLite would make a float of it, and the sums would be wrong from then on."""
    counters = Counters([make_claim()], SQL)
    counters.slot(make_claim()).add(**figure)
    with pytest.raises(StoreError, match="give smaller amounts"):
        counters.writes()


def test_the_largest_figure_that_a_database_holds_is_written() -> None:
    """The bound is what 63 bits hold, and no less."""
    counters = Counters([make_claim()], SQL)
    counters.slot(make_claim()).add(spent=2**63 - 1)
    assert counters.writes()[0].row[4] == 2**63 - 1


def test_figures_add_up_within_a_step() -> None:
    """Two charges that each fit may not fit together."""
    counters = Counters([make_claim()], SQL)
    for _ in range(2):
        counters.slot(make_claim()).add(overrun=2**62)
    with pytest.raises(StoreError, match="give smaller amounts"):
        counters.writes()


def test_only_an_extension_asks_for_what_is_still_open() -> None:
    """A reservation that is repeated finds the one that was settled since, and must not hold again."""
    asked = (ask_for(make_claim()), ask_for(make_claim(), extends=True))
    assert [(step.reads[0], step.is_repeatable) for step in asked] == [
        (Statement(SQL.is_reserved, ("call",)), True),
        (Statement(SQL.is_open, ("call",)), False),
    ]
    with pytest.raises(LookupError, match="reserve anew"):
        decide(asked[1], [], [], [])
    again = decide(ask_for(make_claim(), opening=(Statement("the opening"),)), [(1,)], [row(90)], [])
    assert (again.result.is_admitted, list(again.writes)) == (True, [Statement("the opening")])


def test_a_process_on_another_machine_is_gone_when_its_lease_is_over() -> None:
    """Nobody here can see whether it lives; while its lease runs, what it holds is held."""
    rows = [("another-machine", 1, "then", 500)]
    assert gone(rows, 499) == []
    assert gone(rows, 500) == [(Owner("another-machine", 1, "then"), 500)]


def test_what_was_told_is_written_only_where_something_was() -> None:
    """Written each time, two steps at once would forget what the other had told."""
    plain, told = (decide(ask_for(make_claim(amount)), [], [row(50)], []) for amount in (10, 90))
    assert [outcome.writes[0].sql for outcome in (plain, told)] == [SQL.add, SQL.add_told]


def test_every_step_names_the_counters_that_it_locks_in_their_order() -> None:
    """A counter that is not locked is one that two processes spend at once."""
    claims = (make_claim(1, "b"), make_claim(1, "a"))
    charges = tuple(Charge(claim, 1) for claim in claims)
    steps = (ask_for(*claims), settling(Settlement("call", charges), SQL), charging(charges, SQL))
    assert [step.locks for step in (*steps, expiring(claims, QUESTION, SQL))] == [["a", "b"]] * 4
