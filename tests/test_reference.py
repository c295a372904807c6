"""The reference: every public name has one place in it, and each place names something that is there."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import langchain_costguard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE = "langchain_costguard"
ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACE = re.compile(r"^::: (\S+)$", flags=re.MULTILINE)
IMPORT = re.compile(rf"^ *from ({PACKAGE}[\w.]*) import (\([^)]*\)|[^\n#]+)", flags=re.MULTILINE)

NO_DOORS = (
    "langchain_costguard.cli",  # a program: its page is docs/cli.md
    "langchain_costguard.middleware.agents",  # LangChain's names, which stand in LangChain's reference
    "langchain_costguard.stores.migrations",  # Alembic alone can load its scripts
)


def doors() -> Iterator[str]:
    """Every module that says what is public of it."""
    yield PACKAGE
    for module in pkgutil.walk_packages(langchain_costguard.__path__, f"{PACKAGE}."):
        if not module.name.startswith(NO_DOORS) and hasattr(importlib.import_module(module.name), "__all__"):
            yield module.name


def found(path: str) -> Any:
    """What stands behind a dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def identity(path: str) -> tuple[str, int]:
    """The same for every path to one thing: doors give away what others keep."""
    return path.rpartition(".")[2], id(found(path))


def places() -> list[str]:
    """What the pages show, in their order."""
    return [place for page in PAGES for place in PLACE.findall(page.read_text(encoding="utf-8"))]


def missing(public: Iterable[str]) -> list[str]:
    """The names that have no place."""
    shown = {identity(place) for place in places()}
    return sorted({path for path in public if identity(path) not in shown})


@pytest.mark.required
def test_every_public_name_has_a_place_in_the_reference() -> None:
    """A name nobody can look up is a name nobody uses: put it on a page of docs/reference."""
    public = [f"{door}.{name}" for door in doors() for name in importlib.import_module(door).__all__]
    assert len(public) > 300
    assert missing(public) == []


def test_every_name_that_a_guide_imports_has_a_place_in_the_reference() -> None:
    """What an example shows is public, whatever `__all__` says."""
    imports = [line for guide in GUIDES for line in IMPORT.findall(guide.read_text(encoding="utf-8"))]
    names = [(module, name) for module, listed in imports for name in re.findall(r"[A-Za-z_]\w*", listed)]
    assert len(names) > 100
    assert missing(f"{module}.{name}" for module, name in names) == []


@pytest.mark.required
def test_no_name_stands_twice() -> None:
    """Of two places one is forgotten when something changes."""
    assert [name for (name, _), times in Counter(map(identity, places())).items() if times > 1] == []


def test_a_name_stands_under_the_shortest_path_that_gives_it() -> None:
    """The page shows the import to write: `langchain_costguard.Cascade`, not the module it lives in."""
    shortest: dict[tuple[str, int], str] = {}
    for door in sorted(doors(), key=lambda door: (door.count("."), door)):
        for name in importlib.import_module(door).__all__:
            shortest.setdefault(identity(f"{door}.{name}"), f"{door}.{name}")
    longer = {place: shortest.get(identity(place), place) for place in places()}
    assert {place: short for place, short in longer.items() if place.count(".") > short.count(".")} == {}


def test_whatever_has_a_place_has_a_docstring() -> None:
    """The reference is made of docstrings; without one a class leaves a bare heading."""
    things = {place: found(place) for place in places()}
    assert [place for place, thing in things.items() if _is_documentable(thing) and not inspect.getdoc(thing)] == []


def test_every_page_of_the_reference_is_listed() -> None:
    """A page that neither the index nor the navigation names is not found."""
    index = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8")
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    names = [page.name for page in PAGES if page.stem != "index"]
    assert [name for name in names if f"]({name})" not in index] == []
    assert [name for name in names if f"reference/{name}" not in navigation] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_reference_lead_somewhere(page: Path) -> None:
    """They are read in the repository, too, where no build has looked at them."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if ":" not in target and not (page.parent / target).exists()] == []


def _is_documentable(thing: object) -> bool:
    return inspect.isclass(thing) or inspect.isroutine(thing)
