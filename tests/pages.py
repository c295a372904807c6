"""How the examples of a page are run: against a loopback provider, and what they print is compared with the page."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from langchain_costguard.testing import LoopbackProvider

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


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
    for block, following in zip(blocks, [*blocks, None][1:], strict=True):
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


def run_page(page: Path) -> int:
    """Run the examples of a page one after the other, as one program.

    OpenAI is the loopback provider here: it is named in the environment, which keeps the name.

    Returns:
        How many examples there are.

    Raises:
        AssertionError: one prints something else than the page says.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    examples = examples_in(page)
    with LoopbackProvider() as provider:
        os.environ.update(OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="none", COLUMNS="100")
        for example in examples:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * example.line + example.code, page.name, "exec"), names)  # noqa: S102 - our own pages
            if example.printed is not None:
                shown, said = settled(printed.getvalue()), settled(example.printed)
                assert shown == said, f"{page.name}:{example.line} prints\n{shown}\nand says\n{said}"
    return len(examples)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{name}: {run_page(Path(name))} examples print what the page says")  # noqa: T201 - a script, too
