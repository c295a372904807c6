"""Files of answers as a provider's Batch API may give them: every item ends with an answer or with a cause."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.batching import submit_batch
from langchain_costguard.batching.jobs.anthropic import AnthropicBatches
from langchain_costguard.batching.jobs.collecting import _told, place_of, unpacked
from langchain_costguard.batching.jobs.openai import OpenAIBatches
from langchain_costguard.testing import LoopbackProvider
from tests.fuzz.strategies import File, fuzz, json_files, mutated_bytes, texts
from tests.unit_tests.batching.jobs.job_helpers import chain_of, inputs_of, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPENAI: Final[list[dict[str, Any]]] = [
    {
        "id": "batch_req_1",
        "custom_id": "n-0-1-0-x",
        "response": {
            "status_code": 200,
            "request_id": "r",
            "body": {
                "id": "c",
                "object": "chat.completion",
                "model": "gpt-4o",
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
            },
        },
        "error": None,
    },
    {
        "id": "batch_req_2",
        "custom_id": "n-0-2-0-x",
        "response": {"status_code": 400, "body": {"error": {"message": "no", "code": "bad", "type": "t"}}},
        "error": None,
    },
    {"id": "3", "custom_id": "n-0-3-0-x", "response": None, "error": {"code": "batch_expired", "message": "late"}},
]
ANTHROPIC: Final[list[dict[str, Any]]] = [
    {
        "custom_id": "n-0-1-0-x",
        "result": {
            "type": "succeeded",
            "message": {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-4-5",
                "content": [{"type": "text", "text": "hi"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 5, "output_tokens": 7},
            },
        },
    },
    {
        "custom_id": "n-0-2-0-x",
        "result": {"type": "errored", "error": {"type": "error", "error": {"type": "invalid", "message": "no"}}},
    },
    {"custom_id": "n-0-3-0-x", "result": {"type": "expired"}},
]


class _NoClient:
    def with_options(self, **options: Any) -> _NoClient:
        return self


def lines_of(valid: list[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    """A file of answers with a few changes."""
    whole = "".join(json.dumps(line) + "\n" for line in valid).encode()
    lines = st.lists(st.sampled_from(valid).flatmap(json_files), min_size=1, max_size=3)
    return mutated_bytes(whole) | lines.map(lambda found: File(b"\n".join(found)))


@fuzz(120)
@given(data=st.data(), provider=st.sampled_from(["openai", "anthropic"]))
def test_every_line_is_an_answer_a_cause_or_unreadable(data: st.DataObject, provider: str, tmp_path: Path) -> None:
    """One line that raises would keep 50,000 paid answers from being fetched."""
    batches: Any = OpenAIBatches(_NoClient()) if provider == "openai" else AnthropicBatches(_NoClient())
    path = tmp_path / "answers"
    path.write_bytes(data.draw(lines_of(OPENAI if provider == "openai" else ANTHROPIC)))
    for answer in batches.answers(path):
        if isinstance(answer, bytes):
            continue
        place_of(answer.custom_id, "n")
        state, packed, *told = _told(answer)
        assert state in {"ok", "error"}
        if packed is not None:
            assert unpacked(packed) == (answer.body or {})
        for cell in told:
            assert cell is None or isinstance(cell, str | int)
            if isinstance(cell, str):
                cell.encode("utf-8")


@fuzz(60)
@given(custom_id=texts | st.lists(texts | st.integers().map(str), max_size=5).map("-".join))
def test_an_id_of_somebody_else_is_no_place(custom_id: str) -> None:
    """Ids come back from the provider; as paths or as numbers nobody has they lead nowhere."""
    for said in (custom_id, f"n-{custom_id}", f"n-{custom_id}-0-0-x", f"n-1-2-{custom_id}-x"):
        place = place_of(said, "n")
        assert place is None or all(0 <= number < 2**63 for number in place)


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider whose batches end at once."""
    with LoopbackProvider() as found:
        yield found


def _damaged(valid: bytes, at: int, changed: bytes) -> bytes:
    """A file of real answers, one of which is another under its id."""
    lines = valid.splitlines()
    custom_id = json.loads(lines[at % len(lines)])["custom_id"].encode()
    lines[at % len(lines)] = changed.replace(OPENAI[0]["custom_id"].encode(), custom_id)
    return b"\n".join(lines)


@fuzz(4)
@given(at=st.integers(0, 2), changed=json_files(OPENAI[0]))
def test_every_item_of_a_job_ends(at: int, changed: bytes, provider: LoopbackProvider, tmp_path: Path) -> None:
    """From the file to the results, the booking and the list of jobs."""
    download = OpenAIBatches.download

    def damaging(self: OpenAIBatches, batch_id: str, output: str, path: Path) -> None:
        download(self, batch_id, output, path)
        path.write_bytes(_damaged(path.read_bytes(), at, changed))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenAIBatches, "download", damaging)
        job = submit_batch(chain_of(provider), inputs_of(3), store=tmp_path / f"{uuid4()}.db", provider="openai")
        wait(job)
        results = job.collect()
    assert len(results.outputs) == 3
    for index, output in enumerate(results.outputs):
        assert (output is None) == (index in results.errors)
        assert index not in results.errors or results.errors[index].cause != "pending"
    assert results.cost is None or results.cost >= 0
