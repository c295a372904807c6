"""The documentation: its examples run and print what they say, its links and commands lead somewhere."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import langchain_costguard
from langchain_costguard.reports import notes
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NOT_IMPORTED = ("langchain_costguard.stores.migrations.",)  # Alembic alone can load its scripts


class Example(NamedTuple):
    """A block of Python and what the page says it prints."""

    line: int
    code: str
    printed: str | None


def examples_in(page: Path) -> list[Example]:
    """The Python blocks of a page; a block of `text` right after one is its output."""
    text = page.read_text(encoding="utf-8")
    blocks = list(FENCE.finditer(text))
    found = []
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block[1] != "python":
            continue
        is_output = following and following[1] == "text" and not text[block.end() : following.start()].strip()
        line = text.count("\n", 0, block.start()) + 1
        found.append(Example(line, block[2], following[2] if following and is_output else None))
    return found


def settled(text: str) -> str:
    """Output without what differs from day to day and from machine to machine."""
    text = re.sub(r"\d{4}-\d\d-\d\d", "YYYY-MM-DD", text)
    text = re.sub(r"[\d,]+ days old", "N days old", text)
    text = re.sub(r"genai-prices [\d.]+", "genai-prices X", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


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
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(notes, "_STALE_DAYS", 36_500)  # what a page shows was printed with a fresh price list
    names: dict[str, object] = {"__name__": "__main__"}
    with LoopbackProvider() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        for example in examples_in(page):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * example.line + example.code, page.name, "exec"), names)  # noqa: S102 - our own pages
            if example.printed is not None:
                assert settled(printed.getvalue()) == settled(example.printed), f"{page.name}:{example.line}"


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
