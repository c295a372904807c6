"""Which answers are kept, and how: whole and finished ones only, as JSON that is read back into a few known classes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, Generation

from langchain_costguard._refusals import LONGEST, REFUSALS, plain
from langchain_costguard.tags import TECHNIQUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SEMANTIC_CACHE: Final = "semantic_cache"
"""The technique under which answers to other questions of the same meaning are booked."""

ALLOWED_CLASSES: Final = (ChatGeneration, Generation, AIMessage, AIMessageChunk)
"""What an entry may be made of; anything else in it drops the entry."""

_ENDS: Final = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_GOOD_ENDS: Final = frozenset(
    {
        "stop",
        "end_turn",
        "stop_sequence",
        "stop_token",
        "eos",
        "eos_token",
        "end",
        "complete",
        "completed",
        "finish",
        "finished",
        "tool_calls",
        "tool_use",
        "function_call",
    }
)
"""Ends after which an answer is whole; any other that a provider names keeps it out."""
_UNFINISHED: Final = frozenset(
    {"incomplete", "failed", "cancelled", "canceled", "in_progress", "queued", "requires_action", "error", "expired"}
)
"""States of a response that is not a whole answer."""
_GOOD_NUMBERS: Final = frozenset({0, 1})
"""Gemini's ends as numbers: unspecified, and `STOP`."""
_REFUSES: Final = re.compile(
    r"""(?:(?:i'm|i\ am|we're|we\ are)\ (?:very\ |so\ |really\ )?sorry|sorry|i\ apologi[sz]e|my\ apologies
        |unfortunately|as\ an\ ai(?:\ language\ model|\ assistant)?)?[,.:;!\ -]*(?:but\ )?
    (?:i|we)(?:\ can't|\ cannot|\ can\ not|\ won't|(?:'m|\ am|'re|\ are)\ (?:unable\ to|not\ able\ to)
        |\ won't\ be\ able\ to|\ must\ decline\ to)\ (?:help|assist|comply|fulfil+|answer|do|support|discuss)
    (?:\ you)?(?:\ with)?\ (?:that|this|your|these|those|such)\b
        (?:\ (?:kind\ of\ |type\ of\ )?requests?)?\s*(?:[.!,;]|$)
    |(?:es\ tut\ mir\ (?:sehr\ )?leid|tut\ mir\ leid|entschuldigung|leider)[,.!\ ]*(?:aber\ )?
    (?:(?:dabei|damit|das|diese\ frage|diese\ anfrage)\ )?(?:kann|darf)\ ich
        \ (?:(?:dir|ihnen|euch|das|dies|dabei|damit|hierbei|leider|diese\ frage|diese\ anfrage)\ )*
        nicht\ (?:weiter)?(?:helfen|unterst\w+|beantworten|antworten|tun|behilflich)""",
    re.VERBOSE,
)
"""How refusals begin that are none the less for what follows, however long it is."""
_USUAL_CLASSES: Final = (ChatGeneration.lc_id(), AIMessage.lc_id())
_USAGE_COUNTS: Final = ("input_tokens", "output_tokens", "total_tokens")


def why_not_kept(generations: Sequence[Generation]) -> str | None:
    """Why an answer must not be served again; `None` if it may.

    Args:
        generations: what the model answered; one that must not be served keeps all of them out.
    """
    if not generations:
        return "there is no answer"
    return next((why for generation in generations if (why := _why_not(generation)) is not None), None)


def has_tool_calls(generations: Sequence[Generation]) -> bool:
    """Whether an answer asks for tools: then only the same words may get it."""
    return any(_calls_tools(message) for message in map(_message, generations) if message is not None)


def dump_answer(generations: Sequence[Generation]) -> bytes | None:
    """An answer as it is stored: without the ids of its messages.

    Args:
        generations: what the model answered.

    Returns:
        JSON; `None` when it could not be read back.
    """
    try:
        data = dumps([_without_ids(generation) for generation in generations]).encode()
    except (TypeError, ValueError):  # surrogates, or content that has no JSON
        return None
    return None if load_answer(data) is None else data


def load_answer(data: bytes) -> list[Generation] | None:
    """A fresh copy of a stored answer.

    Args:
        data: what `dump_answer` gave.

    Returns:
        The generations; `None` for anything else than an answer, whatever is wrong with it.
    """
    try:
        text = data.decode()
        found = _load_usual(text) or loads(text, allowed_objects=list(ALLOWED_CLASSES), secrets_from_env=False)
    except Exception:  # noqa: BLE001 - what was tampered with fails in as many ways as there are validators
        return None
    if not isinstance(found, list) or not found or not all(isinstance(item, Generation) for item in found):
        return None
    return found


def marked_as_near(generations: Sequence[Generation]) -> list[Generation]:
    """Copies of an answer whose messages say that it was given to another question of the same meaning."""
    return [_marked(generation) for generation in generations]


def usage_of(generations: Sequence[Generation]) -> Mapping[str, Any] | None:
    """The usage a provider reported for an answer; `None` if it reported none."""
    for generation in generations:
        message = _message(generation)
        if message is not None and message.usage_metadata:
            return message.usage_metadata
        info = generation.generation_info or {}
        raw = info.get("token_usage") or info.get("usage")
        if isinstance(raw, dict):
            return raw
    return None


def model_of(generations: Sequence[Generation]) -> str | None:
    """The model that says it answered."""
    for generation in generations:
        message = _message(generation)
        told = (generation.generation_info or {}) if message is None else message.response_metadata
        name = told.get("model_name") or told.get("model")
        if isinstance(name, str):
            return name
    return None


def _load_usual(text: str) -> list[Generation] | None:
    """The usual answer, one plain chat message, at a quarter of the cost; `None` has LangChain read it."""
    if text.count('"lc"') != len(_USUAL_CLASSES) or "__lc_escaped__" in text:
        return None
    items = json.loads(text)
    if not isinstance(items, list) or len(items) != 1:
        return None
    generation = _fields(items[0], _USUAL_CLASSES[0])
    message = None if generation is None else _fields(generation.get("message"), _USUAL_CLASSES[1])
    if generation is None or message is None:
        return None
    return [ChatGeneration(message=AIMessage(**message), generation_info=generation.get("generation_info"))]


def _fields(item: Any, path: Sequence[str]) -> dict[str, Any] | None:  # noqa: ANN401 - whatever JSON holds
    """The fields of an object that LangChain wrote, if it is of this class."""
    is_it = isinstance(item, dict) and item.get("type") == "constructor" and item.get("id") == path
    fields = item.get("kwargs") if is_it else None
    return fields if isinstance(fields, dict) else None


def _why_not(generation: Generation) -> str | None:
    message = _message(generation)
    info: Mapping[str, Any] = generation.generation_info or {}
    bad = next(_bad_ends(info if message is None else {**info, **message.response_metadata}), None)
    if bad is not None:
        return f"it ended with {bad!r}"
    if message is None:
        return _why_not_text(generation.text)
    if message.additional_kwargs.get("refusal") or _has_block(message, "refusal"):
        return "the provider marks it as a refusal"
    if message.invalid_tool_calls:
        return "it calls a tool with arguments that are no JSON"
    return None if _calls_tools(message) else _why_not_text(str(message.text), message)


def _why_not_text(text: str, message: AIMessage | None = None) -> str | None:
    if not text.strip():
        has_more = message is not None and not isinstance(message.content, str) and _has_block(message, "image")
        return None if has_more else "it is empty"
    small = plain(text[: 2 * LONGEST])
    if (len(text) <= LONGEST and small.startswith(REFUSALS)) or _REFUSES.match(small):
        return "it begins as refusals do"
    return None


def _bad_ends(told: Mapping[str, Any]) -> Iterator[str]:
    """Ways in which the provider says the answer ended that leave it unfinished or filtered."""
    reasons = [told.get(name) for name in _ENDS]
    for name, field in (("incomplete_details", "reason"), ("prompt_feedback", "block_reason")):
        details = told.get(name)
        if isinstance(details, dict):
            reasons.append(details.get(field))
    status = told.get("status")
    if isinstance(status, str) and status.lower() in _UNFINISHED:
        reasons.append(status)
    if told.get("done") is False:
        yield "done: false"
    for reason in reasons:
        if isinstance(reason, int) and reason not in _GOOD_NUMBERS:
            yield str(int(reason))
        if isinstance(reason, str) and reason:
            end = _once(reason.rpartition(".")[2].lower())
            if end not in _GOOD_ENDS:
                yield end


def _once(text: str) -> str:
    """A text that merged chunks repeat, once."""
    times = next(count for count in range(len(text), 0, -1) if text[: len(text) // count] * count == text)
    return text[: len(text) // times]


def _message(generation: Generation) -> AIMessage | None:
    message = getattr(generation, "message", None)
    return message if isinstance(message, AIMessage) else None


def _calls_tools(message: AIMessage) -> bool:
    return bool(message.tool_calls or message.additional_kwargs.get("function_call"))


def _has_block(message: AIMessage, kind: str) -> bool:
    blocks = message.content if isinstance(message.content, list) else ()
    return any(isinstance(block, dict) and str(block.get("type", "")).startswith(kind) for block in blocks)


def _without_ids(generation: Generation) -> Generation:
    """A copy that no conversation takes for a message it has already, and that no provider takes for its own."""
    message = _message(generation)
    if message is None:
        return generation
    told = message.response_metadata
    if str(told.get("id", "")).startswith("resp_"):  # a conversation that the provider keeps would be gone on with
        told = {name: value for name, value in told.items() if name != "id"}
    content = message.content
    if isinstance(content, list):
        content = [_without_id(block) for block in content]
    update = {"id": None, "response_metadata": told, "content": content, "usage_metadata": _usage(message)}
    return generation.model_copy(update={"message": message.model_copy(update=update)})


def _marked(generation: Generation) -> Generation:
    message = _message(generation)
    if message is None:
        return generation
    told = {**message.response_metadata, TECHNIQUE: SEMANTIC_CACHE}
    return generation.model_copy(update={"message": message.model_copy(update={"response_metadata": told})})


def _without_id(block: Any) -> Any:  # noqa: ANN401 - content blocks are open by design
    if isinstance(block, dict) and block.get("type") == "text" and "id" in block:
        return {name: value for name, value in block.items() if name != "id"}
    return block


def _usage(message: AIMessage) -> dict[str, Any] | None:
    """The usage without LangChain's mark of a replayed answer, which its own classes refuse to read back."""
    usage = message.usage_metadata
    if not usage or not all(isinstance(usage.get(count), int) for count in _USAGE_COUNTS):
        return None
    return {name: value for name, value in usage.items() if name != "total_cost"}
