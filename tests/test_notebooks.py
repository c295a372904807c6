"""The notebooks as they are committed; pytest's `--nbmake` runs them (`make notebooks`)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MACHINE = re.compile(r"/(home|root|tmp|work|Users|var|private)/|[A-Z]:\\\\|site-packages")

Cells = list[dict[str, Any]]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def cells(request: pytest.FixtureRequest) -> Cells:
    """The cells of one notebook."""
    found: Cells = json.loads(request.param.read_text(encoding="utf-8"))["cells"]
    return found


def _code(cells: Cells) -> Cells:
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _outputs(cells: Cells) -> list[dict[str, Any]]:
    return [output for cell in _code(cells) for output in cell["outputs"]]


def test_the_notebooks_are_there() -> None:
    """A moved folder would make every other test here pass over nothing."""
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(len(NOTEBOOKS))]
    assert len(NOTEBOOKS) >= 10


def test_a_notebook_begins_with_what_it_is_about(cells: Cells) -> None:
    """A reader decides by the first cell whether to go on."""
    assert cells[0]["cell_type"] == "markdown"
    assert "".join(cells[0]["source"]).startswith("# ")


def test_a_notebook_asks_a_question(cells: Cells) -> None:
    """Its first line says what a reader will know at the end."""
    title, *_ = "".join(cells[0]["source"]).splitlines()
    assert title.endswith("?")


def test_outputs_are_those_of_one_run_from_top_to_bottom(cells: Cells) -> None:
    """Outputs of cells run out of order are outputs nobody can repeat."""
    assert [cell["execution_count"] for cell in _code(cells)] == list(range(1, len(_code(cells)) + 1))


def test_no_output_is_an_error_or_a_warning(cells: Cells) -> None:
    """What a reader sees first must not be a traceback."""
    assert [output for output in _outputs(cells) if output["output_type"] == "error"] == []
    assert [output for output in _outputs(cells) if output.get("name") == "stderr"] == []


def test_no_output_names_the_machine_it_ran_on(cells: Cells) -> None:
    """A path of somebody's disk tells the reader nothing, and strangers too much."""
    for output in _outputs(cells):
        shown = {kind: text for kind, text in output.get("data", {}).items() if kind != "image/png"}
        text = re.sub(r"base64,[^\"]+", "", json.dumps([shown, output.get("text", "")]).replace('\\"', '"'))
        assert not MACHINE.search(text)


def test_a_notebook_shows_a_figure(cells: Cells) -> None:
    """Money over time is seen faster than read."""
    shown = json.dumps([output.get("data", {}) for output in _outputs(cells)])
    assert "image/png" in shown


def test_a_notebook_ends_in_a_table_and_an_assertion(cells: Cells) -> None:
    """The last cells say what was found, and fail when it is no longer so."""
    *_, table, check = _code(cells)
    assert "<table" in json.dumps(table["outputs"])
    assert re.search(r"^assert ", "".join(check["source"]), flags=re.MULTILINE)
