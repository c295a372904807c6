"""`batch`: a file of inputs goes out at half price, is asked for, collected and cancelled from a shell."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.batching.jobs.batch_results import BatchItemError, BatchResults
from langchain_costguard.cli.batch_lines import open_inputs, output_lines
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import open_store
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHAIN = """
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="gpt-4o-mini", base_url={url!r}, api_key="loopback", max_tokens=50)
chain = ChatPromptTemplate.from_template("Summarize {{text}}") | model | StrOutputParser()


def make():
    return chain


number = 7
"""


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that says for which input an answer is."""
    with LoopbackProvider(reply=lambda body: body["messages"][-1]["content"].replace("Summarize", "About")) as provider:
        yield provider


@pytest.fixture
def shell(
    provider: LoopbackProvider, tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """The command line in a folder with a chain and its inputs, a file of jobs and a ledger of its own."""
    (tmp_path / "summaries.py").write_text(CHAIN.format(url=provider.base_url), encoding="utf-8")
    rows = [json.dumps({"text": text}) for text in ("one", "two", "three")]
    (tmp_path / "inputs.jsonl").write_text("\n".join(rows) + "\n\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COSTGUARD_BATCHES", str(tmp_path / "jobs" / "batches.db"))
    monkeypatch.setenv("COSTGUARD_STORE", str(tmp_path / "costs.db"))
    yield run
    sys.modules.pop("summaries", None)


def submit(shell: Callable[..., Any], *more: str, **kwargs: Any) -> Any:
    """Submit the three inputs as a job named `nightly`."""
    named = ("--chain", "summaries:chain", "--name", "nightly", "--provider", "openai")
    return shell("batch", "submit", "inputs.jsonl", *named, *more, **kwargs)


def on(shell: Callable[..., Any], command: str, *more: str) -> Any:
    """A command on that job."""
    return shell("batch", command, "nightly", "--chain", "summaries:chain", *more)


def test_a_job_goes_from_a_file_to_a_file(
    shell: Callable[..., Any], provider: LoopbackProvider, tmp_path: Path
) -> None:
    """Submitted, looked at, collected: three commands, each a process of its own in a real night."""
    begun = submit(shell, "--yes")
    assert begun.code == 0, begun.err
    assert "3 requests to gpt-4o-mini" in begun.err
    assert "3 items" in begun.out
    assert on(shell, "status").code == 0
    ended = on(shell, "collect", "--wait")
    assert ended.code == 0, ended.err
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert rows == [
        {"index": index, "output": f"About {text}", "error": None} for index, text in enumerate(("one", "two", "three"))
    ]
    assert ended.err.startswith("3 of 3 outputs for $")
    store = open_store(tmp_path / "costs.db")
    assert (
        sum((entry.billed_cost or Decimal(0) for entry in store.entries(LedgerQuery())), Decimal(0)) == provider.billed
    )


def test_a_job_of_the_same_name_is_submitted_once(shell: Callable[..., Any], provider: LoopbackProvider) -> None:
    """Whoever presses the arrow key and return again pays nothing."""
    for _ in range(2):
        assert submit(shell, "--yes").code == 0
    assert len(provider.batches) == 1


def test_it_asks_first_with_the_estimate(shell: Callable[..., Any], provider: LoopbackProvider) -> None:
    """Nothing is sent without a yes."""
    refused = submit(shell, typed="n\n")
    assert refused.code == 1
    assert "as a batch" in refused.err
    assert provider.requests == ()
    assert submit(shell, typed="y\n").code == 0
    assert len(provider.batches) == 1


def test_what_may_cost_too_much_is_not_sent(shell: Callable[..., Any], provider: LoopbackProvider) -> None:
    """A limit that needs nobody awake."""
    refused = submit(shell, "--yes", "--max-cost", "0.000001")
    assert refused.code == 1
    assert "--max-cost is $0.000001: raise it" in refused.err
    assert provider.requests == ()
    assert submit(shell, "--yes", "--max-cost", "1").code == 0
    assert submit(shell, "--yes", "--max-cost", "much").code == 2


def test_json_has_the_facts_of_each_command(shell: Callable[..., Any], tmp_path: Path) -> None:
    """Money as decimal strings, so that a script can add it up."""
    assert submit(shell, "--yes", "--json").json["items"] == 3
    assert on(shell, "status", "--json").json["parts"][0]["requests"] == 3
    (listed,) = shell("batch", "list", "--json").json
    assert (listed["name"], listed["items"], listed["provider"]) == ("nightly", 3, "openai")
    assert on(shell, "collect", "--wait", "--json").code == 2
    sums = on(shell, "collect", "--wait", "--json", "--output", "outputs.jsonl").json
    assert Decimal(sums["cost"]) * 2 == Decimal(sums["synchronous_cost"])
    assert len((tmp_path / "outputs.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_failures_are_told_and_the_rest_is_written(shell: Callable[..., Any], provider: LoopbackProvider) -> None:
    """One bad item must not hide the two that were paid for."""
    provider.next_batch(failed_share=0.34, failed_statuses=(400,))
    submit(shell, "--yes")
    ended = on(shell, "collect", "--wait")
    assert ended.code == 0
    rows = [json.loads(line) for line in ended.out.splitlines()]
    (failed,) = [row for row in rows if row["error"]]
    assert (failed["output"], failed["error"]["cause"], failed["error"]["http_status"]) == (None, "failed", 400)
    assert "without an output: 1 input (1 failed); the lines say why" in ended.err


def test_a_job_is_cancelled(shell: Callable[..., Any], provider: LoopbackProvider) -> None:
    """And what was answered till then can be collected."""
    submit(shell, "--yes")
    ended = on(shell, "cancel")
    assert ended.code == 0, ended.err
    assert provider.batches[0]["status"] in {"cancelling", "cancelled"}


def test_jobs_are_listed_without_asking_anybody(shell: Callable[..., Any], provider: LoopbackProvider) -> None:
    """The first thing to do in the morning."""
    assert shell("batch", "list").out == "No job was submitted from here.\n"
    submit(shell, "--yes")
    asked = len(provider.requests)
    assert "nightly" in shell("batch", "list").out
    assert len(provider.requests) == asked


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ("summaries", "write it as module:object"),
        ("nowhere:chain", "nowhere cannot be imported"),
        ("summaries:nothing", "summaries has no nothing"),
        ("summaries:number", "is a int, no Runnable"),
    ],
)
def test_a_chain_that_is_not_there_is_said_so(shell: Callable[..., Any], chain: str, words: str) -> None:
    """With what to write instead."""
    ended = shell("batch", "submit", "inputs.jsonl", "--chain", chain, "--yes")
    assert ended.code == 2
    assert words in " ".join(ended.err.replace("│", " ").split())


def test_a_function_that_makes_the_chain_will_do(shell: Callable[..., Any], provider: LoopbackProvider) -> None:
    """Chains are often built when they are needed."""
    ended = shell(
        "batch", "submit", "inputs.jsonl", "--chain", "summaries:make", "--provider", "openai", "--yes", "--name", "n"
    )
    assert ended.code == 0, ended.err
    assert len(provider.batches) == 1


def test_standard_input_needs_a_yes(shell: Callable[..., Any], provider: LoopbackProvider) -> None:
    """The answer to a question would be read as an input."""
    named = ("--chain", "summaries:chain", "--provider", "openai")
    assert shell("batch", "submit", "-", *named, typed='{"text": "one"}\n').code == 2
    assert shell("batch", "submit", "-", *named, "--yes", typed='{"text": "one"}\n').code == 0
    assert len(provider.batches) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.jsonl", b'{"text": "one"}\n{"text": \n', "line 2 of broken.jsonl is no JSON"),
        ("latin.jsonl", '"Z\xfcrich"\n'.encode("latin-1"), "no text in UTF-8"),
        ("uneven.csv", b"text,more\none,1\ntwo\n", "line 3 of uneven.csv has not as many cells"),
        ("missing.jsonl", None, "missing.jsonl cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_costs_nothing(
    shell: Callable[..., Any],
    provider: LoopbackProvider,
    tmp_path: Path,
    name: str,
    content: bytes | None,
    words: str,
) -> None:
    """The fault is named with its line before anything is sent."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ended = shell("batch", "submit", name, "--chain", "summaries:chain", "--provider", "openai", "--yes")
    assert ended.code == 1
    assert words in ended.err
    assert provider.billed == 0
    assert provider.batches == []


def test_a_table_is_read_by_the_words_of_its_first_row(tmp_path: Path) -> None:
    """A spreadsheet is where inputs often are; a cell may hold commas and lines."""
    place = tmp_path / "inputs.csv"
    place.write_text('text,lang\n"one, or\ntwo",en\nthree,de\n', encoding="utf-8")
    with open_inputs(str(place)) as inputs:
        assert list(inputs) == [{"text": "one, or\ntwo", "lang": "en"}, {"text": "three", "lang": "de"}]


def test_outputs_of_every_kind_become_lines() -> None:
    """Messages, models and texts; what JSON cannot hold is written as text."""
    from langchain_core.messages import AIMessage

    errors = {2: BatchItemError("expired", "too late", "batch_expired")}
    rows = [json.loads(line) for line in output_lines(BatchResults(["a", AIMessage("b"), None], errors))]
    assert rows[0] == {"index": 0, "output": "a", "error": None}
    assert rows[1]["output"]["content"] == "b"
    assert rows[2]["output"] is None
    assert rows[2]["error"]["cause"] == "expired"


@pytest.mark.parametrize("command", ["submit", "status", "collect", "cancel", "list"])
def test_every_help_has_an_example(command: str, run: Callable[..., Any]) -> None:
    """Everybody copies it."""
    assert f"  langchain-costguard batch {command}" in run("batch", command, "--help").out.partition("Examples:")[2]
