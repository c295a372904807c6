"""SemanticCache: an LLM cache for LangChain that knows a question again, in the same words or in others."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache

from langchain_costguard._settings import is_disabled
from langchain_costguard.semantic_cache.answers import marked_as_near
from langchain_costguard.semantic_cache.asking import Asking, tenant_name
from langchain_costguard.semantic_cache.billing import report_text_hit
from langchain_costguard.semantic_cache.embedding import Embedding
from langchain_costguard.semantic_cache.faults import Faults
from langchain_costguard.semantic_cache.finding import Finder, Found, now_us
from langchain_costguard.semantic_cache.flights import TICKET, Flights, await_for, wait_for
from langchain_costguard.semantic_cache.identity import OBSERVER
from langchain_costguard.semantic_cache.keeping import Keeper, KeepingRules
from langchain_costguard.semantic_cache.keys import label
from langchain_costguard.semantic_cache.lately import Lately
from langchain_costguard.semantic_cache.learning import Learning
from langchain_costguard.semantic_cache.matching import as_verifier
from langchain_costguard.semantic_cache.meaning import NO_EMBEDDER, Matching
from langchain_costguard.semantic_cache.plain_use import PlainUse
from langchain_costguard.stores.cache_base import CacheLimits, CacheUse
from langchain_costguard.stores.cache_opening import open_cache_store
from langchain_costguard.stores.cache_uses import CacheUses

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langchain_core.outputs import Generation
    from langchain_core.vectorstores import VectorStore

    from langchain_costguard.pricing import PriceBook
    from langchain_costguard.semantic_cache.asking import Missed
    from langchain_costguard.semantic_cache.embedders import Embedder
    from langchain_costguard.semantic_cache.flights import Ticket
    from langchain_costguard.semantic_cache.guards import Guards
    from langchain_costguard.semantic_cache.index import CandidateIndex
    from langchain_costguard.semantic_cache.keys import Question
    from langchain_costguard.stores.cache_base import CacheStore

WEEK_SECONDS: Final = 7 * 24 * 3600.0


class SemanticCache(PlainUse, BaseCache):
    """An LLM cache that finds an answer by the question's words, and else by its meaning.

    Two questions are compared only if everything around them is the same: the model and its parameters, tools and
    schema, system prompt and earlier turns, images by their content, tenant and namespace. Then the same words are a
    hit, and other words are one if the similarity of the last human message clears the embedder's threshold and no
    guard finds a number, a name, a negation or an order that differs. Turns with tools, longer texts and runs with a
    temperature above `max_temperature` are matched by their words only.

    A cache never breaks a call: what fails in it is logged once and counts as a miss. `stream` does not ask LangChain's
    cache; `cached(model)` does.

    Args:
        embedder: what texts are compared with: any embedding model of LangChain, `"wordllama"` for the local one, or
            `False` for none, so that only the same words are a hit. By default the local one where it is installed.
        store: where answers are kept: a path, `"memory"`, `postgresql://...` or a store; by default `cache.db` in the
            user's data directory, or what `COSTGUARD_CACHE` names.
        tenant: the metadata key that says whose run it is, such as `"user"`. Tenants never see each other's answers,
            and a run that does not say whose it is is neither answered nor stored; text LLMs cannot say it.
        namespace: a name that keeps this cache's answers apart from others in the same store.
        threshold: the similarity from which another wording is a hit, in [0, 1]; by default the embedder's own, which
            is a stricter one where not every built-in guard is asked.
        guards: whether texts are compared for what changes the answer; or the guards themselves.
        verifier: asked last about a near entry: a function of the stored and the asked text, or a chat model, which is
            asked whether the two have the same answer. Its calls are tracked like any other, and not cached.
        ttl_seconds: how long an answer is served, from when it was stored, however often it is used; `None` for ever.
        max_entries: the most answers that are kept; those used least recently go first. `None` for no limit.
        max_bytes: the most they may take.
        max_temperature: runs with a higher temperature ask for variety, so they are answered by the same words only;
            `None` for no limit. A run that leaves the temperature to its provider counts as not asking for variety.
        shadow: look up and store, but serve nothing: `stats()` tells what would have been served.
        prices: what answers cost, to know what a hit saves; by default the list prices.
        candidates: a vector store of LangChain (or a `VectorStoreIndex`) that proposes near entries, embedding with the
            same model; what counts is the similarity of the vectors in `store`. By default an index of the store's own.

    Raises:
        StoreError: the place of the answers cannot be opened or written. What fails later breaks no call.
        TypeError: the verifier is neither a function nor a chat model.
        ValueError: a limit or the threshold means nothing.

    Example:
        ```python
        set_llm_cache(SemanticCache(tenant="user"))
        model.invoke("How do I reset my password?", config={"metadata": {"user": "alice"}})
        ```
    """

    def __init__(  # noqa: PLR0913 - what a cache can be told, all named
        self,
        embedder: Embedder | Embeddings | str | bool | None = None,
        store: CacheStore | str | os.PathLike[str] | None = None,
        *,
        tenant: str | None = None,
        namespace: str = "",
        threshold: float | None = None,
        guards: Guards | bool = True,
        verifier: Callable[[str, str], bool] | BaseChatModel | None = None,
        ttl_seconds: float | None = WEEK_SECONDS,
        max_entries: int | None = 100_000,
        max_bytes: int | None = None,
        max_temperature: float | None = 0.0,
        shadow: bool = False,
        prices: PriceBook | None = None,
        candidates: VectorStore | CandidateIndex | None = None,
    ) -> None:
        """Open the store; the embedder is loaded when it is needed first."""
        _check(threshold=threshold, ttl_seconds=ttl_seconds, max_entries=max_entries, max_bytes=max_bytes)
        verified_by = as_verifier(verifier)
        self.store: CacheStore = open_cache_store(Path(store) if isinstance(store, os.PathLike) else store)
        self.namespace: str = label(namespace) or ""
        self.tenant = tenant
        self.shadow = shadow
        self._index = _index_of(candidates, self.store)
        self._uses = CacheUses(self.store)
        self._faults = Faults()
        self._learning = Learning(self.store, self.namespace)
        self._matching = Matching(embedder, self.store, threshold, guards, verified_by, self._learning)
        self._asking = Asking(tenant, namespace, max_temperature)
        embedding = Embedding(self._matching.meaning, self._faults)
        self._finder = Finder(self.store, self._index, embedding, self._matching.decide)
        rules = KeepingRules(self.namespace, ttl_seconds, CacheLimits(max_entries, max_bytes), prices)
        self._keeper = Keeper(self.store, self._index, embedding, rules, self._uses)
        self._flights = Flights()
        self._lately = Lately()
        OBSERVER.register()

    # -- LangChain's face --------------------------------------------------------------------------------------------

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The answer to a prompt; `None` when there is none that may be served.

        Args:
            prompt: the JSON of messages, or the text of a text LLM.
            llm_string: how LangChain describes the model.
        """
        try:
            before = self._asking.begin(prompt, llm_string)
            question = self._question(prompt, llm_string)
            if question is None:
                return None
            return self._served(prompt, llm_string, question, self._find(question), before)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the model can be asked
            self._faults.note(error, "lookup")
            return None

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The same as `lookup`; neither an embedding nor a store is waited for on the event loop."""
        try:
            before = self._asking.begin(prompt, llm_string)
            question = self._question(prompt, llm_string)
            if question is None:
                return None
            return self._served(prompt, llm_string, question, await self._afind(question), before)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the model can be asked
            self._faults.note(error, "lookup")
            return None

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Store an answer, unless it must not be served again: cut off, refused, filtered or empty.

        Args:
            prompt: as for `lookup`.
            llm_string: as for `lookup`.
            return_val: the answer.
        """
        try:
            kept = self._to_keep(prompt, llm_string)
            if kept is not None:
                self._keep(*kept, return_val, prompt)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the answer is there
            self._faults.note(error, "update")

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """The same as `update`; the store is not waited for on the event loop."""
        try:
            kept = self._to_keep(prompt, llm_string)
            if kept is not None:
                await asyncio.to_thread(self._keep, *kept, return_val, prompt)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the answer is there
            self._faults.note(error, "update")

    def clear(self, **kwargs: Any) -> None:  # noqa: ANN401 - the signature is LangChain's
        """Delete this cache's entries, and the counts of their uses.

        Args:
            kwargs: `tenant="alice"` deletes hers only; `namespace=` those of another cache in the same store, and
                `namespace=None` those of all. Without `tenant` everybody's are deleted.

        Raises:
            StoreError: the store cannot be written.
            TypeError: there are other arguments.
            ValueError: `tenant` is given and names nobody.
        """
        if not kwargs.keys() <= {"namespace", "tenant"}:
            msg = f"clear() takes tenant= and namespace=, not {', '.join(sorted(kwargs))}"
            raise TypeError(msg)
        wanted = {"namespace": label(kwargs.get("namespace", self.namespace))}
        if "tenant" in kwargs:
            wanted["tenant"] = label(tenant_name(kwargs["tenant"]))
            if wanted["tenant"] is None:
                msg = f"tenant={kwargs['tenant']!r} names nobody: give a name, or clear() to delete everybody's entries"
                raise ValueError(msg)
        self._uses.flush()
        self.store.clear(**wanted)
        self._index.forget()
        self._lately.forget()

    def __copy__(self) -> Self:
        """The cache itself: a copied model keeps it."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The cache itself: a copied model keeps it."""
        return self

    # -- inside ------------------------------------------------------------------------------------------------------

    def _question(self, prompt: str, llm_string: str) -> Question | None:
        return None if is_disabled() else self._asking.of_run(prompt, llm_string)

    def _find(self, question: Question) -> Found:
        """Look a question up; where calls wait for one another, also by waiting for who asks the same right now."""
        found = self._finder.find(question)
        ticket = TICKET.get()
        if found.generations is not None or ticket is None or not ticket.may_lead:
            return found
        key = (question.partition, question.exact)
        deadline = time.monotonic() + ticket.wait_seconds
        while (leader := self._flights.lead_or_follow(key, ticket)) is not None:
            if ticket.is_nested:
                return found
            ending = wait_for(leader, deadline)
            if ending != "failed":
                return (self._finder.find_exact(question) if ending == "stored" else None) or found
        return self._found_by_now(question, ticket) or found

    async def _afind(self, question: Question) -> Found:
        """The same as `_find`, on an event loop."""
        found = await asyncio.to_thread(self._finder.find, question)
        ticket = TICKET.get()
        if found.generations is not None or ticket is None or not ticket.may_lead:
            return found
        key = (question.partition, question.exact)
        deadline = time.monotonic() + ticket.wait_seconds
        while (leader := self._flights.lead_or_follow(key, ticket)) is not None:
            if ticket.is_nested:
                return found
            ending = await await_for(leader, deadline)
            if ending != "failed":
                is_there = ending == "stored"
                return (await asyncio.to_thread(self._finder.find_exact, question) if is_there else None) or found
        return await asyncio.to_thread(self._found_by_now, question, ticket) or found

    def _found_by_now(self, question: Question, ticket: Ticket) -> Found | None:
        """What another call has stored between the lookup and this call's turn to ask."""
        found = self._finder.find_exact(question)
        if found is not None:
            ticket.note_stored((question.partition, question.exact))
        return found

    def _served(
        self, prompt: str, llm_string: str, question: Question, found: Found, before: Missed | None
    ) -> list[Generation] | None:
        """The answer, noted as a use; a miss is remembered for its answer."""
        self._note(question, found)
        if found.generations is None or self.shadow:
            self._asking.remember(prompt, llm_string, question, found, before)
            return None
        is_near = found.kind == "semantic"
        if not question.is_chat:
            with self._faults.booking():
                report_text_hit(prompt, found.generations, question.model, is_near=is_near)
            return found.generations
        return marked_as_near(found.generations) if is_near else found.generations

    def _note(self, question: Question, found: Found) -> None:
        if not (self._matching.has_embedder or self._matching.is_without_by_choice):
            self._faults.say_once(NO_EMBEDDER)
        entry = found.entry
        self._lately.add(found.explained(question), None if entry is None else entry.id)
        is_hit = found.generations is not None and not self.shadow
        if self.shadow:
            self._learning.note_shadow(hit=found.generations is not None)
        avoided = entry.avoided_nanos if entry is not None and is_hit else None
        kind = "miss" if self.shadow and found.generations is not None else found.kind
        number = None if entry is None or (self.shadow and not is_hit) else entry.id
        use = CacheUse(kind, now_us(), number, question.tenant, self.namespace, question.model, avoided)
        self._uses.add(use)

    def _to_keep(self, prompt: str, llm_string: str) -> tuple[Question, Found | None] | None:
        """The question that an answer belongs to, and what its lookup found.

        A chat answer without its lookup is not kept: the newest run of the context may be another tenant's.
        """
        if is_disabled():
            return None
        missed = self._asking.recall(prompt, llm_string)
        if missed is not None:
            return missed.question, missed.found
        question = self._asking.of_run(prompt, llm_string)
        return None if question is None or question.is_chat else (question, None)

    def _keep(self, question: Question, found: Found | None, answer: RETURN_VAL_TYPE, prompt: str) -> None:
        vector = None if found is None else found.vector
        text = None if question.is_chat else prompt
        if self.shadow and found is not None and found.generations is not None:
            self._learning.compare(found.generations, answer)
        if self._keeper.keep(question, list(answer), prompt=text, vector=vector) is None:
            self._note_stored(question)

    def _note_stored(self, question: Question) -> None:
        ticket = TICKET.get()
        if ticket is not None:
            ticket.note_stored((question.partition, question.exact))


def _index_of(candidates: VectorStore | CandidateIndex | None, store: CacheStore) -> CandidateIndex:
    """What proposes near entries: what the user gave, else the store's own index."""
    from langchain_costguard.semantic_cache.index import CandidateIndex, index_for

    if candidates is None:
        return index_for(store)
    if isinstance(candidates, CandidateIndex):
        return candidates
    from langchain_core.vectorstores import VectorStore

    from langchain_costguard.semantic_cache.candidates import VectorStoreIndex

    given: object = candidates
    if not isinstance(given, VectorStore):
        msg = f"candidates={type(candidates).__name__} proposes nothing: give a vector store of LangChain"
        raise TypeError(msg)
    return VectorStoreIndex(given, store)


def _check(
    *, threshold: float | None, ttl_seconds: float | None, max_entries: int | None, max_bytes: int | None
) -> None:
    """Refuse limits that mean nothing."""
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        msg = f"threshold={threshold!r} is no similarity: give one from 0 to 1, such as 0.9"
        raise ValueError(msg)
    for name, value in (("ttl_seconds", ttl_seconds), ("max_entries", max_entries), ("max_bytes", max_bytes)):
        if value is not None and not value > 0:
            msg = f"{name}={value!r} is no limit: give a number above 0, or None for no limit"
            raise ValueError(msg)
