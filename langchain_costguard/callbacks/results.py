"""What LangChain's answer, or its error, says about a call: the reading of `LLMResult` in one place."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.callbacks.prompts import content_text
from langchain_costguard.guard.attempts import retries_taken
from langchain_costguard.pricing.names import undo_repetition
from langchain_costguard.recorder import Outcome, StartedCall
from langchain_costguard.tags import TECHNIQUE
from langchain_costguard.usage import TokenUsage, is_replayed, read_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.outputs import LLMResult

    from langchain_costguard.ledger import CallStatus

_EMPTY: Final[Mapping[str, Any]] = {}
_NOTHING_USED: Final = TokenUsage()
_REFUSED: Final = range(400, 500)
_MAYBE_BILLED: Final = frozenset({408, 499})
_NEVER_CONNECTED: Final = frozenset({"ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror"})
_MAYBE_SENT: Final = frozenset({"ReadTimeout", "WriteTimeout", "ReadError", "WriteError", "RemoteProtocolError"})
"""Errors of a connection that stood: what lies behind them says nothing about whether the call was billed."""
_MAX_CAUSES: Final = 8
_ABSURD_USD: Final = 1_000_000
"""No single call costs so much: a provider's figure beyond it is not believed."""


def read_answer(call: StartedCall, response: LLMResult) -> Outcome:
    """What an answer says: usage, model, tier, and whether it came from LangChain's cache.

    Args:
        call: the call it answers.
        response: the result of one prompt, as `on_llm_end` gets it.
    """
    generations = response.generations[0] if response.generations else []
    message = getattr(generations[0], "message", None) if generations else None
    llm_output: Mapping[str, Any] = response.llm_output or _EMPTY
    if message is None:
        reported, metadata = None, _EMPTY
    else:
        reported = getattr(message, "usage_metadata", None)
        metadata = message.response_metadata
    model = metadata.get("model_name") or metadata.get("model") or (llm_output and llm_output.get("model_name"))
    tier = metadata.get("service_tier")
    raw = metadata.get("token_usage")
    if llm_output:
        tier = tier or llm_output.get("service_tier")
        raw = llm_output.get("token_usage") or raw
    status: CallStatus = "ok"
    usage: TokenUsage | None = None
    if reported:
        if "total_cost" in reported and is_replayed(reported):
            status = "cached"
        if call.stream_usage is not None and call.stream_usage.is_cumulative:
            reported = call.stream_usage.last
        usage, named_tier = read_usage(reported)
        tier = tier or named_tier
    if tier is not None and call.first_token_ns is not None:
        tier = undo_repetition(str(tier))  # merged chunks write it once per choice
    text = ""
    if status == "ok" and (usage is None or not any(usage[:8])):  # some servers report zeros instead of nothing
        usage = _raw_usage(call, raw, llm_output, metadata)
        if usage is None and message is None and generations:
            info: Mapping[str, Any] = generations[0].generation_info or _EMPTY
            usage, model = TokenUsage.from_provider(info), model or info.get("model")
    if status == "ok" and (usage is None or (usage is not _NOTHING_USED and usage.output_tokens <= 0)):
        text = "\n".join(_generation_text(generation) for generation in generations)
    if usage is not None and "usage" in metadata:
        usage = _with_server_tools(usage, metadata["usage"])
    reported_usd = reported_cost(raw) if type(raw) is dict and "cost" in raw else None
    technique = metadata.get(TECHNIQUE) if status == "cached" else None
    return Outcome(status, usage, name_of(model), name_of(tier), text, reported_usd, technique=technique)


def _raw_usage(
    call: StartedCall,
    raw: Any,  # noqa: ANN401 - a provider's own JSON
    llm_output: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> TokenUsage | None:
    """The provider's own usage object, where LangChain did not normalise it."""
    for found in (raw, llm_output.get("usage"), metadata.get("usage")):
        if isinstance(found, dict) and found:
            usage = TokenUsage.from_provider(found)
            return usage if usage is not None and any(usage[:8]) else None
    if call.kind == "llm" and llm_output.get("token_usage") == {}:
        # A text model asked several prompts at once puts the usage of all into the first result and `{}` beside it.
        return _NOTHING_USED
    return None


def read_failure(call: StartedCall, error: BaseException, response: LLMResult | None) -> Outcome:
    """What an error says: how it ended, what had arrived by then, and whether anything can have been billed.

    A provider bills neither what it refused (4xx) nor what never reached it. A timeout, a 5xx and a broken stream may
    be billed, so their input, and what had arrived of the answer, is counted. So may be the attempts before the one
    that failed last, of which the error says how many there were, if it says so.
    """
    status: CallStatus = "error"
    if isinstance(error, GeneratorExit | asyncio.CancelledError | KeyboardInterrupt):
        status = "cancelled"
    partial = None
    if response is not None and response.generations and response.generations[0]:
        partial = read_answer(call, response)
    name = type(error).__name__
    carried = _carried_usage(error)
    retries = retries_taken(error)
    if carried is not None:
        return carried._replace(status=status, error=name, retries=retries)
    unbilled = partial is None and status == "error" and _was_not_billed(error)
    if partial is None or (partial.usage is None and not partial.output_text):
        is_unbilled = unbilled or (_was_not_billed(error) and status == "error")
        return Outcome(status, error=name, is_unbilled=is_unbilled, retries=retries)
    return partial._replace(status=status, error=name, retries=retries)


def _carried_usage(error: BaseException) -> Outcome | None:
    """The usage of an answer that an error carries: one that was paid for and could not be parsed."""
    completion = getattr(error, "completion", None)
    usage = getattr(completion, "usage", None)
    if usage is not None and hasattr(usage, "model_dump"):
        usage = usage.model_dump()
    tokens = TokenUsage.from_provider(usage) if isinstance(usage, dict) else None
    if tokens is None:
        return None
    model, tier = (name_of(getattr(completion, name, None)) for name in ("model", "service_tier"))
    return Outcome("error", tokens, model, tier)


def name_of(told: object) -> str | None:
    """A name as a provider told it; `None` where it told none, or anything but a text."""
    return told if isinstance(told, str) and told else None


def _generation_text(generation: Any) -> str:  # noqa: ANN401 - chat and text generations
    message = getattr(generation, "message", None)
    if message is None:
        return str(generation.text)
    text = content_text(message.content)
    for call in getattr(message, "tool_calls", None) or ():
        text += f"{call.get('name')}{call.get('args')}" if isinstance(call, dict) else str(call)
    return text


def _with_server_tools(usage: TokenUsage, raw: Any) -> TokenUsage:  # noqa: ANN401 - a provider's own JSON
    """Flag tools the provider ran itself: it bills them by the call, and their price is not known here."""
    used = raw.get("server_tool_use") if isinstance(raw, dict) else None
    if not isinstance(used, dict):
        return usage
    flags = [f"{count} {name} are billed by the call and not priced here" for name, count in used.items() if count]
    return usage._replace(flags=(*usage.flags, *flags)) if flags else usage


def reported_cost(raw: Mapping[str, Any]) -> Decimal | None:
    """The cost a provider put into its usage (OpenRouter's `usage.cost`, in US dollars).

    With a key of one's own OpenRouter bills nothing and says what the provider behind it will bill.
    """
    cost, details = raw["cost"], raw.get("cost_details")
    if raw.get("is_byok") and isinstance(details, dict):
        cost = details.get("upstream_inference_cost")
        if cost is None:
            return None
    try:
        amount = Decimal(str(cost))
    except (InvalidOperation, ValueError):  # the second for a whole number of thousands of digits
        return None
    return amount if amount.is_finite() and 0 <= amount < _ABSURD_USD else None


def _was_not_billed(error: BaseException) -> bool:
    """Whether nothing can have been billed; only declared causes count, the context may be of another call."""
    code = getattr(error, "status_code", None)
    if isinstance(code, int):
        return code in _REFUSED and code not in _MAYBE_BILLED
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None or type(cause).__name__ in _MAYBE_SENT:
            return False
        if type(cause).__name__ in _NEVER_CONNECTED:
            return True
        cause = cause.__cause__
    return False
