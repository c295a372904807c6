"""How far a run is: shown where a person watches, with the cost so far and the cost to come."""

from __future__ import annotations

import io
import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_costguard.batching import run_many
from langchain_costguard.batching.many import progress as progress_module
from langchain_costguard.testing import LoopbackProvider, ScriptedChatModel

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.batching import ManyProgress
    from tests.unit_tests.batching.many.many_runners import Many


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def test_a_listener_is_told_after_each_item_what_it_cost_and_what_is_to_come(many: Many) -> None:
    """The moment to stop a job that turns out ten times as dear."""
    told: list[ManyProgress] = []
    with LoopbackProvider() as provider:
        many(provider.chat_model(), ["q"] * 5, 1, progress=told.append)
        each = provider.billed / 5
    assert [now.done for now in told] == [1, 2, 3, 4, 5]
    assert [now.cost for now in told] == [each * number for number in range(1, 6)]
    assert [now.cost_to_come for now in told] == [each * number for number in (4, 3, 2, 1, 0)]
    assert str(told[1]) == "2 of 5 done, $0.0000141 so far, about $0.0000212 to come"


def test_unknown_prices_and_unknown_lengths_stay_unknown(many: Many) -> None:
    """A guess of zero would be read as "free"."""
    told: list[ManyProgress] = []
    many(ScriptedChatModel(model_name="nobody-knows-it"), ["q"] * 2, 1, progress=told.append)
    assert [(now.cost, now.cost_to_come, now.unpriced_items) for now in told[:1]] == [(None, None, 1)]
    assert str(told[0]) == "1 of 2 done, unknown so far, unknown cost to come"
    told.clear()
    many(ScriptedChatModel(model_name="gpt-4o-mini"), iter(["q"] * 2), 1, progress=told.append)
    assert [(now.total, now.cost_to_come) for now in told] == [(None, None)] * 2
    assert str(told[1]) == "2 done, $0.0000075 so far"


def test_the_mean_is_over_what_was_paid_now(many: Many, tmp_path: Path) -> None:
    """Restored items cost nothing, which says nothing of those to come."""
    told: list[ManyProgress] = []
    model, inputs = ScriptedChatModel(model_name="gpt-4o-mini"), ["a", "b", "c", "d"]
    many(model, inputs[:2], 1, tmp_path / "done.jsonl")
    many(model, inputs, 1, tmp_path / "done.jsonl", progress=told.append)
    assert [(now.done, now.restored) for now in told] == [(1, 1), (2, 2), (3, 2), (4, 2)]
    assert [now.cost_to_come for now in told] == [None, None, told[2].cost, Decimal(0)]
    assert told[1].cost == Decimal(0) < told[2].cost


def test_failed_items_are_counted_apart(many: Many) -> None:
    """A bar that runs to its end while everything fails is a lie."""
    told: list[ManyProgress] = []
    many(RunnableLambda(lambda number: 1 // number), [0, 1], 1, progress=told.append)
    assert (told[-1].done, told[-1].failed, told[-1].ended) == (1, 1, 2)
    assert str(told[-1]) == "1 of 2 done, 1 failed, $0.00 so far, about $0.00 to come"


def test_a_person_at_a_terminal_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of silence looks like a hang."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    run_many(ScriptedChatModel(model_name="gpt-4o-mini"), ["q"] * 20)
    assert "20 of 20 done, $0.000075 so far" in " ".join(sys.stderr.getvalue().split())


def test_a_log_file_sees_nothing_unless_it_wants_to(capsys: pytest.CaptureFixture[str]) -> None:
    """Bars in a log are noise."""
    run_many(RunnableLambda(lambda number: number), range(20))
    assert capsys.readouterr() == ("", "")
    run_many(RunnableLambda(lambda number: number), range(20), progress=True)
    assert "20 of 20 done" in " ".join(capsys.readouterr().err.split())


def test_a_terminal_can_be_kept_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who draw their own."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    run_many(RunnableLambda(lambda number: number), range(20), progress=False)
    assert sys.stderr.getvalue() == ""


def test_a_notebook_shows_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without widgets, and updated in place."""
    import IPython
    import IPython.display

    shown: list[Any] = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(
        IPython.display, "display", lambda first, **_: shown.append(first) or SimpleNamespace(update=shown.append)
    )
    run_many(ScriptedChatModel(model_name="gpt-4o-mini"), ["q"] * 20)
    assert shown[-1]._repr_html_().startswith('<progress value="20" max="20"></progress> 20 of 20 done, $0.000075')
    assert repr(shown[-1]).startswith("20 of 20 done")
    assert shown[0]._repr_html_().startswith("<progress></progress>")
    assert len(shown) < 20


def test_a_listener_that_fails_ends_the_run_and_nothing_stays_behind(many: Many) -> None:
    """Its error is the caller's own, and must be seen."""
    begun: list[int] = []

    def fail(_: object) -> None:
        msg = "the listener is broken"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="listener is broken"):
        many(RunnableLambda(begun.append), range(1000), 2, progress=fail)
    assert len(begun) < 20


def test_amounts_are_rounded_for_people_and_kept_for_programs() -> None:
    """Three digits on the screen, all of them in the field."""
    assert str(progress_module._rounded(Decimal("12.3456789"))) == "12.35"
    assert str(progress_module._rounded(Decimal("0.000123456"))) == "0.000123"
    assert progress_module._rounded(None) is None
