"""What holds against whoever writes prompts, answers, metadata or files; docs/threat-model.md names these tests."""

from __future__ import annotations

import logging
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import (
    Budget,
    BudgetExceededError,
    CostCallbackHandler,
    CostReport,
    LedgerQuery,
    open_store,
    run_many,
    track_costs,
)
from langchain_costguard.batching.jobs.transport import save_stream
from langchain_costguard.cascade import same_answers
from langchain_costguard.compression import kinds, units
from langchain_costguard.semantic_cache import pieces
from langchain_costguard.testing import LoopbackProvider, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

LONG = 200_000
"""Characters. What takes time with their square takes minutes here, and the session's limit of 120 seconds ends it."""

KEY = "sk-canary-0123456789"


class Stream:
    """A streamed download."""

    def iter_bytes(self) -> Iterator[bytes]:
        yield b'{"answer": 1}\n'


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        pytest.param(kinds._DATE, "0" * LONG, id="digits"),
        pytest.param(kinds._NUMBER, "一" * LONG, id="Chinese numerals"),
        pytest.param(kinds._PERSON, "Aa " + "A. " * (LONG // 3), id="initials"),
        pytest.param(units._FENCE, "~" * LONG, id="tildes"),
        pytest.param(units._FENCE, "`" * LONG, id="backticks"),
        pytest.param(pieces._WORD, "\n" * LONG, id="blank lines"),
        pytest.param(same_answers._NUMBER, "€" + "\n" * LONG + "x", id="a sign and blank lines"),
    ],
)
@pytest.mark.timeout(20)  # in linear time it takes milliseconds, in quadratic time minutes
def test_a_hostile_text_does_not_keep_a_pattern_busy(pattern: re.Pattern[str], text: str) -> None:
    """A document or an answer that somebody else wrote must not stop the process that shortens or compares it."""
    for _ in pattern.finditer(text):
        pass


@pytest.mark.parametrize(
    ("text", "parts"),
    [(" a  b ", [" a  ", "b "]), ("\n\n", []), ("a", ["a"]), ("\n a\nb", ["\n a\n", "b"])],
)
def test_pieces_of_a_replayed_answer_join_to_the_answer(text: str, parts: list[str]) -> None:
    """The pattern that takes linear time gives what the slow one gave: white space goes with a word."""
    assert pieces._WORD.findall(text) == parts


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_downloaded_answers_are_for_their_user_only(tmp_path: Path) -> None:
    """Answers of a batch lie on the disk until they are collected, as private as the questions beside them."""
    path = tmp_path / "part.answers-0"
    save_stream(Stream(), path, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "value",
    [None, "", "  ", ["alice"], {"id": 1}, 1.5, float("nan"), b"alice", 10**5000, object()],
    ids=lambda value: type(value).__name__,
)
def test_who_names_nobody_is_refused_by_a_budget_of_each_user(value: Any) -> None:
    """Leaving the user out, or sending something odd in its place, must not be the way around a limit."""
    model = ScriptedChatModel(model_name="gpt-4o-mini", provider="openai")
    with track_costs(budgets=[Budget(1, per="day", each="user")]), pytest.raises(BudgetExceededError):
        model.invoke("q", config={"metadata": {"user": value}})
    assert model.calls == ()


def test_new_names_do_not_buy_more_than_the_budget_of_all() -> None:
    """Whoever may choose the user's name gets a counter a name: a second budget without `each=` holds all together."""
    model = ScriptedChatModel(model_name="gpt-4o-mini", provider="openai")
    asked = 0
    with track_costs(budgets=[Budget("0.10", per="day", each="user"), Budget(calls=3, per="day")]):
        for number in range(5):
            try:
                model.invoke("q", config={"metadata": {"user": f"invented-{number}"}})
                asked += 1
            except BudgetExceededError as error:
                assert "calls/day" in str(error)  # noqa: PT017 - the first three are let through
    assert asked == 3


def test_sql_in_every_word_a_user_can_choose_stays_a_word(tmp_path: Path) -> None:
    """Names, tags and metadata are bound, never written into a statement."""
    words = "x'); DROP TABLE calls; --"
    store = open_store(tmp_path / "costs.db")
    handler = CostCallbackHandler(store=store)
    model = ScriptedChatModel(model_name=words, provider=words)
    model.invoke(
        words,
        config={"callbacks": [handler], "tags": [words], "metadata": {"user": words, words: words}, "run_name": words},
    )
    handler.flush()
    for query in (LedgerQuery(user=words), LedgerQuery(tag=words), LedgerQuery(model=words)):
        assert len(list(store.entries(query))) == 1
    report = CostReport(store)
    assert report.calls == 1
    assert "DROP TABLE" in str(report)


def test_a_key_is_in_no_line_no_log_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A provider that refuses often repeats the key; what is kept and said is the kind of the error."""
    handler = CostCallbackHandler(store=str(tmp_path / "costs.db"))
    with caplog.at_level(logging.DEBUG, logger="langchain_costguard"), LoopbackProvider() as provider:
        model = provider.chat_model(model="gpt-4o-mini", api_key=KEY, max_retries=0)
        model.invoke("q", config={"callbacks": [handler]})
        broken = ScriptedChatModel(responses=[RuntimeError(f"Incorrect API key provided: {KEY}")])
        with pytest.raises(RuntimeError):
            broken.invoke("q", config={"callbacks": [handler]})
    handler.flush()
    shown = f"{handler.entries()}{handler!r}{handler.report()}{caplog.text}"
    handler.store.close()
    assert KEY not in shown
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_checkpoint_is_for_its_user_only(tmp_path: Path) -> None:
    """It holds every result that a chain has given so far."""
    path = tmp_path / "run.jsonl"
    run_many(ScriptedChatModel(), ["q"], checkpoint=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_the_demo_installs_is_pinned_by_digest() -> None:
    """A model and a server are downloaded and run: they must be the ones that were looked at."""
    lines = (ROOT / "demo" / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    wanted = [line for line in lines if line.strip() and not line.startswith("#")]
    assert wanted
    assert all("==" in line and "--hash=sha256:" in line for line in wanted), wanted
    assert "--require-hashes" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_test_that_the_threat_model_names_is_there() -> None:
    """A claim whose proof was renamed or removed is no longer proved."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")))
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    there = {name for source in sources for name in re.findall(r"^(?:async )?def (test_\w+)\(", source, re.MULTILINE)}
    assert len(named) > 20
    assert named - there == set()
