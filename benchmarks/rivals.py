"""Makes the throwaway environments in which benchmarks run other packages, with the versions written down beside.

    python benchmarks/rivals.py          # requirements.txt, for all benchmarks but batch_jobs.py
    python benchmarks/rivals.py batch    # requirements-batch.txt, for batch_jobs.py

They are made in `benchmarks/.rivals`, which git ignores, and found there by every benchmark; deleting the folder is all
it takes to be rid of them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from typing import Final

from harness import HERE

GROUPS: Final = {"all": "requirements.txt", "batch": "requirements-batch.txt"}


def make(group: str) -> str:
    """Make an environment, or bring it up to date; its Python."""
    folder = HERE / ".rivals" / group
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--requirement", str(HERE / GROUPS[group])], check=True)  # noqa: S603 - pip, our own list
    return python


def main() -> None:
    """Make the environments that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; all by default")
    groups = parser.parse_args().groups or ["all"]
    if unknown := set(groups) - set(GROUPS):
        sys.exit(f"There is no group {', '.join(sorted(unknown))}: name one of {', '.join(GROUPS)}.")
    for group in groups:
        made = make(group)
        print(f"{GROUPS[group]} is installed in {made.removeprefix(str(HERE.parent) + '/')}", flush=True)


if __name__ == "__main__":
    main()
