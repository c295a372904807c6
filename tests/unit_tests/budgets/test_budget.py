"""Budget: what its arguments mean, what it refuses, and the claims it makes of a call."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest

from langchain_costguard import Budget
from langchain_costguard.budgets import CallFacts, MissingIdentityError, Scope
from langchain_costguard.budgets.claims import Claim

NOON = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z
MIDNIGHT = 1_767_225_600_000_000
ALICE = CallFacts(metadata={"user": "alice"}, root_run_id="r1")

EVERY_ARGUMENT = Budget(
    "2.5",
    per="week",
    scope=Scope.tag("a") | ~(Scope.model("gpt-4o") & Scope.metadata("tenant", 7)),
    each="user",
    on_missing="shared",
    alerts_at=("0.1", 0.9),
    tz="Europe/Zurich",
    name="the week's",
    shares={"alice": "0.25", 7: Decimal("0.5")},
    on_unknown="estimate",
)


@pytest.mark.parametrize(
    ("given", "nano"),
    [
        (2, 2_000_000_000),
        ("0.000000001", 1),
        (0.1, 100_000_000),
        (Decimal("1e-9"), 1),
        ("2.5000000000000", 2_500_000_000),
        ("9223372036.854775807", 2**63 - 1),
    ],
)
def test_a_limit_in_dollars_is_read_exactly(given: Any, nano: int) -> None:
    """A limit that is off by a binary fraction admits one call too many."""
    assert Budget(given).limit_amount == nano
    assert Budget(given).limit == Decimal(nano).scaleb(-9)


def test_a_callers_decimal_context_changes_no_limit() -> None:
    """Applications that round to cents set it for the whole thread."""
    with localcontext(prec=3):
        assert Budget("1234.567890123", alerts_at=("0.123456",)).limit_amount == 1_234_567_890_123
        assert str(Budget("1234.567890123").limit) == "1234.567890123"


def test_tokens_and_calls_are_counted_whole() -> None:
    """`1e5` is how people write a hundred thousand."""
    assert (Budget(tokens=1e5).unit, Budget(tokens=1e5).limit) == ("tokens", 100_000)
    assert (Budget(calls="50").unit, Budget(calls=50).limit_amount) == ("calls", 50)


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        "nan",
        float("nan"),
        float("inf"),
        "-Infinity",
        "1e-10",
        "0.0000000015",
        "two",
        "$2",
        "",
        "1e20",
        "9" * 70,
        f"1.{'0' * 130}1",
    ],
)
def test_a_limit_that_is_none_is_refused(value: Any) -> None:
    """A limit of nothing, of everything, or of a fraction that cannot be counted is a mistake, found at once."""
    with pytest.raises(ValueError, match="limit="):
        Budget(value)


@pytest.mark.parametrize("value", [True, [2], object(), b"2"])
def test_a_limit_of_the_wrong_kind_is_refused(value: Any) -> None:
    """`Budget(True)` would be one dollar."""
    with pytest.raises(TypeError, match=r"give limit as an int, a str or a Decimal"):
        Budget(value)


@pytest.mark.parametrize("given", [{}, {"limit": 1, "tokens": 2}, {"tokens": 1, "calls": 1}])
def test_a_budget_has_one_limit(given: dict[str, Any]) -> None:
    """Of two limits nobody could say which one refused."""
    with pytest.raises(ValueError, match="a budget has one limit"):
        Budget(**given)


@pytest.mark.parametrize("value", ["1.5", 0.5, -3])
def test_a_part_of_a_token_is_refused(value: Any) -> None:
    """Half a token cannot be counted."""
    with pytest.raises(ValueError, match="tokens="):
        Budget(tokens=value)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"per": "fortnight"}, ValueError, "is no window: give per="),
        ({"per": "0h"}, ValueError, "is no window"),
        ({"per": "1m"}, ValueError, "is no window"),
        ({"per": timedelta(0)}, ValueError, "cannot be a rolling window"),
        ({"per": timedelta(microseconds=1_500_000)}, ValueError, "whole seconds"),
        ({"per": "400d"}, ValueError, "366 days"),
        ({"per": 60}, TypeError, "is no window"),
        ({"tz": "Europe/Atlantis"}, ValueError, "is not a known time zone"),
        ({"tz": None}, ValueError, "is not a known time zone"),
        ({"mode": "strict"}, ValueError, "mode="),
        ({"mode": None}, ValueError, "mode="),
        ({"on_missing": "skip"}, ValueError, "on_missing="),
        ({"on_unknown": "zero"}, ValueError, "on_unknown="),
        ({"on_unknown": ""}, ValueError, "on_unknown="),
        ({"alerts_at": (0.5, 1.1)}, ValueError, "alerts_at has 1.1"),
        ({"alerts_at": (0,)}, ValueError, "alerts_at has 0"),
        ({"alerts_at": ("nan",)}, ValueError, "alerts_at has 'nan'"),
        ({"alerts_at": ("0.1234567",)}, ValueError, "finer than a millionth"),
        ({"alerts_at": 0.5}, TypeError, "alerts_at=0.5 is no collection"),
        ({"alerts_at": "0.5"}, TypeError, "is no collection"),
        ({"scope": ""}, TypeError, "may be a tag or a model"),
        ({"scope": "checkout"}, TypeError, r"Scope\.tag\('checkout'\)"),
        ({"scope": {}}, ValueError, "means no call"),
        ({"scope": {"tenant": None}}, ValueError, "means no call"),
        ({"scope": 5}, TypeError, "is no scope"),
        ({"each": ""}, ValueError, "each='' is blank"),
        ({"each": ["user"]}, TypeError, "is no text"),
        ({"name": " "}, ValueError, "name=' ' is blank"),
        ({"name": "a|b"}, ValueError, "cannot be a key"),
        ({"name": "a\nb"}, ValueError, "cannot be a key"),
        ({"name": "usd/day"}, ValueError, "looks like a key"),
        ({"name": 3}, TypeError, "is no text"),
    ],
)
def test_arguments_out_of_bounds_are_refused_with_what_mends_them(
    given: dict[str, Any], error: type[Exception], said: str
) -> None:
    """A budget that guards nothing, or the wrong thing, must not come to be."""
    with pytest.raises(error, match=said):
        Budget(2, **given)


@pytest.mark.parametrize(
    ("budget", "key"),
    [
        (Budget(2), "usd/total"),
        (Budget(3, per="day", mode="soft", alerts_at=()), "usd/day"),
        (Budget(tokens=5, per="day", tz="Europe/Zurich"), "tokens/day@Europe/Zurich"),
        (Budget(calls=5, per=timedelta(hours=1), tz="Europe/Zurich"), "calls/1h"),
        (Budget(2, per="48h"), "usd/2d"),
        (Budget(2, per="day", scope=Scope.tag("checkout")), "usd/day/tag=checkout"),
        (Budget(2, per="day", scope={"tenant": "acme"}, each="user"), "usd/day/metadata:tenant=acme/each=user"),
        (Budget(2, name="ours", per="run"), "ours"),
    ],
)
def test_the_key_says_what_is_counted_and_not_how_much_may_be(budget: Budget, key: str) -> None:
    """A changed limit, mode or alert keeps the counter; a changed window or scope begins another one."""
    assert budget.key == key


@pytest.mark.parametrize(
    "budget",
    [
        Budget(2),
        Budget("2.5", per="24h", tz="Asia/Kathmandu"),
        Budget(tokens=9, mode="soft", alerts_at=()),
        EVERY_ARGUMENT,
    ],
)
def test_a_budget_reads_like_the_call_that_makes_it(budget: Budget) -> None:
    """What a log shows can be pasted, and copies (a process pool's, a deep copy of a chain) are the same budget."""
    assert eval(repr(budget)) == budget  # noqa: S307 - the text is our own
    assert pickle.loads(pickle.dumps(budget)) == budget  # noqa: S301 - the bytes are our own
    assert copy.deepcopy(budget) == budget
    assert hash(copy.copy(budget)) == hash(budget)


@pytest.mark.parametrize(
    "other",
    [
        Budget(3, per="day"),
        Budget(2, per="day", mode="soft"),
        Budget(2, per="day", alerts_at=(1,)),
        Budget(2, per="day", on_unknown="estimate"),
        Budget(2, per="day", name="x"),
        Budget(tokens=2_000_000_000, per="day"),
        2,
    ],
)
def test_budgets_that_differ_in_any_rule_are_not_equal(other: object) -> None:
    """Only equal budgets are taken for one."""
    assert Budget(2, per="day") != other


def test_a_budget_does_not_change() -> None:
    """Its key and its claims were made from its arguments."""
    budget = Budget(2)
    with pytest.raises(AttributeError, match="make another one with limit_amount=3"):
        budget.limit_amount = 3
    with pytest.raises(AttributeError, match="make another one without mode"):
        del budget.mode


def test_alerts_are_put_in_order_each_once() -> None:
    """The order they are written in says nothing."""
    assert Budget(2, alerts_at=[1, "0.5", 0.8, 0.5]).alerts_ppm == (500_000, 800_000, 1_000_000)


def test_a_claim_says_everything_the_store_needs() -> None:
    """The store knows nothing of budgets."""
    (claim,) = Budget(2, per="day").claims(ALICE, 7, NOON)
    alerts = (500_000, 800_000, 1_000_000)
    assert claim == Claim("usd/day", "usd/day", MIDNIGHT, MIDNIGHT, "usd", 7, 2_000_000_000, True, True, alerts)  # noqa: FBT003 - a claim is a row


@pytest.mark.parametrize(("mode", "refuses"), [("hard", True), ("soft", False), ("observe", False)])
def test_only_a_hard_budget_refuses_and_charges_what_was_lost(mode: Any, refuses: bool) -> None:
    """A soft budget must neither stop a call nor count one that may never have been made."""
    budget = Budget(2, mode=mode)
    (claim,) = budget.claims(ALICE, 1, NOON)
    assert (claim.refuses, claim.charges_lost, budget.refuses) == (refuses, refuses, refuses)
    assert budget.on_unknown == ("reserved" if refuses else "estimate")


def test_each_value_and_each_run_have_a_counter() -> None:
    """Alice's spending is not Bob's, and a run's not the next run's."""
    (claim,) = Budget(2, per="run", each="user").claims(ALICE, 1, NOON)
    assert (claim.counter, claim.slot_us, claim.since_us) == ("usd/run/each=user|user=alice|run=r1", 0, 0)
    assert not Budget(2, per="run").outlives_process
    assert Budget(2).outlives_process


@pytest.mark.parametrize("metadata", [{}, {"user": None}, {"user": ""}, {"user": " "}, {"user": ["a"]}, {"user": 1.5}])
def test_a_call_that_does_not_say_whose_it_is_is_refused(metadata: dict[str, Any]) -> None:
    """Whoever leaves the key out must not spend without a limit."""
    with pytest.raises(MissingIdentityError, match="on_missing='shared'") as caught:
        Budget(2, each="user").claims(CallFacts(metadata=metadata), 1, NOON)
    assert (caught.value.budget, caught.value.missing) == ("usd/total/each=user", "user")
    shared = Budget(2, each="user", on_missing="shared").claims(CallFacts(metadata=metadata), 1, NOON)
    assert [claim.counter for claim in shared] == ["usd/total/each=user|user"]


def test_a_call_outside_any_run_is_refused_by_a_budget_per_run() -> None:
    """Its counter would be shared with calls of other runs."""
    with pytest.raises(MissingIdentityError, match="per run") as caught:
        Budget(2, per="run").claims(CallFacts(), 1, NOON)
    assert caught.value.missing is None
    assert pickle.loads(pickle.dumps(caught.value)).budget == "usd/run"  # noqa: S301 - the bytes are our own


def test_a_budget_is_for_the_calls_of_its_scope() -> None:
    """Metadata conditions hold together."""
    budget = Budget(2, scope=OrderedDict(tenant="acme", stage="live"))
    assert budget.matches(CallFacts(metadata={"tenant": "acme", "stage": "live"}))
    assert not budget.matches(CallFacts(metadata={"tenant": "acme"}))
    assert Budget(2).matches(CallFacts())


def test_what_it_covers_is_said_in_words() -> None:
    """A status that does not say what is outside promises too much."""
    assert Budget(2).covers == "every call"
    assert Budget(2, scope={"tenant": "acme"}, each="user").covers == "calls with tenant 'acme', for each user"
