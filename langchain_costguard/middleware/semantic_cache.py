"""SemanticCacheMiddleware: turns of an agent that call no tools are answered from a cache, streamed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.caches import BaseCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import ToolMessage

from langchain_costguard.middleware.agents import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_costguard.middleware.stand_ins import answering_from
from langchain_costguard.semantic_cache.flights import ticketed
from langchain_costguard.semantic_cache.streaming import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_costguard.middleware.agents import ModelCallResult


class SemanticCacheMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Answers an agent's turns from a cache where they neither offer tools nor hold the results of tools.

    What a tool says is of its moment, and so is an answer made of it: such turns always ask the model. So does a turn
    that a tool could answer. Agents that only talk, and turns that other middleware leaves without tools, are asked for
    in the cache; calls that ask the same at once make one.

    It is not LangGraph's `create_agent(cache=...)`, which keeps what nodes return: neither serves what the other keeps.

    Example:
        ```python
        cache = SemanticCache(tenant="user")
        agent = create_agent("openai:gpt-4o-mini", middleware=[SemanticCacheMiddleware(cache)])
        ```
    """

    def __init__(self, cache: BaseCache, *, wait_seconds: float = WAIT_SECONDS) -> None:
        """Answer from a cache.

        Args:
            cache: a `SemanticCache`, or any cache of LangChain for models.
            wait_seconds: how long a turn waits for another one that asks the same, before it asks by itself.

        Raises:
            TypeError: it is no cache for models.
            ValueError: the time is below zero.
        """
        super().__init__()
        given: object = cache
        if not isinstance(given, BaseCache):
            msg = (
                f"cache={type(given).__name__} keeps no answers of models (a cache of LangGraph's nodes goes to "
                "create_agent(cache=...)): give cache=SemanticCache()"
            )
            raise TypeError(msg)
        if not wait_seconds >= 0:
            msg = f"wait_seconds={wait_seconds!r} is no time to wait: give 0 or more"
            raise ValueError(msg)
        self.cache: BaseCache = cache
        self.wait_seconds: float = wait_seconds

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Answer from the cache, or ask the model."""
        if not is_cacheable(request):
            return handler(request)
        with ticketed(self.wait_seconds), answering_from(self.cache):
            return handler(self._cached(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelCallResult[Any]:
        """The same as `wrap_model_call`."""
        if not is_cacheable(request):
            return await handler(request)
        with ticketed(self.wait_seconds), answering_from(self.cache):
            return await handler(self._cached(request))

    def _cached(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """The request to the same model, of the same class, with the cache."""
        model: Any = request.model
        if not isinstance(model, BaseChatModel):
            msg = (
                f"{type(model).__name__} is no chat model, so its answers cannot be kept: give create_agent(...) a "
                "chat model, and fallbacks as ModelFallbackMiddleware"
            )
            raise TypeError(msg)
        return request.override(model=model.model_copy(update={"cache": self.cache}))


def is_cacheable(request: ModelRequest[Any]) -> bool:
    """Whether a turn neither offers tools, nor asks for a structured answer, nor holds what tools have said."""
    if request.tools or request.response_format is not None:
        return False
    return not any(
        isinstance(message, ToolMessage) or getattr(message, "tool_calls", None) for message in request.messages
    )
