"""Which models think before they answer, and below which limit they are left nothing to answer with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.tokens.models import bare_name, maker_of

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONING_FLOOR: Final = 4096
"""The lowest limit for a model that thinks: its thinking counts as output, and is billed where no answer follows."""

_FOR_THE_ANSWER: Final = 1024
"""What a limit leaves beside a thinking budget."""
_THINKERS: Final = re.compile(
    r"^(o\d|gpt-[5-9](?!.*chat)|gpt-oss|deepseek-(r\d|reasoner)|qwq|qwen3(?!.*(instruct|coder))|magistral|grok-[3-9].*mini|grok-4"
    r"|grok-code|gemini-(2\.5|[3-9])|phi-4-.*reasoning|.*-(thinking|reasoner|reasoning)\b)|(^|[-_:])r1\b"
)
"""Models that think unless they are told not to, by their name."""
_NAMED_AS_NOT: Final = re.compile(r"\bnon-(reasoning|thinking)\b")
"""Variants of such models that do not."""


def thinking_budget(params: Mapping[str, Any]) -> int | None:
    """The tokens that a request allows for thinking, where it says so."""
    thinking = params.get("thinking") or params.get("thinking_config")
    named = thinking.get("budget_tokens", thinking.get("thinking_budget")) if isinstance(thinking, dict) else None
    budget = params.get("thinking_budget") if named is None else named
    return budget if type(budget) is int and budget > 0 else None


def thinks(model: str | None, params: Mapping[str, Any], *, profile: Mapping[str, Any] | None = None) -> bool:
    """Whether a request lets its model think before it answers.

    Args:
        model: the model's name.
        params: the settings of the request.
        profile: what LangChain knows of the model.

    Returns:
        What the request says, where it says anything; otherwise whether such a model thinks by itself. Claude thinks
        only where `thinking` is set.
    """
    told = _told(params)
    if told is not None:
        return told
    if maker_of(model) == "anthropic":
        return False
    name = bare_name(model)
    if _NAMED_AS_NOT.search(name):
        return False
    return bool((profile or {}).get("reasoning_output")) or _THINKERS.search(name) is not None


def floor_for(
    model: str | None, params: Mapping[str, Any], floor: int, *, profile: Mapping[str, Any] | None = None
) -> int:
    """The lowest limit for a request, in tokens; 0 for one that does not think, or where `floor` is 0."""
    if not floor or not thinks(model, params, profile=profile):
        return 0
    budget = thinking_budget(params)
    return floor if budget is None else budget + _FOR_THE_ANSWER


def _told(params: Mapping[str, Any]) -> bool | None:
    """What the settings say about thinking; `None` where they say nothing."""
    thinking = params.get("thinking")
    if isinstance(thinking, dict) and "type" in thinking:
        return bool(thinking["type"] != "disabled")
    reasoning = params.get("reasoning")
    if isinstance(reasoning, bool):
        return reasoning
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    effort = effort or params.get("reasoning_effort")
    if isinstance(effort, str):
        return effort != "none"
    if params.get("thinking_budget") == 0:
        return False
    return True if thinking_budget(params) else None
