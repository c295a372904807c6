"""Every technique at once, as a user would write it, over a provider that bills; and what it should save, by hand."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

import tiktoken
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate

from langchain_costguard import Cascade, SemanticCache, TaskRouter, limit_output
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.prompt_caching import CachePlan
from langchain_costguard.semantic_cache import cached
from langchain_costguard.testing import Behaviour, LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade import Draft
    from langchain_costguard.testing.loopback.records import LoopbackRequest

RULES = "\n".join(f"Rule {number}: refunds of kind {number * 7} take {number % 9} days." for number in range(110))
"""About 1,300 tokens at the beginning of every prompt, so that the provider caches them."""
ROOMS = "\n".join(f"Room {room} holds {room * 3} books on shelf {room % 7}." for room in range(60))
"""A context of which a question needs a line."""
PROMPT = ChatPromptTemplate.from_messages([("system", RULES), ("human", "{context}{question}")])

WAYS = ("invoke", "stream", "batch", "ainvoke", "astream", "abatch")
OK = 200
PRICES = {"gpt-4o": ("2.50", "10.00", "1.25"), "gpt-4o-mini": ("0.15", "0.60", "0.075")}
"""US dollars per million tokens: of input, of output, of cached input; written by hand."""


def price(request: LoopbackRequest, model: str, *, cached: bool) -> Decimal:
    """What the tokens of a request cost on a model, with its share that was read from the provider's cache or not."""
    full, out, read = map(Decimal, PRICES[model])
    tokens = request.tokens
    from_cache = tokens.cached_tokens if cached else 0
    millionths = (tokens.input_tokens - from_cache) * full + from_cache * read + tokens.output_tokens * out
    return millionths / 1_000_000


def left_out(tokens: int, model: str) -> Decimal:
    """What so many input tokens would have cost on a model."""
    return tokens * Decimal(PRICES[model][0]) / 1_000_000


def without_any(answer: LoopbackRequest, saved: int = 0) -> Decimal:
    """What an answer would have cost with no technique at all: its tokens, and those left out, on the large model.

    Where the small model answered, what it read from its cache and what was left out is worth what it costs there, as
    a waterfall prices every step but the choice of the model: the steps would else not add up to the baseline.
    """
    model = str(answer.model)
    discount = price(answer, model, cached=False) - price(answer, model, cached=True)
    return price(answer, "gpt-4o", cached=True) + discount + left_out(saved, model)


def left_out_tokens(request: LoopbackRequest, whole: str, behind: str = "") -> int:
    """How many tokens of what the user wrote the provider never received, by OpenAI's own tokenizer.

    What a compressor says of itself would be no check of it: one that saves nothing, and says so, would pass.

    Args:
        request: what the provider received.
        whole: what the user wrote.
        behind: what stood behind it, where the compressor saw only what stood before.
    """
    encoding = tiktoken.get_encoding("o200k_base")
    received = asked_by_user(request.body or {}).removesuffix(behind)
    return len(encoding.encode(whole)) - len(encoding.encode(received))


def pieces_of(way: str, runnable: Any, given: Any, config: Any, **stream: Any) -> list[Any]:
    """What a runnable gives in one of six ways: the pieces of a stream, or its answer alone.

    Args:
        way: one of `WAYS`.
        runnable: a model, a chain or an agent.
        given: its input.
        config: its configuration.
        **stream: what the two ways that stream are asked with, such as `stream_mode="values"`.
    """

    async def astreamed() -> list[Any]:
        return [piece async for piece in runnable.astream(given, config, **stream)]

    ways: dict[str, Callable[[], Any]] = {
        "invoke": lambda: [runnable.invoke(given, config)],
        "stream": lambda: list(runnable.stream(given, config, **stream)),
        "batch": lambda: runnable.batch([given], config),
        "ainvoke": lambda: [asyncio.run(runnable.ainvoke(given, config))],
        "astream": lambda: asyncio.run(astreamed()),
        "abatch": lambda: asyncio.run(runnable.abatch([given], config)),
    }
    pieces: list[Any] = ways[way]()
    return pieces


@lru_cache
def plan(model: str) -> CachePlan:
    """A plan for prompts that begin with the rules."""
    examples = [[SystemMessage(RULES), HumanMessage(f"Order {number}?")] for number in range(2)]
    return CachePlan.from_examples(
        model, examples, reuse=1000, within=timedelta(hours=1), at=datetime(2026, 11, 22, tzinfo=UTC)
    )


@dataclass(frozen=True)
class Asked:
    """A question, whose it is, and by which way it goes."""

    text: str
    tenant: str
    task: str
    """`"lookup"` goes to the cascade, `"chat"` to the small model, `"code"` to the large one."""
    has_context: bool = False

    @property
    def given(self) -> dict[str, str]:
        """The chain's input."""
        return {"context": ROOMS + "\n" if self.has_context else "", "question": self.text}

    @property
    def prompt(self) -> str:
        """What the user writes, before anything is left out of it."""
        return PROMPT.invoke(self.given).to_messages()[-1].text

    @property
    def config(self) -> Any:
        """Whose it is, and what task; the mark by which the provider's requests find back to their questions."""
        return {"metadata": {"user": self.tenant, "task": self.task}}


class Provider(LoopbackProvider):
    """A provider that says UNCERTAIN to what is hard for the small model, and writes a number into every answer."""

    def __init__(self) -> None:
        """Begin with answer 1."""
        self._numbers = count(1)
        self._answers: dict[int, str] = {}
        super().__init__(reply=self._reply, behave=self._served, keep_bodies=True)

    def answer_to(self, request: LoopbackRequest) -> str:
        """What it answered to a request that nothing was scripted for: no two of its answers are the same."""
        return self._answers[id(request.body)]

    def _reply(self, body: Mapping[str, Any]) -> str:
        is_unsure = body["model"] == "gpt-4o-mini" and "hard" in question_of(body)
        words = "UNCERTAIN draft {}" if is_unsure else f"Answer {{}} of {body['model']}."
        answer = self._answers[id(body)] = words.format(next(self._numbers))  # the request keeps this very body
        return answer

    def _served(self, body: Mapping[str, Any]) -> Behaviour | None:
        """A small model that fails where it is asked for something broken; nothing is billed for that."""
        if "broken" in question_of(body) and body["model"] == "gpt-4o-mini":
            return Behaviour(status=429, retry_after_seconds=0)
        return None


def asked_by_user(body: Mapping[str, Any]) -> str:
    """What the user said last in a request's body, as it reached the provider."""
    content = next(one["content"] for one in reversed(body["messages"]) if one["role"] == "user")
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def question_of(body: Mapping[str, Any]) -> str:
    """The question in a request's body: the last line of what the user said."""
    return asked_by_user(body).rsplit("\n", 1)[-1]


def is_sure(draft: Draft) -> bool:
    """Accept what does not say UNCERTAIN."""
    return "UNCERTAIN" not in draft.answer.text


def tiers(provider: LoopbackProvider, cache: SemanticCache | None, limit: int = 50) -> tuple[Any, Any]:
    """The small and the large model: an answer of ours, else limited, with a planned prefix."""
    made = []
    for name in ("gpt-4o-mini", "gpt-4o"):
        model = provider.chat_model(model=name, max_tokens=80, stream_usage=True, max_retries=0)
        made.append(limit_output(plan(name).apply(cached(model, cache)), limit))
    return made[0], made[1]


def router(provider: LoopbackProvider, cache: SemanticCache, cascade: Callable[..., Any] = Cascade) -> TaskRouter:
    """The model of the chain: a router of a cascade and of two models, all with everything that a model can have."""
    small, large = tiers(provider, cache)
    return TaskRouter({"lookup": cascade([small, large], is_sure), "chat": small, "code": large}, baseline="gpt-4o")


def compressed(model: Any) -> Runnable[Any, Any]:
    """A prompt whose long texts are shortened before the model reads them."""
    return PROMPT | ContextCompressor(max_tokens=120).before(model)


@dataclass
class Expected:
    """What each step should have saved, by what the provider was asked and the test's own table.

    Args:
        provider: the provider.
        pairs: every question with its answer. By it an answer is known to be a tenant's: two tenants may have paid
            differently for the same question, of which only one's prompt was in the provider's cache.
    """

    provider: Provider
    pairs: Sequence[tuple[Asked, str]]

    def steps(self) -> tuple[Decimal, dict[str, Decimal]]:
        """The baseline, and each step's saving."""
        steps: dict[str, Decimal] = defaultdict(Decimal)
        baseline = Decimal(0)
        drafts, answers = self._told_apart()
        for one, asked in Counter(one for one, _ in self.pairs).items():
            made = [*([drafts[one.text].pop()] if _is_drafted(one) else []), answers.pop(one)]
            is_small = one.task != "code" and not _is_drafted(one) and "broken" not in one.text
            assert made[-1].model == ("gpt-4o-mini" if is_small else "gpt-4o")
            baseline += _count(made, one, asked, steps)
        assert not answers
        assert not any(drafts.values()), "the small model was asked more than once for a question of a tenant"
        return baseline, dict(steps)

    def _told_apart(self) -> tuple[dict[str, list[LoopbackRequest]], dict[Asked, LoopbackRequest]]:
        """The drafts that nobody was shown, by question, and the answers, by who asked what."""
        owners = {answer: one for one, answer in self.pairs}
        drafts: dict[str, list[LoopbackRequest]] = defaultdict(list)
        answers: dict[Asked, LoopbackRequest] = {}
        for request in self.provider.requests:
            owner = owners.get(self.provider.answer_to(request))
            if request.status != OK:
                continue  # what fails is billed nothing, and asked for again each time
            if owner is None:
                assert request.model == "gpt-4o-mini", "an answer of the large model was shown to nobody"
                drafts[question_of(request.body or {})].append(request)
            else:
                assert owner not in answers, "the provider was asked more than once for a question of a tenant"
                answers[owner] = request
        return drafts, answers


def _is_drafted(one: Asked) -> bool:
    """Whether the small model's answer to a question is rejected."""
    return one.task == "lookup" and "hard" in one.text


def _count(made: Sequence[LoopbackRequest], one: Asked, asked: int, steps: dict[str, Decimal]) -> Decimal:
    """Add what one question of a tenant saved, asked so many times; returns what it would have cost without."""
    answer = made[-1]
    saved = [left_out_tokens(request, one.prompt) for request in made]
    assert all((tokens > 0) is one.has_context for tokens in saved), "each context is shortened, and nothing else"
    for request, tokens in zip(made, saved, strict=True):
        steps["prompt_caching"] += price(request, str(request.model), cached=False) - request.billed
        steps["compression"] += left_out(tokens, str(request.model))
    if one.task != "code" and answer.model == "gpt-4o-mini":
        steps["routing" if one.task == "chat" else "cascade"] += price(answer, "gpt-4o", cached=True) - answer.billed
    for draft, tokens in zip(made[:-1], saved[:-1], strict=True):
        # all that it would have cost is taken back, because the last answer is compared
        steps["cascade"] -= price(draft, str(draft.model), cached=False) + left_out(tokens, str(draft.model))
    steps["exact_cache"] += (asked - 1) * answer.billed
    return without_any(answer, saved[-1]) + (asked - 1) * answer.billed
