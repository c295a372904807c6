"""How a report looks, and that nothing in it can harm the page or the terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.exceptions import OptionalDependencyError
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.pricing import Catalog, PriceBook
from langchain_costguard.reports import CostReport
from langchain_costguard.reports.figures import png_where_possible
from langchain_costguard.savings import Savings
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from langchain_costguard.stores.memory import InMemoryStore
    from tests.unit_tests.reports.conftest import Book

HOSTILE = "<script>alert('x')</script>&\"\x1b[2J$a_{"

SNAPSHOT = """\
March
tag checkout

Cost             $0.0108 + 1 unpriced call
Avoided          $0.000435 by 1 cached answer
Calls            5
Input tokens     3,100 100 read from the prompt cache
Output tokens    320

! 1 of 5 calls is unpriced: the sums do not cover it.
! 1 call: no price list has the model 'mystery-1': give overrides={'mystery-1': free()}.
! 1 of 5 calls is estimated: the provider reported no tokens, so they were counted here.
- 1 of 5 calls came from the cache: free, $0.000435 avoided.

By model
Model        Calls  Input tokens  Output tokens  Cache read  Cached calls     Cost
----------------------------------------------------------------------------------
gpt-4o           3         1,100            120         100             1  $0.0100
gpt-4o-mini      1         1,000            100           0             0  $0.0008
mystery-1        1         1,000            100           0             0  unknown

By day (UTC)
Day         Calls  Input tokens  Output tokens  Cache read  Cached calls     Cost
----------------------------------------------------------------------------------------------------
2026-03-03      3         2,000            200           0             1  $0.0008  + 1 unpriced call
2026-03-02      2         1,100            120         100             0  $0.0100

Savings
Step                         Cost  Compared with
-----------------------------------------------------------------------------------
Without any technique   $0.011235
exact cache            -$0.000435  asking again for answers to the very same prompt
Billed                  $0.010800  without 1 unpriced call

Priced by genai-prices 0.2.3 (3 calls).
The price list is hand-written 1 of TODAY, 0 days old.
Lines are kept in memory only and end with this process: give store=... to keep them."""


class Page(HTMLParser):
    """What a browser would find: tags, images, and text."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.images: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        if tag not in {"img", "br"}:
            self.open.append(tag)
        self.images += [str(value) for name, value in attrs if tag == "img" and name == "src"]

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that is open; anything else is a broken page."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.words += data


def _page(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


@pytest.fixture
def march(store: InMemoryStore, book: Book) -> CostReport:
    """A report with a bit of everything."""
    book(cost="0.01", tags=("checkout",), tokens=(1000, 100))
    book(cost="0", tags=("checkout",), usage=TokenUsage(cache_read=100, output_text=20), estimate_method="tiktoken")
    book("gpt-4o-mini", cost="0.0008", tags=("checkout",), at="2026-03-03T09:00")
    book("mystery-1", cost=None, tags=("checkout",), at="2026-03-03T09:00")
    hit = {"avoided_nano": 435_000, "savings": Savings(exact_cache=435_000)}
    book(cost="0", status="cached", **hit, tags=("checkout",), at="2026-03-03T09:00")
    prices = PriceBook(catalog=Catalog((), source="hand-written", version="1", dated=datetime.now(UTC).date()))
    return CostReport(store, query=LedgerQuery(tag="checkout"), title="March", prices=prices)


def test_the_text_reads_like_this(march: CostReport) -> None:
    """The whole page as a reader sees it, so that no change of it goes unseen."""
    assert march.text(100) == SNAPSHOT.replace("TODAY", str(datetime.now(UTC).date()))


def test_the_text_is_plain_and_fits(march: CostReport) -> None:
    """A log has no colours, no box characters and an end of its lines."""
    for width in (60, 80, 120):
        text = march.text(width)
        assert text.isascii()
        assert "\x1b" not in text
        assert max(len(line) for line in text.splitlines()) <= width


def test_print_takes_the_width_of_the_terminal(march: CostReport, monkeypatch: pytest.MonkeyPatch) -> None:
    """`print(report)` must not wrap where the window is narrow."""
    monkeypatch.setenv("COLUMNS", "70")
    assert str(march) == march.text(70)


def test_rich_can_print_it_in_colour(march: CostReport) -> None:
    """A command line shows the same report with its warnings marked."""
    from rich.console import Console

    console = Console(width=100, record=True, file=sys.stderr, force_terminal=True)
    with console.capture() as capture:
        console.print(march)
    assert "\x1b[33m" in capture.get()


def test_hostile_names_do_nothing_to_a_terminal(store: InMemoryStore, book: Book) -> None:
    """A model name is written by whoever runs the endpoint."""
    book(HOSTILE, cost=None, provider=HOSTILE, user=HOSTILE, unpriced_reason=f"no price of {HOSTILE}")
    report = CostReport(store, query=LedgerQuery(user=HOSTILE))
    assert "\x1b" not in report.text(100) + repr(report) + str(report.unpriced()[0]) + str(report.replay("gpt-4o"))


def test_hostile_names_do_nothing_to_a_page(store: InMemoryStore, book: Book) -> None:
    """A notebook runs what its HTML contains."""
    book(HOSTILE, cost=None, provider=HOSTILE, user=HOSTILE, tags=(HOSTILE,), unpriced_reason=f"no {HOSTILE}")
    html = CostReport(store, query=LedgerQuery(user=HOSTILE, tag=HOSTILE), title=HOSTILE)._repr_html_()
    page = _page(html)
    assert "script" not in page.tags
    assert "<script>alert('x')</script>&\"" in page.words


def test_a_page_has_tables_figures_and_its_own_style(march: CostReport) -> None:
    """A notebook that is opened elsewhere has no files beside it."""
    page = _page(march._repr_html_())
    assert page.tags.count("table") == 3
    assert [image.partition(",")[0] for image in page.images] == ["data:image/png;base64"]
    assert page.tags.count("style") == 1
    for words in ("$0.0108", "+ 1 unpriced call", "1 of 5 calls is unpriced", "gpt-4o-mini", "kept in memory only"):
        assert words in page.words


def test_a_page_uses_the_colours_of_the_notebook(march: CostReport) -> None:
    """Black letters on a dark theme are no letters."""
    style = march._repr_html_().partition("<style>")[2].partition("</style>")[0]
    assert "color: inherit" in style
    for fixed in ("#000", "black", "#fff", "white;"):
        assert fixed not in style


def test_without_matplotlib_the_tables_stay(march: CostReport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are a convenience, the report is not."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = _page(march._repr_html_())
    assert (page.images, page.tags.count("table")) == ([], 3)
    assert "pip install 'langchain-costguard[notebook]'" in page.words
    with pytest.raises(OptionalDependencyError, match="matplotlib"):
        march.figure()


def test_the_digits_behind_the_cents_are_small_but_there(store: InMemoryStore, book: Book) -> None:
    """A big sum is read at its cents, and still exact."""
    book(cost="1234.567890123")
    html = CostReport(store)._repr_html_()
    assert '$1,234.56<span class="cg-fine">7890123</span>' in html


def test_the_figure_has_a_panel_by_day_and_one_by_model(march: CostReport) -> None:
    """Two questions, two panels, and no window of matplotlib is opened for them."""
    days, models = march.figure().axes
    assert [axes.get_title(loc="left") for axes in (days, models)] == ["Cost (USD) by day", "Cost (USD) by model"]
    assert [round(bar.get_height(), 4) for bar in days.patches] == [0.01, 0.0008]
    assert [label.get_text() for label in models.get_yticklabels()] == ["gpt-4o", "gpt-4o-mini", "mystery-1"]
    assert "unknown" in [text.get_text() for text in models.texts]


def test_without_any_cost_the_figure_shows_tokens(store: InMemoryStore, book: Book) -> None:
    """Bars of height zero would say that nothing happened."""
    book("smollm2", cost="0", tokens=(70, 7))
    days, models = CostReport(store).figure().axes
    assert days.get_title(loc="left") == "Tokens by day"
    assert [bar.get_height() for bar in days.patches] == [77]
    assert [text.get_text() for text in models.texts] == ["77"]


def test_a_figure_survives_names_it_cannot_write(store: InMemoryStore, book: Book) -> None:
    """Dollar signs start a formula in matplotlib, and its font has no Chinese."""
    book("$a_{$", cost="0.01")
    book("\u6a21\u578b", cost="0.02")
    assert png_where_possible(CostReport(store).figure) is not None


def test_a_year_of_days_fits_on_a_page(store: InMemoryStore, book: Book) -> None:
    """The newest month day by day, what came before as one row."""
    for month in range(1, 13):
        for day in range(1, 29):
            book(cost="0.01", at=f"2025-{month:02}-{day:02}T12:00")
    text = CostReport(store).text(100)
    assert len(text.splitlines()) < 60
    assert "305 earlier days    305" in text
    assert len(CostReport(store).figure().axes[0].patches) == 336
