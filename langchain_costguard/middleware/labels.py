"""Who spends: the agent, its step and the tool around a model call, as metadata that reports can group by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT: Final = "agent"
"""The agent that asks, by the `name=` of `create_agent`; the nearest one that has a name."""
STEP: Final = "step"
"""The node of its graph, such as `"model"`, `"tools"` or `"SummarizationMiddleware.before_model"`."""
TOOL: Final = "tool"
"""The tool below which the call is made, the nearest one; not there for calls outside of tools."""

_IN_THE_MODEL_STEP: Final = "model"


def labels(metadata: Mapping[str, Any], tool: str | None) -> dict[str, str]:
    """What a call under an agent is labelled with.

    Args:
        metadata: the run's own metadata, of which LangGraph's and LangChain's keys are read.
        tool: the nearest tool around the call, if there is one.

    Returns:
        The labels that are known; none of a call outside of every graph.

    Example:
        >>> labels({"langgraph_node": "model", "lc_agent_name": "boss", "lc_source": "tool_selection"}, None)
        {'agent': 'boss', 'step': 'model/tool_selection'}
    """
    node = metadata.get("langgraph_node")
    if not isinstance(node, str):
        return {} if tool is None else {TOOL: tool}
    source = metadata.get("lc_source")
    is_inside = node == _IN_THE_MODEL_STEP and isinstance(source, str)
    found = {AGENT: metadata.get("lc_agent_name"), STEP: f"{node}/{source}" if is_inside else node, TOOL: tool}
    return {key: value for key, value in found.items() if isinstance(value, str)}
