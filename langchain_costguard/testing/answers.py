"""What the scripted chat model and the scripted text model have in common: how a reply becomes an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from langchain_costguard.testing.tokenizer import tokenize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_core.messages.ai import UsageMetadata

    from langchain_costguard.testing.reply import Reply


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One request a scripted model received."""

    method: Literal["generate", "agenerate", "stream", "astream"]
    """How it was asked."""
    input: Any
    """The messages of a chat model, the prompt of a text model."""
    model_name: str
    """The model that was asked for."""
    stop: tuple[str, ...]
    """The stop sequences."""
    kwargs: Mapping[str, Any]
    """What else was asked: tools, `tool_choice`, `n`, `max_tokens` ..."""


def limited(reply: Reply, stop: tuple[str, ...], max_tokens: int | None) -> Reply:
    """The reply as far as stop sequences and the output limit let it go."""
    text = reply.text
    for sequence in stop:
        text = text.partition(sequence)[0]
    tokens = tokenize(text)
    if max_tokens is not None and len(tokens) > max_tokens:
        return replace(reply, content="".join(tokens[:max_tokens]), finish_reason="length")
    return reply if text == reply.text else replace(reply, content=text)


def raise_failure_of(replies: Iterable[Reply]) -> None:
    """Raise what the first failing reply raises; the same exception may be raised many times."""
    for reply in replies:
        if reply.failure is not None:
            raise reply.failure.with_traceback(None)


def raw_usage(usage: UsageMetadata | None) -> dict[str, Any] | None:
    """The usage in OpenAI's own words, as `llm_output` carries it."""
    if usage is None:
        return None
    inputs, outputs = usage.get("input_token_details", {}), usage.get("output_token_details", {})
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
        "prompt_tokens_details": {"cached_tokens": inputs.get("cache_read", 0)},
        "completion_tokens_details": {"reasoning_tokens": outputs.get("reasoning", 0)},
    }


def generation_info(reply: Reply) -> dict[str, Any]:
    """What LangChain keeps as `generation_info`: why the answer ended, its log-probabilities, further metadata."""
    info = {**reply.response_metadata, "finish_reason": reply.finish}
    logprobs = reply.logprob_content()
    return info if logprobs is None else {**info, "logprobs": logprobs}
