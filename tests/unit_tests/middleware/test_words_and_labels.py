"""What an agent says at its end, and under which names its calls are booked: values in, values out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import LLMToolSelectorMiddleware
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from langchain_costguard import Budget, track_costs
from langchain_costguard.exceptions import BudgetExceededError
from langchain_costguard.middleware import label_agents
from langchain_costguard.middleware.allowance import of_agent, restore, spent_by
from langchain_costguard.middleware.labels import labels
from langchain_costguard.middleware.shortening import shortened
from langchain_costguard.middleware.wording import allowance_words, facts_of, farewell, not_called, undone
from langchain_costguard.testing import LoopbackProvider

CALL: Any = {"name": "search", "args": {"query": "Paris"}, "id": "1", "type": "tool_call"}


def refusal(**facts: Any) -> BudgetExceededError:
    """A refusal of a budget in money."""
    known = {"limit": Decimal(1), "spent": Decimal("0.9"), "requested": Decimal("0.2"), **facts}
    return BudgetExceededError("no", budget="b", **known)


def test_a_farewell_says_what_was_spent_and_what_is_left_undone() -> None:
    """An agent that just stops leaves its user guessing."""
    messages: list[Any] = [
        HumanMessage("Old?"),
        AIMessage("Yes."),
        HumanMessage("Weather?"),
        AIMessage("", tool_calls=[CALL]),
    ]
    said = farewell(facts_of(refusal(reserved=Decimal("0.05")), "the allowance of $1 per day"), messages)
    assert said.text == (
        "I stopped here: of the allowance of $1 per day, $0.9 is spent and $0.05 is reserved, and the next step may "
        "cost $0.2. Undone: search(query='Paris'); the answer to 'Weather?'."
    )
    assert said.tool_calls == []
    facts = said.response_metadata["costguard"]
    assert (facts["spent"], facts["limit"], facts["requested"]) == ("0.9", "1", "0.2")


def test_what_was_answered_is_not_undone() -> None:
    """Only a tool's own refusal leaves its call open."""
    answered = ToolMessage("Sunny", tool_call_id="1")
    asked: list[Any] = [HumanMessage("Weather?"), AIMessage("", tool_calls=[CALL])]
    assert undone([*asked, answered]) == ["the answer to 'Weather?'"]
    refused = not_called(facts_of(refusal(), "the allowance of $1 per day"), CALL)
    assert undone([*asked, refused]) == ["search(query='Paris')", "the answer to 'Weather?'"]
    assert undone([]) == []


def test_a_frozen_budget_and_counts_are_worded() -> None:
    """A frozen budget has no next step that would fit."""
    frozen = farewell(facts_of(refusal(reason="frozen"), "the allowance of $1 per day"), [])
    assert frozen.text == "I stopped here: the allowance of $1 per day is frozen. Undone: nothing."
    assert allowance_words(Budget(tokens=1000, per="day")) == "the allowance of 1,000 tokens per day"
    (own,) = of_agent([Budget("0.5", per="run", name="pocket")], "key", 7)
    assert allowance_words(own) == "the allowance 'pocket' of $0.5 per run"


def test_a_shorter_context_begins_at_the_last_question() -> None:
    """A tool's answer without its call would be refused by the provider."""
    messages: list[Any] = [
        SystemMessage("Summary"),
        HumanMessage("A"),
        AIMessage("b"),
        HumanMessage("C"),
        AIMessage("", tool_calls=[CALL]),
        ToolMessage("Sunny", tool_call_id="1"),
    ]
    assert shortened(messages) == messages[3:]
    assert shortened(messages[4:]) == messages[4:]
    assert shortened([]) == []


@pytest.mark.parametrize(
    ("metadata", "around", "expected"),
    [
        ({}, None, {}),
        ({}, "search", {"tool": "search"}),
        ({"langgraph_node": "model"}, None, {"step": "model"}),
        ({"langgraph_node": "a.before_model", "lc_source": "summarization"}, None, {"step": "a.before_model"}),
        (
            {"langgraph_node": "model", "lc_source": "tool_selection", "lc_agent_name": "boss"},
            None,
            {"agent": "boss", "step": "model/tool_selection"},
        ),
    ],
)
def test_labels_are_read_off_what_the_frameworks_say(metadata: Any, around: Any, expected: Any) -> None:
    """Reports group by these names."""
    assert labels(metadata, around) == expected


def test_a_counter_of_a_run_is_brought_up_to_its_checkpoint_and_not_beyond() -> None:
    """Resuming twice must not charge twice; resuming from an older checkpoint must not give back."""
    budgets = of_agent([Budget("0.5", per="run"), Budget(calls=3, per="run"), Budget(1, per="day")], "key", 99)
    metadata = {"key": "run-1"}
    assert spent_by(budgets, metadata) == {"usd/run": 0, "calls/run": 0}
    for saved in ({"usd/run": 70, "calls/run": 2}, {"usd/run": 70, "calls/run": 2}, {"usd/run": 10, "calls/run": 1}):
        restore(budgets, metadata, saved)
        assert spent_by(budgets, metadata) == {"usd/run": 70, "calls/run": 2}
    assert spent_by(budgets, {"key": "run-2"}) == {"usd/run": 0, "calls/run": 0}
    assert spent_by(budgets, {}) == {}


def test_calls_are_labelled_without_an_allowance_too() -> None:
    """Who spent what is worth knowing before anybody sets a limit; middleware's calls count too."""
    label_agents()
    with LoopbackProvider() as provider:
        model = provider.chat_model()
        helper: Any = create_agent(model, name="researcher")

        @tool
        def research(query: str) -> str:
            """Have it researched."""
            return str(helper.invoke({"messages": [("user", query)]})["messages"][-1].text)

        @tool
        def other(query: str) -> str:
            """Do something else."""
            return query

        provider.next(text='{"tools": ["research"]}')
        provider.next(tool_calls=[("research", {"query": "x"})])
        selector = LLMToolSelectorMiddleware(model=model, max_tools=1)
        with track_costs() as costs:
            boss: Any = create_agent(model, [research, other], middleware=[selector], name="boss")
            boss.invoke({"messages": [("user", "hi")]}, {"metadata": {"agent": "mine"}})
            model.invoke("outside")
        rows = {row.group: row.calls for row in costs.report().by("metadata:step", "metadata:tool")}
        assert rows[("model/tool_selection", None)] >= 1
        assert rows[("model", "research")] == 1
        assert rows[(None, None)] == 1
        assert costs.total_cost == provider.billed
        assert {line.metadata.get("agent") for line in costs.entries()} == {"mine", None}, "a user's own label stays"
