"""The wire formats of `/v1/completions` and `/v1/embeddings`: text models and vectors."""

from __future__ import annotations

import math
from array import array
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.testing.loopback.answers import Wish
from langchain_costguard.testing.loopback.chat import CREATED, chat_usage, stop_sequences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_costguard.testing.loopback.answers import Answer

_DEFAULT_MAX_TOKENS: Final = 16
_DEFAULT_DIMENSIONS: Final = 1536


def completion_wish(body: Mapping[str, Any], prompts: int) -> Wish:
    """What a text completion asks for: `n` answers to each of its prompts."""
    limit = body.get("max_tokens") or _DEFAULT_MAX_TOKENS
    return Wish(max_tokens=limit, stop=stop_sequences(body.get("stop")), n=prompts * (body.get("n") or 1))


def completion_object(answer: Answer, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - as the other formats
    """The whole answer."""
    choices = [_choice(index, one.text, one.finish_reason) for index, one in enumerate(answer.choices)]
    return {**_head(answer), "choices": choices, "usage": chat_usage(answer)}


def completion_events(answer: Answer, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as the chunks of a stream; usage last, and only if the client asked for it."""
    for index, choice in enumerate(answer.choices):
        for token in choice.tokens:
            yield {**_head(answer), "choices": [_choice(index, token, None)]}
        yield {**_head(answer), "choices": [_choice(index, "", choice.finish_reason)]}
    if (body.get("stream_options") or {}).get("include_usage") and answer.behaviour.stream_usage:
        yield {**_head(answer), "choices": [], "usage": chat_usage(answer)}


def embedding_object(prompts: Sequence[Sequence[str]], model: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A vector for each input: texts that share tokens point in similar directions."""
    dimensions = body.get("dimensions") or _DEFAULT_DIMENSIONS
    is_binary = body.get("encoding_format") == "base64"
    rows = []
    for index, tokens in enumerate(prompts):
        vector = _vector(tokens, dimensions)
        rows.append({"object": "embedding", "index": index, "embedding": _base64(vector) if is_binary else vector})
    total = sum(len(tokens) for tokens in prompts)
    usage = {"prompt_tokens": total, "total_tokens": total}
    return {"object": "list", "data": rows, "model": model, "usage": usage}


def _head(answer: Answer) -> dict[str, Any]:
    return {"id": f"cmpl-{answer.id}", "object": "text_completion", "created": CREATED, "model": answer.model}


def _choice(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _vector(tokens: Sequence[str], dimensions: int) -> list[float]:
    """A unit vector: each token adds to, or takes from, three places that its hash names."""
    vector = [0.0] * dimensions
    for token in tokens or ("",):
        digest = sha256(token.strip().lower().encode("utf-8", "surrogatepass")).digest()
        for place in range(3):
            at = int.from_bytes(digest[4 * place : 4 * place + 4], "big") % dimensions
            vector[at] += 1.0 if digest[16 + place] & 1 else -1.0
    length = math.hypot(*vector) or 1.0
    return [value / length for value in vector]


def _base64(vector: Sequence[float]) -> str:
    return b64encode(array("f", vector).tobytes()).decode()
