"""Long work shows how far it is, to people only."""

from __future__ import annotations

import io
import sys

import pytest

from langchain_costguard import _progress
from langchain_costguard._progress import watched


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All work is long."""
    monkeypatch.setattr(_progress, "PATIENCE_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
def test_a_person_at_a_terminal_sees_what_is_done_and_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent minute looks like a hang."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(watched(range(1500), "pricing lines")) == list(range(1500))
    assert "pricing lines: 1,500" in sys.stderr.getvalue()


@pytest.mark.usefixtures("impatient")
def test_a_log_file_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress bars in a log are noise."""
    assert list(watched(range(1500), "pricing lines")) == list(range(1500))
    assert capsys.readouterr() == ("", "")


def test_quick_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that flashes up tells nobody anything."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(watched(iter("abc"), "pricing lines")) == ["a", "b", "c"]
    assert sys.stderr.getvalue() == ""


@pytest.mark.usefixtures("impatient")
def test_items_pass_one_by_one_and_a_failure_passes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading ahead would hold a ledger in memory; a swallowed error would end the work too early."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    taken: list[int] = []

    def source() -> object:
        for number in range(3):
            taken.append(number)
            yield number
        msg = "the disk failed"
        raise OSError(msg)

    seen = watched(source(), "reading")
    assert next(seen) == 0
    assert taken == [0]
    with pytest.raises(OSError, match="the disk failed"):
        list(seen)
    assert taken == [0, 1, 2]
