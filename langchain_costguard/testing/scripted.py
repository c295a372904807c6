"""ScriptedChatModel: a chat model that says what its script says, with usage, streams, tools, latency and failures."""

# ruff: noqa: ANN401, ARG002 - the signatures are LangChain's

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation

from langchain_costguard.testing.answers import (
    ScriptedCall,
    generation_info,
    limited,
    raise_failure_of,
    raw_usage,
)
from langchain_costguard.testing.json_schema import fill_schema
from langchain_costguard.testing.reply import Reply, Responses, Script
from langchain_costguard.testing.tokenizer import tokenize

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.language_models.base import LangSmithParams
    from langchain_core.messages import BaseMessage
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

_NO_TOOL_FORCED = (None, False, "auto", "none")
_ANY_TOOL = (True, "any", "required")


class ScriptedChatModel(BaseChatModel):
    """A chat model for tests and notebooks: it answers by a script, deterministically, and calls nobody.

    Usage is reported as real integrations do it: with details, in invoke and in streams, and, where a test wants it,
    in the ways real integrations get it wrong. A forced tool is called with the arguments the script gives, or else
    with the plainest ones its schema allows, so `with_structured_output` works. It is asked from any number of threads
    and tasks; `calls` tells what it was asked.

    Example:
        >>> model = ScriptedChatModel(responses=["Paris", Reply("Rome", latency_seconds=0.1)], model_name="gpt-4o-mini")
        >>> model.invoke("The capital of France?").usage_metadata["output_tokens"]
        2
    """

    responses: SkipValidation[Responses] = Field(default="A scripted answer.", repr=False)
    """What it answers: one response for ever, a sequence in order, or a function of the messages."""
    cycle: bool = False
    """Begin again after the last of a sequence; otherwise one more call raises `LookupError`."""
    model_name: str = Field(default="scripted-model", alias="model")
    """The model it claims to be; `model=` of one call overrides it."""
    provider: str = "scripted"
    """The provider it claims to be of (`ls_provider`)."""
    temperature: float | None = None
    """Only passed on to tracing."""
    max_tokens: int | None = None
    """Longer texts are cut, with `finish_reason="length"`."""
    stop: list[str] | None = None
    """Texts are cut before the first of these."""
    streaming: bool = False
    """Let `invoke` go through the stream."""
    stream_usage: Literal["last", "cumulative", "missing"] = "last"
    """Where a stream reports usage: once at the end, a running total in every chunk, or nowhere."""
    stream_model_name: Literal["last", "every"] = "last"
    """Which chunks of a stream carry the model's name (when merged, `"every"` repeats it: `"mm"` for `"m"`)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    _script: Script = PrivateAttr()
    _calls: list[ScriptedCall] = PrivateAttr(default_factory=list)

    def model_post_init(self, context: Any, /) -> None:
        """Open the script."""
        super().model_post_init(context)
        self._script = Script(self.responses, cycle=self.cycle)

    @property
    def calls(self) -> tuple[ScriptedCall, ...]:
        """What it was asked so far, in the order of arrival."""
        return tuple(self._calls)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; `tool_choice` is `"any"`, a tool's name, or OpenAI's own form of either."""
        schemas = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=schemas, tool_choice=tool_choice, **kwargs)

    @property
    def _llm_type(self) -> str:
        return "costguard-scripted-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        script = hashlib.sha256(repr(self.responses).encode()).hexdigest()[:16]
        settings = {"temperature": self.temperature, "max_tokens": self.max_tokens, "stop": self.stop}
        return {"model_name": self.model_name, "provider": self.provider, "script": script, **settings}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = self.provider
        params["ls_model_name"] = kwargs.get("model") or self.model_name
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        replies = self._replies("generate", messages, stop, kwargs)
        time.sleep(max(reply.latency_seconds for reply in replies))  # the reply's latency
        return self._result(messages, replies, kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        replies = self._replies("agenerate", messages, stop, kwargs)
        await asyncio.sleep(max(reply.latency_seconds for reply in replies))  # the reply's latency
        return self._result(messages, replies, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        (reply,) = self._replies("stream", messages, stop, {**kwargs, "n": 1})
        time.sleep(reply.latency_seconds)  # the reply's latency
        yield from self._chunks(messages, reply, kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        (reply,) = self._replies("astream", messages, stop, {**kwargs, "n": 1})
        await asyncio.sleep(reply.latency_seconds)  # the reply's latency
        for chunk in self._chunks(messages, reply, kwargs):
            yield chunk
            await asyncio.sleep(0)  # lets others run

    def _replies(
        self,
        method: Literal["generate", "agenerate", "stream", "astream"],
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: Mapping[str, Any],
    ) -> list[Reply]:
        """Note the call and take one reply from the script for each answer that is asked for."""
        stops = tuple(stop or self.stop or ())
        self._calls.append(ScriptedCall(method, tuple(messages), self._asked_model(kwargs), stops, dict(kwargs)))
        limit = kwargs.get("max_tokens") or self.max_tokens
        replies = (self._script.next(messages) for _ in range(kwargs.get("n") or 1))
        return [_with_forced_tool(limited(reply, stops, limit), kwargs) for reply in replies]

    def _asked_model(self, kwargs: Mapping[str, Any]) -> str:
        return str(kwargs.get("model") or self.model_name)

    def _result(self, messages: list[BaseMessage], replies: list[Reply], kwargs: Mapping[str, Any]) -> ChatResult:
        raise_failure_of(replies)
        usage = _usage_of_all(messages, replies, kwargs)
        model = replies[0].model_name or self._asked_model(kwargs)
        generations = [_generation(reply, usage) for reply in replies]
        return ChatResult(generations=generations, llm_output={"token_usage": raw_usage(usage), "model_name": model})

    def _chunks(
        self, messages: list[BaseMessage], reply: Reply, kwargs: Mapping[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """The reply as a stream: its text, its tool calls, and a last chunk with what is known at the end."""
        model = {"model_name": reply.model_name or self._asked_model(kwargs)}
        usage = _usage_of_all(messages, [reply], kwargs) if self.stream_usage != "missing" else None
        chunks, failure = _body_chunks(reply), reply.failure
        for index, chunk in enumerate(chunks):
            if failure is not None and index == (reply.fail_after_chunks or 0):
                raise failure.with_traceback(None)
            if self.stream_model_name == "every":
                chunk.response_metadata = dict(model)
            if usage is not None and self.stream_usage == "cumulative":
                chunk.usage_metadata = _share(usage, index + 1, len(chunks))
            yield ChatGenerationChunk(message=chunk)
        if failure is not None:
            raise failure.with_traceback(None)
        yield ChatGenerationChunk(message=_last_chunk(reply, model, usage if self.stream_usage == "last" else None))


def _with_forced_tool(reply: Reply, kwargs: Mapping[str, Any]) -> Reply:
    """The reply with a call of the tool that `tool_choice` forces, unless the script already calls one."""
    choice, tools = kwargs.get("tool_choice"), kwargs.get("tools")
    if reply.tool_calls or reply.error is not None or not tools or choice in _NO_TOOL_FORCED:
        return reply
    name = choice["function"]["name"] if isinstance(choice, dict) else choice
    functions = [tool["function"] for tool in tools]
    function = next((one for one in functions if name in _ANY_TOOL or one["name"] == name), None)
    if function is None:
        msg = f"tool_choice={choice!r} names none of the bound tools: {[one['name'] for one in functions]}"
        raise ValueError(msg)
    arguments = _object_in(reply.text) or fill_schema(function.get("parameters") or {"type": "object"})
    return replace(reply, content="", tool_calls=((function["name"], arguments),))


def _object_in(text: str) -> dict[str, Any] | None:
    """The JSON object a text consists of, if it does."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _usage_of_all(
    messages: list[BaseMessage], replies: Sequence[Reply], kwargs: Mapping[str, Any]
) -> UsageMetadata | None:
    """The usage of a request: given by the script for its first reply, or counted; as OpenAI does, over all of `n`."""
    given = replies[0].usage
    if given is None:
        return None
    if given != "counted":
        return cast("UsageMetadata", dict(given))
    asked = [str(message.text) for message in messages] + [json.dumps(tool) for tool in kwargs.get("tools") or ()]
    read = sum(len(tokenize(text)) for text in asked)
    written = sum(len(tokenize(reply.text)) + _tool_tokens(reply) for reply in replies)
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def _tool_tokens(reply: Reply) -> int:
    return sum(len(tokenize(name + json.dumps(dict(arguments)))) for name, arguments in reply.tool_calls)


def _generation(reply: Reply, usage: UsageMetadata | None) -> ChatGeneration:
    message = AIMessage(
        content=reply.content,
        additional_kwargs=dict(reply.additional_kwargs),
        tool_calls=[
            tool_call(name=name, args=dict(arguments), id=f"call_{index}")
            for index, (name, arguments) in enumerate(reply.tool_calls)
        ],
        usage_metadata=usage,
    )
    return ChatGeneration(message=message, generation_info=generation_info(reply))


def _body_chunks(reply: Reply) -> list[AIMessageChunk]:
    chunks = [AIMessageChunk(content=piece) for piece in reply.pieces()]
    if not isinstance(reply.content, str):
        chunks = [AIMessageChunk(content=reply.content)]
    for index, (name, arguments) in enumerate(reply.tool_calls):
        opening = tool_call_chunk(name=name, args="", id=f"call_{index}", index=index)
        body = tool_call_chunk(args=json.dumps(dict(arguments)), index=index)
        chunks += [AIMessageChunk(content="", tool_call_chunks=[part]) for part in (opening, body)]
    return chunks or [AIMessageChunk(content="")]


def _last_chunk(reply: Reply, model: Mapping[str, str], usage: UsageMetadata | None) -> AIMessageChunk:
    return AIMessageChunk(
        content="" if isinstance(reply.content, str) else [],
        additional_kwargs=dict(reply.additional_kwargs),
        response_metadata={**generation_info(reply), **model},
        usage_metadata=usage,
        chunk_position="last",
    )


def _share(usage: UsageMetadata, part: int, parts: int) -> UsageMetadata:
    """The running total after `part` of `parts` chunks: the whole input, and the output so far."""
    written = usage["output_tokens"] * part // parts
    return {**usage, "output_tokens": written, "total_tokens": usage["input_tokens"] + written}
