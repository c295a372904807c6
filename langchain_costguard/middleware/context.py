"""ContextMiddleware: what an agent's model reads, shortened to what it needs and marked for its provider's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import SystemMessage

from langchain_costguard import tags
from langchain_costguard.compression.compressor import ContextCompressor
from langchain_costguard.middleware.agents import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_costguard.middleware.stand_ins import marked
from langchain_costguard.prompt_caching.plan import CachePlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_core.messages import BaseMessage

    from langchain_costguard.compression.turns import CompressedMessages
    from langchain_costguard.middleware.agents import ModelCallResult

_COMPRESSION = "compression"


class ContextMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Shortens the long texts that an agent's model reads, and asks its provider to cache the stable beginning.

    Only what is sent is shorter: the thread keeps every message as it was. Texts that are short stay, calls of tools
    always do, and a text is shortened to the same words each turn, so that a cached beginning stays one.

    Put it last in the list of middleware. Then it works on what `SummarizationMiddleware` and
    `ContextEditingMiddleware` have left, beside the marks of `AnthropicPromptCachingMiddleware`, and hides the class of
    the model from nobody.

    Example:
        ```python
        context = ContextMiddleware(ContextCompressor(max_tokens=500))
        agent = create_agent("openai:gpt-4o-mini", [search], middleware=[context])
        ```
    """

    def __init__(
        self,
        compressor: ContextCompressor | None = None,
        plan: CachePlan | None = None,
        *,
        cached_prefix_tokens: int = 0,
    ) -> None:
        """Shorten, mark, or both.

        Args:
            compressor: shortens each long text of the conversation; `None` leaves them.
            plan: what of the prompt is to be cached, and how; `None` marks nothing.
            cached_prefix_tokens: how many of the first tokens the provider has in its cache, for a compressor that
                reckons whether touching them pays (`for_model=`).

        Raises:
            TypeError: something is no compressor or no plan.
            ValueError: neither is given, or tokens are cached and the compressor does not know for which model.
        """
        super().__init__()
        first: object = compressor
        second: object = plan
        if first is None and second is None:
            msg = "there is nothing to do: give compressor=ContextCompressor(...), plan=CachePlan.from_examples(...)"
            raise ValueError(msg)
        if not (first is None or isinstance(first, ContextCompressor)):
            msg = f"compressor={first!r:.60} shortens nothing: give a ContextCompressor(max_tokens=...)"
            raise TypeError(msg)
        if not (second is None or isinstance(second, CachePlan)):
            msg = f"plan={second!r:.60} plans nothing: give a CachePlan.from_examples(...)"
            raise TypeError(msg)
        if compressor is not None and cached_prefix_tokens and compressor.for_model is None:
            msg = f"cached_prefix_tokens={cached_prefix_tokens} needs a price: give ContextCompressor(for_model=...)"
            raise ValueError(msg)
        self.compressor: ContextCompressor | None = compressor
        self.plan: CachePlan | None = plan
        self.cached_prefix_tokens: int = cached_prefix_tokens

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Ask with a shorter context, marked for the cache."""
        if self.compressor is not None:
            found = self.compressor.compress_messages(_sent(request), cached_prefix_tokens=self.cached_prefix_tokens)
            request = _shortened(request, found)
        return handler(self._planned(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelCallResult[Any]:
        """The same as `wrap_model_call`."""
        if self.compressor is not None:
            found = await self.compressor.acompress_messages(
                _sent(request), cached_prefix_tokens=self.cached_prefix_tokens
            )
            request = _shortened(request, found)
        return await handler(self._planned(request))

    def _planned(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """The request to the same model, which asks for caching as planned."""
        if self.plan is None:
            return request
        try:
            model: Any = self.plan.apply(request.model)
        except ValueError:  # a fallback or a route of another provider, for which nothing is planned
            return request
        return request.override(model=model)


def _sent(request: ModelRequest[Any]) -> list[BaseMessage]:
    """The conversation as it is sent, the system's message first."""
    return [*([] if request.system_message is None else [request.system_message]), *request.messages]


def _shortened(request: ModelRequest[Any], found: CompressedMessages) -> ModelRequest[Any]:
    """The request with the shorter conversation, whose run says how much was left out."""
    if not found.saved_tokens:
        return request
    messages: list[Any] = list(found.messages)
    changes: dict[str, Any] = {}
    if request.system_message is not None and isinstance(messages[0], SystemMessage):
        changes["system_message"] = messages.pop(0)
    model: object = request.model
    if isinstance(model, BaseChatModel):
        saved = {tags.SAVED_INPUT_TOKENS: found.saved_tokens}
        changes["model"] = marked(model, metadata=tags.with_technique(model.metadata, _COMPRESSION, **saved))
    return request.override(messages=messages, **changes)
