"""How an estimate is made: the request is read once, and each model is asked what it would count and charge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, overload

from langchain_costguard.estimates.estimate import CostEstimate, CostEstimates
from langchain_costguard.exceptions import UnboundedInputError
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.tokens.contents import Contents
from langchain_costguard.tokens.limits import max_output_of
from langchain_costguard.tokens.messages import bound_of, count_of
from langchain_costguard.tokens.models import maker_of
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from langchain_costguard.cost import Cost
    from langchain_costguard.tokens import TokenCount
    from langchain_costguard.tokens.contents import PromptLike, SchemaLike


class _Question(NamedTuple):
    """What is the same for every model that is asked about."""

    contents: Contents
    max_output: int | None
    expected_output: int | None
    provider: str | None
    prices: PriceBook
    n: int


@overload
def estimate_cost(
    prompt_or_messages: PromptLike,
    model: str,
    max_output_tokens: int | None = None,
    *,
    provider: str | None = None,
    prices: PriceBook | Mapping[str, Any] | None = None,
    tools: Sequence[Any] | None = None,
    response_format: SchemaLike = None,
    expected_output_tokens: int | None = None,
    n: int = 1,
) -> CostEstimate: ...


@overload
def estimate_cost(
    prompt_or_messages: PromptLike,
    model: Sequence[str],
    max_output_tokens: int | None = None,
    *,
    provider: str | None = None,
    prices: PriceBook | Mapping[str, Any] | None = None,
    tools: Sequence[Any] | None = None,
    response_format: SchemaLike = None,
    expected_output_tokens: int | None = None,
    n: int = 1,
) -> CostEstimates: ...


def estimate_cost(
    prompt_or_messages: PromptLike,
    model: str | Sequence[str],
    max_output_tokens: int | None = None,
    *,
    provider: str | None = None,
    prices: PriceBook | Mapping[str, Any] | None = None,
    tools: Sequence[Any] | None = None,
    response_format: SchemaLike = None,
    expected_output_tokens: int | None = None,
    n: int = 1,
) -> CostEstimate | CostEstimates:
    """What a request will cost, before it is sent. Nothing is sent anywhere to find out.

    Args:
        prompt_or_messages: a text, messages in any form LangChain takes, or what a prompt template returns.
        model: the model, or several of them to compare.
        max_output_tokens: the longest an answer may be, in tokens; the model's own limit if not given.
        provider: who serves the model, where its name does not say.
        prices: a `PriceBook`, or just its overrides; list prices if not given.
        tools: what would be given to `bind_tools`.
        response_format: what would be given to `with_structured_output`.
        expected_output_tokens: how long an answer usually is, in tokens.
        n: how many answers are asked for at once.

    Returns:
        One estimate for one model, a table of them for several. A model without a price has `None` for its costs, and
        says why.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: the prompt is empty, or a number is out of range.
        UnknownPriceError: there is no price, and `prices` was made with `unknown="raise"`.

    Example:
        >>> estimate = estimate_cost("Why is the sky blue?", "gpt-4o", max_output_tokens=500)
        >>> estimate.high
        Decimal('0.005075')
    """
    question = _Question(
        _read(prompt_or_messages, tools, response_format),
        _tokens(max_output_tokens, "max_output_tokens"),
        _tokens(expected_output_tokens, "expected_output_tokens"),
        provider,
        _book(prices),
        _answers(n),
    )
    if question.max_output is not None and (question.expected_output or 0) > question.max_output:
        msg = (
            f"expected_output_tokens={expected_output_tokens} is above max_output_tokens={max_output_tokens}: raise it"
        )
        raise ValueError(msg)
    if isinstance(model, str):
        return _estimate(question, _name(model))
    return CostEstimates(_estimate(question, name) for name in _names(model))


def _estimate(question: _Question, model: str) -> CostEstimate:
    count = count_of(question.contents, model)
    most_in, reasons = _bound(question.contents, model)
    most_out = max_output_of(model) if question.max_output is None else question.max_output
    if most_out is None:
        reasons.append(f"{model}: no output limit is known: give max_output_tokens")
    low = _price(question, model, TokenUsage(uncached_input=count.tokens))
    expected = _price_expected(question, model, count.tokens, most_out)
    high = None if most_in is None or most_out is None else _price_high(question, model, most_in, most_out)
    if low is None or (high is None and most_in is not None and most_out is not None):
        reasons.insert(0, _why_unpriced(question, model, count, most_out))
    dearest = high or expected or low
    source = None if dearest is None else dearest.source
    return CostEstimate(
        model=model,
        provider=question.provider,
        n=question.n,
        input_tokens=count.tokens,
        method=count.method,
        max_input_tokens=most_in,
        expected_output_tokens=question.expected_output,
        max_output_tokens=most_out,
        low=None if low is None else low.total,
        expected=None if expected is None else expected.total,
        high=None if high is None else high.total,
        lines=() if dearest is None else dearest.breakdown,
        source=source,
        prices_dated="" if source is None or source.source == "override" else question.prices.dated.isoformat(),
        reasons=tuple(reasons),
        notes=count.notes,
    )


def _bound(contents: Contents, model: str) -> tuple[int | None, list[str]]:
    try:
        return bound_of(contents, model, tight=True).tokens, []
    except UnboundedInputError as error:
        return None, [str(error)]


def _price(question: _Question, model: str, usage: TokenUsage) -> Cost | None:
    return question.prices.price(usage, model=model, provider=question.provider)


def _price_expected(question: _Question, model: str, tokens: int, most_out: int | None) -> Cost | None:
    if question.expected_output is None:
        return None
    output = question.expected_output if most_out is None else min(question.expected_output, most_out)
    return _price(question, model, TokenUsage(uncached_input=tokens, output_text=output * question.n))


def _price_high(question: _Question, model: str, most_in: int, most_out: int) -> Cost | None:
    """The dearest way the request can be billed: its input may be written to a cache, its output may be reasoning."""
    most_out *= question.n
    dearest = _price(question, model, TokenUsage(uncached_input=most_in, output_text=most_out))
    card = question.prices.resolve(model, question.provider)
    if dearest is None or card is None:
        return dearest
    outputs = TokenUsage(output_text=most_out), TokenUsage(reasoning=most_out)
    for given, answered in product(_inputs(question.contents, model, most_in), outputs):
        usage = given.combined(answered)
        cost = None if card.cost(usage) is None else _price(question, model, usage)
        if cost is not None and cost.pico_usd > dearest.pico_usd:
            dearest = cost
    return dearest


def _inputs(contents: Contents, model: str, tokens: int) -> list[TokenUsage]:
    """What the input can be billed as: OpenAI's newer models write to their cache unasked, Anthropic's when told to."""
    usages = [TokenUsage(uncached_input=tokens)]
    if "5m" in contents.cache_lifetimes or maker_of(model) == "openai":
        usages.append(TokenUsage(cache_write_5m=tokens))
    if "1h" in contents.cache_lifetimes:
        usages.append(TokenUsage(cache_write_1h=tokens))
    return usages


def _why_unpriced(question: _Question, model: str, count: TokenCount, most_out: int | None) -> str:
    usage = TokenUsage(uncached_input=count.tokens, output_text=most_out or 0)
    return question.prices.why_unpriced(model, question.provider, usage=usage)


def _read(prompt: PromptLike, tools: Sequence[Any] | None, response_format: SchemaLike) -> Contents:
    contents = Contents(prompt, tools, response_format)
    if not contents.messages or (isinstance(prompt, str) and not prompt.strip()):
        msg = "the prompt is empty: give a text or at least one message"
        raise ValueError(msg)
    return contents


def _tokens(value: object, argument: str) -> int | None:
    return None if value is None else _whole(value, argument, at_least=0)


def _answers(n: object) -> int:
    return _whole(n, "n", at_least=1)


def _whole(value: object, argument: str, *, at_least: int) -> int:
    if not isinstance(value, SupportsIndex) or isinstance(value, bool):
        msg = f"{argument}={value!r:.60} is no whole number: give one, {at_least} or more"
        raise TypeError(msg)
    if index(value) < at_least:
        msg = f"{argument}={value!r} is out of range: give a whole number, {at_least} or more"
        raise ValueError(msg)
    return index(value)


def _names(models: object) -> list[str]:
    names = [_name(model) for model in models] if isinstance(models, Sequence) else [_name(models)]
    if not names:
        msg = "model=[] names no model: give one or more"
        raise ValueError(msg)
    return names


def _name(model: object) -> str:
    if not isinstance(model, str) or not model.strip():
        msg = f"model={model!r:.60} is no model's name: give one, such as 'gpt-4o', or a list of them"
        raise TypeError(msg)
    return model


def _book(prices: PriceBook | Mapping[str, Any] | None) -> PriceBook:
    if prices is None:
        return _list_prices()
    return prices if isinstance(prices, PriceBook) else PriceBook(prices)


@cache
def _list_prices() -> PriceBook:
    return PriceBook()
