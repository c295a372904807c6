"""Processes that submit a batch job, wait for it and collect it, until they are killed.

The script itself only forks: for each line `URL FOLDER KIND` that it reads it starts one such process, writes its
number, waits for it and writes how it ended, so that what they import is imported once.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

from langchain_anthropic import ChatAnthropic
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from langchain_costguard import CostCallbackHandler
from langchain_costguard.batching import submit_batch
from langchain_costguard.stores import open_store

ITEMS = 6
PER_FILE = 3


def main() -> None:
    """Fork a process for each line, and see it end."""
    _warm()
    for line in sys.stdin:
        url, folder, kind = line.split()
        child = os.fork()
        if not child:
            _run_and_leave(url, Path(folder), kind)
        _say(child)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


def _warm() -> None:
    """Load here what every process would load for itself: the price list, and what makes a new ledger."""
    assert CostCallbackHandler().prices
    with tempfile.TemporaryDirectory() as folder:
        open_store(Path(folder) / "costs.db").close()


def _run_and_leave(url: str, folder: Path, kind: str) -> None:
    try:
        _work(url, folder, kind)
    except Exception:  # noqa: BLE001 - whatever it is, the test must see it, and this process must not read on
        (folder / "error.txt").write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def _work(url: str, folder: Path, kind: str) -> None:
    """Submit, wait, collect; whoever did some of it before is not asked again."""
    handler = CostCallbackHandler(folder / "costs.db")
    chain = ChatPromptTemplate.from_template("About {text}") | _model(url, kind) | StrOutputParser()
    job = submit_batch(
        chain,
        [{"text": f"item {index}"} for index in range(ITEMS)],
        name="nightly",
        store=folder / "batches.db",
        provider=kind,
        config={"callbacks": [handler]},
        max_requests_per_file=PER_FILE,
    )
    job.wait(30, first_pause_seconds=0.01, longest_pause_seconds=0.01)
    results = job.collect(timeout_seconds=30)
    handler.flush()
    kept = folder / "outputs.tmp"
    kept.write_text(json.dumps([list(results), {index: str(error) for index, error in results.errors.items()}]))
    kept.replace(folder / "outputs.json")


def _model(url: str, kind: str) -> ChatOpenAI | ChatAnthropic:
    settings = {"api_key": "loopback", "max_retries": 2, "timeout": 10}
    if kind == "openai":
        return ChatOpenAI(model="gpt-4o-mini", base_url=url, **settings)
    return ChatAnthropic(model="claude-haiku-4-5", base_url=url.removesuffix("/v1"), **settings)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
