"""Builds the wheel and tries it where nothing else is: a new environment, no extras, the sources out of reach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def main() -> None:
    """Build, install, and run `wheel_smoke.py` and the command line."""
    with TemporaryDirectory(prefix="costguard-wheel-") as folder:
        work = Path(folder)
        wheel = _build(work)
        python = _install(wheel, work)
        smoke = work / "wheel_smoke.py"
        smoke.write_text((ROOT / "scripts" / "wheel_smoke.py").read_text(encoding="utf-8"), encoding="utf-8")
        _run(python, "-I", smoke, str(work), cwd=work)
        _run(python.with_name("langchain-costguard"), "--help", cwd=work, quiet=True)
    print(f"{wheel.name} works alone")


def _build(work: Path) -> Path:
    _run(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", work, ROOT)
    (wheel,) = work.glob("*.whl")
    return wheel


def _install(wheel: Path, work: Path) -> Path:
    environment = work / "environment"
    _run(sys.executable, "-m", "venv", environment)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    _run(python, *PIP, "install", wheel)
    return python


def _run(*command: str | Path, cwd: Path | None = None, quiet: bool = False) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, cwd=cwd, check=True, stdout=subprocess.DEVNULL if quiet else None)  # noqa: S603 - our own


if __name__ == "__main__":
    main()
