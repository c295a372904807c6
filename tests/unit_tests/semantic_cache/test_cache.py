"""SemanticCache as LangChain's LLM cache: what it serves, what it never serves, and that it breaks nothing."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import Generation
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_costguard import CostCallbackHandler, SemanticCache, track_costs
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.cache_memory import InMemoryCacheStore
from langchain_costguard.testing import Reply, ScriptedChatModel
from tests.unit_tests.semantic_cache.word_embeddings import WordEmbeddings

if TYPE_CHECKING:
    from pathlib import Path

RESET = "How do I reset my password?"
SAME = "Can I reset my password please"
OTHER = "What does the premium plan cost?"


def counted(model: str = "gpt-4o", **given: Any) -> ScriptedChatModel:
    """A model whose every answer is another one."""
    return ScriptedChatModel(responses=[f"answer {number}" for number in range(50)], model=model, **given)


def near_cache(**given: Any) -> SemanticCache:
    """A cache that compares words."""
    return SemanticCache(WordEmbeddings(), "memory", threshold=0.9, **given)


def said(model: Any, text: str, **metadata: str) -> str:
    """What a model answers."""
    return str(model.invoke(text, config={"metadata": metadata}).content)


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def test_the_same_meaning_is_answered_once() -> None:
    """What a semantic cache is for."""
    model = counted(cache=near_cache())

    assert [said(model, text) for text in (RESET, SAME, OTHER, RESET)] == [
        "answer 0",
        "answer 0",
        "answer 1",
        "answer 0",
    ]


def test_an_async_lookup_finds_the_same() -> None:
    """Both faces of LangChain's cache lead to one store."""
    cache = near_cache()
    model = counted(cache=cache)

    async def ask() -> list[str]:
        return [str((await model.ainvoke(text)).content) for text in (RESET, SAME, RESET)]

    assert asyncio.run(ask()) == ["answer 0"] * 3
    assert said(model, SAME) == "answer 0"


def test_the_system_prompt_and_earlier_turns_are_not_compared_but_must_be_the_same() -> None:
    """With the incumbent a long system prompt makes 95 of 100 different questions hits."""
    model = counted(cache=near_cache())
    system = SystemMessage("You are the assistant of a bank and answer in one short sentence. " * 4)

    first = model.invoke([system, HumanMessage(RESET)]).content
    others = [
        model.invoke([system, HumanMessage(OTHER)]).content,
        model.invoke([HumanMessage(RESET)]).content,
        model.invoke([system, HumanMessage("Hi"), AIMessage("Hello"), HumanMessage(RESET)]).content,
    ]

    assert model.invoke([system, HumanMessage(SAME)]).content == first
    assert first not in others


def test_a_guard_keeps_a_near_question_apart() -> None:
    """No similarity does: the two differ in one word."""
    cache = near_cache()
    model = counted(cache=cache)
    march, may = "What was the revenue of the shop in March 2024?", "What was the revenue of the shop in March 2023?"
    cache_open = SemanticCache(WordEmbeddings(), "memory", threshold=0.5, guards=False)

    assert said(model, march) != said(model, may)
    assert said(counted(cache=cache_open), march) == "answer 0"
    assert cache_open.match(march, may).hit
    assert not SemanticCache(WordEmbeddings(), "memory", threshold=0.5).match(march, may).hit


def test_each_hit_is_a_fresh_copy_without_an_id() -> None:
    """Agents change the messages they get, and put a message with a known id in the place of the old one."""
    model = counted(cache=near_cache())
    model.invoke(RESET)

    first, second = model.invoke(RESET), model.invoke(RESET)
    first.content = "changed"

    assert second.content == model.invoke(RESET).content == "answer 0"
    ids = [message.id for message in (first, second)]
    assert ids[0] is None or ids[0] != ids[1]


def test_in_a_conversation_a_hit_overwrites_no_earlier_answer() -> None:
    """LangGraph merges messages by their ids: with LangChain's own caches the second answer takes the first's place."""
    from langgraph.graph import add_messages

    model = counted(cache=near_cache())
    history: Any = []
    for text in (RESET, SAME):
        history = add_messages(history, [HumanMessage(text)])
        history = add_messages(history, [model.invoke([history[-1]])])

    assert [message.type for message in history] == ["human", "ai", "human", "ai"]


def test_a_tool_call_is_served_for_the_same_words_only() -> None:
    """A near tool call has another city in it."""
    replies = [Reply(tool_calls=[("weather", {"city": city})]) for city in ("Paris", "Rome", "Oslo")]
    model = ScriptedChatModel(responses=replies, cache=near_cache()).bind_tools([weather])

    asked = [model.invoke(text) for text in ("Weather in Paris", "the weather in Paris", "Weather in Paris")]

    assert [message.tool_calls[0]["args"]["city"] for message in asked] == ["Paris", "Rome", "Paris"]


@pytest.mark.parametrize("reply", [Reply("cut", finish_reason="length"), Reply("no", finish_reason="content_filter")])
def test_an_answer_that_was_cut_off_or_filtered_is_asked_again(reply: Reply) -> None:
    """It would be served for a week."""
    model = ScriptedChatModel(responses=[reply, "whole"], cache=near_cache())

    assert [said(model, RESET), said(model, RESET)][1] == "whole"


def test_two_models_in_one_store_never_cross_mask_or_replace() -> None:
    """In langchain-redis the second answer replaces the first, and a nearer entry of another model hides it."""
    cache = near_cache()
    one, other = counted("gpt-4o", cache=cache), counted("gpt-4o-mini", cache=cache)
    said(one, RESET)
    said(other, OTHER)

    assert said(other, SAME) == "answer 1"
    assert said(one, SAME) == said(one, RESET) == "answer 0"
    assert cache.stats().semantic == 1


def test_clear_of_one_tenant_leaves_the_others() -> None:
    """Erasing a customer must not empty the cache."""
    cache = near_cache(tenant="user")
    model = counted(cache=cache)
    for user in ("alice", "bob"):
        said(model, RESET, user=user)

    cache.clear(tenant="alice")

    assert said(model, RESET, user="bob") == "answer 1"
    assert said(model, RESET, user="alice") == "answer 2"


def test_clear_leaves_other_namespaces() -> None:
    """Two caches may share a file."""
    store = InMemoryCacheStore()
    one, other = (
        SemanticCache(embedder=False, store=store, namespace="one"),
        SemanticCache(embedder=False, store=store, namespace="other"),
    )
    one.set("q", "a")
    other.set("q", "b")

    one.clear()

    assert (one.get("q"), other.get("q")) == (None, "b")
    with pytest.raises(TypeError, match="tenant= and namespace="):
        one.clear(user="alice")


def test_an_answer_expires_however_often_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time to live that each hit renews keeps a popular wrong answer for ever."""
    now = [1_000_000]
    for module in ("finding", "keeping", "cache"):
        monkeypatch.setattr(f"langchain_costguard.semantic_cache.{module}.now_us", lambda: now[0])
    model = counted(cache=near_cache(ttl_seconds=10))
    said(model, RESET)

    answers = []
    for _ in range(3):
        now[0] += 4_000_000
        answers.append(said(model, RESET))

    assert answers == ["answer 0", "answer 0", "answer 1"]


def test_the_least_recently_used_entries_go_first() -> None:
    """A cache that only grows fills the disk."""
    cache = SemanticCache(embedder=False, store="memory", max_entries=10)
    for number in range(30):
        cache.set(f"q{number}", "a")
        cache.get("q0")
        cache._uses.flush()

    assert cache.stats().entries <= 10
    assert cache.get("q0") == "a"
    assert cache.get("q5") is None


class BrokenStore(InMemoryCacheStore):
    """A store that cannot be reached."""

    def get_exact(self, *args: Any, **kwargs: Any) -> Any:
        msg = "the disk is on fire"
        raise StoreError(msg)

    def put(self, entries: Any) -> list[int]:
        raise OSError


def test_a_cache_that_fails_breaks_no_call_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """LangChain hands what a cache raises to the user."""
    cache = SemanticCache(embedder=False, store=BrokenStore())
    model = counted(cache=cache)

    with caplog.at_level(logging.WARNING, "langchain_costguard"):
        answers = [said(model, RESET) for _ in range(3)]
        answers += [str(asyncio.run(model.ainvoke(RESET)).content)]
        cache.update("the prompt of a text LLM", "its settings", [Generation(text="fine")])

    assert answers == ["answer 0", "answer 1", "answer 2", "answer 3"]
    assert cache._faults.count == 5  # nothing is stored after a lookup that failed
    assert [record.message for record in caplog.records] == [
        "the cache failed in lookup (StoreError): models are asked instead",
        "the cache failed in update (OSError): models are asked instead",
    ]


class BrokenEmbeddings(WordEmbeddings):
    """An embedder whose provider is down."""

    def embed_query(self, text: str) -> list[float]:
        raise ConnectionError


def test_an_embedder_that_fails_costs_only_its_hits() -> None:
    """The same words need no embedder."""
    cache = SemanticCache(BrokenEmbeddings(), "memory")

    assert said(counted(cache=cache), RESET) == "answer 0"


class ComingAndGoing(WordEmbeddings):
    """An embedder whose provider is down for a while."""

    is_down: bool = False
    calls: int = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._ask()
        return super().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        self._ask()
        return super().embed_query(text)

    def _ask(self) -> None:
        self.calls += 1
        if self.is_down:
            raise ConnectionError


@pytest.mark.parametrize("is_known", [True, False], ids=["it was well before", "it never was well"])
def test_while_an_embedder_is_down_the_same_words_are_stored_and_served(
    is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage of the embedder must not be one of the cache, nor be waited for at each call."""
    embedder = ComingAndGoing()
    cache = SemanticCache(embedder, "memory")
    model = counted(cache=cache)
    if is_known:
        said(model, "Something else entirely?")
    embedder.is_down = True
    before = embedder.calls

    answers = [said(model, text) for text in (RESET, RESET, "Where is my parcel?", "Where is my parcel?")]

    assert answers[0] == answers[1] != answers[2] == answers[3]
    assert embedder.calls == before + 1
    embedder.is_down = False
    monkeypatch.setattr("langchain_costguard.semantic_cache.embedding.time.monotonic", lambda: 1e12)
    said(model, "When do you open?")
    assert embedder.calls > before + 1


def test_without_an_embedder_the_same_words_are_served_and_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Who expects meaning must not wonder silently why there are no hits."""
    cache = SemanticCache(None, "memory")
    cache._matching._is_local_wanted = False
    model = counted(cache=cache)

    with caplog.at_level(logging.WARNING, "langchain_costguard"):
        answers = [said(model, text) for text in (RESET, SAME, RESET)]

    assert answers == ["answer 0", "answer 1", "answer 0"]
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the semantic cache has no embedder and serves the same words only"
    ]


def test_a_poisoned_entry_is_dropped_and_not_served(tmp_path: Path) -> None:
    """Whoever can write to the store must not be able to put objects into every process that reads it."""
    store = InMemoryCacheStore()
    cache = SemanticCache(embedder=False, store=store)
    model = counted(cache=cache)
    said(model, RESET)
    for number, entry in store._entries.items():
        store._entries[number] = entry._replace(answer=b'[{"lc": 1, "type": "secret", "id": ["HOME"]}]')

    assert said(model, RESET) == "answer 1"
    assert said(model, RESET) == "answer 1"


def test_a_hit_is_booked_as_free_with_what_it_avoided() -> None:
    """Other counters bill hits as if they had been asked."""
    cache = near_cache()
    model = ScriptedChatModel(responses="Paris", model="gpt-4o", cache=cache)
    with track_costs() as costs:
        for text in (RESET, RESET, SAME):
            model.invoke(text)

    first, *hits = [entry for entry in costs.entries() if entry.kind == "chat"]
    assert [entry.status for entry in hits] == ["cached", "cached"]
    assert [entry.billed_cost for entry in hits] == [Decimal(0)] * 2
    assert hits[0].avoided_nano == first.billed_nano
    assert cache.stats().avoided_cost == 2 * (first.billed_cost or Decimal(0)) > 0


def test_a_text_llms_hit_is_booked_although_langchain_calls_nobody() -> None:
    """Without it the ledger would not know what the cache was good for."""
    cache = SemanticCache(embedder=False, store="memory")
    llm = FakeListLLM(responses=["Paris", "Rome"], cache=cache)
    with track_costs() as costs:
        assert [llm.invoke("France?"), llm.invoke("France?")] == ["Paris", "Paris"]

    asked, served = costs.entries()
    assert (asked.status, served.status, served.kind) == ("ok", "cached", "llm")
    assert served.billed_cost == Decimal(0)
    assert served.usage is not None
    assert served.estimate_method is not None


def test_a_text_llms_hit_in_a_chain_is_booked_by_the_chains_handler() -> None:
    """A handler that was given to the chain is no block around it."""
    llm = FakeListLLM(responses=["Paris", "Rome"], cache=SemanticCache(embedder=False, store="memory"))
    handler = CostCallbackHandler()
    chain = RunnableLambda(str) | llm

    for _ in range(2):
        assert chain.invoke("France?", config={"callbacks": [handler]}) == "Paris"

    assert [entry.status for entry in handler.entries()] == ["ok", "cached"]


def test_shadow_mode_serves_nothing_and_tells_what_it_would_have() -> None:
    """Trust is built before it is needed."""
    cache = near_cache(shadow=True)
    model = counted(cache=cache)

    assert [said(model, RESET), said(model, SAME)] == ["answer 0", "answer 1"]
    stats = cache.stats()
    assert stats.hits == 0
    assert stats.shadow is not None
    assert (stats.shadow.would_serve, stats.shadow.lookups, stats.shadow.disagreed) == (1, 2, 1)
    assert cache.explain(SAME).kind == "semantic"


def test_the_package_disabled_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """COSTGUARD_DISABLED=1 removes every effect."""
    cache = near_cache()
    model = counted(cache=cache)
    said(model, RESET)
    monkeypatch.setenv("COSTGUARD_DISABLED", "1")

    assert said(model, RESET) == "answer 1"
    assert cache.stats().lookups == 1


def test_an_event_loop_waits_for_neither_the_file_nor_the_embedder(tmp_path: Path) -> None:
    """One slow lookup would hold up every request of a web server."""
    from blockbuster import blockbuster_ctx

    cache = SemanticCache("local", tmp_path / "cache.db")
    model = counted(cache=cache)

    async def ask() -> list[str]:
        with blockbuster_ctx():
            return [str((await model.ainvoke(text)).content) for text in (RESET, OTHER, RESET)]

    assert asyncio.run(ask()) == ["answer 0", "answer 1", "answer 0"]
    assert cache.stats().failures == 0


def test_a_deep_copy_of_a_model_keeps_its_cache() -> None:
    """Agents and tests copy models; a cache is one thing with locks and a file."""
    model = FakeListLLM(responses=["a"], cache=near_cache())

    assert model.model_copy(deep=True).cache is model.cache


def test_an_embedding_is_made_once_for_a_miss() -> None:
    """The lookup's vector is stored with the answer: embedding twice would cost twice."""
    embeddings = WordEmbeddings()
    model = counted(cache=SemanticCache(embeddings, "memory", threshold=0.9))

    said(model, RESET)
    asyncio.run(model.ainvoke(OTHER))

    assert [text for text in embeddings.asked if text in {RESET, OTHER}] == [RESET, OTHER]


def test_answers_outlive_the_process_in_a_file(tmp_path: Path) -> None:
    """The default is a file of its own."""
    place = tmp_path / "cache.db"
    first = counted(cache=SemanticCache(WordEmbeddings(), place, threshold=0.9))
    assert [said(first, OTHER), said(first, RESET)] == ["answer 0", "answer 1"]

    assert said(counted(cache=SemanticCache(WordEmbeddings(), place, threshold=0.9)), SAME) == "answer 1"


@pytest.mark.parametrize("wrong", [{"threshold": 1.5}, {"ttl_seconds": 0}, {"max_entries": -1}, {"max_bytes": 0}])
def test_limits_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    """A cache that silently keeps nothing is worse than an error."""
    with pytest.raises(ValueError, match="give"):
        SemanticCache(embedder=False, store="memory", **wrong)


class FailingFirst(ScriptedChatModel):
    """A model whose provider is down while told so."""

    down: list[bool] = []  # noqa: RUF012 - a pydantic field, shared on purpose below

    def _generate(self, *args: Any, **given: Any) -> Any:
        if self.down:
            self.down.pop()
            msg = "the provider is down"
            raise RuntimeError(msg)
        return super()._generate(*args, **given)


def test_an_anonymous_answer_is_not_stored_for_the_tenant_whose_call_failed_before() -> None:
    """A lookup that waits for its answer in vain must not take somebody else's."""
    model = FailingFirst(responses=["nobody's", "hers"], model="gpt-4o", cache=near_cache(tenant="user"))
    model.down.append(True)

    with pytest.raises(RuntimeError, match="down"):
        said(model, RESET, user="alice")

    assert [said(model, RESET), said(model, RESET, user="alice")] == ["nobody's", "hers"]


def test_another_tenants_answer_is_not_stored_for_the_tenant_whose_call_failed_before() -> None:
    """Nor is it stored for anybody while it cannot be told whose it is."""
    model = FailingFirst(responses=["bob's", "hers", "bob's too"], model="gpt-4o", cache=near_cache(tenant="user"))
    model.down.append(True)

    with pytest.raises(RuntimeError, match="down"):
        said(model, RESET, user="alice")

    assert [said(model, RESET, user=name) for name in ("bob", "alice", "alice")] == ["bob's", "hers", "hers"]


def test_an_answer_whose_lookup_failed_is_not_stored_for_the_tenant_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in the cache ends a lookup before it is known whose it is."""
    cache = near_cache(tenant="user")
    model = FailingFirst(responses=["bob's", "hers"], model="gpt-4o", cache=cache)
    model.down.append(True)
    with pytest.raises(RuntimeError, match="down"):
        said(model, RESET, user="alice")

    def broken(*_: object) -> None:
        msg = "gone"
        raise StoreError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(cache, "_find", broken)
        assert said(model, RESET, user="bob") == "bob's"

    assert said(model, RESET, user="alice") == "hers"


@pytest.mark.parametrize("nobody", [None, "", 1.5])
def test_clearing_nobody_in_particular_deletes_nothing(nobody: object) -> None:
    """A name that is missing by mistake must not empty the cache."""
    cache = near_cache(tenant="user")
    cache.set(RESET, "hers", tenant="alice")

    with pytest.raises(ValueError, match=r"clear\(\) to delete everybody's"):
        cache.clear(tenant=nobody)

    assert cache.get(RESET, tenant="alice") == "hers"
    cache.clear()
    assert cache.get(RESET, tenant="alice") is None


def test_a_tenant_that_is_a_number_is_cleared_by_the_number() -> None:
    """Runs name tenants by numbers, too."""
    cache = near_cache(tenant="user")
    cache.set(RESET, "five's", tenant="5")

    cache.clear(tenant=5)

    assert cache.get(RESET, tenant="5") is None


@pytest.mark.parametrize(("answer", "served"), [("Yes.", "answer 0"), ("no", "answer 1"), ("perhaps", "answer 1")])
def test_a_chat_model_verifies_and_is_never_answered_from_the_cache(answer: str, served: str) -> None:
    """A verifier that is no function would refuse everything and say nothing."""
    from langchain_core.globals import set_llm_cache

    verifier = ScriptedChatModel(responses=[answer] * 9, model="gpt-4o-mini")
    cache = near_cache(verifier=verifier)
    set_llm_cache(cache)
    try:
        model = counted()
        assert [said(model, text) for text in (RESET, SAME)] == ["answer 0", served]
        assert cache.stats().lookups == 2
    finally:
        set_llm_cache(None)


def test_a_verifier_that_cannot_be_asked_is_refused() -> None:
    """It would be found out by hits that never come."""
    with pytest.raises(TypeError, match="or a chat model"):
        near_cache(verifier="gpt-4o")


def test_what_was_just_used_is_not_given_up_first() -> None:
    """Uses are noted behind the caller's back, and making room must not overlook those that wait."""
    cache = SemanticCache(embedder=False, store="memory", max_entries=2)
    for text in ("apple pie recipe", "banana bread tips", "cherry cake ideas"):
        cache.set(text, text)
        assert cache.get("apple pie recipe") == "apple pie recipe"

    assert cache.get("banana bread tips") is None
    assert cache.get("cherry cake ideas") == "cherry cake ideas"


def test_a_time_to_live_may_be_for_ever_and_must_be_some_time() -> None:
    """An answer that expires before it is stored, or an overflow, says nothing of what is wrong."""
    cache = SemanticCache(embedder=False, store="memory", ttl_seconds=float("inf"))
    cache.set(RESET, "Click 'Forgot'.")
    assert cache.get(RESET) == "Click 'Forgot'."
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="ttl_seconds"):
            SemanticCache(embedder=False, store="memory", ttl_seconds=seconds)
        with pytest.raises(ValueError, match="ttl_seconds"):
            cache.set(RESET, "Click 'Forgot'.", ttl_seconds=seconds)
