"""What is kept says what it said before: numbers, code, tables; and what it was taken from."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, ToolMessage

from langchain_costguard.compression import ContextCompressor
from langchain_costguard.compression.units import cut_at_clause, units_of
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.testing import ScriptedChatModel
from langchain_costguard.tokens import count_tokens

NOISE = "The weather was often bad there. " * 60


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("约1,234,567元的成本控制", 4, "约"),
        ("约3.14159元的成本控制", 4, "约"),
        ("A cost of 5 million dollars", 12, "A cost of"),
        ("It fell to 10 000 people", 14, "It fell to"),
        ("10 20 30 40", 7, "10 20"),
    ],
)
def test_a_cut_leaves_no_part_of_a_number(text: str, most: int, kept: str) -> None:
    """5 is another amount than 5 million, and 1 another than 1,234,567."""
    assert text[: cut_at_clause(text, most)] == kept


@pytest.mark.parametrize(
    "code",
    [
        "   ```python\n   def f(x):\n       return x + 1\n   ```",
        "````md\n```py\nx = 1\n```\ny. Z.\n````",
        "~~~~\nA. B.\n~~~\nC. D.\n~~~~",
    ],
)
def test_a_fence_may_be_indented_or_hold_another_one(code: str) -> None:
    """Code in lists, and Markdown about code, were cut into sentences."""
    found = units_of([f"Do this:\n\n{code}\n\nThat is all. Thanks."])
    assert [unit.text.strip() for unit in found if unit.is_code] == [code.strip()]


def test_rows_of_a_table_stay_on_lines_of_their_own() -> None:
    """Rows that are joined by blanks are no table any more."""
    rows = [f"| {name} | {'tea ' * 12}{number} |" for number, name in enumerate(("apples", "pears", "plums", "figs"))]
    text = "\n".join(rows)
    result = ContextCompressor(max_tokens=45).compress(text, "apples or plums?")
    assert result.text == f"{rows[0]}\n{rows[2]}"
    assert result.passages == [result.text]
    documents = ContextCompressor(max_tokens=45).compress_documents([Document(text)], "apples or plums?")
    assert [one.page_content for one in documents] == [result.text]


def test_a_summary_without_the_code_is_not_used() -> None:
    """Code that is kept whole is kept by a summary too."""
    code = "```py\nx = 1\n```"
    model = ScriptedChatModel(responses="Bad weather.", model="gpt-4o-mini", provider="openai")
    result = ContextCompressor(60, "abstractive", model).compress(f"{NOISE}\n\n{code}\n\n{NOISE}")
    assert code in result.text
    assert (result.method, result.fallback_reason) == (
        "extractive",
        "the summary does not quote the code as it stands",
    )
    without = ContextCompressor(60, "abstractive", model, keep=["system"]).compress(f"{NOISE}\n\n{code}")
    assert without.text == "Bad weather."


def test_a_summary_of_documents_says_of_which() -> None:
    """Whoever cites needs the sources."""
    model = ScriptedChatModel(responses="Bad weather.", model="gpt-4o-mini", provider="openai")
    documents = [Document(NOISE, metadata={"source": name, "year": 1990}) for name in "ab"]
    (found,) = ContextCompressor(60, "abstractive", model).compress_documents(documents, "How was the weather?")
    assert found.metadata == {
        "year": 1990,
        "summary_of": [{"source": "a", "year": 1990}, {"source": "b", "year": 1990}],
    }


def test_a_text_whose_characters_are_several_tokens_each_is_within_the_bound() -> None:
    """Fewer characters than tokens allowed say nothing about hieroglyphs."""
    text = "\U00013000" * 90
    assert count_tokens(text).tokens > 100
    found = ContextCompressor(max_tokens=100).compress_messages([ToolMessage(text, tool_call_id="1")])
    assert count_tokens(found.messages[0].text).tokens <= 100


def test_what_looks_like_deep_json_is_compressed_as_a_text() -> None:
    """A tool's broken answer must not end the conversation."""
    text = "[" * 100_000
    with pytest.raises(RecursionError):
        json.loads(text)
    found = ContextCompressor(max_tokens=50).compress_messages([ToolMessage(text, tool_call_id="1")])
    assert count_tokens(found.messages[0].text).tokens <= 50


@pytest.mark.parametrize("unit", ["\n", "a", " ", "a\n", "😀", "{", "```\n"])
def test_very_much_of_anything_ends_within_the_bound(unit: str) -> None:
    """A context that nobody foresaw must not stop a service."""
    text = unit * (300_000 // len(unit.encode()))
    result = ContextCompressor(max_tokens=100, keep=["system"]).compress(text, "What is it?")
    assert result.tokens <= 100
    found = ContextCompressor(max_tokens=100, keep=["system"]).compress_messages([HumanMessage(text)])
    assert count_tokens(found.messages[0].text).tokens <= 100


def test_a_model_that_costs_nothing_gets_shorter_prompts_too() -> None:
    """Nothing is saved in money there, and nothing is lost: the bound is what was asked for."""
    free = PriceBook({"llama": {"input_usd_per_mtok": "0", "output_usd_per_mtok": "0"}})
    result = ContextCompressor(50, for_model="llama", prices=free).compress(NOISE + "Tea is good.", "Is tea good?")
    assert (result.method, result.skipped_reason) == ("extractive", None)
    assert result.tokens <= 50
    assert result.net is not None
    assert result.net.net == Decimal(0)


def test_very_many_lines_are_read_as_fewer_parts() -> None:
    """Ten megabytes of tiny lines are five million sentences; each of them costs time and memory."""
    text = "a\n" * 300_000
    found = units_of([text])
    assert len(found) < 100_000
    assert "".join(text[unit.start : unit.end].replace("\n", "") for unit in found) == "a" * 300_000
