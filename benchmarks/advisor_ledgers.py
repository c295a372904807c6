"""Ledgers with opportunities planted in them, and what an oracle that knows the plants would have saved."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING
from uuid import UUID

from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.prompt_caching import rules_for
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.pricing import PriceBook

BEGINS = datetime(2026, 10, 20, tzinfo=UTC)
BLOCK = 4096
BYTES_PER_TOKEN = 4
MODELS = (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("google", "gemini-2.5-flash"))
SMALL = {"gpt-4o": "gpt-4o-mini", "claude-sonnet-4-5": "claude-haiku-4-5", "gemini-2.5-flash": "gemini-2.5-flash-lite"}
WEEK_US = 7 * 86_400 * 10**6
KINDS = ("exact_cache", "prompt_caching", "batch", "output_limit", "cascade")


@dataclass
class Truth:
    """A call and everything that is true of it."""

    at_us: int
    chain: str
    provider: str
    model: str
    user: str
    prompt: str
    input_tokens: int
    output_tokens: int
    prefix: str = ""
    prefix_bytes: int = 0
    streamed: bool = True
    true_output: int | None = None
    """How long the answer should have been."""
    can_wait: bool = False
    small_is_right: bool | None = None
    """Whether the small model's answer is as good; `None` where nobody tried."""
    is_trial: bool = False
    """Whether a cascade made it."""
    asked: str = ""
    """The model that was asked, where it is not `model`."""


@dataclass
class Planted:
    """A ledger, and what is true of its calls."""

    calls: list[Truth]
    kinds: set[str]
    entries: list[LedgerEntry] = field(default_factory=list)


def planted(seed: int, book: PriceBook, *, kinds: Iterable[str] | None = None, scale: float = 1.0) -> Planted:
    """A ledger of some weeks: everyday traffic, and opportunities of random kinds and sizes on the same calls.

    Args:
        seed: decides everything.
        book: prices the lines.
        kinds: what is planted; a random choice if not given.
        scale: how many times the usual number of calls.
    """
    draw = random.Random(seed)  # noqa: S311 - test data
    chosen = set(kinds) if kinds is not None else {kind for kind in KINDS if draw.random() < 0.7}
    days = draw.randint(8, 30)
    calls: list[Truth] = []
    everyday = ("Support", "Search", "Draft")
    count = round(draw.randint(300, 600) * scale)
    for chain in everyday:
        calls += _everyday(draw, chain, draw.choice(MODELS), days, count)
    if "prompt_caching" in chosen:
        calls += _prefixed(draw, days, round(draw.randint(150, 400) * scale))
    if "batch" in chosen:
        calls += _bursts(draw, days, round(draw.randint(150, 500) * scale), with_prefix="prompt_caching" in chosen)
    if "cascade" in chosen:
        calls += _tried(draw, days, round(draw.randint(150, 400) * scale))
    if "output_limit" in chosen:
        _lengthen(draw, calls)
    calls.sort(key=lambda call: call.at_us)
    _repeat(draw, calls, draw.uniform(0.1, 0.4) if "exact_cache" in chosen else 0.003)
    found = Planted(calls, chosen)
    found.entries = [_line(number, call, book) for number, call in enumerate(calls)]
    return found


def oracle(made: Planted, book: PriceBook, kinds: Iterable[str]) -> int:
    """What techniques save on a ledger whose truth is known, in nano-USD: every call priced again, one by one."""
    wanted = set(kinds)
    stored: dict[tuple[str, str, str], int] = {}
    warm: dict[tuple[str, str], int] = {}
    sent_twice = _sent_twice(made.calls)
    after = 0
    for call in made.calls:
        key = (call.model if not call.asked else call.asked, call.user, call.prompt)
        if "exact_cache" in wanted:
            if call.at_us - stored.get(key, -WEEK_US - 1) <= WEEK_US:
                continue
            stored[key] = call.at_us
        after += _after(call, book, wanted, warm, is_shared=(call.model, call.prefix) in sent_twice)
    return sum(entry.billed_nano or 0 for entry in made.entries) - after


def _after(call: Truth, book: PriceBook, wanted: set[str], warm: dict[tuple[str, str], int], *, is_shared: bool) -> int:
    """What one call costs with the techniques, in nano-USD."""
    output = call.output_tokens
    if "output_limit" in wanted and call.true_output is not None:
        output = call.true_output
    plain = TokenUsage(uncached_input=call.input_tokens, output_text=output)
    cached = plain
    rules = rules_for(call.model, call.provider, on=BEGINS.date())
    if "prompt_caching" in wanted and call.prefix and rules is not None and is_shared and not call.asked:
        cached = _cached(call, plain, rules, warm)
    models = [call.asked or call.model]
    if "cascade" in wanted and call.small_is_right is not None and not call.is_trial:
        models = [SMALL[call.model]] if call.small_is_right else [SMALL[call.model], call.model]
    waits = "batch" in wanted and call.can_wait
    return sum(_cheapest(call, model, plain, cached, book, waits=waits) for model in models)


def _cached(call: Truth, plain: TokenUsage, rules: object, warm: dict[tuple[str, str], int]) -> TokenUsage:
    """The usage with the prefix read, or written where the provider lets it be paid for."""
    tokens = rules.cached(call.prefix_bytes // BYTES_PER_TOKEN)  # type: ignore[attr-defined] # CacheRules
    key = (call.model, call.prefix)
    lifetime = rules.lifetimes[0].seconds  # type: ignore[attr-defined]
    seen = warm.get(key)
    is_warm = seen is not None and call.at_us - seen <= lifetime * 10**6
    warm[key] = call.at_us
    if is_warm:
        return plain._replace(uncached_input=plain.uncached_input - tokens, cache_read=tokens)
    if rules.control == "cache_control":  # type: ignore[attr-defined]
        return plain._replace(uncached_input=plain.uncached_input - tokens, cache_write_5m=tokens)
    return plain


def _cheapest(call: Truth, model: str, plain: TokenUsage, cached: TokenUsage, book: PriceBook, *, waits: bool) -> int:
    at_once = _price(call, model, cached, book)
    if not waits:
        return at_once
    stacks = call.provider == "anthropic"
    return min(at_once, _price(call, model, cached if stacks else plain, book, batch=True))


def _price(call: Truth, model: str, usage: TokenUsage, book: PriceBook, *, batch: bool = False) -> int:
    cost = book.price(usage, model=model, provider=call.provider, batch=batch, at=call.at_us / 10**6)
    assert cost is not None, (model, batch)
    return round(cost.pico_usd / 1000)


def _sent_twice(calls: list[Truth]) -> set[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    twice: set[tuple[str, str]] = set()
    for call in calls:
        key = (call.model, call.prefix)
        (twice if key in seen else seen).add(key)
    return twice


def _everyday(draw: random.Random, chain: str, model: tuple[str, str], days: int, count: int) -> list[Truth]:
    """Calls at random over the days, some streamed, each with a prompt of its own."""
    typical, spread = draw.randint(80, 400), draw.uniform(0.2, 0.6)
    begin = round(BEGINS.timestamp() * 10**6)
    return [
        Truth(
            at_us=begin + round((draw.randrange(days) + _hour(draw) / 24) * 86_400 * 10**6),
            chain=f"{chain} > ChatModel",
            provider=model[0],
            model=model[1],
            user=f"u{draw.randrange(20)}",
            prompt=f"{chain}-{number}",
            input_tokens=draw.randint(200, 1000),
            output_tokens=max(1, round(typical * draw.lognormvariate(0, spread))),
            streamed=draw.random() < 0.5,
        )
        for number in range(count)
    ]


def _prefixed(draw: random.Random, days: int, count: int) -> list[Truth]:
    """Sessions in which the same long beginning is sent every minute or so."""
    provider, model = draw.choice(MODELS[:2])
    size = draw.randint(3 * BLOCK, 12 * BLOCK)
    calls = _everyday(draw, "Handbook", (provider, model), days, count)
    at = 0
    for number, call in enumerate(calls):
        if number % 25 == 0:
            at = call.at_us
        at += round(draw.uniform(20, 200) * 10**6)
        call.at_us = at
        call.prefix, call.prefix_bytes = "handbook", size
        call.input_tokens += size // BYTES_PER_TOKEN
    return calls


def _bursts(draw: random.Random, days: int, count: int, *, with_prefix: bool) -> list[Truth]:
    """A job: many calls within minutes, every few days, that nobody waits for."""
    calls = _everyday(draw, "Nightly", draw.choice(MODELS), days, count)
    times = [draw.randrange(days) for _ in range(max(1, count // 80))]
    size = draw.randint(3 * BLOCK, 8 * BLOCK)
    for number, call in enumerate(calls):
        day = times[number % len(times)]
        seconds = day * 86_400 + 2 * 3600 + draw.random() * 240
        call.at_us = round((BEGINS + timedelta(seconds=seconds)).timestamp() * 10**6)
        call.can_wait, call.streamed = True, False
        if with_prefix and call.provider != "google":
            call.prefix, call.prefix_bytes = "job", size
            call.input_tokens += size // BYTES_PER_TOKEN
    return calls


def _tried(draw: random.Random, days: int, count: int) -> list[Truth]:
    """A chain part of which runs through a cascade already."""
    provider, model = draw.choice(MODELS[:2])
    right = draw.uniform(0.7, 0.98)
    calls = _everyday(draw, "Classify", (provider, model), days, count)
    trials = _everyday(draw, "Classify", (provider, model), days, max(300, count // 2))
    more = []
    for call in calls:
        call.small_is_right = draw.random() < right
    for number, call in enumerate(trials):
        call.is_trial, call.prompt = True, f"trial-{number}"
        call.asked = SMALL[model]
        if draw.random() >= right:
            more.append(Truth(**{**vars(call), "asked": "", "at_us": call.at_us + 10**6}))
    return [*calls, *trials, *more]


def _lengthen(draw: random.Random, calls: list[Truth]) -> None:
    """A few answers of two everyday chains become many times as long."""
    for chain in ("Support", "Search"):
        mine = [call for call in calls if call.chain.startswith(chain)]
        typical = sorted(call.output_tokens for call in mine)[len(mine) // 2]
        for call in draw.sample(mine, max(5, round(len(mine) * draw.uniform(0.02, 0.06)))):
            call.true_output = round(typical * draw.uniform(1.1, 1.5))
            call.output_tokens = round(typical * draw.uniform(25, 60))


def _repeat(draw: random.Random, calls: list[Truth], share: float) -> None:
    """Some calls, of every chain but trials, ask what the same user asked before."""
    before: dict[tuple[str, str], list[Truth]] = {}
    for call in calls:
        if call.is_trial:
            continue
        asked = before.setdefault((call.chain, call.user), [])
        if asked and draw.random() < share:
            first = draw.choice(asked)
            call.prompt, call.input_tokens = first.prompt, first.input_tokens
            call.prefix, call.prefix_bytes = first.prefix, first.prefix_bytes
        else:
            asked.append(call)


def _hour(draw: random.Random) -> float:
    """An hour of a working day, mostly."""
    return min(23.99, max(0.0, draw.gauss(13.5, 4)))


def _line(number: int, call: Truth, book: PriceBook) -> LedgerEntry:
    model = call.asked or call.model
    usage = TokenUsage(uncached_input=call.input_tokens, output_text=call.output_tokens)
    nano = _price(call, model, usage, book)
    size = call.input_tokens * BYTES_PER_TOKEN
    return LedgerEntry(
        run_id=UUID(int=number + 1),
        started_at_us=call.at_us,
        chain=call.chain,
        provider=call.provider,
        request_model=model,
        response_model=model,
        usage=usage,
        billed_nano=nano,
        list_nano=nano,
        user=call.user,
        latency_us=800_000,
        first_token_us=200_000 if call.streamed else None,
        techniques=("cascade",) if call.is_trial else (),
        baseline_model=call.model if call.is_trial else None,
        input_bytes=size if number % 2 else None,
        prompt_digest=_digest(call.prompt),
        prefix_digests=tuple(_block(call, block) for block in range(min(size // BLOCK, 64))),
    )


def _block(call: Truth, block: int) -> bytes:
    """The running digest at the end of a block: the prefix's own while it lasts, then the prompt's."""
    return _digest(call.prefix if (block + 1) * BLOCK <= call.prefix_bytes else call.prompt, block)


def _digest(*parts: object) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=16).digest()
