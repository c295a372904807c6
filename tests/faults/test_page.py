"""docs/when-things-fail.md says of each fault what happens; each row names the test that holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent
_PAGE = (_FOLDER.parents[1] / "docs" / "when-things-fail.md").read_text(encoding="utf-8")
_ROWS = [line for line in _PAGE.splitlines() if line.startswith("| ") and not line.startswith("| fault")]
_TESTS = re.compile(r"(test_\w+\.py)::(.+?)(?= test_\w+\.py::| -->)")


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_each_row_is_held_by_tests_that_exist(row: str) -> None:
    """A sentence that no test holds is a promise that nobody keeps."""
    named = _TESTS.findall(row)
    assert named
    for file, test in named:
        source = (_FOLDER / file).read_text(encoding="utf-8")
        assert f"def {test}(" in source or f'"{test}": cell(' in source, f"{file} has no {test}"


def test_every_cell_of_the_provider_is_in_the_table() -> None:
    """What is tested and not told is of no use to a reader."""
    cells = re.findall(
        r'^    "(.+?)": cell\(', (_FOLDER / "test_provider.py").read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {test for row in _ROWS for _, test in _TESTS.findall(row)}
    assert sorted(set(cells) - told - {"healthy", "400", "429 with Retry-After", "500, billed, to the end"}) == []
