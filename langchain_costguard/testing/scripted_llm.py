"""ScriptedLLM: a text model that says what its script says, and reports usage as OpenAI's text models do."""
# ruff: noqa: ANN401, ARG002 - the signatures are LangChain's

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from langchain_core.language_models.llms import BaseLLM
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation

from langchain_costguard.testing.answers import ScriptedCall, generation_info, limited, raise_failure_of, raw_usage
from langchain_costguard.testing.reply import Reply, Responses, Script
from langchain_costguard.testing.tokenizer import tokenize

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models.base import LangSmithParams
    from langchain_core.messages.ai import UsageMetadata


class ScriptedLLM(BaseLLM):
    """A text model for tests: one reply of its script for each prompt.

    The usage of a batch stands in `llm_output` as one sum, which LangChain hands to the first prompt's run alone.

    Example:
        >>> ScriptedLLM(responses=["Paris"]).invoke("The capital of France is")
        'Paris'
    """

    responses: SkipValidation[Responses] = Field(default="A scripted answer.", repr=False)
    """What it answers: one response for ever, a sequence in order, or a function of the prompt."""
    cycle: bool = False
    """Begin again after the last of a sequence; otherwise one more call raises `LookupError`."""
    model_name: str = Field(default="scripted-text-model", alias="model")
    """The model it claims to be."""
    provider: str = "scripted"
    """The provider it claims to be of (`ls_provider`)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    _script: Script = PrivateAttr()
    _calls: list[ScriptedCall] = PrivateAttr(default_factory=list)

    def model_post_init(self, context: Any, /) -> None:
        """Open the script."""
        super().model_post_init(context)
        self._script = Script(self.responses, cycle=self.cycle)

    @property
    def calls(self) -> tuple[ScriptedCall, ...]:
        """What it was asked so far, one entry per prompt."""
        return tuple(self._calls)

    @property
    def _llm_type(self) -> str:
        return "costguard-scripted-llm"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "provider": self.provider, "script": repr(self.responses)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self.provider
        params["ls_model_name"] = self.model_name
        return params

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        replies = [self._reply("generate", prompt, stop, kwargs) for prompt in prompts]
        time.sleep(max(reply.latency_seconds for reply in replies))  # the reply's latency
        return self._result(prompts, replies)

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        replies = [self._reply("agenerate", prompt, stop, kwargs) for prompt in prompts]
        await asyncio.sleep(max(reply.latency_seconds for reply in replies))  # the reply's latency
        return self._result(prompts, replies)

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        reply = self._reply("stream", prompt, stop, kwargs)
        time.sleep(reply.latency_seconds)  # the reply's latency
        for chunk in _chunks(reply):
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[GenerationChunk]:
        reply = self._reply("astream", prompt, stop, kwargs)
        await asyncio.sleep(reply.latency_seconds)  # the reply's latency
        for chunk in _chunks(reply):
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _reply(
        self,
        method: Literal["generate", "agenerate", "stream", "astream"],
        prompt: str,
        stop: list[str] | None,
        kwargs: dict[str, Any],
    ) -> Reply:
        stops = tuple(stop or ())
        self._calls.append(ScriptedCall(method, prompt, self.model_name, stops, dict(kwargs)))
        return limited(self._script.next(prompt), stops, kwargs.get("max_tokens"))

    def _result(self, prompts: Sequence[str], replies: Sequence[Reply]) -> LLMResult:
        raise_failure_of(replies)
        usages = [usage for usage in map(_usage, prompts, replies) if usage is not None]
        read, written = (sum(usage[side] for usage in usages) for side in ("input_tokens", "output_tokens"))
        whole: UsageMetadata = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
        return LLMResult(
            generations=[[Generation(text=reply.text, generation_info=generation_info(reply))] for reply in replies],
            llm_output={"token_usage": raw_usage(whole) if usages else {}, "model_name": self.model_name},
        )


def _usage(prompt: str, reply: Reply) -> UsageMetadata | None:
    if reply.usage != "counted":
        return None if reply.usage is None else cast("UsageMetadata", dict(reply.usage))
    read, written = len(tokenize(prompt)), len(tokenize(reply.text))
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def _chunks(reply: Reply) -> Iterator[GenerationChunk]:
    pieces = reply.pieces()
    for index, piece in enumerate(pieces):
        if reply.failure is not None and index == (reply.fail_after_chunks or 0):
            break
        info = generation_info(reply) if index + 1 == len(pieces) else None
        yield GenerationChunk(text=piece, generation_info=info)
    raise_failure_of([reply])
