"""What somebody else wrote into a checkpoint is refused with its line, and makes neither money nor objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.batching.many.checkpoint_file import CheckpointFile
from langchain_costguard.batching.many.errors import CheckpointError
from langchain_costguard.batching.many.values import UnkeptValueError, Values

if TYPE_CHECKING:
    from pathlib import Path

HEADER = b'{"costguard_checkpoint": 1, "chain": "c"}\n'


def test_a_line_nested_too_deep_is_damaged(tmp_path: Path) -> None:
    """It ended the run with an error that named neither the file nor the line."""
    path = tmp_path / "run.checkpoint"
    path.write_bytes(HEADER + b'{"key": "k", "output": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")
    with pytest.raises(CheckpointError, match="line 2 of the checkpoint"):
        CheckpointFile(path, "c", fsync_seconds=60)


@pytest.mark.parametrize("cost", ['"NaN"', '"-5"', '"Infinity"', '"lots"'])
def test_a_cost_that_is_no_amount_is_unknown(cost: str, tmp_path: Path) -> None:
    """Sums of it would be no amounts either, and below zero they would hide what was spent."""
    path = tmp_path / "run.checkpoint"
    path.write_bytes(HEADER + b'{"key": "k", "index": 0, "output": 1, "cost": ' + cost.encode() + b"}\n")
    file = CheckpointFile(path, "c", fsync_seconds=60)
    assert file.find("k").cost is None
    file.close()


@pytest.mark.parametrize(
    "written",
    [
        {"$costguard": "langchain", "value": [1, 2]},
        {"$costguard": "langchain", "value": {"a": 1}, "apart": {"parsed": 1}},
        {"$costguard": "langchain", "value": {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}},
    ],
)
def test_only_langchains_own_classes_are_read_back(written: Any) -> None:
    """What is marked as one of them and is none was changed by somebody."""
    with pytest.raises(UnkeptValueError):
        Values().load(written)


def test_a_value_nested_too_deep_is_not_read() -> None:
    """It may come from a newer release on a larger stack."""
    value: Any = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(UnkeptValueError, match="nested deeper"):
        Values().load(value)
