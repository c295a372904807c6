"""What middleware takes from the package `langchain`, which only users of agents have installed."""

from __future__ import annotations

from langchain_costguard._optional import require

require("langchain.agents.middleware", extra="agents", purpose="Middleware of agents")

from langchain.agents.middleware import (  # noqa: E402 - only once it is known to be there
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    hook_config,
)
from langchain.agents.middleware import types as _types  # noqa: E402 - likewise
from langchain.agents.middleware.types import ModelCallResult, OmitFromSchema, ToolCallRequest  # noqa: E402 - likewise
from langgraph.config import get_config  # noqa: E402 - likewise
from langgraph.errors import GraphInterrupt  # noqa: E402 - likewise
from langgraph.types import Command  # noqa: E402 - likewise

__all__ = [
    "AgentMiddleware",
    "AgentState",
    "Command",
    "ExtendedModelResponse",
    "GraphInterrupt",
    "ModelCallResult",
    "ModelRequest",
    "ModelResponse",
    "PrivateStateAttr",
    "ToolCallRequest",
    "get_config",
    "hook_config",
]

PrivateStateAttr: OmitFromSchema = _types.PrivateStateAttr
"""Marks state that is neither given to an agent nor returned by it."""
