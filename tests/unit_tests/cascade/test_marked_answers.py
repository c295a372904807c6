"""The marker in structured answers: it is neither accepted, nor the best there is, nor in an event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_costguard import Budget, Cascade, CostCallbackHandler
from langchain_costguard.cascade import NotUncertain
from langchain_costguard.exceptions import BudgetExceededError
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Reply, ScriptedChatModel


class City(BaseModel):
    """A city."""

    name: str


class Parsing(ScriptedChatModel):
    """A model whose structured answers stand in its text and in `additional_kwargs`, as OpenAI's do."""

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **kwargs: Any) -> Any:
        del include_raw, kwargs

        def read(messages: Any) -> dict[str, Any]:
            parsed = schema(**json.loads(self.invoke(messages).text))
            raw = AIMessage(parsed.model_dump_json(), additional_kwargs={"parsed": parsed})
            return {"raw": raw, "parsed": parsed, "parsing_error": None}

        return RunnableLambda(read)


class Events(BaseCallbackHandler):
    """Notes custom events."""

    def __init__(self) -> None:
        super().__init__()
        self.data: list[Any] = []

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.data.append(data)


MARKED = ["UNCERTAIN", "It may be UNCERTAIN here", "STATUS_UNCERTAIN"]


def called(name: str) -> Reply:
    """A call of the schema's tool."""
    return Reply("", tool_calls=[("City", {"name": name})])


def written(name: str) -> str:
    """The schema's object as a text."""
    return json.dumps({"name": name})


@pytest.mark.parametrize("name", MARKED)
@pytest.mark.parametrize(("kind", "say"), [(ScriptedChatModel, called), (Parsing, written)])
@pytest.mark.parametrize("accept", [NotUncertain(), ~NotUncertain(), NotUncertain() | (lambda _: True)])
def test_a_structured_draft_that_holds_the_marker_is_never_accepted(
    kind: Any, say: Any, name: str, accept: Any
) -> None:
    """The parsed object is given as it is: nothing can be taken out of it."""
    tiers = [kind(responses=say(name), model="mini"), kind(responses=say("Rome"), model="full")]
    events = Events()
    cascade = Cascade(tiers, accept, on_draft="event").with_structured_output(City)
    assert cascade.invoke("?", {"callbacks": [events]}) == City(name="Rome")
    assert "UNCERTAIN" not in repr(events.data[0]["draft"])


@pytest.mark.parametrize(("kind", "say"), [(ScriptedChatModel, called), (Parsing, written)])
def test_a_structured_draft_that_holds_the_marker_is_not_the_best_there_is(kind: Any, say: Any) -> None:
    """A refused escalation must raise rather than hand the marker to the program."""
    tiers = [kind(responses=say("UNCERTAIN"), model="gpt-4o-mini"), kind(responses=say("Rome"), model="gpt-4o")]
    cascade = Cascade(tiers).with_structured_output(City)
    guard = CostCallbackHandler(InMemoryStore(), budgets=[Budget(calls=1, per="total")])
    with pytest.raises(BudgetExceededError):
        cascade.invoke("?", {"callbacks": [guard]})


def test_a_parser_inside_a_tier_shows_no_marker_either() -> None:
    """What the parser makes is given as it is."""
    tiers = [RunnableLambda(lambda _: {"name": "UNCERTAIN"}), RunnableLambda(lambda _: {"name": "Rome"})]
    assert Cascade(tiers).invoke("?") == {"name": "Rome"}


def test_a_call_that_holds_the_marker_escalates_with_tools_as_well() -> None:
    """Its arguments would be run."""
    tiers = [ScriptedChatModel(responses=called("UNCERTAIN city")), ScriptedChatModel(responses=called("Rome"))]
    answer = Cascade(tiers).bind_tools([City]).invoke("?")
    assert answer.tool_calls[0]["args"] == {"name": "Rome"}
