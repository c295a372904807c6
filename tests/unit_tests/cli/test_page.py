"""docs/cli.md: every command it shows runs and prints what stands below it."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from langchain_costguard import Budget, SemanticCache
from langchain_costguard.budgets import CallFacts
from langchain_costguard.budgets.claims import Charge, Reservation, Settlement
from langchain_costguard.cli import app
from langchain_costguard.reports import notes
from langchain_costguard.stores import SQLStore
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
SHOWN = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def steps(shown: str) -> list[tuple[list[str], str]]:
    """The commands of a block, each with what it prints."""
    parts = re.split(r"^\$ langchain-costguard (.*)\n", shown, flags=re.MULTILINE)[1:]
    return [(shlex.split(command), printed) for command, printed in zip(parts[::2], parts[1::2], strict=True)]


def settled(text: str) -> str:
    """Output without what differs from day to day."""
    text = re.sub(r"\d{4}-\d\d-\d\d, [\d,]+ days old", "YYYY-MM-DD, N days old", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "YYYY-MM-DD HH:MM", text)
    text = re.sub(r"genai-prices [\d.]+ (\(|of )[\d-]+", r"genai-prices X \1YYYY-MM-DD", text)
    text = re.sub(r"\bbatch-[0-9a-f]{12}\b", "batch-0123456789ab", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def spend_budgets(ledger: Path) -> None:
    """What the page shows of budgets: a day's dollars, of which two calls were refused more, and a user's tokens."""
    day, month = Budget("0.0004", per="day"), Budget(tokens=1000, per="month", each="user")
    facts = CallFacts(metadata={"user": "alice"})
    with SQLStore(ledger) as store:
        now_us = store.now_us()
        (dollars,), (tokens,) = day.claims(facts, 390_000, now_us), month.claims(facts, 66, now_us)
        call = Reservation(uuid4().hex, (dollars, tokens))
        assert store.reserve(call).is_admitted
        store.settle(Settlement(call.id, (Charge(dollars, 390_000), Charge(tokens, 66))))
        for _ in range(2):
            assert not store.reserve(Reservation(uuid4().hex, (dollars,))).is_admitted


def fill_cache(place: Path) -> None:
    """What the page shows of a cache: two tenants, one hit by words and one by meaning, and a question that differs."""
    cache = SemanticCache("wordllama", place, tenant="user")
    for tenant in ("alice", "bob"):
        cache.set("How do I reset my password?", "By the link below the form.", tenant=tenant)
    asked = ("How do I reset my password?", "How can I reset my password?", "How often may I reset my password?")
    assert [cache.get(text, tenant="alice") is not None for text in asked] == [True, True, False]
    cache.stats()


SUMMARIES = """
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="gpt-4o-mini", max_tokens=50)
chain = ChatPromptTemplate.from_template("Summarize {text}") | model | StrOutputParser()
"""


@pytest.fixture
def summaries(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the page runs as a batch: a chain, three inputs, and a provider that the environment takes for OpenAI."""
    folder = ledger.parent
    (folder / "summaries.py").write_text(SUMMARIES, encoding="utf-8")
    (folder / "inputs.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n', encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COSTGUARD_BATCHES", str(folder / "batches.db"))
    monkeypatch.setenv("COSTGUARD_STORE", str(folder / "night.db"))
    with LoopbackProvider(reply=lambda body: f"About {body['messages'][-1]['content'].split()[-1]}.") as provider:
        monkeypatch.setenv("OPENAI_API_KEY", "loopback")
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        yield
    sys.modules.pop("summaries", None)


@pytest.mark.required
@pytest.mark.usefixtures("summaries")
def test_every_command_of_the_page_prints_what_it_says(
    ledger: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is read from top to bottom, in one folder with one ledger, as a user would."""
    monkeypatch.chdir(ledger.parent)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(notes, "_STALE_DAYS", 36_500)  # what a page shows was printed with a fresh price list
    Path("prompt.txt").write_text("Why is the sky blue?", encoding="utf-8")
    spend_budgets(ledger)
    fill_cache(ledger.parent / "cache.db")
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
