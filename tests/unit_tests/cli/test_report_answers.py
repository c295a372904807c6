"""`report` with a question: the period, the dearest, what changed, what was saved, what is to come."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from langchain_costguard.savings import Savings
from langchain_costguard.stores import SQLStore
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNS = [UUID(int=number) for number in (1, 2, 3)]


@pytest.fixture
def months(tmp_path: Path) -> Path:
    """October cost a dollar, November three: two runs, of which one is the dearer."""
    path = tmp_path / "months.db"
    dollar = 10**9
    with SQLStore(path) as store:
        for at, run, cost in (
            (datetime(2026, 10, 31, 22, 59, tzinfo=UTC), RUNS[0], dollar),
            (datetime(2026, 10, 31, 23, 1, tzinfo=UTC), RUNS[1], dollar),
            (datetime(2026, 11, 2, tzinfo=UTC), RUNS[2], 2 * dollar),
        ):
            saved = Savings(prompt_caching=dollar // 2)
            outcome = {"outcome": "solved" if run == RUNS[2] else "lost"}
            store.append(make_entry(at=at, root_run_id=run, billed_nano=cost, savings=saved, metadata=outcome))
    return path


@pytest.mark.parametrize(
    ("period", "calls"),
    [
        (["--month", "2026-11"], 1),
        (["--month", "2026-10"], 2),
        (["--month", "2026-11", "--tz", "Europe/Berlin"], 2),
        (["--month", "2026-12"], 0),
        (["--since", "2w", "--until", "2026-11-02T01:00"], 3),
        (["--since", "1d", "--until", "2026-11-02T01:00"], 1),
        (["--since", "25h", "--until", "2026-11-02T00:01"], 2),
        (["--since", "1d"], 0),
    ],
)
def test_a_period_is_typed_as_people_say_it(
    period: list[str], calls: int, months: Path, run: Callable[..., Any]
) -> None:
    """The last week, or November in Berlin, without working out its days."""
    assert run("report", "--store", str(months), "--json", *period).json["totals"]["calls"] == calls


def test_so_long_ago_means_before_now(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Without --until the period ends with this moment."""
    path = tmp_path / "now.db"
    with SQLStore(path) as store:
        store.append(make_entry(at=datetime.now(UTC) - timedelta(hours=30)))
        store.append(make_entry(at=datetime.now(UTC) - timedelta(hours=5)))
    for since, calls in (("24h", 1), ("2d", 2), ("1w", 2)):
        assert run("report", "--store", str(path), "--json", "--since", since).json["totals"]["calls"] == calls


def test_what_changed_since_the_previous_month(months: Path, run: Callable[..., Any]) -> None:
    """The question of every first of the month."""
    asked = ["report", "--store", str(months), "--month", "2026-11", "--compare", "previous"]
    told = run(*asked, "--json").json
    assert (told["cost_before"], told["cost_after"], told["change_cost"]) == ("2", "2", "0")
    assert (told["drivers"]["volume"], told["drivers"]["price"]) == ("-1", "1")
    assert run("report", "--store", str(months), "--month", "2026-11", "--compare", "2026-10", "--json").json == told
    text = run(*asked, "--by", "metadata:outcome").out
    assert "What changed" in text
    assert "By metadata:outcome" in text


def test_the_period_before_is_as_long(months: Path, run: Callable[..., Any]) -> None:
    """Two days are compared with the two days before them."""
    asked = ["--since", "2d", "--until", "2026-11-03", "--compare", "previous", "--json"]
    told = run("report", "--store", str(months), *asked).json
    assert (told["calls_before"], told["calls_after"]) == (2, 1)


def test_the_dearest_runs_and_groups(months: Path, run: Callable[..., Any]) -> None:
    """Where to look first."""
    rows = run("report", "--store", str(months), "--by", "run", "--top", "1", "--json").json
    assert [(row["run"], row["billed_cost"]) for row in rows] == [(str(RUNS[2]), "2")]
    assert str(RUNS[2]) in run("report", "--store", str(months), "--top", "1").out
    rows = run("report", "--store", str(months), "--by", "day", "--top", "1", "--json").json
    assert [row["day"] for row in rows] in (["2026-10-31"], ["2026-11-02"])
    rows = run("report", "--store", str(months), "--by", "day", "--by", "model", "--json").json
    assert [(row["day"], row["model"]) for row in rows] == [
        ("2026-10-31", "gpt-4o-mini"),
        ("2026-11-02", "gpt-4o-mini"),
    ]


@pytest.mark.parametrize(
    ("option", "word", "key", "value"),
    [
        (["--savings"], "Without any technique", "saved_cost", "1.5"),
        (["--forecast", "--until", "2026-11-02T01:00"], "Forecast for", "expected_cost", None),
        (["--latency"], "p95 ms", "is_sampled", False),
        (["--outcome", "outcome"], "Cost per outcome", "total_cost", "4"),
    ],
)
def test_one_answer_in_every_form(
    option: list[str], word: str, key: str, value: object, months: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    """As text, as JSON, and on a page below the whole report."""
    asked = ["report", "--store", str(months), *option]
    assert word in run(*asked).out
    assert run(*asked, "--json").json[key] == value
    page = tmp_path / "page.html"
    assert run(*asked, "--html", str(page)).code == 0
    html = page.read_text(encoding="utf-8")
    assert html.count("</html>") == 1
    assert word in html


def test_a_page_asks_no_network_for_anything(months: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """It is mailed, and opened where there is none."""
    page = tmp_path / "page.html"
    assert run("report", "--store", str(months), "--html", str(page), "--by", "day").code == 0
    html = page.read_text(encoding="utf-8")
    assert "data:image/png;base64," in html
    assert not re.search(r"(src|href)=\"(?!data:)|@import|url\(|<script|<link", html)


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        (["--month", "2026-13"], "is no month"),
        (["--month", "November"], "is no month"),
        (["--month", "2026-11", "--since", "2026-11-02"], "leave --since and --until away"),
        (["--compare", "previous"], "give --since 7d or --month"),
        (["--compare", "yesterday", "--since", "7d"], "or previous"),
        (["--since", "999999w"], "fewer days"),
        (["--since", "7 days"], "is no day"),
        (["--savings", "--forecast"], "one of them"),
        (["--savings", "--top", "3"], "leave --top away"),
        (["--savings", "--by", "user"], "leave --by away"),
        (["--forecast", "--by", "user"], "leave --by away"),
        (["--outcome", "outcome", "--by", "user"], "leave --by away"),
        (["--month", "9999-12"], "give an earlier one"),
        (["--month", "0001-01", "--compare", "previous"], "give a later --month"),
        (["--since", "0001-01-01", "--compare", "previous"], "give a later --since"),
        (["--month", "2026-11", "--compare", "previous", "--by", "tag"], "LedgerQuery"),
        (["--top", "0"], "--top"),
        (["--month", "2026-11", "--tz", "Mars/Olympus"], "no time zone"),
        (["--latency", "--by", "colour"], "colour"),
    ],
)
def test_what_is_not_understood_says_what_to_type(
    typed: list[str], word: str, months: Path, run: Callable[..., Any]
) -> None:
    """A wrong command ends with 2 and one way out."""
    ended = run("report", "--store", str(months), *typed)
    assert (ended.code, ended.out) == (2, "")
    assert word in " ".join(ended.err.replace("│", " ").split())
    assert "Traceback" not in ended.err
