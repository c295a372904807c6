"""`estimate`: what a prompt will cost, before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUESTION = "Why is the sky blue?"


@pytest.fixture
def prompt(tmp_path: Path) -> str:
    """A file with a question."""
    path = tmp_path / "prompt.txt"
    path.write_text(QUESTION, encoding="utf-8")
    return str(path)


def test_an_estimate_is_a_range_with_its_method(prompt: str, run: Callable[..., Any]) -> None:
    """6 tokens of text and 7 of a message's frame: 13 at $2.50 per million, and 500 at $10."""
    ended = run("estimate", prompt, "--model", "gpt-4o", "--max-output-tokens", "500")
    assert (ended.code, ended.err) == (0, "")
    assert "$0.0000325" in ended.out
    assert "tokens counted by tiktoken:o200k_base" in ended.out


def test_several_models_stand_side_by_side(prompt: str, run: Callable[..., Any]) -> None:
    """The question is usually which model, not how much."""
    found = run(
        "estimate", prompt, "--model", "gpt-4o", "--model", "gpt-4o-mini", "--max-output-tokens", "500", "--json"
    ).json
    assert list(found) == ["gpt-4o", "gpt-4o-mini"]
    assert [each["low"] for each in found.values()] == ["0.0000325", "0.00000195"]
    assert found["gpt-4o"]["method"] == "tiktoken:o200k_base"


def test_a_prompt_comes_from_standard_input_too(run: Callable[..., Any]) -> None:
    """Prompts are made by programs."""
    found = run("estimate", "-", "--model", "gpt-4o", "--json", typed=QUESTION).json
    assert found["gpt-4o"]["input_tokens"] == 13


def test_an_expected_length_gives_an_expected_cost(prompt: str, run: Callable[..., Any]) -> None:
    """Between nothing and the longest answer lies the usual one."""
    found = run("estimate", prompt, "--model", "gpt-4o", "--expected-output-tokens", "100", "--json").json
    assert found["gpt-4o"]["expected"] == "0.0010325"


def test_a_model_without_a_price_fails_after_the_others_are_shown(prompt: str, run: Callable[..., Any]) -> None:
    """A script must not go on with half an answer, and a person wants the other half."""
    ended = run("estimate", prompt, "--model", "gpt-4o", "--model", "house-model", "--json")
    assert ended.code == 1
    assert ended.json["gpt-4o"]["low"] == "0.0000325"
    assert ended.json["house-model"]["low"] is None
    assert ended.err.startswith("error: no price list has the model 'house-model'")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "holds no prompt"), (b" \n", "holds no prompt"), (b"\xff\xfe\x00", "is no text in UTF-8")],
)
def test_a_file_without_a_prompt_is_said(content: bytes, reason: str, tmp_path: Path, run: Callable[..., Any]) -> None:
    """An empty file costs nothing and is never what was meant."""
    path = tmp_path / "prompt.txt"
    path.write_bytes(content)
    ended = run("estimate", str(path), "--model", "gpt-4o")
    assert (ended.code, ended.out) == (1, "")
    assert reason in ended.err


def test_a_missing_file_is_said(tmp_path: Path, run: Callable[..., Any]) -> None:
    """The path was mistyped."""
    ended = run("estimate", str(tmp_path / "nothing.txt"), "--model", "gpt-4o")
    assert ended.code == 1
    assert "or - for standard input" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--model", "gpt-4o", "--max-output-tokens", "-1"],
        ["--model", "gpt-4o", "--max-output-tokens", "many"],
        ["--model", "gpt-4o", "--max-output-tokens", "5", "--expected-output-tokens", "6"],
        ["--model", " "],
    ],
)
def test_what_is_not_understood_ends_with_2(arguments: list[str], prompt: str, run: Callable[..., Any]) -> None:
    """No model, no number, a contradiction: the command is wrong, not the world."""
    ended = run("estimate", prompt, *arguments)
    assert (ended.code, ended.out) == (2, "")
