"""Extractive compression on the whole bill: instruction, context, question and answer; and over a provider's cache."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import prompt_caching_provider
from claims_caching import plain, served, usd
from claims_data import COMPRESSION_MODELS, KEPT, SEED
from claims_rows import Row, charge, row
from claims_workloads import Sent, Workload, count, pieces, workloads

from langchain_costguard.compression import ContextCompressor
from langchain_costguard.compression.units import units_of
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLAIM = "compression"
KEPT_GOLD = "of what answers the question, still in the context"
UNJUDGED = ("GSM8K",)
"""Without a context there is nothing to shorten."""


def measure(folder: Path) -> Iterator[Row]:
    """Each workload with a context, at each share."""
    prompt_caching_provider.tokens_of = pieces  # real tokens instead of the fake's
    for workload in workloads(folder):
        if workload.name in UNJUDGED:
            continue
        for share in KEPT:
            texts = [shortened(one, share) for one in workload.sent]
            judged = [gold_kept(one, text) for one, text in zip(workload.sent, texts, strict=True)]
            for model in COMPRESSION_MODELS:
                cached, sent = served(workload, model, planned=True), after(workload, texts)
                alone = left_alone(workload, cached, model, share)
                told = [one if stays else other for stays, one, other in zip(alone, cached, sent, strict=True)]
                kept = [1.0 if stays and one is not None else one for stays, one in zip(alone, judged, strict=True)]
                ways = {
                    "no cache": (plain(workload), sent, judged),
                    "over a planned cache, blindly": (cached, sent, judged),
                    "over a planned cache, told of it": (cached, told, kept),
                }
                for way, (baseline, billed, quality) in ways.items():
                    known = [one for one in quality if one is not None]
                    yield row(
                        CLAIM, f"{share:.0%} kept, {way}", workload.name, model, calls=len(sent),
                        baseline=usd(baseline, model), billed=usd(billed, model),
                        quality=float(np.mean(known)) if known else None, quality_is=KEPT_GOLD,
                        each=resampled(baseline, billed, model),
                    )  # fmt: skip


@cache
def shortened(one: Sent, share: float) -> str:
    """The context for one question."""
    return _compressor(one, share).compress(one.context, query=one.question).text


def _compressor(one: Sent, share: float, model: str | None = None) -> ContextCompressor:
    most = int(count("\n\n".join(one.context)) * share)
    return ContextCompressor(max_tokens=most, for_model=model)


def left_alone(workload: Workload, cached: list[TokenUsage], model: str, share: float) -> list[bool]:
    """Which contexts the compressor keeps as they are when it is told what a planned cache holds of each prompt.

    It is told of the prefix that the group's calls read once it is written, also for the call that writes it.
    """
    held: dict[str, int] = {}
    for one, usage in zip(workload.sent, cached, strict=True):
        held[one.group] = max(held.get(one.group, 0), usage.cache_read)
    return [_stays(one, model, share, held[one.group]) for one in workload.sent]


def _stays(one: Sent, model: str, share: float, read: int) -> bool:
    if not read:
        return False
    told = _compressor(one, share, model).compress(one.context, query=one.question, cached_prefix_tokens=read)
    return told.tokens == told.original_tokens


def after(workload: Workload, texts: list[str]) -> list[TokenUsage]:
    """Each call with its shortened context; no two begin alike, so nothing is cached."""
    found = []
    for one, text in zip(workload.sent, texts, strict=True):
        read = sum(count(message.text) for message in one.messages(text))
        found.append(TokenUsage(uncached_input=read, output_text=one.output_tokens))
    return found


def gold_kept(one: Sent, text: str) -> float | None:
    """The share of the turns that answer that is left; of passages whether an answer is, of intents the right one."""
    if not one.gold:
        return None
    if not one.gold <= set(one.context):
        return float(any(answer.casefold() in text.casefold() for answer in one.gold))
    gold = units_of(sorted(one.gold))
    return sum(len(unit.text) for unit in gold if unit.text in text) / (sum(len(unit.text) for unit in gold) or 1)


def resampled(baseline: list[TokenUsage], billed: list[TokenUsage], model: str) -> list[float]:
    """The saving over calls drawn again and again."""
    full, paid = (np.array([float(charge(one, model)) for one in usages]) for usages in (baseline, billed))
    drawn = np.random.default_rng(SEED).integers(0, len(full), (1_000, len(full)))
    return [float(one) for one in 1 - paid[drawn].sum(axis=1) / full[drawn].sum(axis=1)]
