"""What an agent says when its allowance ends: what was spent, and what remains undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_costguard._amounts import in_unit
from langchain_costguard.middleware.allowance import AgentBudget

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from langchain_core.messages import AnyMessage, ToolCall

    from langchain_costguard.budgets import Budget
    from langchain_costguard.exceptions import BudgetExceededError

STOPPED: Final = "costguard"
"""Where an answer's `response_metadata`, or a tool message's artifact, says that the allowance ended."""
_LONGEST: Final = 200


def facts_of(error: BudgetExceededError, words: str) -> dict[str, Any]:
    """A refusal as texts, which checkpoints can keep.

    Args:
        error: the refusal.
        words: which allowance it is, see `allowance_words`.
    """
    return {
        "stopped": "allowance",
        "standing": _standing(error, words),
        "budget": error.budget,
        "unit": error.unit,
        "limit": _text(error.limit),
        "spent": _text(error.spent),
        "requested": _text(error.requested),
        "refusal": str(error),
    }


def farewell(facts: Mapping[str, Any], messages: Sequence[AnyMessage], todos: Sequence[Any] = ()) -> AIMessage:
    """The last message of an agent whose allowance ended.

    Args:
        facts: the refusal, see `facts_of`.
        messages: the conversation so far.
        todos: the list of an agent that plans (`TodoListMiddleware`).

    Returns:
        A message without tool calls; `response_metadata["costguard"]` holds the same as texts.
    """
    left = undone(messages, todos)
    said = f"I stopped here: {facts['standing']}. Undone: {'; '.join(left) or 'nothing'}."
    return AIMessage(said, response_metadata={STOPPED: {**facts, "undone": left}})


def is_farewell(message: AnyMessage) -> bool:
    """Whether an agent has said already that its allowance ended."""
    return isinstance(message, AIMessage) and STOPPED in message.response_metadata


def not_called(facts: Mapping[str, Any], call: ToolCall) -> ToolMessage:
    """The answer to a tool call that the allowance refused, so that no call is left without one."""
    return ToolMessage(
        f"{call['name']} was not finished: {facts['standing']}.",
        tool_call_id=str(call["id"]),
        name=call["name"],
        status="error",
        artifact={STOPPED: dict(facts)},
    )


def refused_in(messages: Sequence[AnyMessage]) -> Mapping[str, Any] | None:
    """The refusal among the newest answers of tools, which a checkpoint may have brought here."""
    for message in reversed(messages):
        if not isinstance(message, ToolMessage):
            break
        if _is_refused(message):
            facts: Mapping[str, Any] = message.artifact[STOPPED]
            return facts
    return None


def undone(messages: Sequence[AnyMessage], todos: Sequence[Any] = ()) -> list[str]:
    """What an agent leaves undone: its open todos, the tools it could not call, and the question.

    Example:
        >>> undone([HumanMessage("What is the weather in Paris?")])
        ["the answer to 'What is the weather in Paris?'"]
    """
    found = [f"to do: {one.get('content')}" for one in todos if isinstance(one, Mapping) and _is_open(one)]
    begin = next((at for at in reversed(range(len(messages))) if isinstance(messages[at], HumanMessage)), None)
    since = messages if begin is None else messages[begin + 1 :]
    answered = {one.tool_call_id for one in since if isinstance(one, ToolMessage) and not _is_refused(one)}
    for message in since:
        if isinstance(message, AIMessage):
            found += [_short(f"{call['name']}({_arguments(call)})") for call in message.tool_calls
                      if call["id"] not in answered]  # fmt: skip
    if begin is not None:
        found.append(f"the answer to {_short(messages[begin].text)!r}")
    return found


def allowance_words(budget: Budget) -> str:
    """An allowance in words.

    Example:
        >>> from langchain_costguard import Budget
        >>> allowance_words(Budget("0.05", per="run")), allowance_words(Budget(calls=9, each="user", name="free"))
        ('the allowance of $0.05 per run', "the allowance 'free' of 9 calls in total for each user")
    """
    given = budget.given if isinstance(budget, AgentBudget) else budget
    name = "" if given.name is None else f" {given.name!r}"
    window = "in total" if given.per == "total" else f"per {given.per}"
    whose = "" if given.each is None else f" for each {given.each}"
    return f"the allowance{name} of {_shown(given.limit, given.unit)} {window}{whose}"


def _standing(error: BudgetExceededError, words: str) -> str:
    """How the budget stands, in words."""
    if error.reason == "frozen":
        return f"{words} is frozen"
    asked = "" if error.requested is None else f", and the next step may cost {_shown(error.requested, error.unit)}"
    reserved = f" and {_shown(error.reserved, error.unit)} is reserved" if error.reserved else ""
    return f"of {words}, {_shown(error.spent, error.unit)} is spent{reserved}{asked}"


def _is_open(todo: Mapping[str, Any]) -> bool:
    return todo.get("status") != "completed"


def _is_refused(message: ToolMessage) -> bool:
    return isinstance(message.artifact, dict) and STOPPED in message.artifact


def _arguments(call: ToolCall) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in call["args"].items())


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _shown(amount: Decimal | int | None, unit: str) -> str:
    return "an unknown amount" if amount is None else in_unit(amount, unit)


def _text(amount: Decimal | int | None) -> str | None:
    return None if amount is None else f"{amount:f}" if not isinstance(amount, int) else str(amount)
