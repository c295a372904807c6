"""Workloads of real prompts, with the moments at which they are sent and the length of their answers."""

from __future__ import annotations

import csv
import gzip
import json
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from claims_data import (
    BANKING77_EXAMPLES,
    BBH_GAP_SECONDS,
    BBH_QUESTIONS,
    CLASSIFIED,
    CLASSIFIED_GAP_SECONDS,
    CLINC150_EXAMPLES,
    GSM8K_GAP_SECONDS,
    GSM8K_QUESTIONS,
    MEETING_GAP_SECONDS,
    MEETINGS_EVERY,
    NQ_GAP_SECONDS,
    NQ_QUESTIONS,
    SEED,
)
from compression_data import MEETINGS, contexts, rows
from compression_rivals import encoder
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

NQ_SYSTEM = "Answer the question from the passages, as briefly as you can."
GSM8K_SYSTEM = "Solve the problem step by step and end with the number."
CLASSIFIER_SYSTEM = "Answer with the intent of the question, and nothing else. Each intent, with examples:"
MEETING_SYSTEM = "Answer questions about this meeting."


class Sent(NamedTuple):
    """One request."""

    moment: float
    """When it is sent, in seconds from the first."""
    group: str
    """What shares a beginning with it: a meeting, a task."""
    instruction: str
    context: tuple[str, ...]
    """Pieces that could be shortened: turns, passages, worked examples."""
    question: str
    output_tokens: int
    gold: frozenset[str] = frozenset()
    """What of the context holds the answer: turns, accepted answers."""

    def messages(self, context: str | None = None) -> list[BaseMessage]:
        """The request as it is sent, or with another context."""
        text = "\n\n".join(self.context) if context is None else context
        return [
            SystemMessage("\n\n".join(part for part in (self.instruction, text) if part)),
            HumanMessage(self.question),
        ]


@dataclass(frozen=True)
class Workload:
    """Requests in the order in which they are sent."""

    name: str
    sent: tuple[Sent, ...]

    @property
    def groups(self) -> dict[str, list[Sent]]:
        """What shares a beginning."""
        found: dict[str, list[Sent]] = {}
        for one in self.sent:
            found.setdefault(one.group, []).append(one)
        return found


@lru_cache(maxsize=50_000)
def pieces(text: str) -> tuple[str, ...]:
    """The o200k tokens of a text, as texts that can be compared; of Claude, whose tokenizer is not public, as well."""
    return tuple(map(str, encoder().encode_ordinary(text)))


def count(text: str) -> int:
    """How many o200k tokens a text has."""
    return len(pieces(text))


def workloads(folder: Path) -> list[Workload]:
    """All of them."""
    return [qmsum(folder), bbh(folder), banking77(folder), clinc150(folder), natural_questions(folder), gsm8k(folder)]


def qmsum(folder: Path) -> Workload:
    """A meeting's transcript, and all that is asked about it, one question after the other."""
    sent: list[tuple[str, str, tuple[str, ...], str, int, frozenset[str]]] = []
    for number, meeting in enumerate(rows(folder / MEETINGS)[::MEETINGS_EVERY]):
        turns = tuple(f"{turn['speaker']}: {turn['content']}" for turn in meeting["meeting_transcripts"])
        for asked in (*meeting["general_query_list"], *meeting["specific_query_list"]):
            spans = asked.get("relevant_text_span", [])
            gold = frozenset(turn for begin, end in spans for turn in turns[int(begin) : int(end) + 1])
            sent.append((f"meeting {number}", MEETING_SYSTEM, turns, asked["query"], count(asked["answer"]), gold))
    return _timed("QMSum", sent, MEETING_GAP_SECONDS)


def bbh(folder: Path) -> Workload:
    """Questions behind their task's worked examples, tasks mixed; answers as long as the worked ones."""
    chance = random.Random(SEED)  # noqa: S311 - not for secrets
    sent = []
    for path in sorted((folder / "compress" / "bbh_cot").glob("*.prompt.txt")):
        task = path.name.removesuffix(".prompt.txt")
        prompt = path.read_text(encoding="utf-8").partition("-----\n")[2].strip()
        instruction, *examples = prompt.split("\n\nQ: ")
        worked = tuple(f"Q: {one}" for one in examples)
        answers = [one.partition("\nA:")[2] for one in examples]
        length = sum(map(count, answers)) // len(answers)
        asked = json.loads(path.with_name(f"{task}.json").read_text(encoding="utf-8"))["examples"]
        sent += [
            (task, instruction, worked, f"Q: {one['input']}\nA:", length, frozenset[str]())
            for one in chance.sample(asked, BBH_QUESTIONS)
        ]
    chance.shuffle(sent)
    return _timed("BBH", sent, BBH_GAP_SECONDS)


def natural_questions(folder: Path) -> Workload:
    """Questions with ten passages each."""
    held_out, _ = contexts(folder, with_titles=False)
    sent = [
        (
            f"question {number}",
            NQ_SYSTEM,
            tuple(one.passages),
            one.question,
            count(one.answers[0]),
            frozenset(one.answers),
        )
        for number, one in enumerate(held_out[:NQ_QUESTIONS])
    ]
    return _timed("Natural Questions", sent, NQ_GAP_SECONDS)


def gsm8k(folder: Path) -> Workload:
    """Questions behind one sentence, with the answers that were written for them."""
    found = rows(folder / "compress" / "gsm8k_test" / "test.jsonl.gz")
    chosen = random.Random(SEED).sample(found, GSM8K_QUESTIONS)  # noqa: S311 - not for secrets
    sent = [("gsm8k", GSM8K_SYSTEM, (), one["question"], count(one["answer"]), frozenset[str]()) for one in chosen]
    return _timed("GSM8K", sent, GSM8K_GAP_SECONDS)


def banking77(folder: Path) -> Workload:
    """Questions to a bank, each to be given one of 77 intents."""

    def part(name: str) -> list[tuple[str, str]]:
        with (folder / "semcache" / "banking77" / f"{name}.csv").open(encoding="utf-8") as file:
            return [(found["text"], found["category"]) for found in csv.DictReader(file)]

    return _classifier("Banking77 classifier", part("train"), part("test"), BANKING77_EXAMPLES)


def clinc150(folder: Path) -> Workload:
    """Questions to an assistant, each to be given one of 150 intents."""
    with gzip.open(folder / "semcache" / "clinc150" / "data_full.json.gz", "rt", encoding="utf-8") as file:
        found = json.load(file)
    return _classifier("CLINC150 classifier", found["train"], found["test"], CLINC150_EXAMPLES)


def _classifier(name: str, known: Iterable[Sequence[str]], asked: Sequence[Sequence[str]], examples: int) -> Workload:
    """A system message with examples of every intent, the same for all requests; the answer is the intent."""
    by_intent: dict[str, list[str]] = {}
    for text, intent in known:
        by_intent.setdefault(intent, []).append(text)
    shown = tuple(f"{intent}: {' | '.join(texts[:examples])}" for intent, texts in sorted(by_intent.items()))
    chosen = random.Random(SEED).sample(asked, CLASSIFIED)  # noqa: S311 - not for secrets
    sent = [(name, CLASSIFIER_SYSTEM, shown, text, count(intent), frozenset({intent})) for text, intent in chosen]
    return _timed(name, sent, CLASSIFIED_GAP_SECONDS)


def _timed(name: str, sent: Iterable[tuple[str, str, Sequence[str], str, int, frozenset[str]]], gap: float) -> Workload:
    """Requests at random moments, so many seconds apart on average."""
    chance, now, found = random.Random(SEED), 0.0, []  # noqa: S311 - not for secrets
    for group, instruction, context, question, output, gold in sent:
        now += chance.expovariate(1 / gap)
        found.append(Sent(now, group, instruction, tuple(context), question, output, gold))
    return Workload(name, tuple(found))
