"""The tour's support desk: its questions can be answered, and its readers answer from what they are sent alone."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The handbook and the questions, as the notebook imports them."""
    return _imported("support.desk", monkeypatch)


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The two programs that stand in for models."""
    return _imported("support.readers", monkeypatch)


def _imported(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    for known in {"support", "support.desk", "support.readers", *(m for m in sys.modules if m.startswith("support."))}:
        monkeypatch.delitem(sys.modules, known, raising=False)  # so that what is imported here is not left behind
    return importlib.import_module(name)


def request(model: str, context: str, question: str, rules: str = "Be concise.") -> dict[str, Any]:
    """What a client sends."""
    messages = [{"role": "system", "content": rules}, {"role": "user", "content": f"{context}\n\n{question}"}]
    return {"model": model, "messages": messages}


def test_every_answer_stands_in_the_handbook(desk: Any) -> None:
    """A question that nobody can answer would make every technique look worse than it is."""
    missing = [one[0] for one in desk.subjects() if one[0].phrase.lower() not in desk.HANDBOOK.lower()]
    assert missing == []


def test_no_wording_belongs_to_two_questions(desk: Any) -> None:
    """Or a right answer from the cache would be counted as a wrong one."""
    texts = [wording.text for wordings in desk.subjects() for wording in wordings]
    assert len(texts) == len(set(texts)) > 200


def test_what_customers_ask_is_the_same_each_time_and_not_what_was_calibrated_on(desk: Any) -> None:
    """A cascade that had seen the questions would promise too much."""
    asks = desk.asked(300)
    assert asks == desk.asked(300)
    assert {ask.wording.subject for ask in asks}.isdisjoint(wording.subject for wording in desk.labelled())
    assert len({ask.wording.text for ask in asks}) < 150


def test_a_reader_knows_only_what_it_is_sent(readers: Any) -> None:
    """What compression leaves out must be missed, or its cost in quality would not be seen."""
    context = "Ember\nThe Ember weighs 310 grams.\nThe Ember costs 69 euros."
    asked = "What does the Ember cost?"
    for model in ("gpt-4o-mini", "gpt-4o"):
        assert readers.answer(request(model, context, asked)) == "The Ember costs 69 euros."
        assert "69" not in readers.answer(request(model, context.rpartition("\n")[0], asked))


def test_the_small_reader_says_when_it_is_not_sure_and_only_where_it_may(readers: Any) -> None:
    """The cascade has nothing else to go by."""
    context = "Ember\nThe Ember weighs 310 grams.\nThe Ember costs 69 euros."
    unsure = request("gpt-4o-mini", context, "How heavy is the Ember?", "Be concise, or say UNCERTAIN.")
    assert readers.answer(unsure) == "UNCERTAIN"
    assert readers.answer(request("gpt-4o-mini", context, "How heavy is the Ember?")) == "The Ember weighs 310 grams."
