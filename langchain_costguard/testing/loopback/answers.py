"""What the provider's model answers to a request, and the tokens that takes, in no particular wire format."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.testing.json_schema import fill_schema
from langchain_costguard.testing.tokenizer import tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_costguard.testing.loopback.behaviour import Behaviour
    from langchain_costguard.testing.loopback.records import TokenBill

_DEFAULT_REASONING_TOKENS: Final = 64


class ToolCall(NamedTuple):
    """A function the model wants called."""

    id: str
    """The call's id."""
    name: str
    """The function."""
    arguments: str
    """Its arguments as JSON."""


class Choice(NamedTuple):
    """One answer of the model."""

    tokens: Sequence[str]
    """The text, in tokens."""
    tool_calls: Sequence[ToolCall]
    """What it calls instead of, or beside, saying something."""
    finish_reason: str
    """`"stop"`, `"length"` or `"tool_calls"`."""
    reasoning_tokens: int
    """Tokens spent on thinking."""

    @property
    def text(self) -> str:
        """The text."""
        return "".join(self.tokens)

    @property
    def output_tokens(self) -> int:
        """All tokens of the answer, thinking included."""
        called = sum(len(tokenize(call.name + call.arguments)) for call in self.tool_calls)
        return len(self.tokens) + called + self.reasoning_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything a wire format needs to know."""

    id: str
    """A number that is part of every id."""
    model: str
    """The model that answered, by its dated name."""
    service_tier: str
    """The tier it was served in."""
    choices: Sequence[Choice]
    """The answers."""
    tokens: TokenBill
    """What they took."""
    behaviour: Behaviour
    """How the request is served."""
    reported_cost: float | None
    """What OpenRouter would add as `usage.cost`, in US dollars; `None` where it is not reported."""


class Wish(NamedTuple):
    """What a request wants, whatever its wire format calls it."""

    functions: Sequence[Mapping[str, Any]] = ()
    """The functions that may be called: `name` and `parameters`."""
    forced_function: str | None = None
    """The function that must be called."""
    schema: Mapping[str, Any] | None = None
    """The JSON schema the text must satisfy."""
    max_tokens: int | None = None
    """The output limit, thinking included."""
    stop: Sequence[str] = ()
    """Where the text ends."""
    n: int = 1
    """How many answers."""


def answer_choices(wish: Wish, behaviour: Behaviour, usual_reply: str, *, is_reasoning: bool) -> list[Choice]:
    """The answers to a wish.

    Args:
        wish: what the request wants.
        behaviour: what the script wants.
        usual_reply: the text where neither wants a particular one.
        is_reasoning: whether the model thinks before it answers.
    """
    reasoning = behaviour.reasoning_tokens
    if reasoning is None:
        reasoning = _DEFAULT_REASONING_TOKENS if is_reasoning else 0
    return [_choice(wish, behaviour, index, usual_reply, reasoning) for index in range(wish.n)]


def _choice(wish: Wish, behaviour: Behaviour, index: int, usual_reply: str, reasoning: int) -> Choice:
    calls = _tool_calls(wish, behaviour, index)
    if calls:
        return Choice((), calls, "tool_calls", reasoning)
    text = behaviour.text_of(index)
    if text is None:
        text = usual_reply if wish.schema is None else json.dumps(fill_schema(wish.schema))
    for sequence in wish.stop:
        text = text.partition(sequence)[0]
    tokens = tokenize(text)
    if wish.max_tokens is None or reasoning + len(tokens) <= wish.max_tokens:
        return Choice(tokens, (), "stop", reasoning)
    reasoning = min(reasoning, wish.max_tokens)
    return Choice(tokens[: wish.max_tokens - reasoning], (), "length", reasoning)


def _tool_calls(wish: Wish, behaviour: Behaviour, index: int) -> list[ToolCall]:
    """The calls the script gives, else the forced one with the plainest arguments its schema allows."""
    calls = list(behaviour.tool_calls)
    if not calls and wish.forced_function is not None and behaviour.text_of(index) is None:
        parameters = next(one.get("parameters") for one in wish.functions if one["name"] == wish.forced_function)
        calls = [(wish.forced_function, fill_schema(parameters or {"type": "object"}))]
    return [
        ToolCall(f"call_{index}_{number}", name, json.dumps(dict(arguments)))
        for number, (name, arguments) in enumerate(calls)
    ]
