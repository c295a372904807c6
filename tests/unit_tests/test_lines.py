"""What a line says: every fact of a call in its place, whatever became of it."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from langchain_costguard import PriceBook, TokenUsage, per_call, tags
from langchain_costguard.recorder import Outcome, StartedCall
from langchain_costguard.recorder.lines import MAX_PREFIX_DIGESTS, MEMORY_KEY, PREFIX_BLOCK_BYTES, LineMaker

if TYPE_CHECKING:
    from langchain_costguard.ledger import LedgerEntry

RUN, PARENT, ROOT = (UUID(int=number) for number in (1, 2, 3))
USAGE = TokenUsage(uncached_input=1000, output_text=500)
MAKER = LineMaker(PriceBook())


def started(prompt: Any = "a prompt", **facts: Any) -> StartedCall:
    """A gpt-4o call that began at a known moment."""
    call = StartedCall(RUN, "chat", prompt, str)
    call.provider, call.request_model, call.started_ns, call.started_at_us = "openai", "gpt-4o", 1_000_000, 5_000_000
    for name, value in facts.items():
        setattr(call, name, value)
    return call


def finished(outcome: Outcome | None = None, maker: LineMaker = MAKER, **facts: Any) -> LedgerEntry:
    """Its line, one and a half milliseconds later."""
    return maker.finished(started(**facts), outcome or Outcome("ok", USAGE), 2_500_999)


# -- lines that are not full ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("input_bytes", "tokens", "usd"), [(9, 3, "0.0000075"), (8, 2, "0.000005"), (None, 0, "0")])
def test_a_lost_call_is_priced_by_its_input_at_four_bytes_a_token_rounded_up(
    input_bytes: int | None, tokens: int, usd: str
) -> None:
    """What it sent is the least that it cost; what was answered nobody knows."""
    entry = MAKER.opening(started())
    entry.input_bytes = input_bytes
    lost = MAKER.lost(entry)
    assert (lost.status, lost.usage, lost.estimate_method) == ("lost", TokenUsage(tokens), "bytes/4, input only")
    assert lost.billed_cost == Decimal(usd)


def test_the_line_of_a_call_that_has_begun_knows_its_length_in_bytes() -> None:
    """By it the call is estimated if its process dies."""
    entry = MAKER.opening(started("zwölf €", parent_run_id=PARENT, root_run_id=ROOT, chain="a > b"))
    assert (entry.status, entry.input_bytes, entry.run_id, entry.parent_run_id) == ("open", 10, RUN, PARENT)
    assert (entry.root_run_id, entry.chain, entry.started_at_us, entry.kind) == (ROOT, "a > b", 5_000_000, "chat")


def test_a_line_that_could_not_be_made_is_salvaged_with_everything_that_is_known() -> None:
    """The call was paid: it is in the ledger, unpriced, with the reason."""
    call = started(parent_run_id=PARENT, root_run_id=ROOT, endpoint_provider="azure")
    entry = MAKER.salvaged(call, Outcome("error", USAGE), ZeroDivisionError("secret"))
    assert (entry.run_id, entry.parent_run_id, entry.root_run_id) == (RUN, PARENT, ROOT)
    assert (entry.kind, entry.status, entry.started_at_us, entry.usage) == ("chat", "error", 5_000_000, USAGE)
    assert (entry.provider, entry.request_model, entry.billed_nano) == ("azure", "gpt-4o", None)
    assert entry.unpriced_reason == "tracking failed: ZeroDivisionError"
    assert MAKER.salvaged(started(), Outcome("ok"), ValueError()).root_run_id == RUN


# -- lines that are full --------------------------------------------------------------------------------------------


def test_a_line_holds_what_the_call_and_its_outcome_say() -> None:
    """Every figure of a report is read from here."""
    outcome = Outcome("error", USAGE, "gpt-4o-2024-08-06", "priority", error="TimeoutError", calls=3)
    entry = finished(outcome, first_token_ns=1_700_000, requested_tier="flex", chain="app")
    assert (entry.latency_us, entry.first_token_us, entry.calls, entry.error) == (1500, 700, 3, "TimeoutError")
    assert (entry.response_model, entry.request_model, entry.service_tier) == (
        "gpt-4o-2024-08-06",
        "gpt-4o",
        "priority",
    )
    assert (entry.provider, entry.chain, entry.root_run_id, entry.usage) == ("openai", "app", RUN, USAGE)


def test_a_call_recorded_afterwards_has_no_latency_and_keeps_the_tier_it_asked_for() -> None:
    """The time between two lines of somebody's log says nothing of the provider."""
    entry = finished(is_timed=False, requested_tier="flex")
    assert (entry.latency_us, entry.first_token_us, entry.service_tier) == (None, None, "flex")


def test_a_call_that_nobody_bills_costs_nothing_and_used_nothing() -> None:
    """Known to be zero, not unknown: a refused call must not look unpriced."""
    entry = finished(Outcome("error", is_unbilled=True))
    assert (entry.billed_nano, entry.list_nano, entry.usage, entry.estimate_method) == (0, 0, TokenUsage(), None)


def test_texts_to_embed_are_counted_together_and_none_at_all_as_nothing() -> None:
    """A batch of texts is one call; an empty one has no tokenizer to name."""
    one, two = (finished(Outcome("ok"), prompt=["a text"] * count, kind="embedding") for count in (1, 2))
    assert one.usage is not None
    assert two.usage == TokenUsage(uncached_input=2 * one.usage.input_tokens)
    nothing = finished(Outcome("ok"), prompt=[], kind="embedding")
    assert (nothing.usage, nothing.estimate_method) == (TokenUsage(), "nothing")


def test_a_technique_of_the_outcome_is_named_once() -> None:
    """Named twice, its saving would be shown twice."""
    metadata = {tags.TECHNIQUE: ["cascade"]}
    assert finished(Outcome("ok", USAGE, technique="cascade"), metadata=metadata).techniques == ("cascade",)
    assert finished(Outcome("ok", USAGE, technique="batch"), metadata=metadata).techniques == ("cascade", "batch")


# -- metadata -------------------------------------------------------------------------------------------------------


def test_metadata_is_kept_short_and_plain_and_without_the_frameworks_own() -> None:
    """It is stored for every call: no prompt belongs there, and nothing nobody asked to keep."""
    metadata = {
        "team": "x" * 300,
        "n": 3,
        "share": 0.5,
        "on": True,
        "list": ["a prompt"],
        "none": None,
        "ls_provider": "o",
    }
    entry = finished(metadata={**metadata, "langgraph_step": 1, "ls_other": "o"})
    assert entry.metadata == {"team": "x" * 256, "n": 3, "share": 0.5, "on": True}


@pytest.mark.parametrize(
    ("key", "field"),
    [
        *(("user", "user"), ("user_id", "user"), ("session", "session"), ("session_id", "session")),
        *(("thread_id", "thread"), ("thread", "thread"), ("conversation_id", "thread")),
    ],
)
def test_whose_call_it_is_stands_in_a_column_of_its_own(key: str, field: str) -> None:
    """Reports group by it, and a user who is erased is found by it."""
    entry = finished(metadata={key: 42})
    assert {name: getattr(entry, name) for name in ("user", "session", "thread")} == {
        **dict.fromkeys(("user", "session", "thread")),
        field: "42",
    }
    assert entry.metadata == {key: 42}


def test_what_techniques_write_into_metadata_is_read_and_not_kept() -> None:
    """Tiers, batches and left-out tokens price the line; they are no labels of the user's."""
    metadata: dict[str, Any] = {
        tags.TECHNIQUE: "routing",
        tags.BASELINE_MODEL: "gpt-4o-mini",
        tags.SAVED_INPUT_TOKENS: 70,
        tags.BATCH: 1,
        tags.SERVICE_TIER: "flex",
    }
    entry = finished(metadata=metadata)
    assert (entry.techniques, entry.saved_input_tokens, entry.batch) == (("routing",), 70, True)
    assert (entry.service_tier, entry.metadata or None) == ("flex", None)
    assert (entry.baseline_model, entry.baseline_nano) == ("gpt-4o-mini", 450_000)
    assert finished(metadata={tags.SAVED_INPUT_TOKENS: "70"}).saved_input_tokens is None


def test_tags_are_kept_in_order_once_and_without_those_of_the_framework() -> None:
    """`seq:step:1` on every line would make every group a group of one."""
    entry = finished(tags=["b", "seq:step:1", "a", "b", "map:key:x", "langsmith:hidden", "graph:step:2"])
    assert entry.tags == ("a", "b")


def test_the_makers_baseline_prices_the_same_tokens_unless_the_run_names_another() -> None:
    """The handler's baseline is what would have been called by default."""
    maker = LineMaker(PriceBook(), baseline_model="gpt-4o-mini")
    assert (finished(maker=maker).baseline_model, finished(maker=maker).baseline_nano) == ("gpt-4o-mini", 450_000)
    named = finished(maker=maker, metadata={tags.BASELINE_MODEL: "gpt-4o"})
    assert (named.baseline_model, named.baseline_nano) == ("gpt-4o", 7_500_000)
    empty = finished(maker=LineMaker(PriceBook(), baseline_model=""))
    assert (empty.baseline_model, empty.baseline_nano) == (finished().baseline_model, finished().baseline_nano)
    unknown = finished(maker=LineMaker(PriceBook(), baseline_model="nobody/knows-it"))
    assert (unknown.baseline_nano, unknown.billed_nano) == (None, 7_500_000)


# -- digests --------------------------------------------------------------------------------------------------------


def digest(data: bytes, key: bytes = MEMORY_KEY) -> bytes:
    """The digest of a text, made by hand."""
    return blake2b(data, key=key, digest_size=16).digest()


@pytest.mark.parametrize(
    ("length", "blocks"),
    [
        (0, 0),
        (PREFIX_BLOCK_BYTES, 0),
        (PREFIX_BLOCK_BYTES + 1, 1),
        (2 * PREFIX_BLOCK_BYTES, 2),
        (MAX_PREFIX_DIGESTS * PREFIX_BLOCK_BYTES + 5_000, MAX_PREFIX_DIGESTS),
    ],
)
def test_a_prompt_and_each_of_its_beginnings_has_the_digest_of_its_bytes(length: int, blocks: int) -> None:
    """By equal beginnings is found what a provider's prompt cache could have served."""
    prompt = ("0123456789abcdef" * (length // 16 + 1))[:length]
    entry = finished(prompt=prompt)
    assert entry.prompt_digest == digest(prompt.encode())
    assert entry.prefix_digests == tuple(
        digest(prompt[: PREFIX_BLOCK_BYTES * (block + 1)].encode()) for block in range(blocks)
    )


def test_digests_are_made_with_the_key_of_the_store_which_is_asked_for_once() -> None:
    """Without it nobody can test whether a certain prompt was sent; asking each time would cost every call a query."""
    asked: list[None] = []

    def key() -> bytes:
        asked.append(None)
        return b"k" * 32

    maker = LineMaker(PriceBook(), digest_key=key)
    assert [finished(maker=maker).prompt_digest for _ in range(2)] == [digest(b"a prompt", b"k" * 32)] * 2
    assert len(asked) == 1


# -- prices ---------------------------------------------------------------------------------------------------------


def test_a_discount_lowers_what_is_owed_and_leaves_the_list_price_beside_it() -> None:
    """Without the list price nobody sees what the agreement is worth."""
    entry = finished(maker=LineMaker(PriceBook(discount="0.25")))
    assert (entry.billed_nano, entry.list_nano) == (5_625_000, 7_500_000)


def test_a_cost_reported_for_a_cached_answer_is_not_owed() -> None:
    """A replayed answer repeats what the provider said of the first one."""
    entry = finished(Outcome("cached", USAGE, reported_usd=Decimal(1)))
    assert (entry.billed_nano, entry.reported_nano, entry.avoided_nano) == (0, None, 7_500_000)


def test_a_call_that_was_only_made_for_a_technique_costs_that_technique() -> None:
    """A judge's call is the cascade's; a technique nobody knows has no step to be booked under."""
    own = {tags.BASELINE_MODEL: ""}
    assert (finished(metadata=own).baseline_nano, finished(metadata=own).baseline_model) == (0, "")
    cascade = finished(metadata={**own, tags.TECHNIQUE: ["mine", "cascade"]}).savings
    assert cascade is not None
    assert (cascade.cascade, cascade.total) == (-7_500_000, -7_500_000)
    assert finished(metadata={**own, tags.TECHNIQUE: "mine"}).savings is None


def test_what_earlier_legs_have_booked_is_left_out_of_the_baseline() -> None:
    """Two legs of a cascade answer once, and are compared once."""
    entry = finished(metadata={tags.BASELINE_MODEL: "gpt-4o-mini", tags.BASELINE_BOOKED: 400_000})
    assert (entry.baseline_nano, entry.baseline_model) == (50_000, None)
    cached = finished(Outcome("cached", USAGE), metadata={tags.BASELINE_BOOKED: 400_000})
    assert cached.baseline_nano == -400_000


def test_what_a_technique_adds_is_left_out_of_the_baseline_and_of_no_hit() -> None:
    """An answer from a cache is compared with no price; and what is no number under our key takes nothing off."""
    named = {tags.BASELINE_MODEL: "gpt-4o-mini", tags.BASELINE_ADDED: 50_000}
    assert finished(metadata=named).baseline_nano == 400_000
    assert finished(metadata={**named, tags.BASELINE_BOOKED: "much"}).baseline_nano == 400_000
    cached = finished(Outcome("cached", USAGE), metadata={tags.BASELINE_ADDED: 50_000, tags.BASELINE_BOOKED: 1_000})
    assert cached.baseline_nano == -1_000


def test_prices_are_those_of_the_region_and_of_the_moment_of_the_call() -> None:
    """Asked at another moment, a repricing would find a difference where there is none."""
    asked: list[dict[str, Any]] = []

    class Asking(PriceBook):
        """Notes what it is asked."""

        def price(self, usage: Any, **question: Any) -> Any:
            asked.append(question)
            return super().price(usage, **question)

    maker = LineMaker(Asking(), baseline_model="gpt-4o-mini")
    finished(Outcome("ok", USAGE._replace(cache_read=10)), maker=maker, region="eu", metadata={tags.BATCH: True})
    assert {question["at"] for question in asked} == {5.0}
    own = [question for question in asked if question["model"] == "gpt-4o"]
    assert {question["region"] for question in own} == {"eu"}
    assert {question["provider"] for question in own} == {"openai"}


def test_a_cached_answer_without_usage_avoided_what_nobody_knows_even_at_a_price_per_call() -> None:
    """A provider's own cache may charge a call; how many a replay stands for is not known."""
    entry = finished(Outcome("cached"), maker=LineMaker(PriceBook({"gpt-4o": per_call("0.01")})))
    assert (entry.billed_nano, entry.avoided_nano, entry.savings) == (0, None, None)


@pytest.mark.parametrize(
    ("bucket", "nano"), [("cache_read", 2_700_000), ("cache_write_5m", -750_000), ("cache_write_1h", -3_000_000)]
)
def test_caching_a_prompt_saves_its_discount_and_costs_its_fee(bucket: str, nano: int) -> None:
    """By hand, for a thousand tokens at 3 dollars a million: read at a tenth, written at five quarters or double."""
    outcome = Outcome("ok", TokenUsage(**{bucket: 1000}))
    entry = finished(outcome, provider="anthropic", request_model="claude-sonnet-4-5")
    assert entry.savings is not None
    assert (entry.savings.prompt_caching, entry.savings.total) == (nano, nano)


def test_what_drafts_claimed_is_taken_back_where_they_claimed_it() -> None:
    """A draft from a cache booked its saving; the escalation that threw it away must not leave it standing."""
    metadata = {tags.TECHNIQUE: "cascade", tags.BASELINE_MODEL: "gpt-4o-mini"}
    plain = finished(metadata=metadata).savings
    served = finished(metadata={**metadata, tags.BASELINE_SERVED: {"semantic_cache": 30}}).savings
    assert plain is not None
    assert served == plain._replace(semantic_cache=-30, cascade=plain.cascade + 30)


def test_a_cached_answer_saved_its_price_less_what_its_drafts_have_booked() -> None:
    """The baseline of the answer was booked once already."""
    metadata = {tags.TECHNIQUE: "cascade", tags.BASELINE_BOOKED: 400_000}
    savings = finished(Outcome("cached", USAGE), metadata=metadata).savings
    assert savings is not None
    assert (savings.exact_cache, savings.cascade, savings.total) == (7_500_000, -400_000, 7_100_000)
