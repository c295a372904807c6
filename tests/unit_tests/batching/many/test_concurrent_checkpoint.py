"""A checkpoint: a second run pays for what is missing and nothing else, whatever happened to the first."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_costguard.batching import Checkpoint, CheckpointError, run_many, run_many_as_completed
from langchain_costguard.batching.many.checkpoints import models_of
from langchain_costguard.batching.many.values import UnkeptValueError, Values, digest_of, identity_of
from langchain_costguard.testing import LoopbackProvider, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit_tests.batching.many.many_runners import Many


class City(BaseModel):
    """A city."""

    name: str


class Asked:
    """A step that remembers its inputs."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []

    def __call__(self, given: Any) -> Any:
        self.inputs.append(given)
        return {"of": given}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the checkpoint is kept."""
    return tmp_path / "done.jsonl"


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that knows its own bill."""
    with LoopbackProvider(reply='{"name": "Rome"}') as served:
        yield served


def test_a_second_run_pays_only_for_what_is_missing(many: Many, file: Path, provider: LoopbackProvider) -> None:
    """And gives everything back: the very messages, with their usage."""
    model = provider.chat_model()
    first = many(model, ["a", "b"], checkpoint=file)
    paid = provider.billed
    results = many(model, ["a", "b", "c"], checkpoint=file)
    assert len(provider.requests) == 3
    assert [outcome.status for outcome in results.outcomes] == ["restored", "restored", "done"]
    assert list(results[:2]) == list(first)
    assert (results.restored_cost, results.cost) == (paid, provider.billed - paid)
    assert results.outcomes[0].cost == Decimal(0)
    assert "2 of them restored" in repr(results)


def test_changed_and_new_inputs_are_run_and_moved_ones_are_not(many: Many, file: Path) -> None:
    """A row put at the top of a table must not cost the whole table again."""
    asked = Asked()
    chain = RunnableLambda(asked)
    many(chain, ["a", "b", "b", "c"], 1, Checkpoint(path=file, chain_name="t"))
    results = many(chain, ["new", "a", "b", "b", "b", "C"], 1, Checkpoint(path=file, chain_name="t"))
    assert sorted(asked.inputs[4:]) == ["C", "b", "new"]
    assert [output["of"] for output in results] == ["new", "a", "b", "b", "b", "C"]


def test_failed_items_are_run_again(many: Many, file: Path) -> None:
    """An error is nothing to keep."""
    answers = iter([1, ValueError("broken"), 3, 4])

    def next_answer(_: int) -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    chain = RunnableLambda(next_answer)
    assert list(many(chain, range(3), 1, file)) == [1, None, 3]
    assert list(many(chain, range(3), 1, file)) == [1, 4, 3]


def test_what_a_dead_process_left_of_a_line_is_run_again(many: Many, file: Path) -> None:
    """`kill -9` comes in the middle of a write, too: at any byte of the last line."""
    asked = Asked()
    chain = RunnableLambda(asked)
    many(chain, ["a", "b"], 1, Checkpoint(path=file, chain_name="t"))
    whole = file.read_bytes()
    last = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for length in [last, last + 1, (last + len(whole)) // 2, len(whole) - 2, len(whole) - 1]:
        file.write_bytes(whole[:length])
        asked.inputs.clear()
        assert list(many(chain, ["a", "b"], 1, Checkpoint(path=file, chain_name="t"))) == [{"of": "a"}, {"of": "b"}]
        assert asked.inputs == ([] if length == len(whole) - 1 else ["b"]), "only the line's end was missing"
        assert len(file.read_bytes().splitlines()) == 3


def test_a_file_that_was_killed_at_birth_begins_anew(many: Many, file: Path) -> None:
    """Nothing, or half of the first line."""
    for content in (b"", b'{"costguard_check', b'{"costguard_checkpoint": 1, "chain": "na'):
        file.write_bytes(content)
        assert len(many(RunnableLambda(Asked()), ["a"], 1, Checkpoint(path=file, chain_name="t"))) == 1
        assert len(file.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    "damage", [b'{"key": "x", "outp\n', b"\0\0\0\0\n", b"[]\n", b'{"key": 3, "output": 1}\n', b"\xff\xfe\n"]
)
def test_a_damaged_line_is_named_and_nothing_is_lost(many: Many, file: Path, damage: bytes) -> None:
    """Silently skipping it would pay for it again; silently starting anew would pay for everything."""
    asked = Asked()
    many(RunnableLambda(asked), ["a", "b"], 1, Checkpoint(path=file, chain_name="t"))
    head, first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(head + first + damage + second)
    before = file.read_bytes()
    with pytest.raises(CheckpointError, match=rf"line 3 of the checkpoint {file} is damaged.*sed -i.bak 3d") as caught:
        many(RunnableLambda(asked), ["a", "b", "c"], 1, Checkpoint(path=file, chain_name="t"))
    assert (caught.value.line, caught.value.path) == (3, file)
    assert file.read_bytes() == before
    file.write_bytes(head + first + second)  # as the message says
    assert many(RunnableLambda(asked), ["a", "b"], 1, Checkpoint(path=file, chain_name="t")).restored == 2


@pytest.mark.parametrize("content", [b"my only copy\n", b"my only copy", b'{"rows": []}\n'])
def test_another_file_is_never_taken_for_a_checkpoint(many: Many, file: Path, content: bytes) -> None:
    """A mistyped path must not cost a file."""
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a checkpoint, and is left as it is"):
        many(RunnableLambda(Asked()), ["a"], checkpoint=file)
    assert file.read_bytes() == content


def test_a_newer_format_is_refused(many: Many, file: Path) -> None:
    """An older release must not write into what it cannot read."""
    file.write_bytes(b'{"costguard_checkpoint": 2, "chain": "x"}\n')
    with pytest.raises(CheckpointError, match="format 2, and this release reads 1: update"):
        many(RunnableLambda(Asked()), ["a"], checkpoint=file)


@pytest.mark.parametrize("torn", [b'{"key": "k", "ind', b'{"key": "k", "index": 1, "output": "x", "cost": null}'])
@pytest.mark.parametrize(
    "header", [b'{"costguard_checkpoint": 2, "chain": "x"}', b'{"costguard_checkpoint": 1, "chain": "x"}']
)
def test_a_refused_checkpoint_is_left_as_it_is(many: Many, file: Path, header: bytes, torn: bytes) -> None:
    """Whose it is may still be writing in it, or come back for what it holds: nothing is cut off, and nothing added."""
    for data in (header + b"\n" + torn, header):
        file.write_bytes(data)
        with pytest.raises(CheckpointError):
            many(RunnableLambda(Asked()), ["a"], checkpoint=file)
        assert file.read_bytes() == data


def test_a_path_that_cannot_be_written_is_refused_before_anything_is_paid(many: Many, tmp_path: Path) -> None:
    """A folder, and a folder that is not there."""
    asked = Asked()
    for path in (tmp_path, tmp_path / "nowhere" / "done.jsonl"):
        with pytest.raises(CheckpointError, match=r"cannot be opened .* give a path in a folder you may write to"):
            many(RunnableLambda(asked), ["a"], checkpoint=path)
    assert asked.inputs == []


def test_a_second_run_at_once_is_refused(file: Path) -> None:
    """Two of them would pay for everything twice."""
    outcomes = run_many_as_completed(RunnableLambda(Asked()), ["a", "b"], 1, file)
    next(outcomes)
    with pytest.raises(CheckpointError, match="in use by another run: wait for it to end"):
        run_many(RunnableLambda(Asked()), ["a", "b"], 1, file)
    outcomes.close()
    assert run_many(RunnableLambda(Asked()), ["a", "b"], 1, file).restored >= 1


def test_an_unread_loop_holds_no_file(file: Path) -> None:
    """A generator that nobody starts cannot close what it opened."""
    run_many_as_completed(RunnableLambda(Asked()), ["a"], 1, file)
    assert not file.exists()


def test_another_chain_is_refused_and_a_named_one_may_change(
    many: Many, file: Path, provider: LoopbackProvider
) -> None:
    """Answers to yesterday's prompt beside answers to today's are the worst of both."""
    old = ChatPromptTemplate.from_template("old {x}") | provider.chat_model() | StrOutputParser()
    new = ChatPromptTemplate.from_template("new {x}") | provider.chat_model() | StrOutputParser()
    many(old, [{"x": 1}], checkpoint=file)
    with pytest.raises(CheckpointError, match="of another chain: its prompts, models, settings or steps differ"):
        many(new, [{"x": 1}], checkpoint=file)
    assert len(provider.requests) == 1
    named = Checkpoint(path=file.with_name("named.jsonl"), chain_name="summaries")
    many(old, [{"x": 1}], checkpoint=named)
    assert many(new, [{"x": 1}], checkpoint=named).restored == 1


def test_what_a_chain_is_known_by_is_the_same_in_every_process(provider: LoopbackProvider) -> None:
    """A memory address, a key or an endpoint in it would pay for everything anew."""
    prompt = ChatPromptTemplate.from_template("{x}")

    def parse(message: AIMessage) -> str:
        return str(message.content)

    def chain(**settings: Any) -> Any:
        return prompt | provider.chat_model(**settings) | RunnableLambda(parse) | ScriptedChatModel()

    assert identity_of(chain()) == identity_of(chain(base_url="http://127.0.0.1:1/v1", api_key="other", max_retries=7))
    assert identity_of(chain()) != identity_of(chain(temperature=1))
    assert identity_of(chain()) != identity_of(chain(model="gpt-4o"))


def test_structured_answers_come_back_as_what_they_were(many: Many, file: Path, provider: LoopbackProvider) -> None:
    """The chain names its own class, so nobody else has to."""
    model = provider.chat_model()
    for name, chain in {
        "a": model.with_structured_output(City),
        "b": model.with_structured_output(City, include_raw=True),
        "c": {"city": model.with_structured_output(City)} | RunnableLambda(lambda found: [found["city"]]),
    }.items():
        path = file.with_name(f"{name}.jsonl")
        first = many(chain, ["q"], checkpoint=path)
        asked = len(provider.requests)
        again = many(chain, ["q"], checkpoint=path)
        assert len(provider.requests) == asked
        assert (again.restored, again[0]) == (1, first[0]), name
    assert models_of(model.with_structured_output(City)) == [City]


def test_a_class_that_nobody_named_is_neither_written_nor_made(many: Many, file: Path) -> None:
    """A file must not choose which classes are built; and one item tells it, not a hundred thousand."""
    asked: list[int] = []

    def city(number: int) -> City:
        asked.append(number)
        return City(name="Rome")

    with pytest.raises(CheckpointError, match=r"result of input 0 holds a .*City.*allowed_classes=\[...\]"):
        many(RunnableLambda(city), range(100), 10, file)
    assert asked == [0]
    allowed = Checkpoint(path=file, allowed_classes=[City])
    assert many(RunnableLambda(city), range(2), 10, allowed)[1] == City(name="Rome")
    with pytest.raises(CheckpointError, match=r"line 2 .*is not among the allowed classes"):
        many(RunnableLambda(city), range(2), 10, file)


def test_an_input_that_could_not_be_known_again_is_refused_before_anything_is_paid(many: Many, file: Path) -> None:
    """The last of a list as well; with `key=` the user says what it is known by."""
    asked = Asked()
    chain = RunnableLambda(lambda given: asked(str(type(given))))
    with pytest.raises(CheckpointError, match=r"input 1 holds a builtins.object.*key="):
        many(chain, ["a", object()], checkpoint=file)
    assert asked.inputs == []
    keyed = Checkpoint(path=file, key=lambda given: type(given).__name__)
    assert len(many(chain, ["a", object()], checkpoint=keyed)) == 2
    assert many(chain, ["a", object()], checkpoint=keyed).restored == 2


def test_messages_documents_and_models_are_inputs(many: Many, file: Path) -> None:
    """What LangChain users put in."""
    chain = RunnableLambda(lambda _: "done")
    inputs = [[HumanMessage("hi")], Document("text"), City(name="Rome"), ("a", 1.5, None), {"x": [1, {"y": 2}]}, 7]
    many(chain, inputs, checkpoint=file)
    assert many(chain, inputs, checkpoint=file).restored == len(inputs)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "grüße \U0001f600 \u2028 \ud800",
        -(10**30),
        1.5,
        float("inf"),
        [1, [2, (3, "x")]],
        {"a": {"$costguard": "tuple", "value": [1]}},
        {1: "int key", ("t", 2): None},
        {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}},
        [AIMessage("a", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "c"}]), ToolMessage("r", tool_call_id="c")],
        {"docs": [Document("text", metadata={"page": 3})]},
        RemoveMessage(id="1"),
        City(name="Rome"),
    ],
)
def test_values_come_back_equal(value: Any) -> None:
    """Through JSON text, as the file holds it; a dict that looks like a recipe stays a dict."""
    values = Values([City])
    back = values.load(json.loads(json.dumps(values.dump(value))))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", AIMessage("a", additional_kwargs={"x": object()})])
def test_other_values_are_refused(value: Any) -> None:
    """Better than to come back as something else."""
    with pytest.raises(UnkeptValueError):
        Values().dump(value)


def test_digests_tell_values_apart_and_do_not_depend_on_order() -> None:
    """A dict is its content; `1`, `"1"` and `True` are three inputs."""
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert len({digest_of(value) for value in (1, "1", True, [1], (1,), {"1": 1}, None)}) == 7
    assert digest_of("x", after="one chain") != digest_of("x", after="another")


def test_answers_replayed_by_a_cache_are_kept(file: Path) -> None:
    """LangChain marks their usage in a way that its own classes refuse to read back."""
    message = AIMessage("a", usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2})
    message.usage_metadata["total_cost"] = 0
    chain = RunnableLambda(lambda _: message)
    run_many(chain, ["q"], checkpoint=file)
    assert run_many(chain, ["q"], checkpoint=file)[0].content == "a"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_stops_the_run_and_leaves_what_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Going on would pay for results that are lost with the process."""
    import os

    asked = Asked()
    chain = RunnableLambda(asked)
    run_many(chain, ["a"], 1, Checkpoint(path=file, chain_name="t"))
    kept, write, full = file.read_bytes(), os.write, os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(
        os, "write", lambda place, data: write(place, data[:5]) if len(data) > 90 else write(full, data)
    )
    with pytest.raises(CheckpointError, match=r"cannot be written .*make room"):
        run_many(chain, ["a", "b" * 50, "c" * 50], 1, Checkpoint(path=file, chain_name="t"))
    monkeypatch.undo()
    os.close(full)
    assert asked.inputs == ["a", "b" * 50]
    assert file.read_bytes() == kept


def test_a_copied_checkpoint_goes_on_elsewhere(many: Many, file: Path) -> None:
    """It is one plain file, with no other beside it."""
    chain = RunnableLambda(Asked())
    many(chain, ["a"], checkpoint=Checkpoint(path=file, chain_name="t"))
    other = file.with_name("copy.jsonl")
    shutil.copy(file, other)
    assert many(chain, ["a"], checkpoint=Checkpoint(path=other, chain_name="t")).restored == 1
    assert sorted(path.name for path in file.parent.iterdir()) == ["copy.jsonl", "done.jsonl"]
