"""Does what README.md says, as a stranger would: a new environment, its commands, its examples, and their output."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "README.zh-CN.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
SERVER = "http://localhost:11434/v1"
"""A server of the reader's own; here the loopback provider takes its place, as it does that of OpenAI."""

LATER = ("make ",)
"""What begins with this sets up an environment of its own: `.ci/run` and the reader do that in a clone."""

SERVE = """
from langchain_costguard.testing import LoopbackProvider, ModelPrice
with LoopbackProvider(prices={"qwen2.5:7b": ModelPrice("0", "0")}) as provider:
    print(provider.base_url, flush=True)
    input()
"""


def main() -> None:
    """Run the commands of the page in their order, then the Python of the pages, and say how long it took."""
    started = time.monotonic()
    with TemporaryDirectory(prefix="costguard-readme-") as folder:
        work = Path(folder)
        for page in PAGES:
            (work / page).write_text((ROOT / page).read_text(encoding="utf-8"), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "venv", work / "environment"], check=True)
        installing, *others = commands(work / "README.md")
        run(installing.replace("langchain-costguard", str(ROOT)), work)
        for command in others:
            run_with_server(command, work)
        runner = work / "pages.py"
        runner.write_text((ROOT / "tests" / "pages.py").read_text(encoding="utf-8"), encoding="utf-8")
        run(f"python -I {runner} {' '.join(PAGES)}", work)
    print(f"README.md keeps its word; {time.monotonic() - started:.0f} s")


def commands(page: Path) -> list[str]:
    """The commands of a page in their order, without what belongs into a clone."""
    blocks = [block for language, block in FENCE.findall(page.read_text(encoding="utf-8")) if not language]
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(LATER)]


def run_with_server(command: str, work: Path) -> None:
    """Run a command where a loopback provider is both OpenAI and the reader's own server."""
    python = work / "environment" / scripts() / "python"
    with subprocess.Popen(
        [python, "-I", "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        run(command.replace(SERVER, url), work, OPENAI_BASE_URL=url, OPENAI_API_KEY="none")
        server.communicate("\n")


def run(command: str, work: Path, **settings: str) -> None:
    """Run one command in the new environment, with a data directory of its own, and stop if it fails."""
    print(f"$ {command.replace(str(ROOT), '.').replace(str(work), '.')}", flush=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COSTGUARD_", "PYTHON"))}
    path = f"{work / 'environment' / scripts()}{os.pathsep}{os.environ['PATH']}"
    environment |= {"PATH": path, "XDG_DATA_HOME": str(work / "data"), **settings}
    words = shlex.split(command)
    found = work / "environment" / scripts() / words[0]
    subprocess.run([found, *words[1:]], cwd=work, env=environment, check=True)


def scripts() -> str:
    """Where an environment keeps its commands."""
    return "Scripts" if sys.platform == "win32" else "bin"


if __name__ == "__main__":
    main()
