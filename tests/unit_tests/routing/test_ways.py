"""A router takes a model's place in every way LangChain can ask."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_costguard import tags
from langchain_costguard.routing import TaskRouter
from langchain_costguard.testing import Reply, ScriptedChatModel


class City(BaseModel):
    """A city."""

    name: str


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return city


class Runs(BaseCallbackHandler):
    """Notes the metadata and the parents of model runs."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, Any]] = []
        self.chains: list[Any] = []
        self.parents: list[Any] = []

    def on_chain_start(self, *args: Any, run_id: Any, **kwargs: Any) -> None:
        self.chains.append(run_id)

    def on_chat_model_start(self, *args: Any, metadata: Any = None, parent_run_id: Any = None, **kwargs: Any) -> None:
        self.metadata.append(metadata)
        self.parents.append(parent_run_id)


def router(*answers: Any, **settings: Any) -> TaskRouter:
    """A router whose questions go to the small model, which says these things."""
    mini = ScriptedChatModel(responses=list(answers) or "A short answer.", model="gpt-4o-mini", provider="openai")
    full = ScriptedChatModel(model="gpt-4o", provider="openai")
    return TaskRouter({"easy": mini, "hard": full}, "easy", **settings)


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "batch", "abatch"])
def test_every_way_of_asking_gives_the_answer_and_the_decision(way: str) -> None:
    """A way that bypasses the router asks no model, or the wrong one."""
    routed: Any = router()

    async def streamed() -> list[Any]:
        return [piece async for piece in routed.astream("x")]

    answer: Any
    if way == "invoke":
        answer = routed.invoke("x")
    elif way == "ainvoke":
        answer = asyncio.run(routed.ainvoke("x"))
    elif way == "batch":
        answer = routed.batch(["x", "y"])[1]
    elif way == "abatch":
        answer = asyncio.run(routed.abatch(["x", "y"]))[1]
    else:
        pieces = list(routed.stream("x")) if way == "stream" else asyncio.run(streamed())
        assert len(pieces) > 2
        answer = sum(pieces[1:], pieces[0])
        assert isinstance(answer, AIMessageChunk)
    assert answer.text == "A short answer."
    assert answer.usage_metadata["output_tokens"] > 0
    assert answer.response_metadata["routing"] == {
        "route": "easy",
        "reason": "no task was named under 'task_type' or 'task': the default",
    }


def test_a_confidence_survives_the_merging_of_chunks() -> None:
    """LangChain adds numbers and joins texts of merged chunks."""
    routed = router(classifier=lambda _: ("easy", 0.87654321))
    pieces = list(routed.stream("x"))
    assert sum(pieces[1:], pieces[0]).response_metadata["routing"]["confidence"] == "0.876543"


def test_the_run_of_the_chosen_model_is_a_child_that_says_why() -> None:
    """Tracing and the ledger show why this model was asked."""
    runs = Runs()
    router(classifier=lambda _: ("easy", 0.875)).invoke("x", {"callbacks": [runs], "metadata": {"user": "u1"}})
    assert runs.parents == runs.chains
    found = runs.metadata[0]
    assert (found["route"], found["route_confidence"], found["user"]) == ("easy", 0.875, "u1")
    assert found["route_reason"] == "task 'easy', found by the classifier"
    assert found[tags.TECHNIQUE] == ["routing"]
    assert found[tags.BASELINE_MODEL] == "gpt-4o"


def test_the_model_that_would_have_been_asked_anyway_is_not_called_a_saving() -> None:
    """A technique that changed nothing has no part in the bill."""
    runs = Runs()
    router().invoke({"task": "hard", "query": "x"}, {"callbacks": [runs]})
    assert runs.metadata[0]["route"] == "hard"
    assert tags.TECHNIQUE not in runs.metadata[0]
    assert tags.BASELINE_MODEL not in runs.metadata[0]


def test_a_baseline_that_is_set_around_the_router_stays() -> None:
    """In a cascade's first tier it is the cascade that counts the saving."""
    runs = Runs()
    around = {tags.TECHNIQUE: "cascade", tags.BASELINE_MODEL: "o3"}
    router().invoke("x", {"callbacks": [runs], "metadata": around})
    assert runs.metadata[0][tags.TECHNIQUE] == ["cascade", "routing"]
    assert runs.metadata[0][tags.BASELINE_MODEL] == "o3"


@pytest.mark.parametrize("baseline", ["hard", "gpt-4o", ScriptedChatModel(model="gpt-4o")])
def test_the_baseline_may_be_a_route_a_name_or_a_model(baseline: Any) -> None:
    """Whoever always asked the full model knows what to compare with."""
    runs = Runs()
    router(baseline=baseline).invoke("x", {"callbacks": [runs]})
    assert runs.metadata[0][tags.BASELINE_MODEL] == "gpt-4o"


def test_a_classifiers_own_call_is_cost_without_a_baseline() -> None:
    """It would not have been made without routing."""
    runs = Runs()
    classifier = ScriptedChatModel(responses="easy", model="gpt-4.1-nano")
    router(classifier=classifier).invoke("x", {"callbacks": [runs]})
    first, second = runs.metadata
    assert (first[tags.TECHNIQUE], first[tags.BASELINE_MODEL]) == (["routing"], "")
    assert second[tags.BASELINE_MODEL] == "gpt-4o"
    assert runs.parents == [runs.chains[0]] * 2


def test_tools_reach_the_chosen_model() -> None:
    """Agents bind them to whatever stands for the model."""
    answer = router(Reply(tool_calls=[("weather", {"city": "Rome"})])).bind_tools([weather])
    called = answer.invoke("Rome?")
    assert called.tool_calls[0]["args"] == {"city": "Rome"}
    assert called.response_metadata["routing"]["route"] == "easy"


def test_a_structured_answer_is_parsed_and_its_message_says_the_decision() -> None:
    """LiteLLM's and cascadeflow's users ask for just this."""
    rome = Reply(tool_calls=[("City", {"name": "Rome"})])
    assert router(rome).with_structured_output(City).invoke("x") == City(name="Rome")
    whole = router(rome).with_structured_output(City, include_raw=True).invoke("x")
    assert whole["parsed"] == City(name="Rome")
    assert whole["raw"].response_metadata["routing"]["route"] == "easy"


def test_it_stands_in_a_chain_like_a_model() -> None:
    """LCEL: a prompt before it, a parser after it, the task beside the prompt."""
    prompt = ChatPromptTemplate.from_template("About {topic}?")
    assert (prompt | router() | StrOutputParser()).invoke({"topic": "Rome"}) == "A short answer."
    labelled = {"messages": prompt, "task": RunnableLambda(lambda _: "hard")} | router()
    assert labelled.invoke({"topic": "Rome"}).response_metadata["routing"]["route"] == "hard"


def test_settings_of_a_call_and_bound_ones_reach_the_model() -> None:
    """`stop` and its like are the model's business."""
    assert router("one two three").invoke("x", stop=[" two"]).text == "one"
    assert router("one two three").bind(stop=[" two"]).invoke("x").text == "one"


def test_a_batch_with_a_bad_question_answers_the_others() -> None:
    """Each question has its own decision and its own error."""
    routed = TaskRouter({"easy": ScriptedChatModel(model="gpt-4o-mini")})
    given = [{"task": "easy", "query": "x"}, {"task": "none", "query": "x"}]
    good, bad = routed.batch(given, return_exceptions=True)
    assert good.text
    assert "Set `default`" in str(bad)
