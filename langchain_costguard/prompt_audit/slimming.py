"""Lossless edits of whole prompts: of what the system and the user said, never of what a model said."""

# ruff: noqa: A002, ANN401 - LangChain's names; a prompt has many forms

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables.config import ensure_config

from langchain_costguard.callbacks.streams import closed_with
from langchain_costguard.callbacks.wrapping import ModelWrapper, inner_models, is_model, where_else, with_models
from langchain_costguard.prompt_audit.lossless import Edit, slim_text
from langchain_costguard.prompt_audit.reading import messages_of
from langchain_costguard.tags import with_technique

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from langchain_core.runnables import Runnable, RunnableConfig

_TECHNIQUE: Final = "prompt_slimming"


class SlimmedPrompt(NamedTuple):
    """A prompt after its lossless edits."""

    messages: list[BaseMessage]
    """The messages; one that was not changed is the very same object."""
    edits: tuple[tuple[int, Edit], ...]
    """What was done: the message's place, from 0, and the edit."""

    @property
    def saved_tokens(self) -> int:
        """How many tokens the edits saved."""
        return sum(edit.saved_tokens for _, edit in self.edits)


def slim_messages(
    messages: Sequence[BaseMessage], model: str | None = None, *, keep_repeats: bool = False
) -> SlimmedPrompt:
    """Edit the messages of a prompt, none of which is changed itself; see `slim_text` for what is done.

    What a model said stays as it was. A paragraph that stood there before goes only within one message: in another one
    it may be what the user wants to say again. Results of tools lose the white space of JSON and at the ends of lines.

    Args:
        messages: the prompt.
        model: whose tokenizer decides whether an edit saves anything.
        keep_repeats: whether paragraphs that stood there before stay, as instructions do that are repeated on purpose
            behind a long context.
    """
    slimmed: list[BaseMessage] = []
    edits: list[tuple[int, Edit]] = []
    for number, message in enumerate(messages):
        shorter, done = (
            (message, []) if isinstance(message, AIMessage) else _slim(message, model, keep_repeats=keep_repeats)
        )
        slimmed.append(shorter)
        edits += [(number, edit) for edit in done]
    return SlimmedPrompt(slimmed, tuple(edits))


def slim_prompt(model: Runnable[Any, Any] | None = None, *, keep_repeats: bool = False) -> Runnable[Any, Any]:
    """A step that slims prompts without loss: before a model, or around one.

    Args:
        model: a chat model, or a chain with one: its calls are booked under the technique `prompt_slimming` with the
            input tokens that were saved. `None` for a step of its own, `prompt | slim_prompt() | model`, which books
            nothing.
        keep_repeats: as for `slim_messages`.

    Raises:
        TypeError: there is no chat model in what is given.

    Example:
        ```python
        chain = prompt | slim_prompt(ChatOpenAI(model="gpt-4o-mini")) | parser
        ```
    """
    if model is None:
        from langchain_core.runnables import RunnableLambda

        return RunnableLambda(
            lambda given: slim_messages(messages_of(given), keep_repeats=keep_repeats).messages, name="slim_prompt"
        )

    def slimming(one: Runnable[Any, Any]) -> Runnable[Any, Any]:
        return SlimmingModel(one, keep_repeats=keep_repeats)

    made = slimming(model) if is_model(model) else with_models(model, slimming)
    if made is model:
        msg = f"no chat model is to be seen in {type(model).__name__}: {where_else(model, 'slim_prompt')}"
        raise TypeError(msg)
    return made


class SlimmingModel(ModelWrapper):
    """A model whose prompts are slimmed without loss; made by `slim_prompt`."""

    def __init__(self, model: Runnable[Any, Any], *, keep_repeats: bool = False) -> None:
        """Wrap a model."""
        self.model: Runnable[Any, Any] = model
        self.keep_repeats: bool = keep_repeats

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Slim the prompt and ask the model."""
        return self.model.invoke(*self._slimmed(input, config, kwargs), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Slim the prompt and ask the model."""
        return await self.model.ainvoke(*self._slimmed(input, config, kwargs), **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Slim the prompt and stream the model's answer."""
        yield from self.model.stream(*self._slimmed(input, config, kwargs), **kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Slim the prompt and stream the model's answer."""
        async with closed_with(self.model.astream(*self._slimmed(input, config, kwargs), **kwargs)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _around(self, model: Runnable[Any, Any]) -> SlimmingModel:
        return SlimmingModel(model, keep_repeats=self.keep_repeats)

    def _slimmed(self, given: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> tuple[Any, RunnableConfig]:
        """The prompt to send, and a config that says what was saved."""
        config = ensure_config(config)
        inner = inner_models(self.model, kwargs, config)
        name = inner[0].chat._get_ls_params().get("ls_model_name") if inner else None  # noqa: SLF001 - as LangChain describes runs itself
        found = slim_messages(messages_of(given), name, keep_repeats=self.keep_repeats)
        if not found.saved_tokens:
            return given, config
        metadata = with_technique(config.get("metadata"), _TECHNIQUE, saved_input_tokens=found.saved_tokens)
        return found.messages, {**config, "metadata": metadata}


def _slim(message: BaseMessage, model: str | None, *, keep_repeats: bool) -> tuple[BaseMessage, list[Edit]]:
    """A message after its edits; its text blocks share what they have said."""
    seen = set[str]()
    keep_repeats = keep_repeats or isinstance(message, ToolMessage)
    if isinstance(message.content, str):
        text, edits = slim_text(message.content, model, seen=seen, keep_repeats=keep_repeats)
        if not text.strip():  # no provider takes an empty message
            return message, []
        return (message.model_copy(update={"content": text}) if edits else message), list(edits)
    done: list[Edit] = []
    blocks: list[Any] = []
    for block in message.content:
        said = _text_in(block)
        if said is None:
            blocks.append(block)
            continue
        shorter, edits = slim_text(said, model, seen=seen, keep_repeats=keep_repeats)
        kept = shorter or said  # no provider takes an empty block
        done += edits if shorter else ()
        blocks.append(kept if isinstance(block, str) else {**block, "text": kept})
    return (message.model_copy(update={"content": blocks}) if done else message), done


def _text_in(block: str | dict[str, Any]) -> str | None:
    """The text of a block; `None` for one of another kind."""
    if isinstance(block, str):
        return block
    text = block.get("text") if block.get("type") == "text" else None
    return text if isinstance(text, str) else None
