"""One compression from its input to its result, every decision of it; who asks models stands elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from langchain_core.runnables import RunnableBinding

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
    from langchain_costguard.pricing.book import PriceBook

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
        self.job = job
        self.passages, self.query, self.most = job.passages, job.query, job.most
        self.terms = terms
        self.before, self.done = within_bound(self.passages, self.most, terms.count_model)
        self.cached = min(job.cached, self.before.tokens)
        self.fallback_reason: str | None = None
        if self.done is None:
            self.units = units_of(self.passages)
            self.scores = scored(self.passages, self.units, self.query, job.titles)

    def why_no_summary(self, model: object) -> str | None:
        """Why a summary by this model would cost more than it saves; `None` where that is not known to be so."""
        if self.terms.for_model is None:
            return None
        name, provider = name_of(model)
        tokens = min(self.before.tokens, self.terms.max_input_tokens) + _SETTING_TOKENS
        cost = self.terms.prices.price(
            TokenUsage(uncached_input=tokens, output_text=self.most), model=name, provider=provider
        )
        net = self._net(self.before.tokens - self.most, 0, None if cost is None else cost.total)
        if net is None or not net.is_loss or net.net is None:
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
        found = summarised(reply, text, self.before, self.most, self.terms.count_model)
        if isinstance(found, str):
            self.fallback_reason = found
            return None
        return found

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
            net = self._net(found.saved_tokens, self._unchanged_tokens(found) if self.cached else 0, Decimal(0))
            if net is not None and net.is_loss:
                return replace(unchanged(self.passages, self.before, loss(net)), net=net)
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


def loss(net: NetSaving) -> str:
    """Why nothing is left out, in words."""
    return f"leaving it out would cost ${-(net.net or Decimal(0))} more than it saves, with the provider's cache"


def name_of(model: object) -> tuple[str, str | None]:
    """The name of a chat model and its provider, as LangChain gives them; an empty name where it does not."""
    while isinstance(model, RunnableBinding):
        model = model.bound
    ask: Any = getattr(model, "_get_ls_params", None)
    given = {} if ask is None else ask()
    return str(given.get("ls_model_name") or ""), given.get("ls_provider")
