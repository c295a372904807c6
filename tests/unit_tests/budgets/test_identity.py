"""Counters: no two budgets and no two users ever share one, whatever they are called."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard import Budget
from langchain_costguard.budgets import CallFacts, Scope
from langchain_costguard.budgets.identity import escaped, text_of, unescaped


class Plan(StrEnum):
    """A user's plan, as an application may put it into metadata."""

    GOLD = "gold"


class Index:
    """A whole number of another library."""

    def __index__(self) -> int:
        return 7


class Broken:
    """What an array does that has several values."""

    def __index__(self) -> int:
        message = "only arrays of one value"
        raise TypeError(message)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("alice", "alice"),
        (" alice", " alice"),
        (7, "7"),
        (-7, "-7"),
        (0, "0"),
        (True, "True"),
        (False, "False"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Plan.GOLD, "gold"),
        (Index(), "7"),
        (None, None),
        ("", None),
        ("\t ", None),
        (1.0, None),
        (float("nan"), None),
        (b"alice", None),
        (["alice"], None),
        ({"a": 1}, None),
        (object(), None),
        (Broken(), None),
        pytest.param(10**5000, None, id="a number with 5,001 digits"),
    ],
)
def test_a_value_stands_for_its_text_or_for_nobody(value: Any, text: str | None) -> None:
    """`1` and `"1"` are one user, as in the ledger; a list, a float or a blank is none."""
    assert text_of(value) == text


def test_a_long_value_becomes_a_digest_that_no_value_can_imitate() -> None:
    """Keys have a bounded length, and a user who is called like a digest is somebody else."""
    digest = escaped("x" * 100_000)
    assert len(digest) == len("%sha256:") + 64
    assert digest != escaped("x" * 100_001)
    assert escaped(digest) != digest
    assert escaped("x" * 200) == "x" * 200


@given(st.text(alphabet=st.characters(exclude_categories=())), st.text("ab|=%/&~,@()\0\ud800 2F7C", max_size=12))
def test_escaped_texts_differ_where_texts_do_and_come_back(one: str, other: str) -> None:
    """What separates the parts of a key never stands in a value, nor what a database or an encoding would refuse."""
    for text in (one, other):
        if len(text) <= 200 and text.encode(errors="ignore").decode() == text:
            assert unescaped(escaped(text)) == text
        assert not set(escaped(text)) & set("|=/&~,@()\0\n")
        escaped(text).encode()
    assert (escaped(one) == escaped(other)) == (one == other)


words = st.text("ab|=%/&~@ 1", min_size=1, max_size=5).filter(lambda text: not text.isspace()) | st.sampled_from(
    ["a|run=1", "a|user=b", "user=a", "a/each=user", "a|pool=b", "%7C", "a&tag=b", "a,tag=b"]
)
rules = st.tuples(
    st.sampled_from(("run", "day", "total", "1h")),
    st.sampled_from(("UTC", "Europe/Zurich", "Etc/GMT")),
    st.none() | st.tuples(st.sampled_from(("tag", "chain", "metadata", "not")), words, words),
    st.none() | words,
    st.booleans(),
)


def counter_of(rule: Any, value: object, run: str) -> tuple[object, str]:
    """Whose counter is meant, as a value to compare; and the counter."""
    per, tz, scoped, each, shared = rule
    scope = None
    if scoped is not None:
        kind, name, other = scoped
        scope = {"tag": Scope.tag(name), "chain": Scope.chain(name), "not": ~Scope.tag(name)}.get(kind)
        scope = Scope.metadata(name, other) if scope is None else scope
        scoped = (kind, name, other if kind == "metadata" else None)
    budget = Budget(1, per=per, tz=tz, scope=scope, each=each, on_missing="shared" if shared else "refuse")
    metadata = {} if each is None or (shared and value is None) else {each: value or "-"}
    (claim,) = budget.claims(CallFacts(metadata=metadata, root_run_id=run), 1, 0)
    whose = metadata.get(each) if each is not None else None
    return (per, tz if per == "day" else None, scoped, each, whose, run if per == "run" else None), claim.counter


@given(rules, rules, st.none() | words, st.none() | words, words, words)
def test_no_two_budgets_users_and_runs_share_a_counter(
    one: Any, other: Any, value: object, other_value: object, run: str, other_run: str
) -> None:
    """Whoever can choose a user's name, a tag or a run's id must not reach into another counter."""
    (meant, counter), (other_meant, other_counter) = (
        counter_of(one, value, run),
        counter_of(other, other_value, other_run),
    )
    assert (counter == other_counter) == (meant == other_meant)


@pytest.mark.parametrize("value", ["a|run=1", "user", "alice|pool=bob", "%sha256:0", "None", "(missing)"])
def test_nobody_can_be_called_like_the_counter_of_those_without_a_name(value: str) -> None:
    """Who shares the common counter is decided by what is missing, not by what is said."""
    budget = Budget(1, each="user", on_missing="shared")
    (nobody,) = budget.claims(CallFacts(), 1, 0)
    (somebody,) = budget.claims(CallFacts(metadata={"user": value}), 1, 0)
    assert nobody.counter == "usd/total/each=user|user"
    assert somebody.counter.startswith("usd/total/each=user|user=")
