"""The package as a whole: its names, its version, what importing it costs, and what it needs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import langchain_costguard
import langchain_costguard.testing

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
DOORS = [langchain_costguard, langchain_costguard.testing]
HEAVY = {
    "alembic",
    "anthropic",
    "genai_prices",
    "httpx2",
    "IPython",
    "langchain",
    "langchain_community",
    "langchain_openai",
    "matplotlib",
    "numpy",
    "openai",
    "pandas",
    "platformdirs",
    "psycopg",
    "pytest",
    "rich",
    "sqlalchemy",
    "sqlite3",
    "tiktoken",
    "typer",
}


def modules_after(statement: str) -> set[str]:
    """The top-level modules a new interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in shown.split()}


def test_the_version_is_written_once() -> None:
    """What a user reports is what was released."""
    assert langchain_costguard.__version__ == version("langchain-costguard")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_the_public_names_are_sorted_and_all_there(door: ModuleType) -> None:
    """`from langchain_costguard import *`, completion and the documentation all read `__all__`."""
    assert list(door.__all__) == sorted(door.__all__)
    assert len(set(door.__all__)) == len(door.__all__)
    assert all(hasattr(door, name) for name in door.__all__)


def test_each_public_name_is_imported_from_one_room() -> None:
    """The door imports late: a name that no room gives would fail only at its first use."""
    given = {name for names in langchain_costguard._ROOMS.values() for name in names}
    assert given == set(langchain_costguard.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        langchain_costguard.no_such_name  # noqa: B018 - the access is the test


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_public_name_and_method_is_documented(door: ModuleType) -> None:
    """A name without a docstring cannot be used without reading its source."""
    bare = []
    for name in door.__all__:
        value = getattr(door, name)
        if inspect.isclass(value):
            bare += [f"{name}.{part}" for part in own_parts(value) if not inspect.getdoc(getattr(value, part))]
        if (inspect.isclass(value) or inspect.isroutine(value)) and not inspect.getdoc(value):
            bare.append(name)
    assert bare == []


def own_parts(cls: type) -> list[str]:
    """The public methods and properties a class defines itself."""
    return [
        name
        for name, value in vars(cls).items()
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property))
    ]


def test_importing_it_loads_nothing_heavy() -> None:
    """Every application that only tracks costs pays for the import."""
    before = modules_after("import langchain_core.callbacks, langchain_core.tracers.context, langchain_core.messages")
    after = modules_after("import langchain_costguard")
    assert (after - before) & HEAVY == set()


def test_importing_the_pytest_plugin_loads_nothing_heavy() -> None:
    """Pytest loads it in every run of every project that has the package installed."""
    loaded = modules_after("import langchain_costguard.testing.pytest_plugin")
    assert loaded & (HEAVY - {"pytest", "sqlite3"}) == set()


def test_every_dependency_says_what_it_is_for() -> None:
    """A dependency nobody can give a reason for is one to remove."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    start = lines.index("dependencies = [") + 1
    block = lines[start : lines.index("]", start)]
    assert block
    assert all("  # " in line for line in block), block


def test_the_pins_of_core_and_metadata_agree() -> None:
    """The wheel must require what the source tree says it requires."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    built = metadata("langchain-costguard")
    plain = [line for line in built.get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert len(plain) == len(declared["dependencies"])
    assert built["Requires-Python"] == declared["requires-python"]
    assert set(built.get_all("Provides-Extra") or []) == set(declared["optional-dependencies"])


def test_types_are_shipped() -> None:
    """Without the marker file a type checker treats every name as `Any`."""
    assert (Path(langchain_costguard.__file__).parent / "py.typed").exists()


def test_the_changelog_opens_with_what_is_to_come_and_this_version() -> None:
    """Whoever reads a version off their installation looks it up there; what is new goes above it."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    coming, newest, *_ = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert coming == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(langchain_costguard.__version__)}\] - \d{{4}}-\d\d-\d\d", newest), newest


def test_every_requirement_has_a_minimum() -> None:
    """`make versions` runs the tests with it; a requirement without one promises what nobody has tried."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    own = "langchain-costguard["
    assert [line for line in named if not line.startswith(own) and not re.match(r"[\w.\[\]-]+>=\d", line)] == []
