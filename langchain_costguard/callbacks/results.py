"""What LangChain's answer, or its error, says about a call: the reading of `LLMResult` in one place."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.callbacks.prompts import content_text
from langchain_costguard.recorder import Outcome, StartedCall
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
_MAX_CAUSES: Final = 8


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
    text = ""
    if usage is None and status != "cached":
        usage = _raw_usage(call, raw, llm_output, metadata)
        if usage is None:
            text = "\n".join(_generation_text(generation) for generation in generations)
    reported_usd = _reported_cost(raw) if type(raw) is dict and "cost" in raw else None
    return Outcome(status, usage, model or None, tier, text, reported_usd)


def _raw_usage(
    call: StartedCall,
    raw: Any,  # noqa: ANN401 - a provider's own JSON
    llm_output: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> TokenUsage | None:
    """The provider's own usage object, where LangChain did not normalise it."""
    for found in (raw, llm_output.get("usage"), metadata.get("usage")):
        if isinstance(found, dict) and found:
            return TokenUsage.from_provider(found)
    if call.kind == "llm" and llm_output.get("token_usage") == {}:
        # A text model asked several prompts at once puts the usage of all into the first result and `{}` beside it.
        return _NOTHING_USED
    return None


def read_failure(call: StartedCall, error: BaseException, response: LLMResult | None) -> Outcome:
    """What an error says: how it ended, what had arrived by then, and whether anything can have been billed.

    A provider bills neither what it refused (4xx) nor what never reached it. A timeout, a 5xx and a broken stream may
    be billed, so their input, and what had arrived of the answer, is counted.
    """
    status: CallStatus = "error"
    if isinstance(error, GeneratorExit | asyncio.CancelledError | KeyboardInterrupt):
        status = "cancelled"
    partial = None
    if response is not None and response.generations and response.generations[0]:
        partial = read_answer(call, response)
    name = type(error).__name__
    unbilled = partial is None and status == "error" and _was_not_billed(error)
    if partial is None or (partial.usage is None and not partial.output_text):
        return Outcome(status, error=name, is_unbilled=unbilled or (_was_not_billed(error) and status == "error"))
    return partial._replace(status=status, error=name)


def _generation_text(generation: Any) -> str:  # noqa: ANN401 - chat and text generations
    message = getattr(generation, "message", None)
    if message is None:
        return str(generation.text)
    text = content_text(message.content)
    for call in getattr(message, "tool_calls", None) or ():
        text += f"{call.get('name')}{call.get('args')}"
    return text


def _reported_cost(raw: Mapping[str, Any]) -> Decimal | None:
    """The cost a provider put into its usage (OpenRouter's `usage.cost`, in US dollars)."""
    try:
        amount = Decimal(str(raw["cost"]))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _was_not_billed(error: BaseException) -> bool:
    code = getattr(error, "status_code", None)
    if isinstance(code, int):
        return code in _REFUSED and code not in _MAYBE_BILLED
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None:
            return False
        if type(cause).__name__ in _NEVER_CONNECTED:
            return True
        cause = cause.__cause__ or cause.__context__
    return False
