"""A shorter context for a call that its allowance would refuse: the newest turns, with every tool call whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import AnyMessage


def shortened(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The conversation from its last question on; the same messages where that is all of it.

    Beginning at a question, no tool's answer is left without its call.
    """
    begin = next((at for at in reversed(range(len(messages))) if isinstance(messages[at], HumanMessage)), 0)
    return list(messages[begin:])
