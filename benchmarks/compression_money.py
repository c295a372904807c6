"""What shortening a conversation does to its bill when the provider caches prefixes; some ways lose money."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_costguard import PriceBook
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.tokens import count_message_tokens
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compression_data import Context
    from langchain_core.messages import BaseMessage

MODELS = ("gpt-4o", "gpt-5.6", "claude-sonnet-4-5")
MINIMUM_TOKENS = 1024
STEP_TOKENS = 128
"""OpenAI's rules; Anthropic's cache begins at the same minimum for this model, and ends exactly where it is told."""
TURNS = 8
CONVERSATIONS = 3
MOST_TOKENS = 350
ANSWER_TOKENS = 60
WAYS = (
    "as it is",
    "each text once, for its own question",
    "all texts again, for the newest question",
)


def conversations(contexts: Sequence[Context]) -> list[list[tuple[str, str]]]:
    """Conversations of questions, each with what a search tool found for it."""
    turns = [(context.question, "\n\n".join(context.passages)) for context in contexts]
    return [turns[at * TURNS : (at + 1) * TURNS] for at in range(min(CONVERSATIONS, len(turns) // TURNS))]


def cost(model: str, way: str, turns: Sequence[tuple[str, str]]) -> Decimal:
    """The input of one conversation in US dollars: each turn sends all before it."""
    history: list[BaseMessage] = [SystemMessage("Answer from what the search tool found. " * 40)]
    cached: list[BaseMessage] = []
    total = Decimal(0)
    for at, (question, found) in enumerate(turns):
        call = {"name": "search", "args": {"query": question}, "id": f"call{at}"}
        history += [
            HumanMessage(question),
            AIMessage("", tool_calls=[call]),
            ToolMessage(found, tool_call_id=f"call{at}"),
        ]
        sent = shortened(way, history, question)
        read = shared(cached, sent, model)
        tokens = count_message_tokens(sent, model).tokens
        is_kept = tokens >= MINIMUM_TOKENS
        usage = TokenUsage(cache_read=read, **{"cache_write_5m" if is_kept else "uncached_input": tokens - read})
        priced = PRICES.price(usage, model=model)
        assert priced is not None
        total += priced.total
        cached = sent if is_kept else []
        history.append(AIMessage("It is as the text says. " * (ANSWER_TOKENS // 6)))
    return total


def shortened(way: str, history: Sequence[BaseMessage], question: str) -> list[BaseMessage]:
    """What is sent of the history."""
    if way == WAYS[0]:
        return list(history)
    if way == WAYS[1]:
        return COMPRESSOR.compress_messages(history).messages
    return COMPRESSOR.compress_messages(history, question).messages


def shared(cached: Sequence[BaseMessage], sent: Sequence[BaseMessage], model: str) -> int:
    """How many tokens of what is sent are read from the cache of what was sent before."""
    same = 0
    while same < min(len(cached), len(sent)) and cached[same].content == sent[same].content:
        same += 1
    tokens = count_message_tokens(sent[:same], model).tokens if same else 0
    if tokens < MINIMUM_TOKENS:
        return 0
    return tokens if model.startswith("claude") else tokens // STEP_TOKENS * STEP_TOKENS


def measure(contexts: Sequence[Context]) -> list[dict[str, Any]]:
    """The bill of each way, for each model."""
    found = conversations(contexts)
    table = []
    for model in MODELS:
        bills = {way: sum((cost(model, way, turns) for turns in found), Decimal(0)) for way in WAYS}
        base = bills[WAYS[0]]
        table += [
            {"model": model, "way": way, "usd": str(bill), "net_saving": str(base - bill), "bill": f"{bill / base:.3f}"}
            for way, bill in bills.items()
        ]
    return table


COMPRESSOR = ContextCompressor(MOST_TOKENS)
PRICES = PriceBook()
