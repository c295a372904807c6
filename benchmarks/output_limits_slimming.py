"""Lossless slimming on real prompts, beside usual ways to shorten a prompt: tokens saved, and what was changed."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from langchain_core.tools import tool

from langchain_costguard.prompt_audit import PromptAudit, slim_text
from langchain_costguard.tokens import count_tokens
from langchain_costguard.tokens.schemas import tool_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODEL = "gpt-4o-mini"
VERBOSE = {
    "a verbose prompt, Chinese": "你是一个非常专业、非常有经验、非常有知识的助手。请你仔细地、认真地、全面地回答用户的问题。确保你的回答是准确的、有帮助的、详细的。用户的问题是：什么是机器学习？",  # noqa: E501, RUF001 - as it was asked for
    "a verbose prompt, English": "You are a very professional, very experienced, very knowledgeable assistant. "
    "Please answer the user's question carefully, seriously and comprehensively. Make sure the answer is accurate, "
    "helpful and detailed. The user's question is: What is machine learning?",
}


@tool
def book_flight(origin: str, destination: str, date: str, passengers: int = 1, cabin: str = "economy") -> str:
    """Book a flight.

    Args:
        origin: the IATA code of the airport of departure.
        destination: the IATA code of the airport of arrival.
        date: the day of departure, YYYY-MM-DD.
        passengers: how many people fly.
        cabin: economy, business or first.
    """
    return f"{origin}{destination}{date}{passengers}{cabin}"


def prompts(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Groups of texts as people send them; pretty-printed JSON is what `json.dumps(indent=2)` writes."""
    data = folder / "compress"
    yield "BBH few-shot prompts", [path.read_text("utf-8") for path in sorted((data / "bbh_cot").glob("*.prompt.txt"))]
    templates = data / "longbench_config" / "dataset2prompt.json"
    if templates.exists():
        yield "LongBench templates", list(json.loads(templates.read_text("utf-8")).values())
    for path in sorted((data / "bbh_cot").glob("date*.json")):
        rows = json.loads(path.read_text("utf-8"))["examples"][:20]
        yield "20 records as pretty JSON", [f"Answer from these records.\n{json.dumps(rows, indent=2)}\n"]
        yield "20 records as plain JSON", [f"Answer from these records.\n{json.dumps(rows)}\n"]
    schema = json.dumps(json.loads(tool_json(book_flight)), indent=2)
    yield "a tool's schema, pretty, in a prompt", [f"Call this tool with JSON.\n{schema}\n"]
    yield "the same schema in a code fence", [f"Call this tool with JSON.\n```json\n{schema}\n```\n"]
    passages = sorted((data / "bbh_cot").glob("causal*.prompt.txt"))
    for path in passages:
        text = path.read_text("utf-8")
        yield "the same passages retrieved twice", [f"{text}\n\n{text}"]
    for name, text in VERBOSE.items():
        yield name, [text]


def collapsed(text: str) -> str:
    """A usual way: every run of white space becomes one blank."""
    return re.sub(r"\s+", " ", text).strip()


def reparsed(text: str) -> str:
    """Another usual way: JSON is read and written again."""
    start = text.find("{") if "[" not in text or -1 < text.find("{") < text.find("[") else text.find("[")
    try:
        value, end = json.JSONDecoder().raw_decode(text, max(start, 0))
    except ValueError:  # no JSON there
        return text
    return text[: max(start, 0)] + json.dumps(value, separators=(",", ":")) + text[end:]


WAYS: dict[str, Callable[[str], str]] = {
    "lossless": lambda text: slim_text(text, MODEL).text,
    "all white space to one": collapsed,
    "JSON read and written": reparsed,
    "without fillers (only shown)": lambda text: str(PromptAudit(text, model=MODEL).suggested[0].text),
}


def damage(before: str, after: str) -> int:
    """How many lines are no longer there, white space at their ends and inside of JSON aside."""
    kept = {re.sub(r"\s", "", line) for line in after.splitlines()}
    joined = re.sub(r"\s", "", after)
    lines = {re.sub(r"\s", "", line) for line in before.splitlines()}
    return sum(line not in kept and line not in joined for line in lines)


def lost_breaks(before: str, after: str) -> bool:
    """Whether a text of several paragraphs, or fenced code, became one line."""
    return "\n\n" in before.strip() and "\n" not in after.strip()


def measure_slimming(folder: Path) -> dict[str, Any]:
    """Measure and print."""
    if not (folder / "compress").exists():
        print(f"Slimming is not measured: {folder / 'compress'} is not there. Give --data or COSTGUARD_BENCH_DATA.")
        return {}
    print(f"\n{'tokens saved':<38}{'tokens':>8}" + "".join(f"{name:>30}" for name in WAYS))
    rows: dict[str, Any] = {}
    for group, texts in prompts(folder):
        tokens = sum(count_tokens(text, MODEL).tokens for text in texts)
        row: dict[str, Any] = {"texts": len(texts), "tokens": tokens}
        for name, way in WAYS.items():
            began = time.perf_counter()
            after = [way(text) for text in texts]
            spent = time.perf_counter() - began
            left = sum(count_tokens(text, MODEL).tokens for text in after)
            row[name] = {
                "saved": round(1 - left / tokens, 4),
                "lines_changed": sum(map(damage, texts, after)),
                "texts_in_one_line": sum(map(lost_breaks, texts, after)),
                "ms_per_text": round(1000 * spent / len(texts), 2),
            }
        rows[group] = row
        cells = (row[name] for name in WAYS)
        print(f"{group:<38}{tokens:>8}" + "".join(f"{_cell(cell):>30}" for cell in cells))
    print("changed: lines of the prompt that are no longer in it; flat: texts that lost all their line breaks")
    return rows


def _cell(cell: dict[str, Any]) -> str:
    harm = f", {cell['lines_changed']} changed" if cell["lines_changed"] else ""
    flat = f", {cell['texts_in_one_line']} flat" if cell["texts_in_one_line"] else ""
    return f"{cell['saved']:.1%}{harm}{flat}"
