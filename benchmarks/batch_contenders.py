"""A provider with a Batch API, and jobs that are submitted to it and collected: ours and other packages'.

    python benchmarks/batch_contenders.py serve
    python benchmarks/batch_contenders.py SYSTEM URL FOLDER REQUESTS PER_FILE

`benchmarks/batch_jobs.py` starts them, rivals with another environment's Python. A job that is run again in the same
folder goes on as the package's own documentation says; it prints its figures as JSON. Packages are imported only where
they are used.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.runnables import Runnable

POLL_SECONDS = 0.02
ENDED = {"completed", "failed", "expired", "cancelled"}
_WAIT_SECONDS = 1800


class Ears:
    """What the provider hears: which questions it is asked, and the request at which it kills the one who asks."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self.asked: Counter[str] = Counter()
        self.seen: list[list[str]] = []
        self._target = (0, -1)
        self._lock = threading.Lock()

    def aim(self, pid: int, at: int) -> None:
        """Kill a process at the request of this number, from 0, counting from now."""
        with self._lock:
            self.seen.clear()
            self._target = (pid, at)

    def reply(self, body: Mapping[str, Any]) -> str:
        """An answer that says to what."""
        question = str(body["messages"][-1]["content"])
        self.asked[question] += 1
        return f"re: {question}"

    def __call__(self, moment: str, method: str, path: str) -> None:
        """See a request."""
        with self._lock:
            self.seen.append([moment, method, path])
            pid, at = self._target
            is_it = len(self.seen) - 1 == at
        if is_it:
            os.kill(pid, signal.SIGKILL)


def serve() -> None:
    """Serve, and answer lines: `aim PID AT`, `bill`, `seen`."""
    from langchain_costguard.testing import LoopbackProvider

    ears = Ears()
    with LoopbackProvider(reply=ears.reply, batch_seconds=0.05) as provider:
        provider.on_request(ears)
        say(provider.base_url)
        for line in sys.stdin:
            command, *numbers = line.split()
            if command == "aim":
                ears.aim(*map(int, numbers))
                say("aimed")
            elif command == "seen":
                say(ears.seen)
            else:
                finish(provider.base_url)
                say({"billed": f"{provider.billed:f}", "items": len(provider.batch_items), **twice(ears.asked)})


def finish(url: str) -> None:
    """See every batch to its end, those that nobody remembers included: they are billed like the others."""
    import openai

    with openai.OpenAI(base_url=url, api_key="loopback") as client:
        while any(batch.status not in ENDED for batch in client.batches.list()):
            time.sleep(POLL_SECONDS)  # until the next look


def twice(asked: Counter[str]) -> dict[str, int]:
    """How many questions were answered, and how many answers there were beyond one for each."""
    return {"questions": len(asked), "answered_again": sum(asked.values()) - len(asked)}


def chain_at(url: str) -> Runnable[Any, Any]:
    """A prompt, a model and a parser."""
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_openai import ChatOpenAI

    prompt = ChatPromptTemplate.from_messages([("system", "Summarize in one sentence."), ("human", "{text}")])
    model = ChatOpenAI(model="gpt-4o-mini", base_url=url, api_key="loopback", max_tokens=100, timeout=600)
    return prompt | model | StrOutputParser()


def text_of(number: int) -> str:
    """An input: some 400 characters."""
    return f"Report {number}: " + "the parcel was taken over, weighed, sorted and sent on to the next depot. " * 5


def costguard(url: str, folder: Path, requests: int, per_file: int) -> dict[str, Any]:
    """Ours."""
    from langchain_costguard import CostCallbackHandler
    from langchain_costguard.batching import submit_batch
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.stores import open_store

    chain, begun_mb, began = chain_at(url), peak_mb(), time.perf_counter()
    handler = CostCallbackHandler(folder / "costs.db")
    job = submit_batch(
        chain,
        ({"text": text_of(number)} for number in range(requests)),
        name="nightly",
        provider="openai",
        store=folder / "batches.db",
        config={"callbacks": [handler]},
        max_requests_per_file=per_file,
    )
    submitted = time.perf_counter()
    submitted_mb = peak_mb()
    job.wait(_WAIT_SECONDS, first_pause_seconds=POLL_SECONDS, longest_pause_seconds=0.5)
    ended = time.perf_counter()
    results = job.collect()
    handler.flush()
    collected = time.perf_counter()
    right = sum(str(output).startswith(f"re: Report {number}:") for number, output in enumerate(results))
    with open_store(folder / "costs.db") as store:
        lines = sum(1 for _ in store.entries(LedgerQuery()))
    return {
        "delivered": right,
        "errors": len(results.errors),
        "cost": None if results.cost is None else f"{results.cost:f}",
        "saved": None if results.saved is None else f"{results.saved:f}",
        "ledger_lines": lines,
        "submit_s": round(submitted - began, 2),
        "wait_s": round(ended - submitted, 2),
        "collect_s": round(collected - ended, 2),
        "imported_mb": begun_mb,
        "submitted_mb": submitted_mb,
        "peak_mb": peak_mb(),
    }


def by_hand(url: str, folder: Path, requests: int, per_file: int) -> dict[str, Any]:
    """The SDK of OpenAI, with the batches' ids written down as soon as they are known: what most people do."""
    import openai

    client = openai.OpenAI(base_url=url, api_key="loopback")
    notes = folder / "batch_ids.json"
    known: list[str] = json.loads(notes.read_text()) if notes.exists() else []
    for first in range(len(known) * per_file, requests, per_file):
        rows = [_row(number) for number in range(first, min(first + per_file, requests))]
        file = client.files.create(file=("requests.jsonl", "\n".join(rows).encode()), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        known.append(batch.id)
        notes.write_text(json.dumps(known))
    return {"delivered": sum(_read(client, batch_id) for batch_id in known)}


def litellm(url: str, folder: Path, requests: int, per_file: int) -> dict[str, Any]:
    """Its functions for files and batches, with the ids written down as soon as they are known."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm as package

    to = {"custom_llm_provider": "openai", "api_base": url, "api_key": "loopback"}
    notes = folder / "batch_ids.json"
    known: list[str] = json.loads(notes.read_text()) if notes.exists() else []
    for first in range(len(known) * per_file, requests, per_file):
        rows = [_row(number) for number in range(first, min(first + per_file, requests))]
        upload = ("requests.jsonl", "\n".join(rows).encode())
        file = package.create_file(file=upload, purpose="batch", **to)
        batch = package.create_batch(
            completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id, **to
        )
        known.append(batch.id)
        notes.write_text(json.dumps(known))
    delivered = 0
    for batch_id in known:
        while (batch := package.retrieve_batch(batch_id=batch_id, **to)).status != "completed":
            time.sleep(POLL_SECONDS)  # until the next poll
        delivered += _right(package.file_content(file_id=batch.output_file_id, **to).text)
    return {"delivered": delivered}


def langasync(url: str, folder: Path, requests: int, _: int) -> dict[str, Any]:
    """Its chain wrapper; a job that it has written down is fetched again, else it is submitted."""
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="loopback")
    return asyncio.run(_langasync(url, folder, requests))


async def _langasync(url: str, folder: Path, requests: int) -> dict[str, Any]:
    import langasync as package

    settings = package.LangasyncSettings(
        openai_api_key="loopback",
        openai_base_url=url,
        base_storage_path=str(folder),
        batch_poll_interval=POLL_SECONDS,
    )
    service = package.BatchJobService(settings)
    jobs = await service.list(pending=False)
    if jobs:
        job = jobs[0]
    else:
        wrapper = package.batch_chain(chain_at(url), settings)
        job = await wrapper.submit([{"text": text_of(number)} for number in range(requests)])
    while True:
        result = await job.get_results()
        if str(getattr(result.status_info.status, "value", result.status_info.status)).lower() == "completed":
            break
        await asyncio.sleep(POLL_SECONDS)  # until the next poll
    outputs = [getattr(one, "content", one) for one in result.results or ()]
    return {"delivered": sum(str(output).startswith("re: Report") for output in outputs)}


def curator(url: str, folder: Path, requests: int, per_file: int) -> dict[str, Any]:
    """Its batch mode, with its cache in the folder, from which it resumes by itself."""
    os.environ.update(
        CURATOR_CACHE_DIR=str(folder),
        CURATOR_DISABLE_RICH_DISPLAY="1",
        TELEMETRY_ENABLED="false",
        HF_DATASETS_OFFLINE="1",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        OPENAI_API_KEY="loopback",
    )
    from bespokelabs import curator as package

    settings = {"base_url": url, "api_key": "loopback", "batch_size": per_file, "batch_check_interval": 1}
    model = package.LLM(model_name="gpt-4o-mini", backend="openai", batch=True, backend_params=settings)
    rows = model([text_of(number) for number in range(requests)])
    rows = getattr(rows, "dataset", rows)
    return {"delivered": sum(str(row["response"]).startswith("re: Report") for row in rows)}


def _row(number: int) -> str:
    body = {"model": "gpt-4o-mini", "max_tokens": 100, "messages": [{"role": "user", "content": text_of(number)}]}
    row = {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(row)


def _read(client: Any, batch_id: str) -> int:  # noqa: ANN401 - the client of a package that is imported where it is used
    while (batch := client.batches.retrieve(batch_id)).status != "completed":
        time.sleep(POLL_SECONDS)  # until the next poll
    return _right(client.files.content(batch.output_file_id).text)


def _right(text: str) -> int:
    rows = [json.loads(line) for line in text.splitlines()]
    said = [row["response"]["body"]["choices"][0]["message"]["content"] for row in rows]
    return sum(answer.startswith("re: Report") for answer in said)


def peak_mb() -> int:
    """The most memory this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def say(value: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Write a line for whoever started this."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


SYSTEMS: dict[str, Callable[[str, Path, int, int], dict[str, Any]]] = {
    "costguard": costguard,
    "by_hand": by_hand,
    "litellm": litellm,
    "langasync": langasync,
    "curator": curator,
}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        system, url, folder, requests, per_file = sys.argv[1:]
        sys.stdin.readline()  # the word that somebody watches
        say(SYSTEMS[system](url, Path(folder), int(requests), int(per_file)))
