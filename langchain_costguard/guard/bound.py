"""The most one model call can cost: all its attempts, at the dearest rates it can meet.

What makes it a bound: the input by its bytes, or tokens, with tools, schemas and images; the dearest rate the request
can meet (the tiers it allows, long context, writing to a prompt cache, every model it names); the output limit it sets,
else the model's own, never the context window; every answer of `n`; and every attempt of a client that retries, because
a request that timed out may be billed. What the request only names (an earlier response, files, image addresses) can
fill the context window and no more; tools that the provider runs ask the model again after each use. Where one of these
is not known there is no bound, and the reason says which argument gives one.

It does not hold where an account's own settings make a request dearer than the request says: a project whose default
tier is a dearer one, a workspace whose default region is.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from langchain_costguard.guard.attempts import attempts_of, class_name
from langchain_costguard.guard.prompts import bound_beside, bound_prompt
from langchain_costguard.guard.rates import Billing, DearestRates, dearest_rates
from langchain_costguard.guard.requests import CallRequest, read_settings
from langchain_costguard.tokens.limits import max_input_of, max_output_of, may_reason
from langchain_costguard.tokens.models import maker_of

if TYPE_CHECKING:
    from langchain_costguard.guard.prompts import InputBound
    from langchain_costguard.guard.requests import Settings
    from langchain_costguard.pricing.book import PriceBook

__all__ = ["CallBound", "CallRequest", "bound_call"]

BoundReason = Literal["unpriced", "unbounded"]

_LONG_CONTEXT: Final = 1_000_000
"""The window that Anthropic's beta `context-1m` opens."""
_MOST_THINKING: Final = 32_768
"""The largest thinking budget of Gemini 2.5 (Pro: 32,768; Flash: 24,576), read in November 2026:
https://ai.google.dev/gemini-api/docs/thinking. Whether `max_output_tokens` covers thinking is not said there."""
_GEMINI_WITHOUT_THINKING: Final = re.compile(r"gemini-(?:1\.|2\.0|pro|flash-1)")
_LONGEST_PAUSE_SECONDS: Final = 60
"""The longest that clients wait between two attempts."""
_SEARCHES_ALONE: Final = re.compile(r"search-preview|search-api|deep-research")
"""Models that search by themselves, without a tool in the request."""
_SPEAKING: Final = re.compile(r"audio|tts|live|realtime")
"""Models that answer in speech."""
_BYTES_PER_10_TOKENS: Final = 36
_TYPICAL_SHARE: Final = 4
_TYPICAL_OUTPUT: Final = 256
_FRAME_TOKENS: Final = 64
"""More than what stands around an answer: its end, its role, the name of a tool's channel."""
_FIGURES: Final = ("nano_usd", "nano_usd_per_attempt", "tokens", "tokens_per_attempt", "input_tokens", "output_tokens")
_ESCAPED: Final = 3
"""So many times longer than in UTF-8 is a character that JSON escapes."""


class _Work(NamedTuple):
    """What a bound was made of, for the questions that are asked only of a refused call."""

    rates: DearestRates
    sent: int
    """Input tokens that the request itself holds, bounded."""
    answer: int
    """The most tokens of one answer."""
    beside: int
    """Output tokens that no limit on the answer covers."""
    answers: int
    turns: int
    fees_nano_usd: int
    shows_all: bool
    """Whether everything that is billed as output is in the answer."""
    is_formatted: bool
    """Whether the answer may be JSON, of which only what it holds is known afterwards."""


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
    """How long the client waits for one attempt, see `attempts_of`; `None` if that is not known."""
    method: str = "bytes"
    """How the input was bounded: `"bytes"`, the vocabulary it was counted with, or `"window"`."""
    reason: BoundReason | None = None
    """Why there is no bound on the cost, or else on the tokens."""
    problem: str | None = None
    """The same for the user, ending in the argument that mends it."""
    tokens_problem: str | None = None
    """Why there is no bound on the tokens, for the user, ending in the argument that mends it."""
    named: tuple[str, ...] = ()
    """What the request only names, so that the context window was taken for its input."""
    work: _Work | None = None

    @property
    def typical_nano_usd(self) -> int | None:
        """What such a call typically costs, in nano-USD; `None` if it is not known.

        One attempt at standard rates, with a token for every 3.6 bytes of what is sent and answers of a quarter of
        their limit, 256 tokens at most: a figure to show beside a refusal, found only when it is asked for.
        """
        work = self.work
        if work is None or work.rates.hourly is not None:
            return None
        given = -(-work.sent * 10 // _BYTES_PER_10_TOKENS) if self.method in {"bytes", "window"} else work.sent
        answer = min(_TYPICAL_OUTPUT, -(-work.answer // _TYPICAL_SHARE)) * work.answers
        typical = work.rates.typical_nano_usd(given, answer)
        return typical if self.nano_usd is None else min(typical, self.nano_usd)

    def output_that_fits(self, nano_usd: int) -> int | None:
        """The largest `max_tokens` with which the call would cost at most so much.

        Args:
            nano_usd: what there is for all attempts together, in nano-USD.

        Returns:
            Tokens, 1 or more and less than the limit in force; `None` if no such limit makes it fit.
        """
        work = self.work
        if work is None or work.rates.hourly is not None or self.input_tokens is None or nano_usd <= 0:
            return None
        total = work.rates.output_for(nano_usd // self.attempts - work.fees_nano_usd, self.input_tokens)
        if total is None:
            return None
        fitting = total // (work.answers * work.turns) - work.beside
        return fitting if 0 < fitting < work.answer else None

    def answered(self, output_bytes: int) -> tuple[int, int] | None:
        """The most one attempt can have cost whose answer is known, but not its usage.

        A token is a byte at least, so an answer has at most as many tokens as bytes.

        Args:
            output_bytes: the length in UTF-8 of everything that was answered, arguments of tools included.

        Returns:
            Nano-USD and tokens, or `None` where output may be billed that the answer does not show.
        """
        work = self.work
        if work is None or not work.shows_all or self.input_tokens is None or not work.rates.steps:
            return None
        output = output_bytes * _ESCAPED if work.is_formatted else output_bytes
        output = min(output + _FRAME_TOKENS, work.answer)
        return work.rates.nano_usd(self.input_tokens, output) + work.fees_nano_usd, self.input_tokens + output


def bound_call(request: CallRequest, prices: PriceBook, *, tight: bool = False) -> CallBound:
    """The most a call can cost, and the most tokens it can use.

    Args:
        request: the call.
        prices: what prices it.
        tight: whether to count the prompt's text with the model's own tokenizer, where it is on this machine, which
            takes time in proportion to the text.

    Returns:
        The bound. That there is none is never raised: `problem` and `tokens_problem` say so.
    """
    settings = read_settings(request)
    if settings.models or settings.unknown_models:
        return _dearest(request, settings, prices, tight=tight)
    return _bound_model(request, settings, prices, tight=tight)


def _dearest(request: CallRequest, settings: Settings, prices: PriceBook, *, tight: bool) -> CallBound:
    """The bound of a call that any of several models may answer: the most of each figure."""
    if settings.unknown_models:
        problem = (
            f"no bound for {request.model}: {' and '.join(settings.unknown_models)} may name other models and cannot "
            "be read: leave it out of the call"
        )
        return CallBound(reason="unbounded", problem=problem, tokens_problem=problem)
    named = {
        model: _bound_model(request._replace(model=model), settings, prices, tight=tight)
        for model in (request.model, *settings.models)
    }
    bounds = [bound for model, bound in named.items() if not _is_only_a_label(model, bound, request)]
    worst = next((bound for bound in bounds if bound.problem is not None), bounds[0])
    if worst.problem is not None or len(bounds) == 1:
        return worst
    found = {name: [getattr(bound, name) for bound in bounds] for name in _FIGURES}
    most: dict[str, Any] = {name: None if None in figures else max(figures) for name, figures in found.items()}
    without = next((bound.tokens_problem for bound in bounds if bound.tokens_problem is not None), None)
    return bounds[0]._replace(**most, tokens_problem=without, work=None)


def _is_only_a_label(model: str | None, bound: CallBound, request: CallRequest) -> bool:
    """Whether a name has no price and is no model of its own: a deployment's, beside that of the model it serves."""
    return bound.reason == "unpriced" and model != request.model and model == request.params.get("model")


def _bound_model(request: CallRequest, settings: Settings, prices: PriceBook, *, tight: bool) -> CallBound:
    """The bound of a call that its model answers, and no other."""
    attempts, timeout = attempts_of(request.params, request.serialized)
    try:
        prompt = bound_prompt(request, tight=tight)
        beside = bound_beside(settings.sent, request.model)
    except TypeError as error:  # a prompt or a tool that cannot be read cannot be bounded
        problem = str(error)
        return CallBound(None, None, None, None, None, None, attempts, timeout, "bytes", "unbounded", problem, problem)
    rates = dearest_rates(prices, _billing(request, settings, prompt, beside))
    given, turns, unbounded = _input(request, settings, prompt, beside)
    answer, thinking = _output(request, settings)
    if answer is None and unbounded is None:
        unbounded = f"no output limit of {request.model} is known: set {_limit_argument(request)}="
    if unbounded is not None or given is None or answer is None:
        bare = CallBound(attempts=attempts, timeout_seconds=timeout, input_tokens=given, tokens_problem=unbounded)
        return _without_tokens(bare, rates, request)
    held = prompt.tokens + beside.tokens
    output = (answer + thinking) * settings.answers * turns
    each = given + output
    shows_all = _shows_all(request, settings, rates, thinking, turns)
    work = _Work(
        rates, held, answer, thinking, settings.answers, turns, beside.uses.nano_usd, shows_all, bool(settings.sent)
    )
    nano = rates.nano_usd(given, output) + beside.uses.nano_usd if rates.steps else None
    bound = CallBound(
        None if nano is None else nano * attempts,
        nano,
        each * attempts,
        each,
        given,
        output,
        attempts,
        timeout,
        prompt.method if given == held else "window",
        named=(*settings.named, *prompt.named),
        work=work,
    )
    is_priced = nano is not None and (rates.prices_output or not output)
    return bound if is_priced else _without_token_price(bound, rates, request)


def _billing(request: CallRequest, settings: Settings, prompt: InputBound, beside: InputBound) -> Billing:
    """What decides the rates: writing to a prompt cache is Anthropic's to be asked for, and anyone else's to decide."""
    caching = settings.caching | prompt.caching | beside.caching
    is_asked_first = request.provider == "anthropic"
    return Billing(
        request.model or "",
        request.provider,
        settings.tiers,
        request.region,
        bool(caching) or not is_asked_first,
        "1h" in caching,
        prompt.hears,
        settings.speaks or _SPEAKING.search(request.model or "") is not None,
    )


def _input(
    request: CallRequest, settings: Settings, prompt: InputBound, beside: InputBound
) -> tuple[int | None, int, str | None]:
    """The most input tokens of an attempt, how often the model is asked in it, and why that is not known."""
    held = prompt.tokens + beside.tokens
    searches = _SEARCHES_ALONE.search(request.model or "") is not None
    if not (searches or settings.named or settings.acts or prompt.named or beside.uses.turns or beside.uses.unbounded):
        return held, 1, None
    acts = [*beside.uses.unbounded, *(f"{name}: nothing limits what the provider does" for name in settings.acts)]
    if searches:
        acts.append(f"{request.model} searches by itself, and nothing limits how often")
    if acts:
        return None, 1, f"no bound for {request.model}: {'; '.join(acts)}: leave it out of the call"
    named = "; ".join((*settings.named, *prompt.named)) or "what its tools find"
    window = max_input_of(request.model)
    if window is None:
        msg = f"no bound for {request.model}: the request only names {named}, and the context window is not known"
        return None, 1, f"{msg}: leave it out of the call"
    if settings.has_long_context:
        window = max(window, _LONG_CONTEXT)
    turns = 1 + beside.uses.turns
    return max(held, window) * turns, turns, None


def _output(request: CallRequest, settings: Settings) -> tuple[int | None, int]:
    """The most tokens of one answer, and of what its limit may not cover."""
    if request.kind == "embedding":
        return 0, 0
    own = max_output_of(request.model)
    answer = settings.limit or own
    if answer is None:
        return None, 0
    beside = settings.predicted
    if maker_of(request.model) == "google" and not _GEMINI_WITHOUT_THINKING.search(request.model or ""):
        thinking = settings.thinking or _MOST_THINKING
        beside += thinking if own is None else min(thinking, max(0, own - answer))
    return answer, beside


def _shows_all(request: CallRequest, settings: Settings, rates: DearestRates, beside: int, turns: int) -> bool:
    """Whether an answer shows everything that is billed as output; several may be made of which one is shown."""
    if request.kind == "embedding":
        return True
    is_plain = not (beside or settings.speaks or rates.hourly) and turns == settings.answers == 1
    return is_plain and not may_reason(request.model)


def _limit_argument(request: CallRequest) -> str:
    name = class_name(request.serialized)
    if "Ollama" in name:
        return "num_predict"
    return "max_output_tokens" if "Google" in name or "Vertex" in name else "max_tokens"


def _without_tokens(bound: CallBound, rates: DearestRates, request: CallRequest) -> CallBound:
    """The bound of a call whose tokens have none: its cost is known only where that does not depend on them."""
    if rates.is_free:
        nano = rates.nano_usd(0, 0)
        bound = bound._replace(nano_usd=nano * bound.attempts, nano_usd_per_attempt=nano)
    elif not rates.steps:
        bound = _without_token_price(bound, rates, request)
    if bound.problem is not None:
        return bound
    return bound._replace(reason="unbounded", problem=bound.tokens_problem)


def _without_token_price(bound: CallBound, rates: DearestRates, request: CallRequest) -> CallBound:
    """The bound of a call that has no price by tokens: by the hour, or none."""
    if rates.hourly is not None:
        return _bound_by_hours(bound, rates, request)
    problem = rates.problem or f"the price of {request.model} says nothing about output"
    mended_by = f"set prices={{{request.model or 'model'!r}: per_token(input, output)}}"
    return bound._replace(
        nano_usd=None, nano_usd_per_attempt=None, reason="unpriced", problem=f"{problem}, or {mended_by}", work=None
    )


def _bound_by_hours(bound: CallBound, rates: DearestRates, request: CallRequest) -> CallBound:
    """A model paid by the GPU-hour is busy for as long as its client waits, pauses between attempts included.

    Clients apply their timeout to the wait for the next bytes, so that a stream may take longer than it says.
    """
    timeout = bound.timeout_seconds
    if timeout is None or not 0 < timeout < math.inf:
        problem = f"{request.model} is priced by the GPU-hour, and how long a call may take is not known: set timeout="
        return bound._replace(reason="unbounded", problem=problem)
    seconds = bound.attempts * timeout + (bound.attempts - 1) * _LONGEST_PAUSE_SECONDS
    return bound._replace(nano_usd=rates.hours_nano_usd(seconds), nano_usd_per_attempt=rates.hours_nano_usd(timeout))
