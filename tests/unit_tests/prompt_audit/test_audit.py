"""PromptAudit: parts that add up, findings that are true, and a chain read as it is."""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_costguard import track_costs
from langchain_costguard.prompt_audit import PromptAudit, SlimmingModel, slim_prompt
from langchain_costguard.prompt_audit.fillers import without_fillers
from langchain_costguard.testing import LoopbackProvider, ScriptedChatModel
from langchain_costguard.tokens import count_message_tokens

VERBOSE_CHINESE = (
    "你是一个非常专业、非常有经验、非常有知识的助手。请你仔细地、认真地、全面地回答用户的问题。"
    "确保你的回答是准确的、有帮助的、详细的。用户的问题是：什么是机器学习？"
)
VERBOSE_ENGLISH = (
    "You are a very professional, very experienced, very knowledgeable assistant. Please answer the user's question "
    "carefully, seriously and comprehensively. Make sure the answer is accurate, helpful and detailed. The user's "
    "question is: What is machine learning?"
)
LONG = "This paragraph is long enough to be worth its removal, and it stands in the prompt word for word."


@tool
def weather(city: str) -> str:
    """Say how the weather is in a city."""
    return city


@tool
def search(query: str) -> str:
    """Search the web."""
    return query


def model_with_tools() -> Any:
    """A model under a name with a price, with two tools bound."""
    return ScriptedChatModel(model="gpt-4o-mini").bind_tools([weather, search])


CONVERSATION: list[BaseMessage] = [
    SystemMessage("Use the context.\n<context>The sky is blue.</context>\n\nQ: 1 + 1?\nA: 2\n\nBe brief."),
    HumanMessage("Weather?"),
    AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Rome"}, "id": "1"}]),
    ToolMessage("sunny", tool_call_id="1"),
    AIMessage("Sunny."),
    HumanMessage("Context: Rayleigh scattering.\n\nWhy is the sky blue?"),
]


def test_the_parts_add_up_to_the_request_and_to_its_price() -> None:
    """A table whose rows do not add up is not believed."""
    audit = PromptAudit(CONVERSATION, model="gpt-4o-mini", tools=[weather])
    assert audit.tokens == count_message_tokens(CONVERSATION, "gpt-4o-mini", tools=[weather]).tokens
    assert list(audit.tokens_by_part) == ["system", "tools", "examples", "history", "documents", "question", "format"]
    assert sum(audit.tokens_by_part.values()) == audit.tokens
    assert audit.cost == audit.tokens * Decimal("0.15") / 1_000_000


def test_each_part_is_what_it_is_for() -> None:
    """Where the tokens are is the first question."""
    parts = PromptAudit(CONVERSATION, tools=[weather]).parts
    texts = {kind: [part.text.strip() for part in parts if part.kind == kind] for kind in {part.kind for part in parts}}
    assert texts["system"] == ["Use the context.", "Be brief."]
    documents = [text.split("\n")[0] for text in texts["documents"]]
    assert documents == ["<context>The sky is blue.</context>", "sunny", "Context: Rayleigh scattering."]
    assert texts["examples"] == ["Q: 1 + 1?\nA: 2"]
    assert texts["question"] == ["Why is the sky blue?"]
    assert [text.split("\n")[0] for text in texts["history"]] == ["Weather?", "weather", "Sunny."]


def test_a_chain_tells_its_prompt_its_model_and_its_tools() -> None:
    """Nobody should have to take a chain apart to ask what it costs."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Rules.\n{context}"), MessagesPlaceholder("chat_history"), ("human", "{question}")]
    )
    chain = RunnableLambda(lambda value: value) | prompt | model_with_tools() | StrOutputParser()
    audit = PromptAudit(chain, inputs={"context": [Document("A fact.")], "question": "Why?"})
    assert audit.model == "gpt-4o-mini"
    assert [part.where for part in audit.parts if part.kind == "tools"] == ["tool weather", "tool search"]
    documents = PromptAudit(chain, inputs={"context": "A fact.", "question": "Why?", "chat_history": [("ai", "Hi")]})
    assert [part.text for part in documents.parts if part.kind == "documents"] == ["A fact."]
    assert documents.tokens_by_part["history"] == 1


def test_variables_that_are_not_given_stand_there_by_their_name() -> None:
    """The fixed text of a template costs the same in every call."""
    audit = PromptAudit(PromptTemplate.from_template("Answer concisely: {question}"))
    assert audit.messages == [HumanMessage("Answer concisely: {question}")]
    assert audit.cost is None


@pytest.mark.parametrize(
    ("verbose", "tokens"), [(VERBOSE_CHINESE, (60, 16)), (VERBOSE_ENGLISH, (53, 17))], ids=["Chinese", "English"]
)
def test_the_verbose_prompt_is_shown_short_and_left_as_it_is(verbose: str, tokens: tuple[int, int]) -> None:
    """Taking words away can change an answer: that is for a person to decide."""
    audit = PromptAudit(verbose, model="gpt-4o-mini")
    assert (audit.tokens, audit.suggested_tokens) == tokens
    assert audit.slimmed == audit.messages == [HumanMessage(verbose)]
    assert [finding.kind for finding in audit.findings] == ["filler"] * 3
    assert not any(finding.is_lossless for finding in audit.findings)


@pytest.mark.parametrize(
    "text",
    [
        "You are a helpful assistant.",
        "You are an expert in tax law. Answer only from the documents.",
        "Make sure the answer is a valid JSON object.",
        "Please answer the question in one word.",
        "Dates are very important: write them in ISO format, because a parser reads them.",
        "请用中文回答问题。",
        "你是一名税务律师。",
        "确保输出是合法的 JSON。",
        "```\nYou are a very professional assistant.\n```",
    ],
)
def test_instructions_that_say_something_are_no_filler(text: str) -> None:
    """One false alarm and the list is no longer read."""
    assert PromptAudit(text).findings == ()


def test_tools_that_no_answer_calls_are_named() -> None:
    """A schema is sent with every call."""
    chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | model_with_tools()
    called = AIMessage("", tool_calls=[{"name": "weather", "args": {}, "id": "1"}])
    unused = [f for f in PromptAudit(chain, answers=[called]).findings if f.kind == "unused tool"]
    assert [finding.where for finding in unused] == ["tool search"]
    assert unused[0].saved_tokens > 20
    assert {f.where for f in PromptAudit(chain, answers=[]).findings} == {"tool weather", "tool search"}
    assert PromptAudit(chain).findings == ()  # without any answers nothing is known


def test_what_stands_in_two_messages_is_shown_only() -> None:
    """The same passage in two documents may be there for a reason."""
    audit = PromptAudit([("system", LONG), ("human", f"{LONG}\n\nWhy?")])
    (finding,) = audit.findings
    assert (finding.kind, finding.is_lossless, finding.where) == ("repeated passage", False, "message 1")
    assert audit.slimmed == audit.messages


def test_pretty_json_in_a_fence_is_shown_only() -> None:
    """It may show the form of an answer."""
    audit = PromptAudit('```json\n{\n    "a": [\n        1,\n        2\n    ]\n}\n```')
    assert [(finding.kind, finding.is_lossless) for finding in audit.findings] == [("JSON", False)]


def test_a_notebook_shows_no_foreign_markup() -> None:
    """A prompt may hold what a browser would run."""
    said = f"<script>alert(1)</script> {LONG}"
    audit = PromptAudit(f"{said}\n{said}")
    html = audit._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<table>" in html
    assert "\x1b" not in str(PromptAudit(f"\x1b[31m{LONG}\n\x1b[31m{LONG}"))
    assert repr(audit).startswith("PromptAudit(")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"prompt": 3}, TypeError, "is no prompt: give a text"),
        ({"prompt": StrOutputParser()}, TypeError, "no prompt template in StrOutputParser"),
        ({"prompt": "text", "inputs": {"a": "b"}}, ValueError, "leave them out"),
    ],
)
def test_what_is_no_prompt_is_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    """With what to give instead."""
    with pytest.raises(error, match=message):
        PromptAudit(**given)


def test_an_empty_prompt_is_audited_too() -> None:
    """An empty context is a fact, not an error."""
    assert PromptAudit("").tokens_by_part == {"format": 7}
    assert PromptAudit([]).slimmed == []


def test_slim_is_the_lossless_part_alone() -> None:
    """For whoever wants no report."""
    assert PromptAudit.slim(f"{LONG}\n\n{LONG}") == [HumanMessage(LONG)]


async def test_a_step_before_or_around_a_model_slims_its_prompts() -> None:
    """In every way of asking; around a model the saving is booked."""
    model = ScriptedChatModel(model="gpt-4o-mini")
    text = f"{LONG}\n\n{LONG}"
    (slim_prompt() | model).invoke(text)
    around = slim_prompt(model)
    assert isinstance(around, SlimmingModel)
    with track_costs() as costs:
        around.invoke(text)
        await around.ainvoke(text)
        list(around.stream(text))
        _ = [chunk async for chunk in around.astream(text)]
        around.bind_tools([weather]).invoke(text)
        around.invoke("Nothing to slim.")
    assert {call.input[0].content for call in model.calls} == {LONG, "Nothing to slim."}
    techniques = [line.techniques for line in sorted(costs.entries(), key=lambda line: line.started_at_us)]
    assert techniques == [("prompt_slimming",)] * 5 + [()]
    slim_prompt(model, keep_repeats=True).bind(stop=["END"]).invoke(text)
    assert model.calls[-1].input[0].content == text
    with pytest.raises(TypeError, match="no chat model is to be seen"):
        slim_prompt(StrOutputParser())


def test_a_ledger_tells_what_repeats_and_which_beginning_is_shared() -> None:
    """Without a single text of a prompt: by keyed digests."""
    rules = "Follow these rules. " * 500
    with LoopbackProvider() as provider, track_costs() as costs:
        model = provider.chat_model()
        for question in ("one", "two", "two"):
            model.invoke([("system", rules), ("human", question)])
        provider.chat_model(model="gpt-4o").invoke("alone")
    audit = PromptAudit.of_ledger(costs.entries())
    many, alone = audit
    assert (many.calls, many.repeated_calls, many.shared_prefix_bytes) == (3, 1, 8192)
    assert (alone.calls, alone.repeated_calls, alone.shared_prefix_bytes) == (1, 0, 0)
    assert many.input_cost is not None
    assert many.output_cost is not None
    assert many.input_cost + many.output_cost + (alone.input_cost or 0) + (alone.output_cost or 0) == costs.total_cost
    assert "8,192 B" in repr(audit)
    assert "<table>" in audit._repr_html_()
    assert repr(PromptAudit.of_ledger([]))


def test_json_deeper_than_anybody_writes_is_no_error() -> None:
    """An audit of a hostile document must not end in a RecursionError."""
    depth = 100_000
    audit = PromptAudit(f"```json\n{'[' * depth}{']' * depth}\n```")
    assert audit.findings == ()


@pytest.mark.parametrize("praise", ["you are a very smart ", "仔细认真"])
def test_praise_without_end_does_not_hold_an_audit_up(praise: str) -> None:
    """Words that are tried in every pair of places take minutes for 40 kB: this test would not end."""
    assert without_fillers(praise * 4_000) == (praise * 4_000, [])
