"""One compression from its input to its result, every decision of it; who asks models stands elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.callbacks.wrapping import inner_models
from langchain_costguard.compression.abstracting import request, summarised
from langchain_costguard.compression.counting import safe_count
from langchain_costguard.compression.economics import net_saving
from langchain_costguard.compression.extracting import extracted, scored, unchanged, within_bound
from langchain_costguard.compression.packing import BETWEEN_PASSAGES
from langchain_costguard.compression.similarity import with_similarity, worth_embedding
from langchain_costguard.compression.units import units_of
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.compression.economics import NetSaving
    from langchain_costguard.compression.result import Compressed
    from langchain_costguard.compression.units import Unit
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.tokens import TokenCount

_SETTING_TOKENS: Final = 150
"""What a summary's instruction adds to its prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for all compressions of one compressor."""

    count_model: str | None
    """Whose tokenizer counts."""
    for_model: str | None
    """Whose price decides; `None` where money does not."""
    provider: str | None
    prices: PriceBook
    later_calls: int
    keeps_code: bool
    max_input_tokens: int
    """The most tokens of a summary's input."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be compressed."""

    passages: Sequence[str]
    query: str | None
    """What they are for."""
    most: int
    """The most tokens of the result."""
    cached: int = 0
    """How many of the first tokens sit in the provider's cache."""
    titles: Sequence[str] = ()
    """A title for each passage that is not in its text."""
    must_fit: bool = True
    """Whether code that is kept and does not fit is an error; if not, all stays as it is."""


class Task:
    """One compression under way.

    Args:
        job: what is to be compressed.
        terms: what holds for all.
    """

    def __init__(self, job: Job, terms: Terms) -> None:
        """Count; nothing else is done to what is within the bound."""
        self.job: Job = job
        self.passages: Sequence[str] = job.passages
        self.query: str | None = job.query
        self.most: int = job.most
        self.terms: Terms = terms
        before, done = within_bound(self.passages, self.most, terms.count_model)
        self.before: TokenCount = before
        self.done: Compressed | None = done
        self.cached: int = min(job.cached, before.tokens)
        self.fallback_reason: str | None = None
        self.spent: Decimal | None = Decimal(0)
        """What the model that writes summaries cost, in US dollars; `None` where that is not known."""
        self.writer: tuple[str, str | None] = ("", None)
        self.units: list[Unit] = []
        self.scores: list[float] = []
        if done is None:
            self.units = units_of(self.passages)
            self.scores = scored(self.passages, self.units, self.query, job.titles)

    def summarises(self, model: object) -> bool:
        """Whether a summary by this model is asked for; where not, `fallback_reason` says why."""
        self.writer = name_of(model)
        self.fallback_reason = self._why_no_summary()
        return self.fallback_reason is None

    def _why_no_summary(self) -> str | None:
        """Why a summary would cost more than it saves; `None` where that is not known to be so."""
        if self.terms.for_model is None:
            return None
        name, provider = self.writer
        tokens = min(self.before.tokens, self.terms.max_input_tokens) + _SETTING_TOKENS
        cost = self.terms.prices.price(
            TokenUsage(uncached_input=tokens, output_text=self.most), model=name, provider=provider
        )
        net = self._net(self.before.tokens - self.most, 0, None if cost is None else cost.total)
        if net is None or net.net is None or net.net >= 0:
            return None
        return f"a summary by {name} would cost ${-net.net} more than it saves"

    def request(self) -> list[BaseMessage]:
        """What the model is asked for a summary."""
        text = BETWEEN_PASSAGES.join(self.passages)
        if self.before.tokens > self.terms.max_input_tokens:
            text = self._extract(self.terms.max_input_tokens).text
        return request(text, self.query, self.most)

    def summary(self, reply: object) -> Compressed | None:
        """The result where the reply may stand for the passages; `None` and a `fallback_reason` where not."""
        text = BETWEEN_PASSAGES.join(self.passages)
        code = [unit.text for unit in self.units if unit.is_code] if self.terms.keeps_code else []
        found = summarised(reply, text, self.before, self.most, self.terms.count_model, code)
        self.spent = self._cost_of(reply)
        if isinstance(found, str):
            self.fallback_reason = found
            return None
        return replace(found, net=self._net(found.saved_tokens, 0, self.spent))

    def _cost_of(self, reply: object) -> Decimal | None:
        """What an answer cost, in US dollars; `None` where its tokens or their price are not known."""
        name, provider = self.writer
        cost = self.terms.prices.price(getattr(reply, "usage_metadata", None), model=name, provider=provider)
        return None if cost is None else cost.total

    def to_embed(self) -> list[int]:
        """Which sentences to embed."""
        return worth_embedding(self.scores)

    def embed(self, embedded: Sequence[int], vectors: Sequence[Sequence[float]], asked: Sequence[float]) -> None:
        """Add what meaning says to the scores."""
        self.scores = with_similarity(self.scores, embedded, vectors, asked)

    def selection(self) -> Compressed:
        """The selected sentences; the passages as they are where leaving anything out is known to lose money.

        Raises:
            ValueError: the code that is to be kept whole does not fit.
        """
        found = self._extract(self.most)
        if found.method is not None and self.terms.for_model is not None:
            net = self._net(found.saved_tokens, self._unchanged_tokens(found) if self.cached else 0, self.spent)
            if net is not None and net.before is not None and net.after is not None and net.before < net.after:
                found = unchanged(self.passages, self.before, loss(net.after - net.before))
            found = replace(found, net=net)
        return replace(found, fallback_reason=self.fallback_reason)

    def _extract(self, most: int) -> Compressed:
        found = extracted(
            self.passages, self.units, self.scores, self.before, most, self.terms.count_model,
            keeps_code=self.terms.keeps_code,
        )  # fmt: skip
        if found is not None:
            return found
        msg = f"the code blocks alone have more than max_tokens={most} tokens: give more, or keep= without 'code'"
        if self.job.must_fit:
            raise ValueError(msg)
        return unchanged(self.passages, self.before, msg)

    def _net(self, saved: int, unchanged_tokens: int, cost: Decimal | None) -> NetSaving | None:
        if self.terms.for_model is None:
            return None
        return net_saving(
            prompt_tokens=self.before.tokens,
            saved_tokens=max(0, saved),
            model=self.terms.for_model,
            provider=self.terms.provider,
            cached_prefix_tokens=self.cached,
            unchanged_tokens=unchanged_tokens,
            later_calls=self.terms.later_calls,
            compression_cost=cost,
            prices=self.terms.prices,
        )

    def _unchanged_tokens(self, found: Compressed) -> int:
        """How many of the first tokens are the same as before."""
        text = BETWEEN_PASSAGES.join(self.passages)
        same = next((at for at, (a, b) in enumerate(zip(text, found.text, strict=False)) if a != b), len(found.text))
        return safe_count(text[:same], self.terms.count_model).tokens


def loss(more: Decimal) -> str:
    """Why nothing is left out, in words; `more` is in US dollars."""
    return f"leaving it out would cost ${more} more than it saves, with the provider's cache"


def name_of(model: object) -> tuple[str, str | None]:
    """The name of a chat model and its provider, as LangChain gives them; an empty name where it does not."""
    inner = inner_models(model)
    given: Any = inner[0].chat._get_ls_params(**inner[0].settings) if inner else {}  # noqa: SLF001 - what it tells every tracer
    return str(given.get("ls_model_name") or ""), given.get("ls_provider")
