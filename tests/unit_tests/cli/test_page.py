"""docs/cli.md: every command it shows runs and prints what stands below it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.cli import app
from langchain_costguard.reports import notes

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
SHOWN = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def steps(shown: str) -> list[tuple[list[str], str]]:
    """The commands of a block, each with what it prints."""
    parts = re.split(r"^\$ langchain-costguard (.*)\n", shown, flags=re.MULTILINE)[1:]
    return [(shlex.split(command), printed) for command, printed in zip(parts[::2], parts[1::2], strict=True)]


def settled(text: str) -> str:
    """Output without what differs from day to day."""
    text = re.sub(r"\d{4}-\d\d-\d\d, [\d,]+ days old", "YYYY-MM-DD, N days old", text)
    text = re.sub(r"genai-prices [\d.]+ (\(|of )[\d-]+", r"genai-prices X \1YYYY-MM-DD", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.mark.required
def test_every_command_of_the_page_prints_what_it_says(
    ledger: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is read from top to bottom, in one folder with one ledger, as a user would."""
    monkeypatch.chdir(ledger.parent)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(notes, "_STALE_DAYS", 36_500)  # what a page shows was printed with a fresh price list
    Path("prompt.txt").write_text("Why is the sky blue?", encoding="utf-8")
    for shown in SHOWN:
        for arguments, printed in steps(shown):
            ended = run(*arguments)
            place = str(ledger.parent) + "/"
            assert settled(ended.out.replace(place, "") + ended.err) == settled(printed), arguments


def test_every_command_stands_on_the_page() -> None:
    """A command without a line of documentation is found by nobody."""
    text = PAGE.read_text(encoding="utf-8")
    names = [str(command.name or command.callback.__name__) for command in app.registered_commands]
    assert [name for name in names if f"`{name}" not in text] == []
