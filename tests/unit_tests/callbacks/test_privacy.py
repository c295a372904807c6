"""What users say to a model is found nowhere: not in the ledger, not in logs, not in reports."""

from __future__ import annotations

import json
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.tools import tool

from langchain_costguard import CostCallbackHandler
from langchain_costguard.testing import LoopbackProvider, Reply, ScriptedChatModel

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-7f3d"


def test_a_canary_in_prompt_answer_tool_argument_exception_and_url_leaves_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A ledger is read by more people than a conversation."""
    database = tmp_path / "costs.db"
    handler = CostCallbackHandler(store=f"sqlite:///{database}")

    @tool
    def search(query: str) -> str:
        """Search."""
        return query

    replies: list[Any] = [
        Reply(f"The answer is {CANARY}."),
        Reply(tool_calls=[("search", {"query": CANARY})]),
        RuntimeError(CANARY),
        Reply(f"{CANARY} one two three", usage=None),
        Reply(f"{CANARY} one two three", fail_after_chunks=2, error=ValueError(CANARY)),
    ]
    model = ScriptedChatModel(responses=replies, model_name="gpt-4o", provider="openai")
    config: Any = {"callbacks": [handler], "metadata": {"user": "u1"}}
    with caplog.at_level(logging.DEBUG, logger="langchain_costguard"):
        model.invoke(f"My secret is {CANARY}.", config=config)
        answer = model.bind_tools([search]).invoke(f"Find {CANARY}.", config=config)
        search.invoke(answer.tool_calls[0]["args"], config=config)
        with pytest.raises(RuntimeError):
            model.invoke("q", config=config)
        list(model.stream([("user", [{"type": "text", "text": CANARY}])], config=config))
        with pytest.raises(ValueError, match=CANARY):
            list(model.stream("q", config=config))
        with LoopbackProvider() as provider:
            real = provider.chat_model(model="gpt-4o", base_url=f"{provider.base_url}/{CANARY}", max_retries=0)
            with pytest.raises(Exception, match="404"):
                real.invoke(CANARY, config=config)
        handler.flush()
        report = handler.report()
        shown = f"{handler!r}{report}{report._repr_html_()}{json.dumps(report.to_dict())}{report.to_pandas().to_csv()}"
    assert handler.calls == 6
    assert CANARY not in caplog.text
    assert CANARY not in shown
    assert CANARY.encode() not in pickle.dumps(handler.entries())
    handler.store.close()
    for file in tmp_path.iterdir():
        assert CANARY.encode() not in file.read_bytes()
