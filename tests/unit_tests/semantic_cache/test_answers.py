"""Which answers are kept, and that what is read back is an answer and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation

from langchain_costguard.semantic_cache.answers import dump_answer, has_tool_calls, load_answer, why_not_kept

USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_token_details": {"cache_read": 1}}


def chat(content: Any = "Paris.", **fields: Any) -> list[Generation]:
    """An answer of a chat model."""
    return [ChatGeneration(message=AIMessage(content, **fields))]


@pytest.mark.parametrize(
    "ended",
    [
        {"finish_reason": "length"},
        {"finish_reason": "lengthlength"},
        {"finish_reason": "content_filter"},
        {"finish_reason": "SAFETY"},
        {"finish_reason": "FinishReason.MAX_TOKENS"},
        {"stop_reason": "max_tokens"},
        {"stop_reason": "refusal"},
        {"stop_reason": "pause_turn"},
        {"stopReason": "guardrail_intervened"},
        {"done_reason": "load"},
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        {"finish_reason": "error"},
        {"finish_reason": 2},
        {"done": False},
        {"status": "in_progress"},
        {"status": "incomplete"},
        {"prompt_feedback": {"block_reason": "SAFETY"}},
    ],
    ids=str,
)
def test_an_answer_that_did_not_end_well_is_not_kept(ended: dict[str, Any]) -> None:
    """Served again, half an answer stays half an answer for a week."""
    assert why_not_kept(chat(response_metadata=ended)) is not None
    if "finish_reason" in ended:
        assert why_not_kept([Generation(text="Paris.", generation_info=ended)]) is not None


@pytest.mark.parametrize(
    "ended",
    [
        {"finish_reason": "stop"},
        {"finish_reason": "stopstop"},
        {"finish_reason": "STOP"},
        {"stop_reason": "end_turn"},
        {"stop_reason": "stop_sequence"},
        {"done_reason": "stop"},
        {"status": "completed"},
        {"finish_reason": 1},
        {"done": True},
        {"prompt_feedback": {"block_reason": 0, "safety_ratings": []}},
        {},
    ],
    ids=str,
)
def test_an_answer_that_ended_well_is_kept(ended: dict[str, Any]) -> None:
    """Every provider has its own word for the end."""
    assert why_not_kept(chat(response_metadata=ended)) is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(chat(""), id="empty"),
        pytest.param(chat(" \n"), id="blank"),
        pytest.param([Generation(text="")], id="empty text"),
        pytest.param([], id="nothing"),
        pytest.param(chat("Paris.", additional_kwargs={"refusal": "no"}), id="marked refusal"),
        pytest.param(chat([{"type": "refusal", "refusal": "no"}]), id="refusal block"),
        pytest.param(
            chat("I\N{RIGHT SINGLE QUOTATION MARK}m sorry, but I can't help with that."), id="refusal in words"
        ),
        pytest.param(chat("抱歉，我无法回答这个问题。"), id="refusal in Chinese"),  # noqa: RUF001 - Chinese punctuation
        pytest.param(chat("I'm sorry, but I can't help with that. " + "Blah blah. " * 60), id="long refusal"),
        pytest.param(chat("Unfortunately, I am not able to assist with this request."), id="refusal to assist"),
        pytest.param(chat("Es tut mir leid, aber dabei kann ich nicht helfen."), id="refusal in German"),
        pytest.param([*chat(), *chat("")], id="one of several is empty"),
        pytest.param(chat(invalid_tool_calls=[{"name": "t", "args": "{", "id": "1", "error": "x"}]), id="broken call"),
    ],
)
def test_what_is_no_answer_is_not_kept(answer: list[Generation]) -> None:
    """A refusal that was served from a cache cannot be got rid of by asking again."""
    assert why_not_kept(answer) is not None


def test_an_answer_that_apologises_further_down_is_kept() -> None:
    """Only beginnings of short answers are taken for refusals."""
    assert why_not_kept(chat("Paris. I'm sorry, but I can't say more about 1889.")) is None
    assert why_not_kept(chat("Unfortunately, we cannot ship this to Norway. " + "These we can ship. " * 30)) is None
    assert why_not_kept(chat("I'm sorry, but I can't find it in the docs. " + "Here is what I know. " * 30)) is None


def test_an_answer_comes_back_as_it_was_but_for_its_ids() -> None:
    """A served id overwrites an earlier answer of the conversation, and a response's id goes on with another one."""
    told = {"finish_reason": "stop", "id": "resp_1", "logprobs": {"content": [{"token": "P", "logprob": -0.1}]}}
    content = [{"type": "text", "text": "Paris.", "id": "msg_1"}, {"type": "reasoning", "id": "rs_1", "summary": []}]
    stored = dump_answer(chat(content, id="lc_run--1-0", response_metadata=told, usage_metadata=USAGE))
    assert stored is not None

    message = load_answer(stored)[0].message

    assert message.id is None
    assert message.content == [{"type": "text", "text": "Paris."}, {"type": "reasoning", "id": "rs_1", "summary": []}]
    assert message.response_metadata == {name: value for name, value in told.items() if name != "id"}
    assert message.usage_metadata == USAGE


@pytest.mark.parametrize("usage", [{**USAGE, "total_cost": 0}, None])
def test_the_mark_of_a_replayed_answer_is_not_stored(usage: dict[str, Any] | None) -> None:
    """LangChain's own classes refuse to read it back."""
    message = AIMessage("Paris.").model_copy(update={"usage_metadata": usage or {"total_cost": 0}})
    stored = dump_answer([ChatGeneration(message=message)])
    assert stored is not None

    found = load_answer(stored)[0].message.usage_metadata

    assert found == (USAGE if usage else None)


def test_plain_generations_come_back_equal() -> None:
    """Nothing is stamped on them: LangChain's own tests compare them."""
    given = [Generation(text="a", generation_info={"reason": "test"}), Generation(text="b")]

    assert load_answer(dump_answer(given) or b"") == given


def test_tool_calls_are_recognised() -> None:
    """They are only served for the same words."""
    assert has_tool_calls(chat("", tool_calls=[{"name": "t", "args": {}, "id": "1"}]))
    assert not has_tool_calls(chat())


def test_text_that_imitates_an_object_stays_text() -> None:
    """A model may say anything, also JSON that looks like LangChain's."""
    evil = '{"lc": 1, "type": "constructor", "id": ["langchain_core", "documents", "base", "Document"], "kwargs": {}}'
    as_dict = chat("Paris.", additional_kwargs={"parsed": json.loads(evil)})

    assert load_answer(dump_answer(chat(evil)) or b"") == chat(evil)
    found = load_answer(dump_answer(as_dict) or b"")
    assert found is not None
    assert found[0].message.additional_kwargs == {"parsed": json.loads(evil)}


@pytest.mark.parametrize(
    "poison",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'"Paris."',
        b"not json",
        dumps([HumanMessage("Paris.")]).encode(),
        dumps([Document(page_content="Paris.")]).encode(),
        dumps(AIMessage("Paris.")).encode(),
        b'[{"lc": 1, "type": "secret", "id": ["HOME"]}]',
        b'[{"lc": 1, "type": "constructor", "id": ["langchain", "llms", "openai", "OpenAI"], "kwargs": {}}]',
        b'[{"lc": 1, "type": "constructor", "id": ["langchain", "schema", "output", "ChatGeneration"], "kwargs": {}}]',
        (dump_answer(chat()) or b"").replace(b'"Paris."', b"[[1]]"),
        (dump_answer(chat()) or b"")[:-9],
    ],
)
def test_anything_but_an_answer_is_not_read(poison: bytes) -> None:
    """Whoever can write to the store must not be able to make objects in every process that reads it."""
    assert load_answer(poison) is None


def test_a_secret_in_an_answer_is_not_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tampered entry must not read the environment out into an answer."""
    monkeypatch.setenv("VERY_SECRET", "hunter2")
    stored = (dump_answer(chat()) or b"").replace(b'"Paris."', b'{"lc": 1, "type": "secret", "id": ["VERY_SECRET"]}')

    assert "hunter2" not in str(load_answer(stored))
