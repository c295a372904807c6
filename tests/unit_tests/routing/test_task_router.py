"""TaskRouter: where the task is looked for, and what becomes of one that has no route."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from langchain_costguard.routing import NoRouteError, Route, TaskRouter
from langchain_costguard.testing import ScriptedChatModel

MODELS = {
    "simple_qa": "gpt-4o-mini",
    "classification": "gpt-4o-mini",
    "summarization": "gpt-4o-mini",
    "code_generation": "gpt-4o",
    "creative_writing": "gpt-4o",
    "complex_reasoning": "o1-mini",
}


def model(name: str) -> ScriptedChatModel:
    """A model that says its name."""
    return ScriptedChatModel(responses=f"I am {name}", model=name)


def router(default: Any = None, **settings: Any) -> TaskRouter:
    """The required routes."""
    return TaskRouter({task: model(name) for task, name in MODELS.items()}, default, **settings)


@pytest.mark.parametrize(("task", "name"), [*MODELS.items(), ("poetry", "gpt-4o-mini")])
def test_each_required_task_reaches_its_model(task: str, name: str) -> None:
    """This table is what was asked for."""
    answer = router(model("gpt-4o-mini")).invoke({"task_type": task, "query": "Why?"})
    assert answer.text == f"I am {name}"
    assert answer.response_metadata["routing"]["route"] == (task if task in MODELS else "default")


@pytest.mark.parametrize(
    ("given", "config"),
    [
        ({"task_type": "code_generation", "query": "Why?"}, {}),
        ({"task": "Code generation", "messages": [("human", "Why?")]}, {}),
        ("Why?", {"configurable": {"task_type": "code-generation"}}),
        ([HumanMessage("Why?")], {"metadata": {"task": "code_generation"}}),
    ],
)
def test_the_task_is_found_in_the_input_and_in_the_config(given: Any, config: Any) -> None:
    """A chain names it in the input, a service in the config; spelling must not cost a wrong model."""
    chosen = router()
    decision = chosen.decide(given, config)
    assert (decision.route, decision.confidence) == ("code_generation", None)
    assert chosen.invoke(given, config).text == "I am gpt-4o"


def test_the_model_reads_the_question_alone() -> None:
    """The label is ours; a model that sees it answers about it."""
    asked = model("gpt-4o")
    TaskRouter({"a": asked}).invoke({"task": "a", "question": "Why?"})
    assert [message.content for message in asked.calls[0].input] == ["Why?"]


def test_a_chain_gets_the_whole_input() -> None:
    """Its prompt has variables of its own."""
    chain = ChatPromptTemplate.from_template("{task}: {query} in {place}") | model("gpt-4o")
    routed = TaskRouter({"a": chain, "b": model("o1-mini")})
    assert routed.invoke({"task": "a", "query": "Why?", "place": "Rome"}).text == "I am gpt-4o"
    with pytest.raises(ValueError, match="input_key"):
        routed.invoke({"task": "b", "what": "Why?", "place": "Rome"})


def test_a_task_without_a_route_and_without_a_default_asks_nobody() -> None:
    """A guess would cost money; the error says what to set."""
    models = [model("mini"), model("full")]
    routed = TaskRouter({"simple_qa": models[0], "code": models[1]})
    for given, found in (({"task": "poetry", "query": "x"}, "'poetry'"), ("x", "'task_type' or 'task'")):
        with pytest.raises(NoRouteError, match=rf"(?s){found}.*'simple_qa', 'code'\. Set `default`") as raised:
            routed.invoke(given)
        assert raised.value.routes == ("simple_qa", "code")
    assert not any(one.calls for one in models)


def test_the_default_may_be_the_name_of_a_route() -> None:
    """One model need not be given twice."""
    assert router("simple_qa").decide("x").route == "simple_qa"


def classify(text: str) -> tuple[str, float]:
    """Find code."""
    return ("code_generation", 0.9) if "def" in text else ("simple_qa", 0.4)


async def aclassify(text: str) -> str:
    """Find code without holding anybody up."""
    await asyncio.sleep(0)  # gives way once
    return "code_generation"


def test_a_classifier_is_asked_where_nobody_names_the_task() -> None:
    """What is named is obeyed: the caller knows better than any classifier."""
    routed = router("creative_writing", classifier=classify, min_confidence=0.5)
    decision = routed.decide("def f(): ...")
    assert (decision.route, decision.confidence) == ("code_generation", 0.9)
    assert routed.decide({"task": "simple_qa", "query": "def"}).route == "simple_qa"
    unsure = routed.decide("Why?")
    assert unsure.route == "creative_writing"
    assert "not sure of task 'simple_qa' (0.40)" in unsure.reason


def test_an_async_classifier_is_awaited() -> None:
    """A classifier is often a call of its own."""
    decision = asyncio.run(router(classifier=aclassify).adecide("Why?"))
    assert decision.route == "code_generation"


def test_a_model_that_classifies_is_read_by_its_words() -> None:
    """Models add full stops and capitals to a name."""
    asked = ScriptedChatModel(responses="Code_Generation.", model="gpt-4o-mini")
    assert router(classifier=asked).decide("Why?").route == "code_generation"
    assert asyncio.run(router(classifier=asked).adecide("Why?")).route == "code_generation"


def test_the_classifier_reads_what_the_user_said_last() -> None:
    """A system prompt is the same for every task."""
    seen: list[str] = []
    routed = router("simple_qa", classifier=lambda text: seen.append(text) or "simple_qa")
    routed.decide([SystemMessage("Be brief."), HumanMessage("First"), ("ai", "Yes"), HumanMessage("Last")])
    routed.decide("x" * 100_000)
    assert seen[0] == "Last"
    assert len(seen[1]) < 1_300


def test_a_classifier_that_fails_leaves_the_default() -> None:
    """An answer is worth more than a label; without a default its error is the caller's."""

    def broken(text: str) -> str:
        msg = "the classifier is down"
        raise RuntimeError(msg)

    decision = router("simple_qa", classifier=broken).decide("Why?")
    assert decision.route == "simple_qa"
    assert "failed (RuntimeError)" in decision.reason
    with pytest.raises(RuntimeError, match="is down"):
        router(classifier=broken).decide("Why?")
    assert asyncio.run(router("simple_qa", classifier=RunnableLambda(broken)).adecide("x")).route == "simple_qa"


def test_a_classifier_that_finds_no_task_of_ours_leaves_the_default() -> None:
    """A model invents names."""
    decision = router("simple_qa", classifier=lambda _: "haiku").decide("Why?")
    assert decision.route == "simple_qa"
    assert "'haiku'" in decision.reason


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        (lambda: TaskRouter({}), "give a model for each task"),
        (lambda: TaskRouter({"a": model("x")}, "b"), "name one, or give a model"),
        (lambda: TaskRouter({"default": model("x")}, model("y")), "leave it out of `routes`"),
        (lambda: TaskRouter({"a": "gpt-4o"}), "give a chat model"),  # type: ignore[dict-item] # the fault itself
        (lambda: TaskRouter({"a": model("x")}, classifier=3), "give a function"),
        (lambda: TaskRouter({"a": model("x")}, min_confidence=0.5), "set `default`"),
        (lambda: TaskRouter({"a": model("x")}, max_sessions=0), "give 1 or more"),
        (lambda: Route(model("x"), max_input_tokens=0), "give 1 or more"),
    ],
)
def test_a_router_that_cannot_work_is_refused_when_it_is_made(make: Any, fix: str) -> None:
    """The first question is too late."""
    with pytest.raises((ValueError, TypeError), match=fix):
        make()


def test_an_input_without_the_key_of_the_question_says_so() -> None:
    """A typo must not send the whole dict to a model."""
    with pytest.raises(KeyError, match="input_key"):
        router("simple_qa", input_key="ask").decide({"question": "Why?"})


@pytest.mark.parametrize("confidence", [float("nan"), "high", [1]])
def test_a_confidence_that_is_no_number_leaves_the_default(confidence: Any) -> None:
    """NaN is below no bound: the least sure of all would pass for sure, and no database takes it."""
    routed = router("classification", classifier=lambda _: ("code_generation", confidence), min_confidence=0.5)
    decision = routed.decide("Why?")
    assert (decision.route, decision.confidence) == ("classification", None)
    assert asyncio.run(routed.adecide("Why?")) == decision


def test_a_classifier_may_leave_its_confidence_out() -> None:
    """Not to know is no reason to fail."""
    decision = router(classifier=lambda _: ("code_generation", None)).decide("Why?")
    assert (decision.route, decision.confidence) == ("code_generation", None)


def test_an_async_classifier_asked_synchronously_says_how_to_ask() -> None:
    """The default would answer everything, and a task that nobody awaits would be all there is to see of it."""

    async def classify(text: str) -> str:
        return "code_generation"

    with pytest.raises(TypeError, match="ask by `ainvoke`"):
        router("simple_qa", classifier=classify).invoke("Why?")


def test_a_task_may_be_a_member_of_an_enumeration() -> None:
    """As structured output and callers with types name it, in routes, labels and answers of a classifier."""

    class Task(Enum):
        CODE = "code_generation"

    assert router().decide({"task_type": Task.CODE, "query": "Why?"}).route == "code_generation"
    assert router(classifier=lambda _: Task.CODE).decide("Why?").route == "code_generation"
    assert TaskRouter({Task.CODE: model("gpt-4o")}).decide({"task": "code_generation", "query": "Why?"}).route  # type: ignore[dict-item] # a key that is no text


def test_a_model_with_fallbacks_reads_the_question_alone() -> None:
    """The dict around it is ours: no model takes it."""
    routed = TaskRouter({"easy": model("gpt-4o-mini").with_fallbacks([model("gpt-4o")])}, "easy")
    assert routed.invoke({"task": "easy", "query": "Why?"}).text == "I am gpt-4o-mini"
