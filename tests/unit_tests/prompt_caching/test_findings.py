"""What breaks a prefix is found, told apart, and named with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.prompt_caching import CachePlan


@tool
def find_order(number: int) -> str:
    """Look an order up by its number, and say where it is, when it was sent, and when it is going to arrive."""
    return str(number)


@tool
def refund_order(number: int) -> str:
    """Pay an order back by its number, after a look at what the handbook says of orders of this kind."""
    return str(number)


def with_front(fronts: list[str], handbook: str) -> list[Any]:
    """Requests with something that changes in front of the handbook."""
    return [
        [("system", f"{front}\n{handbook}"), ("human", f"Question {number}?")] for number, front in enumerate(fronts)
    ]


@pytest.mark.parametrize(
    ("fronts", "kind", "character"),
    [
        (["It is 2026-11-22T10:00:00Z.", "It is 2026-11-22T10:00:07Z."], "timestamp", 6),
        (["Today is Sunday, 22 November 2026", "Today is Monday, 23 November 2026"], "timestamp", 17),
        (["Clock: 1795341600", "Clock: 1795341607"], "timestamp", 7),
        ([f"Trace {UUID(int=7**44)}", f"Trace {UUID(int=7**45)}"], "uuid", 6),
        (["Request req-8f3a21", "Request req-9c77b0"], "id", 8),
        (["Customer: Ann Lee", "Customer: Bo Dahl"], "changed_system", 10),
    ],
)
def test_what_changes_in_front_is_named_with_its_place(
    plan: Callable[..., CachePlan], handbook: str, fronts: list[str], kind: str, character: int
) -> None:
    """That something changed sends a reader through thousands of tokens; a place and a kind do not."""
    made = plan(examples=with_front(fronts, handbook))
    finding = next(one for one in made.findings if one.kind == kind)
    assert (finding.where, finding.message, finding.character) == ("message 0 (system)", 0, character)
    assert finding.tokens_behind > 2000
    assert made.worth_it is False
    assert made.prefix_tokens < 100
    assert made.reachable_tokens > 2000


def test_the_variable_of_a_template_is_named(plan: Callable[..., CachePlan], handbook: str) -> None:
    """Whoever wrote the template knows the variable, not the character."""
    template = ChatPromptTemplate([("system", "Now: {now}\n" + handbook), ("human", "{question}")])
    inputs = [{"now": f"10:0{number}", "question": f"Where is order {number}?"} for number in range(3)]
    (finding,) = plan(examples=inputs, prompt=template).findings
    assert (finding.variable, finding.requests) == ("now", 2)
    assert "{now}" in str(finding)


def test_what_changes_at_the_end_breaks_nothing(plan: Callable[..., CachePlan]) -> None:
    """A question that changes is what requests are for."""
    assert plan().findings == ()


def test_tools_in_another_order_are_told_from_other_tools(plan: Callable[..., CachePlan], requests: list[Any]) -> None:
    """The one is mended by sorting, the other is not."""
    both, turned, one = [find_order, refund_order], [refund_order, find_order], [find_order]
    reordered = plan(examples=requests[:2], tools=[both, turned])
    changed = plan(examples=requests[:2], tools=[both, one])
    assert [finding.kind for finding in reordered.findings] == ["reordered_tools"]
    assert [finding.kind for finding in changed.findings] == ["changed_tools"]
    assert reordered.findings[0].tokens_behind > 2000
    assert reordered.prefix_tokens == 0


def test_keys_in_another_order_are_seen_as_the_same_object(plan: Callable[..., CachePlan], handbook: str) -> None:
    """`json.dumps` of a set's or a database's order looks the same to a reader, and not to a cache."""
    objects = [json.dumps({"name": "desk", "limit": 5}), json.dumps({"limit": 5, "name": "desk"})]
    (finding,) = plan(examples=with_front([f"Settings: {one}" for one in objects], handbook)).findings
    assert finding.kind == "reordered_keys"
    assert "sort_keys=True" in finding.remedy


def test_retrieved_text_before_instructions_is_found(plan: Callable[..., CachePlan], handbook: str) -> None:
    """Documents first and instructions last is a usual layout, and the one that caches nothing."""
    examples = [
        [("human", f"Document about {topic}.\n\n{handbook}\n\nQuestion: {topic}?")] for topic in ("apples", "pears")
    ]
    finding = plan(examples=examples).findings[0]
    assert (finding.kind, finding.where) == ("changing_text", "message 0 (human)")


def test_a_system_prompt_that_is_another_every_time_is_said_to_be(plan: Callable[..., CachePlan]) -> None:
    """There is nothing to cache, and a plan says so instead of marking what is never read."""
    made = plan(examples=[[("system", f"You are {name}."), ("human", "Hello")] for name in ("Ann", "Bo")])
    assert [finding.kind for finding in made.findings] == ["changed_system"]
    assert "Nothing stays the same" in str(made.findings[0])
    assert made.worth_it is False


def test_long_texts_that_have_nothing_in_common_are_compared_in_no_time(plan: Callable[..., CachePlan]) -> None:
    """Comparing word by word costs the square of the words; two books must not."""
    books = [" ".join(f"{side}{number}" for number in range(20_000)) for side in "ab"]
    assert plan(examples=[[("human", book)] for book in books]).worth_it is False
