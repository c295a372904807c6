"""How often the answer survives compression, beside rivals; spans of meetings; and money after the provider's cache.

    python benchmarks/compression.py [--quick] [--data FOLDER] [--rivals PYTHON] [--fit] [--json FILE]

Questions of Natural Questions, each with ten passages: the one that holds the answer, at a random place among the nine
that BM25 finds most alike. An answer survives where one of the accepted texts still stands in the compressed context.
Weights and every other choice were made on 1,028 questions (`--fit` fits them again, with scikit-learn); the table is
of 300 others. All methods are given the same whole number of tokens (o200k) and counted by it. Of QMSum every twelfth
question is taken. `--rivals` names the interpreter of an environment with trimwise in it.
Times are of the processor.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import compression_money
from compression_data import HELD_OUT, Context, contexts, meetings
from compression_rivals import RIVALS, by_trimwise, encoder, tokens
from harness import add_data, add_rivals, described, needs, parsed, version_in, without_rivals, write

from langchain_costguard.compression import ContextCompressor
from langchain_costguard.compression.scoring import Signs, signs_of
from langchain_costguard.compression.units import units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from compression_data import Meeting

SHARES = (0.5, 0.3, 0.15)
OURS = "ContextCompressor"
FORMS = {"passages alone": False, "passages under their titles": True}


def ours(passages: Sequence[str], query: str, most: int) -> str:
    """This package's."""
    return ContextCompressor(max_tokens=most).compress(passages, query=query).text


def without_query(passages: Sequence[str], _query: str, most: int) -> str:
    """The same without the question."""
    return ContextCompressor(max_tokens=most).compress(passages).text


METHODS = {OURS: ours, f"{OURS}, no query": without_query, **RIVALS}


def survival(found: Sequence[Context], texts: Sequence[str], bounds: Sequence[int]) -> dict[str, Any]:
    """How often answers survive, what was kept, and how often the bound was broken."""
    kept = [tokens(text) for text in texts]
    full = [tokens("\n\n".join(one.passages)) for one in found]
    return {
        "survives": round(sum(one.survives_in(text) for one, text in zip(found, texts, strict=True)) / len(found), 3),
        "kept": round(sum(kept) / sum(full), 3),
        "over_bound": sum(one > most for one, most in zip(kept, bounds, strict=True)),
    }


def run(method: Callable[..., str], jobs: Sequence[tuple[list[str], str, int]]) -> tuple[list[str], float]:
    """The texts of a method, and its median milliseconds of CPU."""
    texts, times = [], []
    for job in jobs:
        began = time.process_time()
        texts.append(method(*job))
        times.append(time.process_time() - began)
    return texts, round(median(times) * 1000, 2)


def questions(found: Sequence[Context], trimwise: Path | None, folder: Path) -> list[dict[str, Any]]:
    """One row for each method and share."""
    table = []
    for share in SHARES:
        bounds = [int(tokens("\n\n".join(one.passages)) * share) for one in found]
        jobs = [(one.passages, one.question, most) for one, most in zip(found, bounds, strict=True)]
        for name, method in METHODS.items():
            texts, ms = run(method, jobs)
            table.append({"share": share, "method": name, **survival(found, texts, bounds), "median_cpu_ms": ms})
        if trimwise is not None:
            taken = by_trimwise(trimwise, vocabulary(folder), jobs, folder)
            if isinstance(taken, str):
                table.append({"share": share, "method": "trimwise", "failed": taken})
                continue
            ms = round(median(seconds for _, seconds in taken) * 1000, 2)
            table.append(
                {"share": share, "method": "trimwise", **survival(found, [text for text, _ in taken], bounds),
                 "median_cpu_ms": ms}
            )  # fmt: skip
    return table


def vocabulary(folder: Path) -> str:
    """A folder in which tiktoken finds the vocabulary without a download."""
    from langchain_costguard.tokens.vocabularies import _VOCABULARIES, _offline_vocabulary

    content = _offline_vocabulary("o200k_base")
    assert content is not None, "pip install 'langchain-costguard[offline]'"
    (folder / _VOCABULARIES["o200k_base"].cache_name).write_bytes(content)
    return str(folder)


def spans(found: Sequence[Meeting]) -> list[dict[str, Any]]:
    """How much of the turns that hold the answer is kept, by characters, over all questions."""
    table = []
    for share in SHARES:
        for name, method in METHODS.items():
            recalls = [recall(one, method, share) for one in found]
            table.append({"share": share, "method": name, "gold_recall": round(sum(recalls) / len(recalls), 3)})
    return table


def recall(meeting: Meeting, method: Callable[..., str], share: float) -> float:
    """The share of the gold turns' lines and sentences that still stand in the text."""
    most = int(tokens("\n\n".join(meeting.turns)) * share)
    text = method(meeting.turns, meeting.question, most)
    gold = units_of([meeting.turns[at] for at in sorted(meeting.gold)])
    kept = sum(len(unit.text) for unit in gold if unit.text in text)
    return kept / (sum(len(unit.text) for unit in gold) or 1)


def fit(found: Sequence[Context]) -> None:
    """Fit the weights again and print them beside those in use."""
    from sklearn.linear_model import LogisticRegression

    columns, labels = [], []
    for one in found:
        units = units_of(one.passages)
        for unit, signs in zip(units, signs_of(units, one.question), strict=True):
            columns.append(list(signs))
            labels.append(one.survives_in(unit.text))
    fitted = LogisticRegression(max_iter=1000).fit(columns, labels)
    shown = dict(zip(Signs._fields, (round(float(one), 2) for one in fitted.coef_[0]), strict=True))
    print("fitted:", shown, "offset:", round(float(fitted.intercept_[0]), 2))


def show(title: str, table: Sequence[dict[str, Any]]) -> None:
    """Print a table."""
    print(f"\n{title}")
    for row in table:
        print("  ".join(f"{name}={value}" for name, value in row.items()), flush=True)


def main() -> None:
    """Measure, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_data(parser)
    add_rivals(parser)
    parser.add_argument("--questions", type=int, default=HELD_OUT)
    parser.add_argument("--every", type=int, default=12, help="every so manieth question of QMSum")
    parser.add_argument("--fit", action="store_true", help="fit the weights again, and do no more")
    options = parsed(parser, "compression", {"questions": 20, "every": 120})
    needs(options.data / "compress")
    forms = {name: contexts(options.data, with_titles=titled) for name, titled in FORMS.items()}
    if options.fit:
        fit([one for _, known in forms.values() for one in known])
        return
    some, trimwise = slice(options.questions), None if options.rivals is None else Path(options.rivals)
    encoder()
    ours(*(forms["passages alone"][0][0].passages,), "warm up", 10)
    document: dict[str, Any] = {
        **described(options, "tiktoken", "langchain-core"),
        "questions": len(forms["passages alone"][0][some]),
        "trimwise": without_rivals() if trimwise is None else version_in(options.rivals, "trimwise"),
    }
    with TemporaryDirectory(prefix="costguard-") as folder:
        for name, (held_out, _) in forms.items():
            document[name] = questions(held_out[some], trimwise, Path(folder))
            show(f"Natural Questions, {name}", document[name])
            write(options.json, document)
    document["money"] = compression_money.measure(forms["passages alone"][0])
    show("Conversations of 8 turns with a prefix cache", document["money"])
    write(options.json, document)
    document["meetings"] = spans(meetings(options.data)[:: options.every])
    show("QMSum, gold turns", document["meetings"])
    write(options.json, document)


if __name__ == "__main__":
    main()
