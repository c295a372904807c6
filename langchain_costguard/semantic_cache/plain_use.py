"""The cache without LangChain's: get, set and query by text; and what one asks it about itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation

from langchain_costguard._settings import is_disabled
from langchain_costguard.semantic_cache.asking import tenant_name
from langchain_costguard.semantic_cache.billing import report_plain_hit
from langchain_costguard.semantic_cache.finding import Found, now_us
from langchain_costguard.semantic_cache.flights import ticketed
from langchain_costguard.semantic_cache.keeping import check_ttl
from langchain_costguard.semantic_cache.keys import label
from langchain_costguard.semantic_cache.stats import CacheStats, Explanation, sum_totals
from langchain_costguard.semantic_cache.warming import question_and_answer, warmed

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from langchain_costguard.semantic_cache.asking import Asking
    from langchain_costguard.semantic_cache.faults import Faults
    from langchain_costguard.semantic_cache.finding import Finder
    from langchain_costguard.semantic_cache.index import CandidateIndex
    from langchain_costguard.semantic_cache.keeping import Keeper
    from langchain_costguard.semantic_cache.keys import Question
    from langchain_costguard.semantic_cache.lately import Lately
    from langchain_costguard.semantic_cache.learning import Learning
    from langchain_costguard.semantic_cache.matching import Match
    from langchain_costguard.semantic_cache.meaning import Matching
    from langchain_costguard.stores.cache_base import CacheStore
    from langchain_costguard.stores.cache_uses import CacheUses

Answer = TypeVar("Answer", str, AIMessage)

WAIT_SECONDS = 60.0
"""So long a call waits for another one that asks the same."""


class PlainUse:
    """What a cache does for those who hold it; `SemanticCache` adds LangChain's face."""

    namespace: str
    store: CacheStore
    shadow: bool
    tenant: str | None
    _asking: Asking
    _faults: Faults
    _finder: Finder
    _index: CandidateIndex
    _keeper: Keeper
    _lately: Lately
    _learning: Learning
    _matching: Matching
    _uses: CacheUses

    def get(self, text: str, *, tenant: str | None = None) -> str | AIMessage | None:
        """The answer that was set for a text, or for one that means the same.

        Answers of `set` and `query` are kept apart from those of models that LangChain asks.

        Args:
            text: the question.
            tenant: whose question it is, where the cache keeps tenants apart.

        Returns:
            The answer as it was set; `None` when there is none, or the cache failed.
        """
        try:
            question = self._of_text(text, tenant)
            return None if question is None else self._given(question, self._find(question))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the answer can be made
            self._faults.note(error, "get")
            return None

    async def aget(self, text: str, *, tenant: str | None = None) -> str | AIMessage | None:
        """The same as `get`, without holding up the event loop."""
        try:
            question = self._of_text(text, tenant)
            return None if question is None else self._given(question, await self._afind(question))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the answer can be made
            self._faults.note(error, "get")
            return None

    def set(
        self, text: str, answer: str | AIMessage, *, tenant: str | None = None, ttl_seconds: float | None = None
    ) -> bool:
        """Keep an answer.

        Args:
            text: the question.
            answer: its answer.
            tenant: whose question it is, where the cache keeps tenants apart.
            ttl_seconds: how long it is served; by default as long as the cache's others.

        Returns:
            Whether it was kept: answers that are empty, cut off, refused or filtered are not.

        Raises:
            TypeError: the answer is neither a text nor a message of a model.
        """
        generation = _generation(answer)
        check_ttl(ttl_seconds)
        try:
            question = self._of_text(text, tenant)
            return question is not None and self._keep_for(question, [generation], text, ttl_seconds)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the answer is there
            self._faults.note(error, "set")
            return False

    async def aset(
        self, text: str, answer: str | AIMessage, *, tenant: str | None = None, ttl_seconds: float | None = None
    ) -> bool:
        """The same as `set`, without holding up the event loop."""
        return await asyncio.to_thread(self.set, text, answer, tenant=tenant, ttl_seconds=ttl_seconds)

    def query(
        self,
        text: str,
        call: Callable[[str], Answer],
        *,
        tenant: str | None = None,
        ttl_seconds: float | None = None,
    ) -> Answer:
        """The cached answer to a text, else the one that `call` gives, which is kept.

        Several threads that ask the same at once make one call. A hit stands in the ledger like one of a chat model,
        where the answer is a message that says what it took.

        Args:
            text: the question.
            call: asked on a miss, such as `model.invoke`; what it raises is raised.
            tenant: whose question it is, where the cache keeps tenants apart.
            ttl_seconds: how long the answer is served; by default as long as the cache's others.

        Example:
            ```python
            answer = cache.query("How do I reset my password?", model.invoke)
            ```
        """
        with ticketed(WAIT_SECONDS):
            known = self.get(text, tenant=tenant)
            if known is not None:
                return cast("Answer", known)
            answer = call(text)
            self.set(text, answer, tenant=tenant, ttl_seconds=ttl_seconds)
            return answer

    async def aquery(
        self,
        text: str,
        call: Callable[[str], Awaitable[Answer]],
        *,
        tenant: str | None = None,
        ttl_seconds: float | None = None,
    ) -> Answer:
        """The same as `query`, with a call that is awaited, such as `model.ainvoke`."""
        with ticketed(WAIT_SECONDS):
            known = await self.aget(text, tenant=tenant)
            if known is not None:
                return cast("Answer", known)
            answer = await call(text)
            await self.aset(text, answer, tenant=tenant, ttl_seconds=ttl_seconds)
            return answer

    def match(self, stored_text: str, asked_text: str) -> Match:
        """Whether the answer to one text would be served for another, decided as in a lookup.

        Args:
            stored_text: the question whose answer is kept.
            asked_text: the question to be answered.

        Raises:
            ValueError: there is no embedder.
        """
        return self._matching.match(stored_text, asked_text)

    def explain(
        self, prompt: str | Sequence[BaseMessage], *, model: object = None, tenant: str | None = None
    ) -> Explanation:
        """How the latest lookup of a text came out, and why; nothing is counted and no model asked.

        Args:
            prompt: the text, or the messages.
            model: the chat model that would be asked, also with tools bound: it is looked up for it now.
            tenant: whose question it is, where the cache keeps tenants apart.

        Returns:
            For a text without a model: the tenant's latest lookup of it in this process, by whatever model; else what
            `get` would find.
        """
        if model is None and isinstance(prompt, str):
            lookup = self._lately.of_text(prompt, label(tenant_name(tenant)))
            if lookup is not None:
                return lookup.explanation
        question = self._meant(prompt, model, tenant)
        if question is None:
            return Explanation("miss", str(prompt), why="it is not known whose question it is: give tenant=")
        return self._finder.find(question).explained(question)

    def feedback(self, prompt: str | Explanation, *, good: bool, tenant: str | None = None) -> bool:
        """What a user says of a hit: a wrong answer is deleted, and too many of them raise the threshold.

        The threshold is raised for everybody who shares the store, the namespace and the embedder.

        Args:
            prompt: the text that was asked, or what `explain` said of it.
            good: whether the answer was right.
            tenant: whose question it was; required where the cache keeps tenants apart.

        Returns:
            Whether a hit of this text is remembered: the latest 256 lookups of this process are.

        Raises:
            StoreError: the store cannot be written.
            ValueError: the cache keeps tenants apart, and none is given.
        """
        text = prompt.asked if isinstance(prompt, Explanation) else prompt
        name = label(tenant_name(tenant))
        if self.tenant is not None and name is None:
            msg = "it is not known whose question it was: give tenant="
            raise ValueError(msg)
        lookup = None if text is None else self._lately.of_text(text, name)
        if lookup is None or lookup.entry_id is None or not lookup.explanation.is_hit:
            return False
        meaning = self._matching.meaning()
        evict = not good
        if meaning is not None:
            verdict = self._learning.judged(meaning, lookup.explanation.similarity or 0.0, good=good)
            evict = verdict.evict
            if verdict.threshold > meaning.threshold:
                self._matching.forget()
        if evict:
            self._index.remove([lookup.entry_id])
            self.store.delete([lookup.entry_id])
        return True

    def delete(self, prompt: str | Sequence[BaseMessage], *, model: object = None, tenant: str | None = None) -> bool:
        """Delete the entry of a question, found by its words.

        Args:
            prompt: the text, or the messages.
            model: the chat model that was asked; `None` for what `set` and `query` keep.
            tenant: whose question it is, where the cache keeps tenants apart.

        Returns:
            Whether there was one.

        Raises:
            StoreError: the store cannot be read or written.
        """
        question = self._meant(prompt, model, tenant)
        found = None if question is None else self._finder.find_exact(question)
        if found is None or found.entry is None:
            return False
        self._index.remove([found.entry.id])
        return bool(self.store.delete([found.entry.id]))

    def warm(
        self,
        pairs: str | os.PathLike[str] | Iterable[tuple[str, str] | dict[str, Any]],
        *,
        model: object = None,
        system: str | None = None,
        tenant: str | None = None,
    ) -> int:
        """Store answers that are known before they are asked for; shows how far it is.

        Args:
            pairs: questions with their answers, as pairs or as mappings with `question` and `answer`; or the path of a
                file with one such JSON object a line.
            model: the chat model whose answers they are; `None` for those of `get` and `query`.
            system: the system prompt that goes with each.
            tenant: whose they are, where the cache keeps tenants apart.

        Returns:
            How many were stored.

        Raises:
            StoreError: the store cannot be written.
            ValueError: something in `pairs` is no question with its answer.
        """
        stored = 0
        for item in warmed(pairs):
            text, answer = question_and_answer(item)
            messages = [HumanMessage(text)] if system is None else [*_system(system), HumanMessage(text)]
            question = self._meant(text if model is None else messages, model, tenant)
            if question is not None:
                generation = _generation(answer if model is None else AIMessage(answer))
                stored += self._keep_for(question, [generation], text, None)
        return stored

    def stats(self) -> CacheStats:
        """Hits by tier, misses, entries and avoided cost, of everybody who shares the store and the namespace.

        Raises:
            StoreError: the store cannot be read.
        """
        self._uses.flush()
        totals = [row for row in self.store.totals(now_us=now_us()) if row.namespace == self.namespace]
        near = next(iter(self._lately.misses()), None)
        figures = sum_totals(totals, self.store.location, failures=self._faults.count, nearest_miss=near)
        return replace(figures, shadow=self._learning.shadow) if self.shadow else figures

    def near_misses(self, limit: int = 20) -> list[Explanation]:
        """The latest lookups of this process that came near an entry and missed, the nearest first.

        Args:
            limit: how many at most.
        """
        return self._lately.misses()[:limit]

    # -- inside ------------------------------------------------------------------------------------------------------

    def _find(self, question: Question) -> Found:
        raise NotImplementedError

    async def _afind(self, question: Question) -> Found:
        raise NotImplementedError

    def _note(self, question: Question, found: Found) -> None:
        raise NotImplementedError

    def _note_stored(self, question: Question) -> None:
        raise NotImplementedError

    def _of_text(self, text: str, tenant: str | None) -> Question | None:
        return None if is_disabled() else self._asking.of_text(text, tenant_name(tenant))

    def _meant(self, prompt: str | Sequence[BaseMessage], model: object, tenant: str | None) -> Question | None:
        if model is None:
            if not isinstance(prompt, str):
                msg = "messages are looked up for a model: give model=, or the text alone"
                raise TypeError(msg)
            return self._asking.of_text(prompt, tenant_name(tenant))
        messages = [HumanMessage(prompt)] if isinstance(prompt, str) else prompt
        return self._asking.of_model(model, messages, tenant_name(tenant))

    def _given(self, question: Question, found: Found) -> str | AIMessage | None:
        self._note(question, found)
        if found.generations is None or self.shadow:
            return None
        with self._faults.booking():
            report_plain_hit(question.text or "", found.generations, is_near=found.kind == "semantic")
        first = found.generations[0]
        message = getattr(first, "message", None)
        return message if isinstance(message, AIMessage) else first.text

    def _keep_for(
        self, question: Question, generations: list[Generation], text: str, ttl_seconds: float | None
    ) -> bool:
        why = self._keeper.keep(question, generations, prompt=text, ttl_seconds=ttl_seconds)
        if why is None:
            self._note_stored(question)
        return why is None


def _generation(answer: str | AIMessage) -> Generation:
    if isinstance(answer, AIMessage):
        return ChatGeneration(message=answer)
    given: object = answer
    if isinstance(given, str):
        return Generation(text=given)
    msg = f"{type(answer).__name__} is no answer that can be kept: give a text or an AIMessage"
    raise TypeError(msg)


def _system(text: str) -> list[BaseMessage]:
    from langchain_core.messages import SystemMessage

    return [SystemMessage(text)]
