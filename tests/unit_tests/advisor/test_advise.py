"""advise(): what a small ledger with one opportunity each is worth, to the nano-dollar, and what bad input says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from langchain_costguard import InMemoryStore, PayAsYouGo, Subscription
from langchain_costguard.advisor import advise
from langchain_costguard.ledger import LedgerEntry, LedgerQuery
from langchain_costguard.savings import Savings
from langchain_costguard.testing.lines import make_entry
from langchain_costguard.usage import TokenUsage

MORNING = datetime(2026, 10, 20, 8, tzinfo=UTC)
NANO = 3_500_000  # 1,000 input and 100 output tokens of gpt-4o
SONNET = {"provider": "anthropic", "request_model": "claude-sonnet-4-5", "response_model": "claude-sonnet-4-5"}
GEMINI = {"provider": "google", "request_model": "gemini-2.5-flash", "response_model": "gemini-2.5-flash"}
GPT_4O = {"request_model": "gpt-4o", "response_model": "gpt-4o", "billed_nano": NANO, "list_nano": NANO}


def lines(count: int, *, minutes: float = 60, **fields: Any) -> list[LedgerEntry]:
    """Calls of gpt-4o one after the other, each with a prompt of its own."""
    return [
        make_entry(
            at=MORNING + number * timedelta(minutes=minutes),
            **{**GPT_4O, "prompt_digest": number.to_bytes(16, "little"), "first_token_us": 1000, **fields},
        )
        for number in range(1, count + 1)
    ]


def only(found: Any, technique: str) -> Any:
    """The finding of a technique."""
    (one,) = (each for each in found.findings if each.technique == technique)
    return one


def test_a_repeated_prompt_is_worth_its_whole_bill() -> None:
    """The surest saving of all must be exact: 30 of 60 calls ask again."""
    made = lines(60)
    made[30:] = [replace(late, prompt_digest=early.prompt_digest) for late, early in zip(made[30:], made, strict=False)]
    found = only(advise(made), "exact_cache")
    assert found.saving.expected == Decimal("0.105")
    assert found.figures["repeats"] == 30
    assert found.code.startswith("set_llm_cache(SemanticCache(")


def test_an_answer_is_served_from_when_it_was_stored_not_from_when_it_was_used() -> None:
    """A cache forgets by its own clock: of calls an hour apart every third is stored anew."""
    made = [replace(line, prompt_digest=b"same prompt 1234") for line in lines(60)]
    found = only(advise(made, ttl_seconds=2 * 3600), "exact_cache")
    assert found.figures["repeats"] == 40
    assert found.saving.expected == Decimal("0.14")


def test_users_are_not_given_each_others_answers_unless_that_is_said() -> None:
    """A saving that would leak answers between users is not one to expect."""
    made = [
        replace(line, prompt_digest=b"same prompt 1234", user=f"u{number}") for number, line in enumerate(lines(60))
    ]
    careful, shared = (only(advise(made, is_shared=one), "exact_cache") for one in (False, True))
    assert careful.saving.expected == Decimal(0)
    assert careful.saving.high == shared.saving.expected == Decimal("0.2065")


def test_calls_that_do_not_say_whose_they_are_are_not_served_beside_tenants() -> None:
    """A cache with tenants answers nobody unknown; a saving on those calls would never come."""
    users = ["u1"] * 10 + [None] * 50
    made = [replace(line, prompt_digest=b"same prompt 1234") for line in lines(60)]
    made = [replace(line, user=user) for line, user in zip(made, users, strict=True)]
    found = only(advise(made), "exact_cache")
    assert (found.figures["repeats"], found.figures["repeats_across_users"]) == (9, 59)
    assert "tenant" in found.code
    assert "tenant" not in only(advise([replace(line, user=None) for line in made]), "exact_cache").code


def test_a_name_that_can_wait_and_that_nobody_has_is_told() -> None:
    """A chain that was misspelled would silently never wait."""
    assert any("'Report'" in one for one in advise(lines(60, chain="Reports"), can_wait=["Report"]).missing)


def test_a_shared_beginning_is_worth_the_reads_less_the_write() -> None:
    """Anthropic bills a write at 1.25 and a read at 0.1 of the input price; whole blocks of 4,096 bytes are sure."""
    blocks = (b"block one prefix", b"block two prefix")
    made = lines(
        60,
        minutes=1,
        **SONNET,
        usage=TokenUsage(uncached_input=3000, output_text=100),
        billed_nano=10_500_000,
        input_bytes=12_000,
        prefix_digests=blocks,
    )
    found = only(advise(made), "prompt_caching")
    assert found.figures["reading"] == 59
    # 2,048 of 3,000 tokens: 59 reads save 0.9 x 3 $/M each, one write costs 0.25 x 3 $/M
    assert found.saving.expected == Decimal("0.3247104")
    assert "claude-sonnet-4-5" in found.code


def test_what_is_read_from_the_cache_already_is_not_advised_again() -> None:
    """Advice to do what is done is noise."""
    blocks = (b"block one prefix", b"block two prefix")
    usage = TokenUsage(uncached_input=952, cache_read=2048, output_text=100)
    made = lines(60, minutes=1, **SONNET, usage=usage, billed_nano=4_970_400, input_bytes=12_000, prefix_digests=blocks)
    assert [each for each in advise(made).findings if each.saving.expected] == []


def test_calls_that_may_wait_are_worth_half() -> None:
    """The user's word makes the batch sure: low, expected and high are one."""
    made = [replace(line, chain="Reports > ChatOpenAI") for line in lines(60)]
    found = only(advise(made, can_wait=["Reports"]), "batch")
    assert found.saving == (Decimal("0.105"),) * 3
    assert only(advise(made, can_wait=["gpt-4o"]), "cascade").saving.expected == Decimal(0)


def test_streamed_chains_are_not_advised_to_wait() -> None:
    """Somebody reads along."""
    assert "batch" not in {each.technique for each in advise(lines(200, minutes=0.01)).findings}


def test_bursts_that_nobody_streams_look_like_a_job() -> None:
    """A job is seen by its shape; nobody has said that it may wait, so nothing of it is sure."""
    night = [replace(line, first_token_us=None, chain="Nightly") for line in lines(100, minutes=0.01)]
    day = lines(100, minutes=30, chain="Chat")
    found = only(advise([*day, *night]), "batch")
    assert (found.target, found.saving.low, found.saving.expected) == ("Nightly", Decimal(0), Decimal("0.175"))


def test_a_few_very_long_answers_are_seen_beside_their_chain() -> None:
    """Three runaway answers can be half of a bill."""
    usages = (TokenUsage(uncached_input=1000, output_text=90 + number) for number in range(60))
    made = [replace(line, usage=usage) for line, usage in zip(lines(60), usages, strict=True)]
    made[-3:] = [
        replace(line, usage=TokenUsage(uncached_input=1000, output_text=8000), billed_nano=82_500_000)
        for line in made[-3:]
    ]
    found = only(advise(made), "output_limit")
    assert found.figures["outliers"] == 3
    assert found.saving.low == Decimal(0) < found.saving.expected < found.saving.high
    assert found.saving.high < Decimal("0.24")


def test_what_a_cascade_kept_is_expected_of_the_other_calls_of_its_chain() -> None:
    """Evidence from this very chain, taken from its careful end."""
    tried = lines(
        400,
        chain="Sort > Cascade",
        request_model="gpt-4o-mini",
        response_model="gpt-4o-mini",
        billed_nano=210_000,
        techniques=("cascade",),
        baseline_model="gpt-4o",
    )
    asked_full = lines(40, chain="Sort > Cascade", techniques=("cascade",), baseline_model="gpt-4o")
    direct = lines(100, chain="Sort")
    found = [each for each in advise([*tried, *asked_full, *direct]).findings if each.saving.low]
    (one,) = (each for each in found if each.technique == "cascade")
    assert one.figures == {"tried": 400, "accepted": 360, "calls": 100}
    # all kept would save 94 % of $0.35, 90 % kept $0.294; the lower end is below, the upper end above
    assert one.saving.expected < Decimal("0.294") < one.saving.high < Decimal("0.33")


def test_a_cheaper_sibling_nobody_has_compared_is_a_possibility_and_no_expectation() -> None:
    """Quality is not in the ledger: to expect the whole difference would be a guess."""
    found = only(advise(lines(60)), "cascade")
    assert (found.saving.low, found.saving.expected, found.saving.high) == (0, 0, Decimal("0.1974"))


def test_all_together_is_less_than_the_sum_where_techniques_meet_on_the_same_calls() -> None:
    """A repeated call that waits is saved once: nothing of it is left for the batch."""
    made = [replace(line, prompt_digest=b"same prompt 1234", chain="Reports") for line in lines(60)]
    found = advise(made, can_wait=["Reports"])
    assert only(found, "exact_cache").saving.expected == Decimal("0.2065")
    assert only(found, "batch").saving.expected == Decimal("0.105")
    assert found.combined.expected == Decimal("0.20825")  # 59 calls, and half of the one that is left


@pytest.mark.parametrize(("fields", "nano", "stacks"), [(SONNET, 10_500_000, True), (GEMINI, 1_150_000, False)])
def test_a_batch_and_the_providers_cache_stack_only_at_anthropic(
    fields: dict[str, Any], nano: int, stacks: bool
) -> None:
    """Gemini gives one discount or the other; to multiply them would promise what no bill shows."""
    blocks = (b"block one prefix", b"block two prefix")
    usage = TokenUsage(uncached_input=3000, output_text=100)
    made = lines(60, minutes=1, **{"chain": "Job", **fields}, usage=usage, input_bytes=12_000, prefix_digests=blocks)
    made = [replace(line, billed_nano=nano) for line in made]
    found = advise(made, can_wait=["Job"])
    batch, caching = only(found, "batch").saving, only(found, "prompt_caching").saving
    assert (found.combined.expected > max(batch.expected, caching.expected)) is stacks


def test_a_discount_of_ones_own_carries_over() -> None:
    """A saving is on the bill, not on the list: at 20 % off it is 20 % smaller."""
    made = [replace(line, chain="Reports", billed_nano=NANO * 8 // 10) for line in lines(60)]
    assert only(advise(made, can_wait=["Reports"]), "batch").saving.expected == Decimal("0.084")


def test_lines_without_a_price_are_counted_and_not_guessed() -> None:
    """Zero would be a lie, and a list price a guess."""
    made = [*lines(60), *(replace(line, billed_nano=None, list_nano=None) for line in lines(5))]
    found = advise(made)
    assert (found.calls, found.counted.unpriced) == (60, 5)
    assert any(one.startswith("5 calls without a price") for one in found.missing)


def test_what_was_saved_already_is_said_and_not_counted_again() -> None:
    """Savings that are booked belong to the report."""
    found = advise([replace(line, savings=Savings(batch=1_000_000)) for line in lines(60)])
    assert found.realised_cost == Decimal("0.06")


def test_an_empty_ledger_says_what_is_missing() -> None:
    """The first run is on an empty ledger."""
    found = advise(InMemoryStore())
    assert (found.findings, found.best, found.calls) == ((), None, 0)
    assert "there are no calls" in str(found)
    assert found.to_dict()["combined"]["expected"] == "0"


def test_a_tiny_ledger_is_no_ground_for_advice() -> None:
    """Ten calls prove nothing."""
    found = advise(lines(10, prompt_digest=b"same prompt 1234"))
    assert found.findings == ()
    assert "10 answered and priced chat calls of 10 lines" in found.missing[0]


def test_imported_lines_have_no_digests_and_that_is_said() -> None:
    """Silence about repeats would read as none."""
    found = advise([replace(line, prompt_digest=None) for line in lines(60)])
    assert any(one.startswith("digests of 60 of 60 prompts") for one in found.missing)


def test_prompts_that_differ_from_their_first_block_on_are_named() -> None:
    """A date at the top costs the whole cache, and no amount can be put to it."""
    made = lines(60, minutes=1, **SONNET)
    made = [replace(line, prefix_digests=(line.prompt_digest or b"", b"second block 123")) for line in made]
    assert "60 of 60 long prompts of claude-sonnet-4-5 differ" in advise(made).notes[0]


def test_a_machine_of_ones_own_is_advised_from_its_break_even_load_on() -> None:
    """Below it idle hours cost more than the API; and it is another way to pay, not one more discount."""
    made = lines(2000, minutes=0.1)
    assert "local_model" not in {each.technique for each in advise(made, gpu_hour=5).findings}
    found = advise(made, gpu_hour=1, capacity_per_hour=1000)
    machine = only(found, "local_model")
    assert machine.saving.expected == machine.saving.high > Decimal("3.6")
    assert not machine.is_combined
    assert only(advise(made, gpu_hour=1), "local_model").saving.expected == Decimal(0)


def test_the_plan_that_suits_is_named() -> None:
    """A subscription that covers the month is found beside the techniques."""
    found = only(advise(lines(2000), plans=[Subscription(1, name="flat")]), "plan")
    assert found.title == "Change to flat"
    assert found.saving.expected > 0
    assert "plan" not in {each.technique for each in advise(lines(2000), plans=[PayAsYouGo(name="same")]).findings}


def test_a_store_is_asked_by_a_query_and_lines_by_dates() -> None:
    """What is typed must not be ignored silently."""
    store = InMemoryStore()
    made = lines(120)
    for line in made:
        store.append(line)
    since = MORNING + timedelta(hours=61)
    assert advise(store, query=LedgerQuery(since=since)).calls == advise(made, since=since).calls == 60
    with pytest.raises(ValueError, match="give a store"):
        advise(made, query=LedgerQuery())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"ttl_seconds": 0}, "ttl_seconds=0"),
        ({"ttl_seconds": float("nan")}, "ttl_seconds=nan"),
        ({"tz": "Mars"}, "IANA"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments: dict[str, Any], said: str) -> None:
    """Before a million lines are read."""
    with pytest.raises(ValueError, match=said):
        advise(InMemoryStore(), **arguments)


def test_what_is_no_ledger_is_refused() -> None:
    """A path is a common slip."""
    wrong: Any = "costs.db"
    with pytest.raises(ValueError, match="open_store"):
        advise(wrong)


def test_lines_may_come_in_any_order() -> None:
    """Exports of several tools are rarely sorted."""
    made = [replace(line, prompt_digest=b"same prompt 1234", prefix_digests=(b"one", b"two")) for line in lines(60)]
    assert advise(made[::-1]).to_dict() == advise(made).to_dict()


def test_every_advice_ends_in_quality_measure_and_code() -> None:
    """Advice without its price in quality is advertising."""
    made = [replace(line, prompt_digest=b"same prompt 1234", chain="Reports") for line in lines(60)]
    found = advise(made, can_wait=["Reports"])
    text = str(found)
    for each in found.findings:
        assert each.quality
        assert each.measure
        assert each.code
        assert each.title in text
    assert "All together" in text


def test_foreign_names_are_escaped_on_the_page() -> None:
    """A chain's name comes from outside."""
    made = [replace(line, chain="<script>") for line in lines(60)]
    page = advise(made, can_wait=["<script>"]).to_html()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
