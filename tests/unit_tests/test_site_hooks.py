"""Links between pages hold in the repository and on the site, whose pages stand elsewhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "site_hooks.py"


@pytest.fixture(scope="module")
def hooks() -> Any:
    """The script, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("site_hooks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "text", "mended"),
    [
        ("README.md", "[budgets](docs/budgets.md#rules)", "[budgets](budgets.md#rules)"),
        ("docs/see.md", "[the whole](../README.md)", "[the whole](overview.md)"),
        ("docs/reference/errors.md", "[see](../see.md)", "[see](../see.md)"),
        ("docs/cascade.md", "[it](../notebooks/04_cheap_first.ipynb)", "[it](notebooks/04_cheap_first.md)"),
        ("docs/routing.md", "[all](../benchmarks/results/a.json)", "[all](repository/benchmarks/results/a.json)"),
        ("notebooks/04_cheap_first.ipynb", "[more](../docs/cascade.md)", "[more](../cascade.md)"),
    ],
)
def test_a_link_leads_where_the_page_stands_on_the_site(hooks: Any, page: str, text: str, mended: str) -> None:
    """One text serves both readers: whoever opens the repository and whoever opens the site."""
    assert hooks.relinked(text, page) == mended


@pytest.mark.parametrize("text", ["[a](https://a.example/b.md)", "[a](#there)", "```\n[a](docs/b.md)\n```", "a](docs"])
def test_what_is_no_link_to_a_file_stays_as_it_is(hooks: Any, text: str) -> None:
    """Code is shown as it was written, and the outside world does not move."""
    assert hooks.relinked(text, "README.md") == text
    assert hooks.linked(text, "README.md") == set()


def test_a_notebook_becomes_a_page_with_what_it_printed_and_drew(hooks: Any) -> None:
    """Outputs are what a notebook is read for."""
    outputs = [
        {"output_type": "stream", "text": ["1 call\n"]},
        {"output_type": "display_data", "data": {"image/png": "aGk=\n", "text/plain": ["<Figure>"]}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Did it hold?"]},
        {"cell_type": "code", "source": ["print(calls)"], "outputs": outputs},
    ]
    assert hooks.page_of_notebook({"cells": cells}) == (
        "# Did it hold?\n\n```python\nprint(calls)\n```\n\n```text\n1 call\n```\n\n"
        "![Figure](data:image/png;base64,aGk=)\n"
    )
