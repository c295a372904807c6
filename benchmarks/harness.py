"""What every benchmark shares: its options, where it writes, and what is said of the machine beside its figures."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results"
QUICK: Final = RESULTS / "quick"
"""Git does not look here: a quick run never stands where a full one does."""
NOTHING_MEASURED: Final = 77
"""How a benchmark ends that lacks its data or its model, after it has said so."""


def parsed(
    parser: argparse.ArgumentParser, name: str, quick: Mapping[str, object], given: list[str] | None = None
) -> argparse.Namespace:
    """Read the options.

    Args:
        parser: With the benchmark's own options.
        name: The name of its file of results.
        quick: The defaults of its own options under `--quick`.
        given: The words of the command line after the program; those of this process if absent.

    Returns:
        The options, `quick` and `json` among them; `json` is never a committed file when the run is quick.
    """
    words = sys.argv[1:] if given is None else given
    parser.add_argument("--quick", action="store_true", help="less of everything; writes results/quick")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    if "--quick" in words:
        parser.set_defaults(**quick)
    options = parser.parse_args(words)
    options.json = options.json or (QUICK if options.quick else RESULTS) / f"{name}.json"
    return options


def add_data(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option that names the folder of all data."""
    folder = Path(os.environ.get("COSTGUARD_BENCH_DATA", HERE.parent.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=folder, help="the data (COSTGUARD_BENCH_DATA or ../shared/data)")


def add_rivals(parser: argparse.ArgumentParser, group: str = "all") -> None:
    """Give a benchmark the option that names a Python with the other packages; see `rivals.py`."""
    python = HERE / ".rivals" / group / "bin" / "python"
    found = os.environ.get("COSTGUARD_BENCH_RIVALS") or (str(python) if python.exists() else None)
    parser.add_argument("--rivals", metavar="PYTHON", default=found, help="a Python that has the other packages")


def without_rivals(group: str = "all") -> str:
    """What is said where there is no Python with the other packages."""
    command = "python benchmarks/rivals.py" + ("" if group == "all" else f" {group}")
    return f"Other packages are not run: `{command}` installs them, or --rivals names a Python that has them."


def needs(place: Path) -> None:
    """End, with a sentence, where the data is not there."""
    if not place.exists():
        nothing(f"{place.name} is not in {place.parent}: name the data with --data or COSTGUARD_BENCH_DATA")


def nothing(why: str) -> None:
    """End because nothing can be measured here.

    Args:
        why: What is missing, and the argument or command that mends it.

    Raises:
        SystemExit: Always, with `NOTHING_MEASURED`.
    """
    print(f"Nothing measured: {why}.", flush=True)
    raise SystemExit(NOTHING_MEASURED)


def described(options: argparse.Namespace, *packages: str, **versions: str) -> dict[str, Any]:
    """What stands at the head of every file of results.

    Args:
        options: As `parsed` gave them.
        *packages: Whose versions in this Python are noted.
        **versions: More versions, of what is no package of this Python.
    """
    own = ("langchain-costguard", *(name for name in packages if name != "langchain-costguard"))
    return {
        "run": "quick" if options.quick else "full",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *map(_shown, sys.argv[1:])]),
        "python": platform.python_version(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "processors": os.cpu_count(),
            "load": [round(load, 1) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        },
        "versions": {**{name: version(name) for name in own}, **versions},
    }


def version(package: str) -> str:
    """The version of a package in this Python."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def version_in(python: str, package: str) -> str:
    """The version of a package in another Python."""
    script = f"from importlib import metadata; print(metadata.version({package!r}))"
    said = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return said.stdout.strip() if said.returncode == 0 else "not installed"


def known(path: Path) -> dict[str, Any]:
    """What an earlier run wrote; empty if there was none."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def write(path: Path, document: Mapping[str, Any], indent: int | None = 1) -> None:
    """Write the figures down."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=indent) + "\n", encoding="utf-8")


def _shown(word: str) -> str:
    """A word of the command line; of a place on this machine only its name."""
    name, _, value = word.rpartition("=")
    shown = Path(value).name if Path(value).is_absolute() else value
    return f"{name}={shown}" if name else shown
