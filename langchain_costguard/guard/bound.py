"""The most one model call can cost: all its attempts, at the dearest rates it can meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from langchain_costguard.cost import nano_up
from langchain_costguard.exceptions import UnboundedInputError
from langchain_costguard.guard.attempts import attempts_of
from langchain_costguard.guard.requests import CallRequest, answers_of, output_limit
from langchain_costguard.pricing.rates import PICO_DIGITS, RateCard
from langchain_costguard.tokens.contents import Contents
from langchain_costguard.tokens.limits import max_output_of
from langchain_costguard.tokens.messages import bound_of

if TYPE_CHECKING:
    from langchain_costguard.pricing.book import PriceBook

__all__ = ["CallBound", "CallRequest", "bound_call"]

BoundReason = Literal["unpriced", "unbounded"]


class CallBound(NamedTuple):
    """What a call can cost and use at most; `None` where there is no bound, which is then explained."""

    nano_usd: int | None = None
    """The most all attempts together can cost, in nano-USD."""
    nano_usd_per_attempt: int | None = None
    tokens: int | None = None
    """The most input and output tokens all attempts together can use."""
    tokens_per_attempt: int | None = None
    input_tokens: int | None = None
    """The most input tokens of one attempt."""
    output_tokens: int | None = None
    """The most output tokens of one attempt, all its answers together."""
    attempts: int = 1
    """How many requests the client may send: one, and its retries."""
    timeout_seconds: float | None = None
    """How long the client waits for one attempt; `None` if that is not known."""
    method: str = "bytes"
    """How the input was bounded: `"bytes"`, or the vocabulary it was counted with."""
    reason: BoundReason | None = None
    """Why there is no bound on the cost."""
    problem: str | None = None
    """The same for the user, ending in the argument that mends it."""
    tokens_problem: str | None = None
    """Why there is no bound on the tokens, for the user, ending in the argument that mends it."""

    @property
    def typical_nano_usd(self) -> int | None:
        """What such a call typically costs, in nano-USD; `None` if it is not known. Found only when asked for."""
        return None


def bound_call(request: CallRequest, prices: PriceBook, *, tight: bool = False) -> CallBound:
    """The most a call can cost.

    Args:
        request: the call.
        prices: what prices it.
        tight: whether to count the prompt's text with the model's own tokenizer, where it is on this machine, which
            takes time in proportion to the text.

    Returns:
        The bound. It is never raised that there is none: `problem` and `tokens_problem` say so.
    """
    attempts, timeout = attempts_of(request.params, request.serialized)
    nothing = CallBound(attempts=attempts, timeout_seconds=timeout)
    model = request.model or ""
    price = prices.resolve(model, request.provider, service_tier=request.service_tier, region=request.region)
    try:
        contents = Contents(request.prompt, request.params.get("tools"), request.params.get("response_format"))
        given = bound_of(contents, request.model, tight=tight)
    except UnboundedInputError as error:
        return nothing._replace(reason="unbounded", problem=str(error), tokens_problem=str(error))
    answer = 0 if request.kind == "embedding" else output_limit(request) or max_output_of(request.model)
    if answer is None:
        problem = f"no output limit is known for {request.model}: set max_tokens="
        return nothing._replace(reason="unbounded", problem=problem, tokens_problem=problem)
    output = answer * answers_of(request)
    per_attempt = given.tokens + output
    bound = nothing._replace(
        tokens=per_attempt * attempts,
        tokens_per_attempt=per_attempt,
        input_tokens=given.tokens,
        output_tokens=output,
        method=given.method,
    )
    if not isinstance(price, RateCard):
        why = prices.why_unpriced(model, request.provider)
        return bound._replace(reason="unpriced", problem=f"{why}: set prices={{{model!r}: ...}}")
    rates = price.dearest()
    amount = max(rates[:3]) * given.tokens + max(rates[5:7]) * output + price.per_call
    nano = nano_up(-(-amount // 10 ** (price.scale - PICO_DIGITS)))
    return bound._replace(nano_usd=nano * attempts, nano_usd_per_attempt=nano)
