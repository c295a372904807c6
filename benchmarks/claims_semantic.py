"""The semantic cache on streams of real questions: what it answers, whether that is right, and what is not paid."""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from claims_data import (
    STREAM_EMBEDDING_MODEL,
    STREAM_MODEL,
    STREAM_OUTPUT_TOKENS,
    STREAM_QUESTIONS,
    STREAM_SEEDS,
)
from claims_rows import Row, charge, row
from claims_workloads import count
from semantic_cache_trust import is_even

from langchain_costguard import SemanticCache
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RIGHT = "served answers that are the question's own"
LOCAL, REMOTE, RIGHT_ONLY = "local embedder", "embedder behind an API", "local embedder, wrong answers asked again"


class Stream(NamedTuple):
    """Questions, and what says that two have the same answer."""

    questions: list[str]
    same: dict[str, str]
    """The answer each has: a name that it shares with those that mean the same."""


class Outcome(NamedTuple):
    """What became of a stream."""

    baseline: Decimal
    billed: Decimal
    wrong: Decimal
    """The price of the calls that were answered wrongly."""
    embeddings: Decimal
    asked: int
    hits: int
    right: int


def measure(folder: Path) -> Iterator[Row]:
    """Each stream in several orders."""
    made: dict[str, Callable[[Path, int], Stream]] = {
        "QQP": qqp, "Banking77": banking77, "CLINC150": clinc150, "fow-cache": fow,
    }  # fmt: skip
    for name, stream in made.items():
        found = [run(stream(folder / "semcache", seed), seed) for seed in STREAM_SEEDS]
        baseline = sum((one.baseline for one in found), Decimal(0))
        hits, right = sum(one.hits for one in found), sum(one.right for one in found)
        bills = {
            LOCAL: [one.billed for one in found],
            REMOTE: [one.billed + one.embeddings for one in found],
            RIGHT_ONLY: [one.billed + one.wrong for one in found],
        }
        for way, billed in bills.items():
            yield row(
                "semantic_cache", way, name, STREAM_MODEL, calls=sum(one.asked for one in found),
                baseline=baseline, billed=sum(billed, Decimal(0)), quality=right / hits if hits else None,
                quality_is=RIGHT,
                each=[1 - float(paid / one.baseline) for paid, one in zip(billed, found, strict=True)],
            )  # fmt: skip


def run(stream: Stream, seed: int) -> Outcome:
    """Ask one question after the other, from an empty cache; what is not served is asked, paid and stored."""
    order = list(stream.questions)
    random.Random(seed).shuffle(order)  # noqa: S311 - not for secrets
    baseline = billed = wrong = embeddings = Decimal(0)
    hits = right = 0
    cache = SemanticCache("wordllama", "memory")
    for question in order:
        read = count(question)
        price = charge(TokenUsage(uncached_input=read, output_text=STREAM_OUTPUT_TOKENS), STREAM_MODEL)
        baseline += price
        embeddings += charge(TokenUsage(uncached_input=read), STREAM_EMBEDDING_MODEL)
        answer = cache.get(question)
        if answer is None:
            billed += price
            cache.set(question, stream.same[question])
            continue
        hits += 1
        is_right = answer == stream.same[question]
        right += is_right
        wrong += Decimal(0) if is_right else price
    return Outcome(baseline, billed, wrong, embeddings, len(order), hits, right)


def qqp(folder: Path, seed: int) -> Stream:
    """Both questions of labelled pairs; pairs labelled as duplicates have one answer, and so do chains of them."""
    with gzip.open(folder / "gptcache_qqp" / "similiar_qqp_full.json.gz") as file:
        rows = json.load(file)
    parents: dict[str, str] = {}

    def root(text: str) -> str:
        while parents.get(text, text) != text:
            text = parents[text]
        return text

    for one in rows:
        if one["label"]:
            parents[root(plain(one["text_a"]))] = root(plain(one["text_b"]))
    chosen = random.Random(seed).sample(rows, STREAM_QUESTIONS // 2)  # noqa: S311 - not for secrets
    questions = [one[side] for one in chosen for side in ("text_a", "text_b")]
    return Stream(questions, {text: root(plain(text)) for text in questions})


def banking77(folder: Path, seed: int) -> Stream:
    """Test questions to a bank; those of one intent have one answer."""
    with (folder / "banking77" / "test.csv").open(encoding="utf-8") as file:
        rows = [(one["text"], one["category"]) for one in csv.DictReader(file)]
    chosen = random.Random(seed).sample(rows, STREAM_QUESTIONS)  # noqa: S311 - not for secrets
    return Stream([text for text, _ in chosen], dict(chosen))


def clinc150(folder: Path, seed: int) -> Stream:
    """Test questions to an assistant, one in five out of its scope; each of those has an answer of its own."""
    with gzip.open(folder / "clinc150" / "data_full.json.gz") as file:
        kept = json.load(file)
    chance, outside = random.Random(seed), STREAM_QUESTIONS // 5  # noqa: S311 - not for secrets
    inside = [(text, intent) for text, intent in chance.sample(kept["test"], STREAM_QUESTIONS - outside)]
    alone = [(text, f"alone: {plain(text)}") for text, _ in chance.sample(kept["oos_test"], outside)]
    return Stream([text for text, _ in inside + alone], dict(inside + alone))


def fow(folder: Path, seed: int) -> Stream:
    """Both questions of the pairs that no threshold was fitted on: paraphrases, and traps that only look alike."""
    lines = (folder / "fow_cache" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [one for one in map(json.loads, lines) if not is_even(one["id"])]
    random.Random(seed).shuffle(rows)  # noqa: S311 - not for secrets
    rows = rows[: STREAM_QUESTIONS // 2]
    same: dict[str, str] = {}
    for one in rows:
        same.setdefault(one["a"], f"{one['id']} a")
        same.setdefault(one["b"], same[one["a"]] if one["same_answer"] else f"{one['id']} b")
    return Stream([one[side] for one in rows for side in ("a", "b")], same)


def plain(text: str) -> str:
    """A question without case, signs and blanks."""
    return " ".join(re.findall(r"\w+", text.casefold()))
