"""How often a provider may run its own tools while it answers, and what each use costs beside the tokens.

Only tools whose uses the request itself can limit are known here. OpenAI's web search is not: one call of it may make
several searches, each of which is billed. Nor are Gemini's tools, for which a request can set no limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.tokens.schemas import server_tool_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FEES: Final = (
    ("web_search_20", 10_000_000),
    ("web_fetch_20", 0),
)
"""By the beginning of Anthropic's tool types, nano-USD for one use: $10 for a thousand searches, nothing but tokens for
a fetch. Only these two figures were looked up, once, in November 2026, in Anthropic's documentation of the web search
tool and of the web fetch tool (platform.claude.com); no bill was compared with them."""


class Uses(NamedTuple):
    """What the provider's own tools add to a call."""

    turns: int = 0
    """How often the model may be asked again with what a tool has found."""
    nano_usd: int = 0
    """What the uses cost beside the tokens."""
    unbounded: tuple[str, ...] = ()
    """Tools without a limit, each with how to give it one, or why there is none."""


def uses_of(tools: Iterable[Mapping[str, Any]]) -> Uses:
    """The most that the provider's own tools add.

    Args:
        tools: those that the provider runs itself.
    """
    turns = nano_usd = 0
    unbounded = []
    for tool in tools:
        kind = server_tool_name(tool)
        fee = next((fee for start, fee in _FEES if kind.startswith(start)), None)
        most = tool.get("max_uses")
        if fee is None:
            unbounded.append(f"tool {kind}: the provider runs it, and nothing limits how often")
        elif type(most) is not int or most < 1:
            unbounded.append(f"tool {kind}: set max_uses= on it")
        else:
            turns += most
            nano_usd += most * fee
    return Uses(turns, nano_usd, tuple(unbounded))
