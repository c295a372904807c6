"""Builds wheel and sdist, reads what is in them, and tries each where nothing else is: no extras, no source folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "langchain_costguard"
SMOKE = ROOT / "scripts" / "package_smoke.py"

IN_SDIST = ("langchain_costguard", "tests", "demo", "docs", "notebooks", "scripts")
"""Folders that are in the sdist whole: what the package's tests read beside themselves."""

FILES_IN_SDIST = ("pyproject.toml", "Makefile", "mkdocs.yml", "LICENSE", "benchmarks/cascade_replay.py")
LITTER = ("__pycache__", ".pyc", "/.", ".git/", ".venv", "results/quick")
RUN_FROM_SDIST = (
    "tests/unit_tests/test_cost.py",
    "tests/unit_tests/pricing/test_battery.py",
    "tests/test_benchmarks.py",
)
"""What is run of the tests in an unpacked sdist; that it has all of them is seen by their names."""


def main() -> None:
    """Build, look inside, install each, and run `package_smoke.py` and the command line there."""
    with TemporaryDirectory(prefix="costguard-packages-") as folder:
        work = Path(folder)
        wheel, sdist = _build(work)
        _run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist, quiet=True)
        check_wheel(wheel)
        unpacked = check_sdist(sdist, work)
        for package in (wheel, sdist):
            _try(package, work / package.suffix.strip("."))
            print(f"{package.name} works alone", flush=True)
        _run_tests_of(unpacked)
        print(f"the tests of {sdist.name} run where it is unpacked")


def _build(work: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it; both from the tree and from the sdist it is the same wheel."""
    _run(sys.executable, "-m", "build", "--outdir", work / "dist", ROOT, quiet=True)
    (wheel,) = (work / "dist").glob("*.whl")
    (sdist,) = (work / "dist").glob("*.tar.gz")
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", work / "again", ROOT, quiet=True)
    (again,) = (work / "again").glob("*.whl")
    assert _digest(again) == _digest(wheel), "the sdist and the source folder give different wheels"
    return wheel, sdist


def check_wheel(wheel: Path) -> None:
    """Every file of the package and its licence are in the wheel, and nothing else."""
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
        packaged = names - metadata
        (about,) = (archive.read(name).decode() for name in metadata if name.endswith("/METADATA"))
    differing = sorted(packaged ^ _files(PACKAGE))
    assert not differing, f"in the wheel or the source folder only: {differing}"
    assert f"{PACKAGE}/py.typed" in packaged
    assert any(name.endswith("/licenses/LICENSE") for name in metadata), "no licence in the wheel"
    assert "License-Expression: MIT" in about


def check_sdist(sdist: Path, work: Path) -> Path:
    """What the sdist's own tests need is in it, and no litter; gives the folder it is unpacked to."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(work / "unpacked", filter="data")
    expected = {*FILES_IN_SDIST, *(page.name for page in ROOT.glob("*.md"))}.union(*map(_files, IN_SDIST))
    missing = sorted(expected - names)
    assert not missing, f"not in the sdist: {missing}"
    litter = sorted(name for name in names if _is_litter(name))
    assert not litter, f"in the sdist, and should not be: {litter}"
    (unpacked,) = (work / "unpacked").iterdir()
    return unpacked


def _try(package: Path, folder: Path) -> None:
    """Install it into a new environment and use it there, out of reach of the source folder."""
    _run(sys.executable, "-m", "uv", "--quiet", "venv", "--python", sys.executable, folder / "environment")
    python = folder / "environment" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    _run(sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", python, package)
    smoke = folder / SMOKE.name
    smoke.write_text(SMOKE.read_text(encoding="utf-8"), encoding="utf-8")
    _run(python, "-I", smoke, folder, cwd=folder)
    program = python.with_name("langchain-costguard")
    _run(program, "--help", cwd=folder, quiet=True)
    _run(program, "report", "--store", folder / "ledger.db", cwd=folder, quiet=True)


def _run_tests_of(unpacked: Path) -> None:
    """Run some tests of the unpacked sdist on the code that was unpacked with them."""
    _run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *RUN_FROM_SDIST, cwd=unpacked, quiet=True)


def _files(folder: str) -> set[str]:
    """Every file in a folder of the source tree but what running it leaves there."""
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
    return {name for name in found if not _is_litter(name)}


def _is_litter(name: str) -> bool:
    return any(word in name for word in LITTER)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run(*command: str | Path, cwd: Path | None = None, quiet: bool = False) -> None:
    """Run it to its end; what it says is shown unless it is quiet and all is well."""
    words = [str(word) for word in command]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=environment, check=False, capture_output=quiet, text=True)
    if done.returncode:
        print(done.stdout or "", done.stderr or "", sep="\n", file=sys.stderr)
        sys.exit(f"failed: {' '.join(words)}")


if __name__ == "__main__":
    main()
