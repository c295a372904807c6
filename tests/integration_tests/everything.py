"""Every technique at once, as a user would write it, over a provider that bills; and what it should save, by hand."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

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
    def config(self) -> Any:
        """Whose it is, and what task; the mark by which the provider's requests find back to their questions."""
        return {"metadata": {"user": self.tenant, "task": self.task}}


class Provider(LoopbackProvider):
    """A provider that says UNCERTAIN to what is hard for the small model, and writes a number into every answer."""

    def __init__(self) -> None:
        """Begin with answer 1."""
        self._answers = count(1)
        super().__init__(reply=self._reply, behave=self._served, keep_bodies=True)

    def _reply(self, body: Mapping[str, Any]) -> str:
        if body["model"] == "gpt-4o-mini" and "hard" in question_of(body):
            return f"UNCERTAIN draft {next(self._answers)}"
        return f"Answer {next(self._answers)} of {body['model']}."

    def _served(self, body: Mapping[str, Any]) -> Behaviour | None:
        """A small model that fails where it is asked for something broken; nothing is billed for that."""
        if "broken" in question_of(body) and body["model"] == "gpt-4o-mini":
            return Behaviour(status=429, retry_after_seconds=0)
        return None


def question_of(body: Mapping[str, Any]) -> str:
    """The question in a request's body: the last line of what the user said."""
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return text.rsplit("\n", 1)[-1]


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
    """What each step should have saved, by what the provider was asked and the test's own table."""

    provider: LoopbackProvider
    runs: Sequence[Asked]

    def of_each(self) -> dict[str, list[LoopbackRequest]]:
        """The requests of each question, in the order of arrival."""
        found: dict[str, list[LoopbackRequest]] = defaultdict(list)
        for request in self.provider.requests:
            if request.status == OK:  # what fails is billed nothing, and asked for again each time
                found[question_of(request.body or {})].append(request)
        return found

    def steps(self, saved_tokens: Mapping[str, int]) -> tuple[Decimal, dict[str, Decimal]]:
        """The baseline, and each step's saving.

        Args:
            saved_tokens: how many input tokens the compressor leaves out of each question's prompt.
        """
        steps: dict[str, Decimal] = defaultdict(Decimal)
        baseline = Decimal(0)
        requests = self.of_each()
        for (text, tenant, task), asked in self._by_question().items():
            del tenant
            made = _one_of(requests[text], task, text)
            baseline += _count(made, task, asked, saved_tokens.get(text, 0), steps)
        assert not any(requests.values()), "the provider was asked more than once for a question of a tenant"
        return baseline, dict(steps)

    def _by_question(self) -> dict[tuple[str, str, str], int]:
        found: dict[tuple[str, str, str], int] = defaultdict(int)
        for run in self.runs:
            found[run.text, run.tenant, run.task] += 1
        return found


def _one_of(requests: list[LoopbackRequest], task: str, text: str) -> list[LoopbackRequest]:
    """Take the requests of one question of one tenant: a draft and its escalation where it is hard or broken."""
    first = requests.pop(next(at for at, one in enumerate(requests) if _is_first(one, task, text)))
    if task != "lookup" or "hard" not in text:
        return [first]
    return [first, requests.pop(next(at for at, one in enumerate(requests) if one.model == "gpt-4o"))]


def _is_first(request: LoopbackRequest, task: str, text: str) -> bool:
    return request.model == ("gpt-4o" if task == "code" or "broken" in text else "gpt-4o-mini")


def _count(made: Sequence[LoopbackRequest], task: str, asked: int, saved: int, steps: dict[str, Decimal]) -> Decimal:
    """Add what one question of a tenant saved, asked so many times; returns what it would have cost without."""
    answer = made[-1]
    model = str(answer.model)
    for request in made:
        steps["prompt_caching"] += price(request, str(request.model), cached=False) - request.billed
        steps["compression"] += left_out(saved, str(request.model))
    if task != "code" and model == "gpt-4o-mini":
        steps["routing" if task == "chat" else "cascade"] += price(answer, "gpt-4o", cached=True) - answer.billed
    for draft in made[:-1]:  # all that it would have cost is taken back, because the last answer is compared
        steps["cascade"] -= price(draft, str(draft.model), cached=False) + left_out(saved, str(draft.model))
    steps["exact_cache"] += (asked - 1) * answer.billed
    discount = price(answer, model, cached=False) - price(answer, model, cached=True)
    once = price(answer, "gpt-4o", cached=True) + discount + left_out(saved, model)
    return once + (asked - 1) * answer.billed
