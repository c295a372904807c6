"""A thousand conversations of several kinds, with the moments at which their turns are sent; everything is invented."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_TOKENS = 150
WORDS = [
    "order",
    "refund",
    "parcel",
    "invoice",
    "customer",
    "return",
    "address",
    "delay",
    "voucher",
    "account",
    "warranty",
    "courier",
    "label",
    "damaged",
    "missing",
    "exchange",
    "balance",
    "receipt",
    "policy",
    "payment",
    "support",
    "shipment",
    "product",
    "service",
    "contract",
]


@lru_cache(maxsize=100_000)
def prose(seed: str, words: int) -> str:
    """So many words of nothing."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    return " ".join(chance.choice(WORDS) for _ in range(words))


@dataclass(frozen=True)
class Workload:
    """A kind of traffic.

    Args:
        name: as the table has it.
        system_words: the length of the handbook that is the same in all conversations.
        turns: how many turns a conversation has at most; each number is as likely.
        first_words: the length of the first message, unique to its conversation.
        apart: the mean time between two conversations.
        turn_gap: the mean time between two turns.
        stamped: a clock stands in front of the handbook.
        conversations: how many there are.
    """

    name: str
    system_words: int
    turns: int
    first_words: int
    apart: timedelta
    turn_gap: timedelta = timedelta(seconds=40)
    stamped: bool = False
    conversations: int = 1_000

    def requests(self, *, at_the_end: bool = False) -> Iterator[tuple[float, list[BaseMessage]]]:
        """The requests in the order in which they are sent, with the second each is sent at.

        Args:
            at_the_end: the clock stands in the last message, as a plan's finding advises.
        """
        chance = random.Random(self.name)  # noqa: S311 - not for secrets
        sent, now = [], 0.0
        for number in range(self.conversations):
            now += chance.expovariate(1 / self.apart.total_seconds())
            moment, history = now, list[BaseMessage]()
            for turn in range(chance.randint(1, self.turns)):
                words = 30 if turn else self.first_words
                history.append(HumanMessage(prose(f"{self.name} {number} {turn}", words)))
                sent.append((moment, self._with_system(history, moment, at_the_end=at_the_end)))
                history.append(AIMessage(prose(f"answer {number} {turn}", ANSWER_TOKENS)))
                moment += chance.expovariate(1 / self.turn_gap.total_seconds())
        yield from sorted(sent, key=lambda one: one[0])

    def _with_system(self, history: list[BaseMessage], moment: float, *, at_the_end: bool) -> list[BaseMessage]:
        handbook, clock = prose("handbook", self.system_words), f"The time is 10:{moment / 60:07.2f}."
        if not self.stamped:
            return [SystemMessage(handbook), *history]
        if not at_the_end:
            return [SystemMessage(f"{clock}\n{handbook}"), *history]
        return [SystemMessage(handbook), *history[:-1], HumanMessage(f"{history[-1].text}\n{clock}")]


WORKLOADS = (
    Workload("busy desk", 1_500, 3, 40, timedelta(seconds=30)),
    Workload("quiet desk", 1_500, 3, 40, timedelta(minutes=12)),
    Workload("rare visitors", 1_500, 3, 40, timedelta(hours=3)),
    Workload("clock in front", 1_500, 3, 40, timedelta(seconds=30), stamped=True),
    Workload("short prompt", 200, 2, 40, timedelta(seconds=30)),
    Workload("one question each, far apart", 1_500, 1, 40, timedelta(hours=3)),
    Workload("a new document each", 200, 1, 2_000, timedelta(minutes=2)),
)
