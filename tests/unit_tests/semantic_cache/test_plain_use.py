"""get, set and query by text, and what a cache answers about itself."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_costguard import Cascade, CascadeChatModel, SemanticCache, track_costs
from langchain_costguard.testing import ScriptedChatModel, ScriptedLLM
from tests.unit_tests.semantic_cache.word_embeddings import WordEmbeddings

if TYPE_CHECKING:
    from pathlib import Path

RESET = "How do I reset my password?"
SAME = "Can I reset my password please"


def near_cache(**given: object) -> SemanticCache:
    """A cache that compares words."""
    return SemanticCache(WordEmbeddings(), "memory", threshold=0.9, **given)


def test_what_was_set_is_got_by_its_meaning() -> None:
    """The plainest use: a question, its answer, and the question again in other words."""
    cache = near_cache()

    assert cache.get(RESET) is None
    assert cache.set(RESET, "Use the link.")
    assert (cache.get(RESET), cache.get(SAME), cache.get("What does it cost?")) == (
        "Use the link.",
        "Use the link.",
        None,
    )


def test_query_asks_once() -> None:
    """The cached answer, else the call and its answer kept."""
    cache = near_cache()
    asked: list[str] = []

    def call(text: str) -> str:
        asked.append(text)
        return "Use the link."

    assert [cache.query(text, call) for text in (RESET, SAME, RESET)] == ["Use the link."] * 3
    assert asked == [RESET]


def test_query_takes_a_models_messages() -> None:
    """A message comes back as a message."""
    cache = near_cache()
    model = ScriptedChatModel(responses=["one", "two"], model="gpt-4o")

    first, second = (cache.query(text, model.invoke) for text in (RESET, SAME))

    assert isinstance(second, AIMessage)
    assert (first.content, second.content, second.id) == ("one", "one", None)
    assert cache.stats().avoided_cost == Decimal("0.0000325")


def test_query_does_not_keep_what_a_call_raises() -> None:
    """An error is no answer."""
    cache = near_cache()

    def fail(text: str) -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        cache.query(RESET, fail)
    assert cache.query(RESET, lambda _: "Use the link.") == "Use the link."


def test_threads_that_query_the_same_at_once_make_one_call() -> None:
    """As with models."""
    import time

    cache = near_cache()
    asked: list[str] = []

    def call(text: str) -> str:
        asked.append(text)
        time.sleep(0.2)  # long enough for the others to come
        return "Use the link."

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(lambda _: cache.query(RESET, call), range(6))) == {"Use the link."}
    assert asked == [RESET]


def test_the_asynchronous_methods_do_the_same() -> None:
    """An embedding must not hold up an event loop."""
    cache = near_cache()

    async def call(text: str) -> str:
        return "Use the link."

    async def ask() -> list[object]:
        return [
            await cache.aquery(RESET, call),
            await cache.aget(SAME),
            await cache.aset("x", ""),
            await cache.aget("x"),
        ]

    assert asyncio.run(ask()) == ["Use the link.", "Use the link.", False, None]


def test_tenants_are_kept_apart() -> None:
    """And nothing is kept for nobody."""
    cache = near_cache(tenant="user")
    cache.set(RESET, "for alice", tenant="alice")

    assert (cache.get(RESET, tenant="alice"), cache.get(RESET, tenant="bob"), cache.get(RESET)) == (
        "for alice",
        None,
        None,
    )
    assert not cache.set(RESET, "for nobody")


@pytest.mark.parametrize("odd", ["half a pair \ud800", "null\0character"], ids=["surrogate", "null"])
def test_names_that_no_database_takes_are_names_all_the_same(cache_place: str, odd: str) -> None:
    """Names come from outside; one that broke the store would turn its owner's cache off for good."""
    cache = SemanticCache(embedder=False, store=cache_place, tenant="user", namespace=f"help {odd}")
    other = SemanticCache(embedder=False, store=cache_place, tenant="user", namespace="help")
    cache.set(RESET, "for the odd one", tenant=odd)

    assert (cache.get(RESET, tenant=odd), cache.get(RESET, tenant="odd")) == ("for the odd one", None)
    assert other.get(RESET, tenant=odd) is None
    stats = cache.stats()
    assert (stats.entries, stats.exact, stats.misses, stats.failures) == (1, 1, 1, 0)
    cache.clear(tenant=odd)
    assert (cache.get(RESET, tenant=odd), cache.stats().entries) == (None, 0)
    cache.store.close()
    other.store.close()


def test_names_that_are_spelled_out_alike_share_nothing() -> None:
    """A tenant whose name imitates how another's is kept must not get at its answers."""
    cache = SemanticCache(embedder=False, store="memory", tenant="user")
    cache.set(RESET, "theirs", tenant="\ud800")
    assert cache.get(RESET, tenant="\\ud800") is None


def test_an_entry_has_a_time_to_live_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price list is good for a day, a definition for ever."""
    now = [1_000_000]
    for module in ("finding", "keeping", "cache"):
        monkeypatch.setattr(f"langchain_costguard.semantic_cache.{module}.now_us", lambda: now[0])
    cache = near_cache(ttl_seconds=1000)
    cache.set("short", "a", ttl_seconds=1)
    cache.set("usual", "b")
    now[0] += 2_000_000

    assert (cache.get("short"), cache.get("usual")) == (None, "b")


def test_an_entry_is_deleted_by_its_question() -> None:
    """A wrong answer must be removable, for a model's as for one's own."""
    cache = near_cache()
    model = ScriptedChatModel(responses=["wrong", "right"], cache=cache)
    cache.set(RESET, "wrong")
    model.invoke(RESET)

    assert (cache.delete(RESET), cache.delete(RESET)) == (True, False)
    assert cache.delete(RESET, model=model)
    assert cache.get(RESET) is None
    assert model.invoke(RESET).content == "right"


def test_a_model_is_warmed_from_a_file(tmp_path: Path) -> None:
    """Known questions are answered before anybody has asked them."""
    rows = [{"question": RESET, "answer": "Use the link."}, {"question": "What does it cost?", "answer": "Nothing."}]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    cache = near_cache()
    model = ScriptedChatModel(responses="never", cache=cache)

    assert cache.warm(path, model=model, system="Be brief.") == 2
    assert cache.warm([("a b c", "d")]) == 1
    assert cache.get("a b c") == "d"
    assert model.invoke([("system", "Be brief."), ("human", SAME)]).content == "Use the link."
    assert model.invoke(SAME).content == "never"


def test_a_file_that_is_no_list_of_answers_says_which_line_is_wrong(tmp_path: Path) -> None:
    """Nobody looks through ten thousand lines."""
    path = tmp_path / "answers.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n\nnot json\n', encoding="utf-8")

    with pytest.raises(ValueError, match=r"line 3 of .*answers\.jsonl is no JSON"):
        near_cache().warm(path)
    with pytest.raises(ValueError, match="no question with its answer"):
        near_cache().warm([{"q": "a"}])


def test_the_question_of_a_model_is_the_one_its_run_asks() -> None:
    """Warming and deleting go by how LangChain describes a run, which is its private matter."""
    from pydantic import BaseModel

    class Out(BaseModel):
        city: str

    cache = near_cache()
    for build in (
        lambda model: model,
        lambda model: model.bind(stop=["x"]),
        lambda model: model.bind_tools([Out]),
        lambda model: model.with_structured_output(Out).first,
    ):
        model = build(ScriptedChatModel(responses=lambda _: "seen", cache=cache))
        model.invoke(RESET)
        assert cache.explain(RESET, model=model).kind == "exact"
        assert cache.delete(RESET, model=model)


def test_stats_tell_what_the_cache_was_good_for() -> None:
    """Hits by tier, misses, vetoes, and what came nearest."""
    cache = near_cache()
    cache.set("The revenue of the shop in March 2024 in Bern?", "5")
    for text in ("The revenue of the shop in March 2024 in Bern?", "the revenue of the shop in March 2024 in Bern"):
        cache.get(text)
    cache.get("The revenue of the shop in March 2023 in Bern?")
    cache.get("What?")

    stats = cache.stats()

    assert (stats.exact, stats.semantic, stats.hits, stats.lookups, stats.entries) == (1, 1, 2, 4, 1)
    assert stats.hit_rate == 0.5
    assert stats.nearest_miss is not None
    assert stats.nearest_miss.asked == "The revenue of the shop in March 2023 in Bern?"
    assert "2 hits (50% of 4 lookups): 1 by words, 1 by meaning" in str(stats)
    assert cache.near_misses()[0] == stats.nearest_miss


def test_explain_says_why() -> None:
    """Who wonders about an answer, or about its price, asks for one question."""
    cache = near_cache()
    cache.set(RESET, "Use the link.")
    cache.get(SAME)

    assert cache.explain(SAME).is_hit
    assert cache.explain(SAME).stored == RESET
    assert "hit by meaning; nearest 'How do I reset my password?'" in str(cache.explain(SAME))
    assert cache.explain("x" * 600).why == "the text is longer than 500 characters"
    lookups = cache.stats().lookups
    assert cache.explain("never asked").kind == "miss"
    assert cache.stats().lookups == lookups


def test_what_cannot_be_kept_is_refused() -> None:
    """A silent no would look like a cache that never hits."""
    with pytest.raises(TypeError, match="a text or an AIMessage"):
        near_cache().set(RESET, {"answer": 5})  # type: ignore[arg-type]  # wrong on purpose


def test_a_wrong_answer_is_deleted_and_the_threshold_raised_above_it() -> None:
    """Users see what no similarity shows."""
    cache = SemanticCache(WordEmbeddings(), "memory", threshold=0.6, guards=False)
    stored, asked = "red shoes in size five", "red shoes in size six"
    cache.set(stored, "wrong")
    assert cache.get(asked) == "wrong"

    assert cache.feedback(asked, good=False)

    assert cache.get(stored) is None
    cache.set(stored, "wrong")
    assert cache.get(asked) is None
    assert not cache.match(stored, asked).hit
    assert not cache.feedback("never asked", good=True)


def test_praise_moves_nothing() -> None:
    """A right answer stays where it is."""
    cache = near_cache()
    cache.set(RESET, "Use the link.")
    cache.get(SAME)

    assert cache.feedback(SAME, good=True)
    assert cache.get(SAME) == "Use the link."


def test_a_tenant_neither_sees_nor_judges_anothers_lookups() -> None:
    """A question can hold what nobody else may read."""
    cache = near_cache(tenant="user")
    cache.set(RESET, "hers", tenant="alice")
    assert cache.get(SAME, tenant="alice") == "hers"

    assert cache.explain(SAME, tenant="alice").stored == RESET
    assert cache.explain(SAME, tenant="bob").stored is None
    assert not cache.feedback(SAME, good=False, tenant="bob")
    assert cache.get(SAME, tenant="alice") == "hers"
    with pytest.raises(ValueError, match="give tenant="):
        cache.feedback(SAME, good=False)
    assert cache.feedback(SAME, good=False, tenant="alice")
    assert cache.get(SAME, tenant="alice") is None


def test_a_query_within_one_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would wait for the call that it is part of."""
    from langchain_costguard.semantic_cache import cache as module

    def refused(*_: object) -> None:
        pytest.fail("a nested query waits")

    monkeypatch.setattr(module, "wait_for", refused)
    monkeypatch.setattr(module, "await_for", refused)
    cache = near_cache()

    async def inner(_: str) -> str:
        return "inner"

    async def outer(text: str) -> str:
        return await cache.aquery(text, inner)

    assert cache.query(RESET, lambda text: cache.query(text, lambda _: "inner")) == "inner"
    assert asyncio.run(cache.aquery("What does the premium plan cost?", outer)) == "inner"


def test_a_vector_store_of_langchain_proposes_near_entries() -> None:
    """Whoever keeps their vectors in a store of their own goes on with it; what counts is measured here."""
    embeddings = WordEmbeddings()
    proposing = InMemoryVectorStore(embeddings)
    cache = SemanticCache(embeddings, "memory", threshold=0.9, candidates=proposing)
    cache.set(RESET, "Use the link.")

    assert (cache.get(SAME), cache.get("What does it cost?")) == ("Use the link.", None)
    assert len(proposing.store) == 1


def test_what_proposes_nothing_is_refused() -> None:
    """A typing mistake must not leave a cache that never finds anything."""
    with pytest.raises(TypeError, match="give a vector store"):
        near_cache(candidates="chroma")


@pytest.mark.parametrize("asked", [RESET, SAME])
def test_a_hit_in_front_of_a_chain_is_in_the_ledger(asked: str) -> None:
    """A cache in front of retrieval is asked by no model: without its line, what it saves would be in no report."""
    cache = near_cache()
    model = ScriptedChatModel(responses=["Use the link."], model="gpt-4o")
    desk = RunnableLambda(lambda text: cache.query(text, model.invoke))

    with track_costs() as costs:
        for text in (RESET, asked):
            desk.invoke(text, {"metadata": {"user": "u1"}})

    paid, served = (line for line in costs.entries() if line.kind != "embedding")
    assert (paid.status, served.status, served.model) == ("ok", "cached", "gpt-4o")
    assert (served.billed_cost, served.avoided_cost) == (Decimal(0), paid.billed_cost)
    assert served.metadata["user"] == "u1"
    step = "exact_cache" if asked == RESET else "semantic_cache"
    assert {one.technique: one.saved_cost for one in costs.report().savings().steps}[step] == paid.billed_cost


def test_an_answer_that_was_set_by_hand_is_no_call() -> None:
    """What it took is not known, and nobody was billed for it."""
    cache = near_cache()
    cache.set(RESET, "Use the link.")
    with track_costs() as costs:
        assert cache.get(SAME) == "Use the link."
    assert {line.kind for line in costs.entries()} == {"embedding"}


def test_a_hit_that_cannot_be_booked_is_served_and_costs_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong with a ledger is no reason to pay for the answer again."""
    cache = near_cache()
    model = ScriptedChatModel(responses=["one", "two"])
    text_model = ScriptedLLM(responses=["one", "two"], cache=cache)
    assert cache.query(RESET, model.invoke).text == text_model.invoke(RESET) == "one"

    def broken(*args: object, **kwargs: object) -> None:
        msg = "the ledger is broken"
        raise RuntimeError(msg)

    monkeypatch.setattr("langchain_costguard.semantic_cache.billing._report", broken)
    assert cache.query(RESET, model.invoke).text == text_model.invoke(RESET) == "one"
    assert cache.stats().failures == 2


@pytest.mark.parametrize("is_chat_model", [True, False])
def test_a_hit_in_front_of_a_cascade_avoided_what_its_answer_cost_and_no_more_than_the_large_model(
    *, is_chat_model: bool
) -> None:
    """Its usage is that of all legs: at the large model's price that was about twice the truth."""
    tiers = [
        ScriptedChatModel(responses=[answer], model_name=name, provider="openai")
        for name, answer in (("gpt-4o-mini", "UNCERTAIN"), ("gpt-4o", "Forty-two, as everybody knows."))
    ]
    cascade = CascadeChatModel(tiers=tiers) if is_chat_model else Cascade(tiers)
    cache = near_cache()
    with track_costs() as costs:
        first = cache.query(RESET, cascade.invoke)
        assert cache.query(RESET, cascade.invoke).text == first.text
    record = first.response_metadata["cascade"]
    avoided = min(Decimal(record["cost_usd"]), Decimal(record["baseline_usd"]))
    steps = {step.technique: step.saved_cost for step in costs.report().savings().steps}
    assert steps["exact_cache"] == cache.stats().avoided_cost == avoided


def test_a_file_in_another_encoding_is_refused_and_not_kept_as_other_words(tmp_path: Path) -> None:
    """A question that nobody can ask would be kept, with an answer that nobody can read."""
    path = tmp_path / "answers.jsonl"
    path.write_bytes('{"question": "Où est le café ?", "answer": "Rue Cassé 5"}\n'.encode("latin-1"))
    cache = near_cache()
    with pytest.raises(ValueError, match=r"line 1 of .*answers\.jsonl is no JSON in UTF-8"):
        cache.warm(path)
    path.write_bytes('{"question": "Où est le café ?", "answer": "Rue Cassé 5"}\r\n'.encode("utf-8-sig"))
    assert cache.warm(path) == 1
    assert cache.get("Où est le café ?") == "Rue Cassé 5"
