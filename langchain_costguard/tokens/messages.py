"""How many tokens a whole request has: messages, tools, output schema and images, counted or bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.exceptions import UnboundedInputError
from langchain_costguard.tokens.contents import Contents
from langchain_costguard.tokens.counting import TokenCount, byte_bound, count_tokens, tight_bound
from langchain_costguard.tokens.images import image_bound, image_count
from langchain_costguard.tokens.models import bare_name, is_embedding, maker_of
from langchain_costguard.tokens.schemas import schema_bound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.tokens.contents import PromptLike, SchemaLike

_PER_MESSAGE: Final = 4
"""What begins and ends a message, and its role, in OpenAI's format."""
_PER_NAME: Final = 1
_PER_ANSWER: Final = 3
"""The reference from a tool's answer to its call."""
_PER_REPLY: Final = 3
"""What begins the reply."""
_CLAUDE_TOOL_PROMPT: Final = 346
"""The instructions that Anthropic adds to a request with tools (Claude 4, tool choice `auto`)."""


class _Frame(NamedTuple):
    """The most tokens that a provider or a chat template puts around what was sent."""

    request: int
    """Around the whole: what begins the reply, a default system prompt, a date."""
    message: int
    """Around each message."""
    tools: int
    """Around the tools, if there are any."""


_NO_FRAME: Final = _Frame(0, 0, 0)
_OPENAI_FRAME: Final = _Frame(16, 8, 256)
_ANY_FRAME: Final = _Frame(128, 16, 1024)


def count_message_tokens(
    messages: PromptLike,
    model: str | None = None,
    *,
    tools: Sequence[Any] | None = None,
    response_format: SchemaLike = None,
) -> TokenCount:
    """Count the input tokens of a request, as well as it can be done on this machine now, and never by a network.

    Text is counted as by `count_tokens`, plus what OpenAI's format puts around each message. Tools and schemas count
    as the JSON they are sent as, which is more than most providers make of them. Images count by the rule of the
    model's maker; one whose size is not in the request counts as the most it can be. Audio, video and files count
    nothing and are named in the notes.

    Args:
        messages: a text, messages in any form LangChain takes (`BaseMessage`, `(role, text)`, dict, text), or a
            `PromptValue`.
        model: the model that would read them, with or without its provider.
        tools: what would be given to `bind_tools`: `BaseTool`s, functions, classes or dicts.
        response_format: what would be given to `with_structured_output`: a class or a dict.

    Returns:
        The count, how the text was counted, and a note for everything that is not text.

    Raises:
        TypeError: the messages, a tool or the schema are nothing that could be sent.

    Example:
        >>> count_message_tokens([("system", "Be brief."), ("human", "Why is the sky blue?")], "gpt-4o").tokens
        20
    """
    return count_of(Contents(messages, tools, response_format), model)


def bound_message_tokens(
    messages: PromptLike,
    model: str | None = None,
    *,
    tools: Sequence[Any] | None = None,
    response_format: SchemaLike = None,
    tight: bool = False,
) -> TokenCount:
    """An upper bound on the input tokens of a request, found without a tokenizer unless `tight`.

    Text is bounded by its bytes, tools and schemas by the bytes of their JSON in its strict form, images by the most
    their model's maker allows, and everything a provider puts around messages by a generous constant.

    Args:
        messages: as for `count_message_tokens`.
        model: the model that would read them; decides the limit of images.
        tools: as for `count_message_tokens`.
        response_format: as for `count_message_tokens`.
        tight: whether to count text exactly where the model's own vocabulary is on this machine, which takes time in
            proportion to the text and makes the bound about a quarter for English.

    Returns:
        The bound. Its method is `"bytes"`, or names the vocabulary if `tight` and all text could be counted exactly.

    Raises:
        UnboundedInputError: no bound is known: the request names files, audio or video, a tool that the provider runs,
            or an image of a model whose limit is not published.
        TypeError: the messages, a tool or the schema are nothing that could be sent.
    """
    return bound_of(Contents(messages, tools, response_format), model, tight=tight)


def count_of(contents: Contents, model: str | None) -> TokenCount:
    """Count the tokens of a request that was read before; see `count_message_tokens`."""
    around = 0 if is_embedding(model) else _around(contents)
    notes = [f"{part}: not counted" for part in contents.unbounded]
    tokens = around + _counted(contents.texts, model)
    if contents.schemas:
        schemas = _counted(contents.schemas, model)
        if contents.has_tools and maker_of(model) == "anthropic":
            schemas += _CLAUDE_TOOL_PROMPT
        tokens += schemas
        notes.append(f"tools and schema: {schemas:,} tokens, as JSON")
    for image in contents.images:
        of_image, note = image_count(image, model)
        tokens += of_image
        notes.append(note)
    return TokenCount(tokens, count_tokens("", model).method, tuple(notes))


def bound_of(contents: Contents, model: str | None, *, tight: bool) -> TokenCount:
    """Bound the tokens of a request that was read before; see `bound_message_tokens`."""
    bounds = [image_bound(image, model) for image in contents.images]
    unbounded = contents.unbounded + [note for most, note in bounds if most is None]
    if unbounded:
        msg = f"no bound on the input tokens for {model}: {'; '.join(unbounded)}: leave it out of the messages or tools"
        raise UnboundedInputError(msg, parts=unbounded)
    frame = _frame_of(model)
    tokens = frame.request + contents.messages * frame.message + sum(map(byte_bound, contents.ids))
    tokens += sum(most or 0 for most, _ in bounds) + sum(map(schema_bound, contents.schemas))
    tokens += frame.tools if contents.has_tools else 0
    texts = [tight_bound(text, model) for text in contents.texts] if tight else []
    of_text = sum(text.tokens for text in texts) if tight else sum(map(byte_bound, contents.texts))
    methods = {text.method for text in texts}
    method = methods.pop() if len(methods) == 1 else "bytes"
    return TokenCount(tokens + of_text, method, tuple(note for _, note in bounds))


def _around(contents: Contents) -> int:
    answers = contents.answers * _PER_ANSWER
    return _PER_REPLY + contents.messages * _PER_MESSAGE + contents.names * _PER_NAME + answers


def _frame_of(model: str | None) -> _Frame:
    """What goes around a request to a model: OpenAI's own format is known, any other may hide a prompt of its own."""
    if is_embedding(model):
        return _NO_FRAME
    is_hosted = maker_of(model) == "openai" and not bare_name(model).startswith("gpt-oss")
    return _OPENAI_FRAME if is_hosted else _ANY_FRAME


def _counted(texts: Sequence[str], model: str | None) -> int:
    return sum(count_tokens(text, model).tokens for text in texts)
