"""Lossless edits: what a prompt says stays, to the last digit; code, tables and what a model said are not touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_costguard.prompt_audit import slim_messages, slim_text
from langchain_costguard.prompt_audit.json_text import json_spans, minified
from langchain_costguard.tokens import count_tokens

PRETTY = '{\n    "price": 1.50,\n    "big": 12345678901234567890,\n    "e": 1E5,\n    "a": [\n    1,\n    2\n    ]\n}'
LONG = "This paragraph is long enough to be worth its removal, and it stands in the prompt word for word."


def test_json_keeps_numbers_keys_and_strings_as_they_are_written() -> None:
    """A price of 1.50 that becomes 1.5, or a key that moves, is another prompt."""
    assert minified(PRETTY) == '{"price":1.50,"big":12345678901234567890,"e":1E5,"a":[1,2]}'
    assert minified('{ "b": 1, "a": "x  \\" y\\n", "b": 2 }') == '{"b":1,"a":"x  \\" y\\n","b":2}'
    with pytest.raises(ValueError, match="Expecting"):
        minified("{ not json }")


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_json_stays_equal(value: Any) -> None:
    """Whatever a value holds, quotes and backslashes among it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    assert json.dumps(json.loads(minified(text))) == json.dumps(value)
    slimmed = slim_text(f"Data:\n{text}\nEnd.").text
    assert "".join(slimmed.split()) == "".join(f"Data:\n{text}\nEnd.".split())


def test_json_in_a_prompt_is_found_where_it_fills_its_lines() -> None:
    """Braces in prose, templates and code are not JSON."""
    text = f"Schema:\n{PRETTY}\nUse {{braces}} freely.\n{{not: json}}\n[1, 2]\n"
    ((start, end),) = json_spans(text)
    assert text[start:end] == PRETTY
    assert slim_text(text, "gpt-4o").edits[0].kind == "JSON"
    assert json_spans(f"{PRETTY} and more") == []


def test_fenced_code_is_never_touched() -> None:
    """White space is syntax there, and JSON may show the form of an answer."""
    fenced = f"```json\n{PRETTY}\n\n\n\n```\n~~~\n{LONG}\n\n{LONG}\n~~~\n<pre>a   b</pre>"
    assert slim_text(fenced) == (fenced, ())
    nested = f"````markdown\n```json\n{PRETTY}\n```\n{PRETTY}\n````"
    assert slim_text(nested) == (nested, ())
    listed = f"1. ```json\n{PRETTY}\n   ```\n> - ~~~\n{PRETTY}\n> ~~~"
    assert slim_text(listed) == (listed, ())
    opened = f"```python\nx  =  1\n\n\n\n{PRETTY}"  # never closed: code to the end
    assert slim_text(opened) == (opened, ())


@pytest.mark.parametrize(
    "line",
    [
        *("name      price", "a  b  c", "| a  | b |", "    x =  1", "\tx =  1", "one\ttwo  three"),
        *("New York  New Jersey", "return x  # why", "Run `grep a.  b`.", 'Say "No.  Never."', "version 1.  2"),
        "Roses are red.  ",
    ],
)
def test_tables_code_and_line_breaks_keep_their_blanks(line: str) -> None:
    """What is aligned says something by it."""
    assert slim_text(f"{line}\n" * 20).text.rstrip() == (f"{line}\n" * 20).rstrip()


def test_white_space_goes_only_where_that_saves_tokens() -> None:
    """Tokenizers read most of it for nothing: then the text stays as it is."""
    text = "One sentence.  And   \nanother.   And.  \r\n\r\n\r\n\r\n" * 8
    slimmed = slim_text(text, "gpt-4o")
    assert slimmed.text == ("One sentence. And\nanother. And.\n\n" * 8)
    assert count_tokens(text, "gpt-4o").tokens - count_tokens(slimmed.text, "gpt-4o").tokens == sum(
        edit.saved_tokens for edit in slimmed.edits
    )
    assert slim_text("One\n\n\ntwo", "gpt-4o") == ("One\n\n\ntwo", ())


def test_a_passage_that_stands_there_twice_stays_once() -> None:
    """Only word for word, only whole paragraphs, and only long ones."""
    text = f"First.\n\n{LONG}\n\nShort.\n\n{LONG}\n\nShort.\n\n{LONG} Or not."
    assert slim_text(text).text == f"First.\n\n{LONG}\n\nShort.\n\nShort.\n\n{LONG} Or not."


def test_a_passage_that_goes_leaves_the_fences_around_it_on_lines_of_their_own() -> None:
    """A fence that is joined to another, or to a sentence, turns code into prose and prose into code."""
    between = f"{LONG}\n\n```\nA\n```\n{LONG}\n```\nB\n```\n"
    assert slim_text(between).text == f"{LONG}\n\n```\nA\n```\n```\nB\n```\n"
    before = f"{LONG}\n\nShort.\n\n{LONG}\n```\nA\n```"
    assert slim_text(before).text == f"{LONG}\n\nShort.\n```\nA\n```"


def test_a_message_of_white_space_is_not_emptied() -> None:
    """No provider takes an empty message; what is wrong with this one is for its sender to hear."""
    given = [HumanMessage("   \n   ")]
    assert slim_messages(given).messages[0] is given[0]


def test_messages_are_copied_and_what_a_model_said_stays() -> None:
    """The user's objects belong to the user; an edited answer would be put into the model's mouth."""
    given = [SystemMessage(PRETTY, id="s"), AIMessage(PRETTY), HumanMessage(f"{LONG}\n\n{LONG}"), HumanMessage(LONG)]
    found = slim_messages(given, "gpt-4o")
    assert found.messages[0] == SystemMessage(minified(PRETTY), id="s")
    assert given[0].content == PRETTY
    assert found.messages[1] is given[1]
    assert found.messages[2].content == LONG
    assert found.messages[3] is given[3]
    assert [(number, edit.kind) for number, edit in found.edits] == [(0, "JSON"), (2, "repeated passage")]
    assert found.saved_tokens > 0


def test_results_of_tools_lose_white_space_but_no_rows() -> None:
    """Two equal rows of a result are two rows."""
    message = ToolMessage(f"{PRETTY}\n\n{LONG}\n\n{LONG}", tool_call_id="1")
    (slimmed,) = slim_messages([message], "gpt-4o").messages
    assert slimmed.content == f"{minified(PRETTY)}\n\n{LONG}\n\n{LONG}"


def test_blocks_keep_their_kind_and_none_becomes_empty() -> None:
    """No provider takes an empty block, and a breakpoint of the prompt cache must stay where it is."""
    image = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    cached = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}
    message = HumanMessage([{"type": "text", "text": PRETTY}, image, {"type": "text", "text": LONG}, cached])
    (slimmed,) = slim_messages([message], "gpt-4o").messages
    assert slimmed.content == [{"type": "text", "text": minified(PRETTY)}, image, *message.content[2:]]
    assert slimmed.content[3] == cached


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["word", " ", "  ", "\n", "\n\n\n", "{", "}", "```", "|", '"', LONG, "\t", "1.50"])))
def test_no_text_becomes_longer_or_loses_a_word(pieces: list[str]) -> None:
    """Whatever is mixed: nothing but white space and repeats goes, and slimming twice changes nothing more."""
    text = "".join(pieces)
    slimmed = slim_text(text)
    assert count_tokens(slimmed.text).tokens <= count_tokens(text).tokens
    assert words(slimmed.text) == words(text)
    assert slimmed.text == text or slimmed.edits


def words(text: str) -> set[str]:
    """The words of a text; braces are words of their own, for JSON loses the blanks between them."""
    return set(text.replace("{", " { ").replace("}", " } ").split())
