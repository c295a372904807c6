"""What was saved and is read again: calibrations, checkpoints, answers of caches; never code, never half."""

# ruff: noqa: PT017 - mutated data may be refused or taken; what a refusal says is checked where it comes up

from __future__ import annotations

import json
from decimal import Decimal
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation
from pydantic import BaseModel

from langchain_costguard.batching.many.checkpoint_file import CheckpointFile
from langchain_costguard.batching.many.errors import CheckpointError
from langchain_costguard.batching.many.values import ALLOWED_CLASSES, UnkeptValueError, Values
from langchain_costguard.cascade import CalibrationReport, calibrate
from langchain_costguard.semantic_cache import answers
from langchain_costguard.semantic_cache.calibration import calibrate_scores
from langchain_costguard.semantic_cache.calibration_report import CacheCalibration
from langchain_costguard.semantic_cache.keys import read_chat_prompt
from tests.fuzz.strategies import (
    DEPTHS,
    File,
    as_json,
    deep_text,
    fuzz,
    json_files,
    mutated,
    mutated_bytes,
    numbers,
    values,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _saved(report: Any, path: Path) -> dict[str, Any]:
    report.save(path)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _reports(tmp: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(4)
    chance = rng.random(400) ** 0.4
    cascade = calibrate(chance, rng.random(400) < chance, rng.random(400) < 0.9, mini_cost=1, full_cost=15)
    same = rng.random(400) < 0.5
    near = np.where(same, rng.beta(12, 2, 400), rng.beta(5, 5, 400))
    return _saved(cascade, tmp / "a"), _saved(calibrate_scores(near, same, max_false_hit=0.05), tmp / "b")


@fuzz(60)
@given(data=st.data())
def test_a_saved_calibration_is_read_or_refused(
    data: st.DataObject, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A threshold that is no number serves every question the wrong answer, or none any."""
    if not _KEPT:
        _KEPT.extend(_reports(tmp_path_factory.mktemp("reports")))
    number = data.draw(st.integers(0, 1))
    path = tmp_path / "report.json"
    kept = _shortened(_KEPT[number])
    others = _THRESHOLDS.map(lambda threshold: as_json(kept | {"threshold": threshold}).encode())
    path.write_bytes(data.draw(json_files(kept) | others))
    loader: Any = (CalibrationReport, CacheCalibration)[number]
    try:
        report = loader.load(path)
    except ValueError as error:
        assert "report.json" in str(error) or "calibrate" in str(error)
        return
    assert isinstance(report.threshold, float)
    assert not isnan(report.threshold)
    assert isfinite(report.threshold) or number == 0  # a cascade may keep no answer of its small model: infinity
    assert str(report)
    assert report._repr_html_()


_KEPT: list[dict[str, Any]] = []
_THRESHOLDS: Final = st.sampled_from([float("nan"), "NaN", float("inf"), "-Infinity"]) | numbers


def _shortened(kept: dict[str, Any]) -> dict[str, Any]:
    """The report with short curves, so that mutations hit its other fields as well."""
    return json.loads(
        json.dumps(kept),
        object_hook=lambda found: {
            name: value[:3] if isinstance(value, list) and name not in {"expected_cut_interval", "_steps"} else value
            for name, value in found.items()
        },
    )


# -- checkpoints -----------------------------------------------------------------------------------------------------

HEADER: Final = b'{"costguard_checkpoint": 1, "chain": "c"}\n'
ITEM: Final[dict[str, Any]] = {"key": "k", "index": 0, "output": {"a": [1, "x"]}, "cost": "0.5"}


@fuzz(120)
@given(
    data=mutated_bytes(HEADER + json.dumps(ITEM).encode() + b"\n" + json.dumps({**ITEM, "key": "l"}).encode() + b"\n")
    | json_files(ITEM).map(lambda line: File(HEADER + line.replace(b"\n", b" ") + b"\n"))
)
def test_a_checkpoint_is_read_or_left_as_it_is(data: bytes, tmp_path: Path) -> None:
    """What it holds was paid for."""
    path = tmp_path / "run.checkpoint"
    path.write_bytes(data)
    try:
        file = CheckpointFile(path, "c", fsync_seconds=60)
    except CheckpointError as error:
        whole_lines = data[: data.rfind(b"\n") + 1] or data  # a torn last line may go, and nothing else
        assert path.read_bytes() in (data, whole_lines)
        assert "run.checkpoint" in str(error)
        return
    for key in list(file._places):
        try:
            kept = file.find(key)
        except CheckpointError:
            continue
        assert kept.cost is None or (isinstance(kept.cost, Decimal) and kept.cost.is_finite() and kept.cost >= 0)
    file.close()


class Own(BaseModel):
    """A class of the user's."""

    text: str = ""


WRITER: Final = Values([Own])
VALUES: Final[list[Any]] = [
    WRITER.dump(value)
    for value in (
        AIMessage("a", additional_kwargs={"parsed": Own(text="x")}, usage_metadata=None),
        {"a": (1, 2.5, float("nan")), 5: [None]},
        Document(page_content="p", metadata={"source": "s"}),
        ChatGeneration(message=HumanMessage("q")),
        Own(text="y"),
    )
]


def _classes_in(value: Any) -> set[type]:
    if isinstance(value, dict):
        return {kind for pair in value.items() for part in pair for kind in _classes_in(part)}
    if isinstance(value, list | tuple):
        return {kind for part in value for kind in _classes_in(part)}
    return set() if value is None or isinstance(value, str | int | float) else {type(value)}


@fuzz(120)
@given(written=st.sampled_from(VALUES).flatmap(mutated) | values)
def test_only_allowed_classes_are_made_of_what_was_kept(written: Any) -> None:
    """A checkpoint that somebody changed must not run anything."""
    try:
        value = WRITER.load(written)
    except UnkeptValueError:
        return
    assert _classes_in(value) <= {Own, *ALLOWED_CLASSES}


@fuzz(60)
@given(
    path=st.lists(
        st.sampled_from(["langchain_core", "langchain", "os", "prompts", "PromptTemplate", "system"]), max_size=4
    )
)
def test_no_other_class_is_made(path: list[str]) -> None:
    """LangChain's own reader makes any of its classes unless it is told which."""
    foreign = {"lc": 1, "type": "constructor", "id": path, "kwargs": {"template": "{x}", "input_variables": ["x"]}}
    assert answers.load_answer(json.dumps([foreign]).encode()) is None
    try:
        made = WRITER.load({"$costguard": "langchain", "value": foreign})
    except UnkeptValueError:
        return
    assert type(made) in ALLOWED_CLASSES


# -- answers of caches -----------------------------------------------------------------------------------------------

ANSWER: Final = answers.dump_answer([ChatGeneration(message=AIMessage("hello", response_metadata={"model_name": "m"}))])


@fuzz(150)
@given(data=mutated_bytes(ANSWER or b"") | json_files(json.loads(ANSWER or b"[]")))
def test_an_answer_of_a_cache_is_one_or_none(data: bytes) -> None:
    """A row that was tampered with is a miss, and never an error in front of the user."""
    found = answers.load_answer(data)
    if found is not None:
        assert all(type(item) in {ChatGeneration, Generation} for item in found)
        answers.why_not_kept(found)
        answers.has_tool_calls(found)
        answers.usage_of(found)
        answers.model_of(found)
        answers.marked_as_near(found)


PROMPT: Final[list[Any]] = [
    {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "HumanMessage"],
        "kwargs": {"content": [{"type": "text", "text": "q"}, "more"], "type": "human", "name": "n"},
    }
]


@fuzz(80)
@given(data=json_files(PROMPT), depth=DEPTHS)
def test_any_prompt_is_taken_apart_or_not(data: bytes, depth: int) -> None:
    """A lookup that raises would stop a chain for a cache."""
    read_chat_prompt(data.decode("utf-8", "replace"))
    read_chat_prompt("[{" + '"a":' + deep_text(depth) + "}]")
