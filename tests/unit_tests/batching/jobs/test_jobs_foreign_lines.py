"""Lines of a provider's files that nobody expects end their own item, and keep no other's answer from being fetched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.batching.jobs.anthropic import AnthropicBatches
from langchain_costguard.batching.jobs.collecting import packed, place_of, unpacked
from langchain_costguard.batching.jobs.openai import OpenAIBatches

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.batching.jobs.providers import Answer


class NoClient:
    """A client that is never asked."""

    def with_options(self, **options: Any) -> NoClient:
        return self


def read(batches: Any, path: Path, *lines: bytes) -> list[Answer | bytes]:
    """What a provider's adapter makes of lines."""
    path.write_bytes(b"\n".join(lines))
    return list(batches.answers(path))


def test_a_status_that_is_a_text_is_no_status(tmp_path: Path) -> None:
    """It was compared with a number, and the whole file of answers was lost to one line."""
    line = json.dumps({"custom_id": "a", "response": {"status_code": "200", "body": {"id": "x"}}}).encode()
    (answer,) = read(OpenAIBatches(NoClient()), tmp_path / "answers", line)
    assert not isinstance(answer, bytes)
    assert answer.error is not None
    assert answer.error.http_status is None


@pytest.mark.parametrize("batches", [OpenAIBatches(NoClient()), AnthropicBatches(NoClient())])
def test_a_line_nested_too_deep_is_one_that_cannot_be_read(batches: Any, tmp_path: Path) -> None:
    """The lines around it were paid for."""
    deep = b'{"custom_id": "a", "result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert read(batches, tmp_path / "answers", deep) == [deep]


def test_an_error_whose_type_is_no_text_is_told_as_text(tmp_path: Path) -> None:
    """A database takes no mapping for a code."""
    error = {"type": {"a": 1}, "message": "no"}
    line = json.dumps({"custom_id": "a", "result": {"type": "errored", "error": {"error": error}}}).encode()
    (answer,) = read(AnthropicBatches(NoClient()), tmp_path / "answers", line)
    assert not isinstance(answer, bytes)
    assert answer.error is not None
    assert answer.error.code == "{'a': 1}"


def test_an_answer_with_half_a_surrogate_pair_is_kept() -> None:
    """Models cut emoji in two, and JSON can hold the halves; the job could never be collected."""
    body = {"choices": [{"message": {"content": "half: \ud83d"}}]}
    assert unpacked(packed(body)) == body


@pytest.mark.parametrize("custom_id", ["n-²-1-0-x", "n-1-" + "9" * 40 + "-0-x", "n-1-" + "9" * 5000 + "-0-x"])
def test_numbers_that_this_package_does_not_write_are_no_place(custom_id: str) -> None:
    """They raised where they were read, or in the database."""
    assert place_of(custom_id, "n") is None
