"""The promise that hard budgets stand on: no text and no request has more tokens than its bound."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI

from langchain_costguard.estimates import estimate_cost
from langchain_costguard.tokens import bound_message_tokens, byte_bound, count_message_tokens, count_tokens

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|endofprompt|>", "<|start_header_id|>"]
EMOJI = st.text(st.characters(min_codepoint=0x1F300, max_codepoint=0x1FAFF), max_size=60)
CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=200)
BASE64 = st.binary(max_size=600).map(lambda data: base64.b64encode(data).decode())
RUNS = st.builds(
    lambda part, times: part * times, st.sampled_from([" ", "\n", "\t", "a", "0", "=", "é", "中"]), st.integers(0, 400)
)
PLAIN = st.text(st.characters(codec="utf-8"), max_size=300)
TEXTS = st.lists(st.one_of(PLAIN, EMOJI, CHINESE, BASE64, RUNS, st.sampled_from(SPECIAL)), max_size=6).map("".join)
VALUES = st.one_of(TEXTS, st.integers(), st.booleans(), st.lists(TEXTS, max_size=3))


@pytest.fixture(scope="module")
def encodings(token_vocabularies: Path) -> dict[str, tiktoken.Encoding]:
    """The real tiktoken with the real vocabularies, by a model that reads with each."""
    return {"gpt-4o": tiktoken.get_encoding("o200k_base"), "gpt-4": tiktoken.get_encoding("cl100k_base")}


@settings(max_examples=400, deadline=None)
@given(text=TEXTS)
def test_the_count_is_tiktokens_and_never_above_the_bytes(encodings: dict[str, tiktoken.Encoding], text: str) -> None:
    """Both vocabularies, every script, and text that looks like control tokens."""
    for model, encoding in encodings.items():
        tokens = len(encoding.encode_ordinary(text))
        assert count_tokens(text, model).tokens == tokens <= byte_bound(text)


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(), max_size=200))
def test_a_text_with_lone_surrogates_is_bounded_too(text: str) -> None:
    """Half an emoji is no valid text, and still reaches us."""
    assert count_tokens(text, "gpt-4o").tokens <= byte_bound(text)


def calls(values: dict[str, Any]) -> AIMessage:
    """An answer that calls a tool."""
    return AIMessage("", tool_calls=[{"name": "act", "args": values, "id": "call_1"}])


MESSAGES = st.lists(
    st.one_of(
        st.builds(SystemMessage, TEXTS),
        st.builds(HumanMessage, TEXTS, name=st.one_of(st.none(), st.from_regex(r"[a-z]{1,20}", fullmatch=True))),
        st.builds(AIMessage, TEXTS),
        st.dictionaries(TEXTS, VALUES, max_size=3).map(calls),
        st.builds(ToolMessage, TEXTS, tool_call_id=st.just("call_1")),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(messages=MESSAGES)
def test_a_request_is_never_above_its_bounds(
    encodings: dict[str, tiktoken.Encoding], messages: list[BaseMessage]
) -> None:
    """LangChain's own counter, over the real tiktoken, is the judge."""
    for model in encodings:
        judge = ChatOpenAI(model=model, api_key="none")
        counted = judge.get_num_tokens_from_messages([_without_specials(message) for message in messages])
        tight = bound_message_tokens(messages, model, tight=True).tokens
        assert counted <= tight <= bound_message_tokens(messages, model).tokens
        assert count_message_tokens(messages, model).tokens <= tight


def _without_specials(message: BaseMessage) -> BaseMessage:
    """The judge refuses control tokens in a text; a space inside makes them longer, never shorter."""
    text = str(message.content).replace("<|", "< |")
    args = [{**call, "args": _spaced(call["args"])} for call in getattr(message, "tool_calls", [])]
    return message.model_copy(update={"content": text, **({"tool_calls": args} if args else {})})


def _spaced(value: Any) -> Any:
    if isinstance(value, dict):
        return {_spaced(key): _spaced(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_spaced(part) for part in value]
    return value.replace("<|", "< |") if isinstance(value, str) else value


@settings(max_examples=100, deadline=None)
@given(
    messages=MESSAGES,
    model=st.sampled_from(["gpt-4o", "gpt-5.6", "claude-opus-4-7", "gemini-2.5-pro", "gemini-3-pro-preview"]),
    expected=st.integers(0, 2_000),
    more=st.integers(0, 200_000),
    n=st.integers(1, 4),
)
def test_an_estimate_is_a_range(messages: list[BaseMessage], model: str, expected: int, more: int, n: int) -> None:
    """Low, expected and high in that order, whatever is asked of whom."""
    estimate = estimate_cost(messages, model, expected + more, expected_output_tokens=expected, n=n)
    amounts: list[Decimal | None] = [estimate.low, estimate.expected, estimate.high]
    known = [amount for amount in amounts if amount is not None]
    assert len(known) == 3
    assert known == sorted(known)
    assert known[0] > 0
