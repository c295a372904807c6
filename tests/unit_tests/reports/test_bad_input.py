"""Whatever a ledger holds: every answer in every form is there, nothing in it is executed, and a lost store is said."""

from __future__ import annotations

import csv
import json
import re
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.reports import CostReport
from langchain_costguard.stores import open_store
from langchain_costguard.testing.lines import make_entry
from tests.migrations.old_ledger import OLD_REVISIONS, ROW, make_old_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_costguard.stores.memory import InMemoryStore
    from tests.unit_tests.reports.conftest import Book

ANSWERS: dict[str, Callable[[CostReport], Any]] = {
    "whole": lambda report: report,
    "by": lambda report: report.by("user", "tag"),
    "hours": lambda report: report.by_hour(),
    "runs": lambda report: report.top("run"),
    "savings": lambda report: report.savings(),
    "forecast": lambda report: report.forecast(),
    "comparison": lambda report: report.compare(report),
    "latency": lambda report: report.latency("chain"),
    "outcomes": lambda report: report.per_outcome(),
}
READING = [name for name in ANSWERS if name != "savings"]
"""The answers that read the store again; savings are among the sums, where no call's is unknown."""

every_answer = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://evil.example","click")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\x1b[2J\x1b]0;owned\x07",
    "'; DROP TABLE ledger; --",
    "[bold red]markup[/]",
    "$\\frac{1}{0}$",
    "\u202eevil\u2066",
    "line\nbreak\ttab",
)


def forms(answer: Any) -> list[str]:
    """Everything an answer can be shown as."""
    shown = [str(answer), repr(answer), answer._repr_html_()]
    if hasattr(answer, "to_json"):
        json.loads(answer.to_json())
    return shown


@every_answer
def test_an_empty_ledger_has_every_answer(store: InMemoryStore, answer: Callable[[CostReport], Any]) -> None:
    """The first report of all is made before the first call."""
    assert all(forms(answer(CostReport(store))))


@every_answer
def test_one_line_has_every_answer(store: InMemoryStore, book: Book, answer: Callable[[CostReport], Any]) -> None:
    """The second report."""
    book(user="ann", tags=("a",), metadata={"outcome": "solved"}, latency_us=5)
    assert all(forms(answer(CostReport(store))))


@every_answer
def test_a_ledger_without_any_price_never_says_zero(
    store: InMemoryStore, book: Book, answer: Callable[[CostReport], Any]
) -> None:
    """A user of a local model without overrides; zero dollars would be believed."""
    for _ in range(3):
        book("house-model", cost=None, user="ann", metadata={"outcome": "solved"}, at=f"{datetime.now(UTC):%Y-%m-%d}")
    for form in forms(answer(CostReport(store))):
        assert not re.search(r"\$0(\.0+)?(?![.\d])", form)


@every_answer
def test_hostile_strings_are_shown_and_not_obeyed(
    store: InMemoryStore, book: Book, answer: Callable[[CostReport], Any]
) -> None:
    """A tag is whatever a user of the user typed."""
    for text in HOSTILE:
        book(
            text,
            user=text,
            tags=(text,),
            chain=text,
            metadata={"outcome": text},
            root_run_id=None,
            cost="0.01",
            latency_us=1,
        )
    text, line, page = forms(answer(CostReport(store, title="<script>title</script>")))
    assert "\x1b" not in text + line
    assert "\u202e" not in text + line
    assert "<script" not in page
    assert "<img src=x" not in page


@every_answer
def test_hostile_keys_and_techniques_are_shown_and_not_obeyed(
    store: InMemoryStore, book: Book, answer: Callable[[CostReport], Any]
) -> None:
    """Not only values come from outside: the names of metadata keys and of techniques do, too."""
    book(techniques=("\x1b[31mred",), metadata={"\x1b[31mkey": "v"})
    report = CostReport(store)
    keyed = (
        report.by("metadata:\x1b[31mkey"),
        report.latency("metadata:\x1b[31mkey"),
        report.compare(report, "metadata:\x1b[31mkey"),
        report.per_outcome("\x1b[31mkey"),
    )
    for shown in (answer(report), *keyed):
        assert "\x1b" not in str(shown) + shown._repr_html_()


def test_half_a_character_does_not_stop_a_page(store: InMemoryStore, book: Book, tmp_path: Path) -> None:
    """A lone surrogate is in texts that were cut; UTF-8 has no letter for it."""
    book(tags=("a\ud800",), user="b\udfff", techniques=("t\ud800",), model="m\ud800")
    page = CostReport(store).save_html(tmp_path / "costs.html", by=["tag", "user"])
    assert "a\\ud800" in page.read_text(encoding="utf-8")


def test_a_query_of_sql_finds_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    """Conditions are bound, never pasted."""
    with open_store(tmp_path / "costs.db") as store:
        store.append(make_entry(user="ann"))
        for text in HOSTILE:
            report = CostReport(store, query=LedgerQuery(user=text, tag=text, metadata={text: text}))
            assert (report.calls, report.total_cost) == (0, Decimal(0))
            assert report.by(f"metadata:{text}") == ()
            assert CostReport(store).per_outcome(text).unnamed.calls == 1
        assert CostReport(store).calls == 1


def test_frames_of_formulas_stay_text(store: InMemoryStore, book: Book) -> None:
    """`to_pandas` hands values over as they are; exports/ is where CSV cells are made safe."""
    book(user=HOSTILE[2])
    frame = CostReport(store).to_pandas()
    (_, row) = csv.reader(StringIO(frame[["user"]].to_csv(index=False)))
    assert row == [HOSTILE[2]]


def test_one_instant_is_one_line_in_every_time_zone(store: InMemoryStore, book: Book) -> None:
    """Calls of three continents: what counts is when they were, and whose days are asked for."""
    for at in ("2026-03-28T23:30+00:00", "2026-03-29T01:30+02:00", "2026-03-28T18:30-05:00"):
        book(at=at)
    (row,) = CostReport(store, tz="Europe/Berlin").by_hour()
    assert (row.group, row.calls) == (("2026-03-29 00:00",), 3)
    (row,) = CostReport(store, tz="America/New_York").by_day()
    assert row.group == ("2026-03-28",)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 24), ("2026-06-01", 24)], ids=["spring", "autumn", "summer"]
)
def test_a_day_on_which_clocks_change_has_all_its_calls(store: InMemoryStore, book: Book, day: str, hours: int) -> None:
    """In spring an hour is missing; in autumn one comes twice and is told once; no call is lost."""
    begins = int(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp())
    for quarter in range(-16, 120):
        moment = datetime.fromtimestamp(begins + quarter * 900, tz=UTC)
        book(cost="0.01", at=moment.isoformat())
    report = CostReport(store, tz="Europe/Berlin")
    of_day = [row for row in report.by_hour() if str(row.group[0]).startswith(day)]
    assert len(of_day) == hours
    (whole,) = (row for row in report.by_day() if row.group == (day,))
    assert sum(row.calls for row in of_day) == whole.calls
    assert sum(row.calls for row in report.by_day()) == 136


@pytest.mark.parametrize("revision", OLD_REVISIONS)
def test_a_ledger_of_an_older_release_has_every_answer(tmp_path: Path, revision: str) -> None:
    """A year of lines must not be lost to an upgrade."""
    with open_store(make_old_file(tmp_path / "old.db", ROW, revision=revision)) as store:
        report = CostReport(store)
        assert (report.calls, report.total_cost) == (1, Decimal("0.00021"))
        for answer in ANSWERS.values():
            assert all(forms(answer(report)))


@pytest.mark.parametrize("answer", [ANSWERS[name] for name in READING], ids=READING)
def test_a_store_that_disappears_is_said(tmp_path: Path, answer: Callable[[CostReport], Any]) -> None:
    """A path that leads nowhere any more: sums that were read stay, all else is a StoreError, never a sum of less."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with open_store(folder / "costs.db") as store:
        store.append(make_entry(user="ann"))
        store.close()
        report = CostReport(store)
        store.close()
        shutil.rmtree(folder)
        folder.write_text("something else is here now")
        assert (report.calls, report.total_cost) == (1, Decimal("0.00021"))
        with pytest.raises(StoreError):
            forms(answer(report))
