"""Runs the tests with the oldest versions that pyproject.toml allows, and with the newest that install here."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("tests/unit_tests", "tests/integration_tests", "tests/migrations", "tests/standard_tests")
"""What is run: every behaviour, and neither the long statistics of tests/properties nor the documentation."""

QUIET = ("ignore::DeprecationWarning", "ignore:Unrecognized keys in model profile:UserWarning")
"""Of old releases: what newer ones below them have deprecated, and that newer ones beside them know more."""

OF_TOOLS = (
    "tests/unit_tests/exports/test_telemetry.py::test_the_current_span_says_what_the_call_was_and_cost",
    "tests/unit_tests/callbacks/test_neighbours.py::test_langfuse_sees_the_same_runs_as_without_us",
)
"""Not run with what is oldest: here a tool of the test alone, newer words of OpenTelemetry or Langfuse, needs more."""

TOGETHER = {"opentelemetry-api": "opentelemetry-sdk"}
"""A tool of the tests that is released, and pinned, together with a requirement."""

UV = (sys.executable, "-m", "uv", "--quiet")
Ends = Literal["minimum", "newest"]
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?P<extras>\[[\w,-]+\])?>=(?P<version>[\w.]+)")


def main() -> None:
    """Make an environment for each end, say what is in it, and run the tests there."""
    asked = _arguments()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for end in asked.ends or get_args(Ends):
        with TemporaryDirectory(prefix=f"costguard-{end}-") as folder:
            python = _environment(project, end, Path(folder), asked.python)
            print(f"{end}: {', '.join(_versions(project, python))}", flush=True)
            tests = TESTS if asked.tests is None else asked.tests.split()
            quiet = [word for rule in QUIET for word in ("-W", rule)] if end == "minimum" else []
            if end == "minimum":
                quiet += [word for test in OF_TOOLS for word in ("--deselect", test)]
            _run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *quiet, *tests)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ends", nargs="*", choices=get_args(Ends), help="which of them; both without it")
    parser.add_argument("--python", default=sys.executable, help="the interpreter, by path or as 3.13")
    parser.add_argument("--tests", help=f"files or folders of tests; {' '.join(TESTS)} without it")
    return parser.parse_args()


def _environment(project: dict[str, object], end: Ends, folder: Path, interpreter: str) -> Path:
    """A new environment with the package and everything its tests need, its own requirements at one of their ends."""
    environment = folder / "environment"
    _run(*UV, "venv", "--python", interpreter, environment)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pins = folder / "minimum.txt"
    if end == "minimum":
        # an override also stands where a tool of the tests would ask for something newer than the package does
        oldest = dict(minimums(project))
        oldest |= {TOGETHER[name]: version for name, version in oldest.items() if name in TOGETHER}
        pins.write_text("\n".join(f"{name}=={version}" for name, version in oldest.items()), encoding="utf-8")
    overrides = ("--overrides", pins) if end == "minimum" else ()
    _run(*UV, "pip", "install", "--python", python, "--editable", f"{ROOT}[dev]", *overrides)
    return python


def minimums(project: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Each requirement that a user installs, and the oldest version of it that is declared."""
    extras = dict(project["optional-dependencies"])  # type: ignore[call-overload] - a table of pyproject.toml
    for tools in ("dev", "docs"):
        del extras[tools]
    for requirement in [*project["dependencies"], *(line for lines in extras.values() for line in lines)]:  # type: ignore[misc] - the same
        found = _REQUIREMENT.match(requirement)
        assert found, f"{requirement!r} in pyproject.toml has no minimum: write it as name>=version"
        yield f"{found['name']}{found['extras'] or ''}", found["version"]


def _versions(project: dict[str, object], python: Path) -> list[str]:
    """What is installed there of the package's own requirements, as `name version`."""
    names = [name.partition("[")[0] for name, _ in minimums(project)]
    listed = subprocess.run(
        [*UV, "pip", "freeze", "--python", str(python)], check=True, capture_output=True, text=True
    ).stdout
    pins = dict(line.lower().split("==") for line in listed.splitlines() if "==" in line)
    shown = [f"{name} {pins[name.lower()]}" for name in names if name.lower() in pins]
    interpreter = subprocess.run([str(python), "--version"], check=True, capture_output=True, text=True).stdout
    return [interpreter.strip(), *shown]


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
