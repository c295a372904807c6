"""Doing one compression: models are asked where its task says so, and are waited for in both of LangChain's ways."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.callbacks import guarded
from langchain_costguard.compression.abstracting import own_call
from langchain_costguard.compression.tasks import Task

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.runnables import Runnable

    from langchain_costguard.compression.result import Compressed
    from langchain_costguard.compression.tasks import Job, Terms

_LONG_CHARACTERS: Final = 100_000
"""A longer context is read on a thread, so that an event loop does not wait for it."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the compressions of one compressor."""

    terms: Terms
    writer: Runnable[Any, Any] | None
    """The model that writes summaries; `None` where sentences are selected."""
    embedder: Embeddings | None

    def run(self, job: Job) -> Compressed:
        """Compress; raises what the models raise."""
        task = Task(job, self.terms)
        if task.done is not None:
            return task.done
        if self.writer is not None and task.summarises(self.writer):
            found = task.summary(_bounded(self.writer, task).invoke(task.request(), own_call()))
            if found is not None:
                return found
        if self.embedder is not None and task.query:
            at = task.to_embed()
            vectors = self.embedder.embed_documents([task.units[one].text for one in at])
            task.embed(at, vectors, self.embedder.embed_query(task.query))
        return task.selection()

    async def arun(self, job: Job) -> Compressed:
        """The same as `run`; an event loop goes on meanwhile."""
        is_long = sum(map(len, job.passages)) > _LONG_CHARACTERS
        task = await asyncio.to_thread(Task, job, self.terms) if is_long else Task(job, self.terms)
        if task.done is not None:
            return task.done
        if self.writer is not None and task.summarises(self.writer):
            found = task.summary(await _bounded(self.writer, task).ainvoke(task.request(), own_call()))
            if found is not None:
                return found
        if self.embedder is not None and task.query:
            at = task.to_embed()
            vectors = await self.embedder.aembed_documents([task.units[one].text for one in at])
            task.embed(at, vectors, await self.embedder.aembed_query(task.query))
        return await asyncio.to_thread(task.selection) if is_long else task.selection()


def _bounded(writer: Runnable[Any, Any], task: Task) -> Runnable[Any, Any]:
    """The model that writes summaries, whose answers end at the bound."""
    return guarded(writer, when_full="raise", min_output_tokens=1, max_output_tokens=task.most)
