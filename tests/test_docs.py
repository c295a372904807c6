"""The documentation: its examples run and print what they say, its links and commands lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import langchain_costguard
from langchain_costguard.reports import notes
from tests.pages import examples_in, run_page

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BORROWED = re.compile(
    r"\[the program that prints\s+this\]\(([^)#]+)#[^)]+\)\):\n\n```text\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NOT_IMPORTED = ("langchain_costguard.stores.migrations.",)  # Alembic alone can load its scripts


def module_names() -> Iterator[str]:
    """Every module of the package that can be imported anywhere."""
    for module in pkgutil.walk_packages(langchain_costguard.__path__, "langchain_costguard."):
        if not module.name.startswith(NOT_IMPORTED):
            yield module.name


@pytest.mark.required
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run_and_print_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example that does not run costs every reader time. OpenAI is the loopback provider here."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "COLUMNS"):
        monkeypatch.setenv(name, "")  # so that what the page is run under is put back afterwards
    monkeypatch.setattr(notes, "_STALE_DAYS", 36_500)  # what a page shows was printed with a fresh price list
    run_page(page)


def test_what_the_first_page_borrows_is_printed_by_the_page_it_names() -> None:
    """Output without the program that printed it is a claim; the program stands one click further, and is run."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    borrowed = BORROWED.findall(text)
    assert len(borrowed) == 2
    for page, printed in borrowed:
        assert printed in [example.printed for example in examples_in(ROOT / page)]


@pytest.mark.parametrize("name", list(module_names()))
def test_the_examples_of_a_docstring_are_true(name: str) -> None:
    """Docstrings are what an editor shows; their examples are read more often than any page."""
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    """A dead link on the first page is the first impression."""
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_that_is_named_exists(page: Path) -> None:
    """Renamed targets live on in prose."""
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert named - known == set()
