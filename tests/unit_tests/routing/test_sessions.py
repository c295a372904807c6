"""Sessions keep their route: a change of models throws a prompt cache away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from langchain_costguard import Budget, track_costs
from langchain_costguard.budgets import Scope
from langchain_costguard.routing import Route, TaskRouter
from langchain_costguard.routing.sessions import Sessions
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import ScriptedChatModel


def model(name: str) -> ScriptedChatModel:
    """A model with a list price."""
    return ScriptedChatModel(model=name, provider="openai")


def by_word(text: str) -> str:
    """Long words are hard."""
    return "hard" if "hard" in text else "easy"


def router(**settings: Any) -> TaskRouter:
    """Two routes and a classifier, sticky by session."""
    routes = {"easy": Route(model("gpt-4o-mini"), max_input_tokens=1_000), "hard": model("gpt-4o")}
    return TaskRouter(routes, "easy", classifier=by_word, sticky_by="session_id", **settings)


def in_session(name: str) -> Any:
    """The config of a session."""
    return {"metadata": {"session_id": name}}


def test_a_session_goes_where_it_began() -> None:
    """Other sessions, and questions of none, are decided anew."""
    routed = router()
    assert routed.decide("a hard one", in_session("a")).route == "hard"
    kept = routed.decide("an easy one", in_session("a"))
    assert (kept.route, kept.reason) == ("hard", "the session keeps its route")
    assert routed.decide({"query": "an easy one", "session_id": "a"}).route == "hard"
    assert routed.decide("an easy one", in_session("b")).route == "easy"
    assert routed.decide("an easy one").route == "easy"


def test_a_named_task_moves_the_session() -> None:
    """The caller knows that the conversation has turned."""
    routed = router()
    routed.decide("a hard one", in_session("a"))
    assert routed.decide({"query": "x", "task": "easy"}, in_session("a")).route == "easy"
    assert routed.decide("a hard one", in_session("a")).route == "easy"


def test_a_session_that_outgrows_its_model_moves_and_stays() -> None:
    """Going back would fail again with the next turn."""
    routed = router()
    assert routed.decide("an easy one", in_session("a")).route == "easy"
    assert routed.decide("word " * 3_000, in_session("a")).route == "hard"
    assert routed.decide("an easy one", in_session("a")).route == "hard"


def test_a_budgets_refusal_passes_and_the_session_comes_back() -> None:
    """A full hour must not bind a session to the small model for its life."""
    routed = router()
    assert routed.decide("a hard one", in_session("a")).route == "hard"
    with track_costs(budgets=[Budget(tokens=1, per="total", scope=Scope.model("gpt-4o"))], store=InMemoryStore()):
        assert routed.decide("a hard one", in_session("a")).route == "easy"
    assert routed.decide("an easy one", in_session("a")).route == "hard"


def test_a_router_with_tools_knows_the_same_sessions() -> None:
    """An agent binds its tools in every turn."""
    routed = router()
    routed.decide("a hard one", in_session("a"))

    def look(up: str) -> str:
        """Look something up."""
        return up

    assert routed.bind_tools([look]).decide("an easy one", in_session("a")).route == "hard"


def test_the_sessions_not_heard_of_for_longest_are_forgotten() -> None:
    """A service that runs for months must not grow for months."""
    sessions = Sessions(2)
    sessions.put("a", "x")
    sessions.put("b", "x")
    assert sessions.get("a") == "x"
    sessions.put("c", "x")
    assert [sessions.get(name) for name in "abc"] == ["x", None, "x"]
    assert len(sessions) == 2


@pytest.mark.parametrize("threads", [8])
def test_many_threads_leave_no_more_sessions_than_are_allowed(threads: int) -> None:
    """Batches decide in a thread pool."""
    sessions = Sessions(50)

    def use(number: int) -> None:
        for turn in range(200):
            sessions.put(str((number * 7 + turn) % 120), "x")
            sessions.get(str(turn % 120))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(use, range(threads)))
    assert len(sessions) == 50
