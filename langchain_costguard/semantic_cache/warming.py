"""Questions with their answers, read for a cache that is to know them before they are asked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_costguard._progress import watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def warmed(
    pairs: str | os.PathLike[str] | Iterable[tuple[str, str] | dict[str, Any]],
) -> Iterator[tuple[str, str] | dict[str, Any]]:
    """The pairs one by one, with a progress bar where they take long.

    Args:
        pairs: questions with their answers, or the path of a file with one JSON object a line.

    Raises:
        ValueError: a line of the file is no JSON.
    """
    items = _lines(Path(pairs)) if isinstance(pairs, str | os.PathLike) else pairs
    return watched(items, "storing answers")


def question_and_answer(item: object) -> tuple[str, str]:
    """The question and the answer of an item.

    Args:
        item: a pair, or a mapping with `question` and `answer`.

    Raises:
        ValueError: it is neither.
    """
    pair = (item.get("question"), item.get("answer")) if isinstance(item, dict) else item
    if isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(text, str) for text in pair):  # noqa: PLR2004 - a pair
        return pair[0], pair[1]
    msg = f"{item!r} is no question with its answer: give {{'question': '...', 'answer': '...'}}"
    raise ValueError(msg)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:  # the second where it is nested deeper than Python reads
                msg = (
                    f"line {number} of {path} is no JSON in UTF-8: write {{'question': '...', 'answer': '...'}} as JSON"
                )
                raise ValueError(msg) from error
