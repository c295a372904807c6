"""What the claimed savings are measured on, fixed before any technique ran: data sets, splits, seeds, models, prices.

Nothing here is chosen by a result. Thresholds are fitted on one part of a data set and judged on another; techniques
run with the package's defaults wherever this file does not say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

ON: Final = datetime(2026, 11, 22, tzinfo=UTC)
"""The day whose prices count: `PriceBook().price(..., at=ON)`."""
SEED: Final = 20_261
CHARS_PER_TOKEN: Final = 4
"""Where a data set records the length of texts and not their tokens."""


@dataclass(frozen=True)
class Claim:
    """A round figure that is put to the test, as shares of a bill; `None` where none is claimed."""

    name: str
    condition: str
    low: float | None
    high: float | None


CLAIMS: Final = {
    "small_model": Claim("small model", "simple tasks", 0.90, 1.0),
    "prompt_caching": Claim("prompt caching", "repeated prefixes", 0.50, 0.90),
    "batch": Claim("batch API", "not real time", 0.50, 0.50),
    "semantic_cache": Claim("semantic cache", "repeated queries", None, None),
    "local_model": Claim("local model", "frequent, simple", 1.0, 1.0),
    "compression": Claim("context compression", "long documents", 0.30, 0.50),
    "output_limit": Claim("output limit", "short answers", 0.20, 0.40),
}

# Small model. A cascade is calibrated on one half and judged on the other, for each of so many random halvings; a
# router is fitted to one part and judged on rows it has not seen.
SPLITS: Final = 40
CASCADES: Final = {
    "MMLU": ("zellinger", "gpt-4o-mini", "gpt-4o"),
    "MedMCQA": ("zellinger", "gpt-4o-mini", "gpt-4o"),
    "GSM8K": ("zeroeval, agreement with gemini-1.5-flash", "gpt-4o-mini", "gpt-4o"),
    "DATE": ("mot_cascade, vote of 6 samples", "gpt-3.5-turbo", "gpt-4"),
}
QUALITY: Final = 0.95
"""What is asked of cascades and routers: this share of the large model's score, by the plug-in estimate."""
ROUTED: Final = {"MMLU": 3_000, "GSM8K": 600}
"""RouteLLM's sets, and how many rows a router is fitted to; as many others, or all that are left, are routed."""
ROUTER_SEEDS: Final = (0, 1, 2)
WEAK_MODEL: Final = ("mistralai/Mixtral-8x7B-Instruct-v0.1", "together")
STRONG_MODEL: Final = ("gpt-4-1106-preview", "openai")
ROUTED_OUTPUT_TOKENS: Final = {"MMLU": 1, "GSM8K": 150}
"""RouteLLM's MMLU is answered by a letter; the same length is taken for both models."""

# Workloads of prompts, for prompt caching, batches and compression: how many, and the seconds between calls.
MEETINGS_EVERY: Final = 3
"""Every third meeting of QMSum's test part, all its questions; the transcript stands first, the question last."""
MEETING_GAP_SECONDS: Final = 60.0
BBH_QUESTIONS: Final = 30
"""Of each of the nine tasks, behind the task's own few-shot prompt as the system message; tasks are mixed."""
BBH_GAP_SECONDS: Final = 10.0
NQ_QUESTIONS: Final = 100
"""Held-out questions of Natural Questions, each with ten passages of its own."""
NQ_GAP_SECONDS: Final = 30.0
GSM8K_QUESTIONS: Final = 200
"""Questions behind one short system sentence."""
GSM8K_GAP_SECONDS: Final = 10.0
BANKING77_EXAMPLES: Final = 2
CLINC150_EXAMPLES: Final = 1
"""Training questions of each intent in the system message of a classifier, which is the same for all requests."""
CLASSIFIED: Final = 150
CLASSIFIED_GAP_SECONDS: Final = 20.0
"""Both classifiers were added, before they ran, when the first run had shown all prompts of BBH to be below a cache's
minimum, which left one workload with a prefix that can be cached."""
WITHOUT_PREFIX: Final = ("Natural Questions", "GSM8K")
"""Workloads that do not repeat a prefix: what the claim's condition leaves out, kept as negatives."""
CACHING_MODELS: Final = ("gpt-4o", "gpt-5.6-sol", "claude-sonnet-5")
BATCH_MODELS: Final = ("gpt-4o", "gpt-5.6-sol", "claude-sonnet-5")

# Semantic cache: streams of questions in a random order, from an empty cache, package defaults, the local embedder.
STREAMS: Final = ("QQP", "Banking77", "CLINC150", "fow-cache")
STREAM_QUESTIONS: Final = 800
"""At most. QQP: 400 labelled pairs; Banking77 and CLINC150 (1 in 5 out of scope): test questions; fow: odd half."""
STREAM_SEEDS: Final = (0, 1, 2)
STREAM_MODEL: Final = "gpt-4o-mini"
STREAM_OUTPUT_TOKENS: Final = 150
"""Of an answer; the data sets have none."""
STREAM_EMBEDDING_MODEL: Final = "text-embedding-3-small"
"""What an embedder behind an API would add; the local one sends no bill."""

# Local model: recorded answers of an 8B model beside those of an API, and a machine by the hour.
LOCAL: Final = {
    "GSM8K": ("zeroeval", "Meta-Llama-3.1-8B-Instruct"),
    "MATH level 5": ("zeroeval", "Meta-Llama-3.1-8B-Instruct"),
    "MMLU": ("zellinger", "llama3.1-8b"),
    "MedMCQA": ("zellinger", "llama3.1-8b"),
}
LOCAL_BASELINES: Final = ("gpt-4o", "gpt-4o-mini")
GPU_HOUR_USD: Final = "0.50"
INPUT_TOKENS_PER_SECOND: Final = 5_000
OUTPUT_TOKENS_PER_SECOND: Final = 1_000
"""An assumption about one rented GPU with an 8B model and full batches, not a measurement: there is no GPU here."""
LOADS: Final = (1.0, 0.25, 0.05)
"""Shares of what the machine can do, around the clock."""

# Compression: extractive, given the question.
KEPT: Final = (0.5, 0.3)
COMPRESSION_MODELS: Final = ("gpt-4o", "claude-sonnet-5")

# Output limit: recorded lengths of answers; the cap is the 80th percentile of one half, judged on the other.
LIMITED: Final = {"GSM8K": "gpt-4o-mini", "MATH level 5": "gpt-4o-mini", "DATE": "gpt-4"}
"""Natural Questions is taken from results/output_limits.json, where a real model answered 20 questions."""
LIMIT_PERCENTILE: Final = 80
