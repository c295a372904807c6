"""The private methods of langchain-openai and langchain-anthropic that batches are made with do what `invoke` does.

A release that changes them fails here, and not in a user's overnight job.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_costguard.batching import UnsupportedChainError, submit_batch
from langchain_costguard.batching.jobs.bodies import as_bytes
from langchain_costguard.batching.jobs.context import ChainContext
from langchain_costguard.batching.jobs.contracts import private
from langchain_costguard.testing import LoopbackProvider
from langchain_costguard.testing.loopback.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from langchain_core.runnables import Runnable


class City(BaseModel):
    """A city."""

    name: str


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return city


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that keeps what it is sent."""
    with LoopbackProvider(batch_seconds=0, keep_bodies=True) as running:
        yield running


_JSON = Behaviour(text='{"name": "Lima"}')
_CALL = Behaviour(text="", tool_calls=[("weather", {"city": "Lima"})])
_SCHEMA_CALL = Behaviour(text="", tool_calls=[("City", {"name": "Lima"})])
_TEXT = Behaviour(text="Lima")

OPENAI: dict[str, tuple[Callable[[LoopbackProvider], Runnable[Any, Any]], Behaviour]] = {
    "plain": (lambda p: p.chat_model(model="gpt-4o", temperature=0.2, max_tokens=30), _TEXT),
    "logprobs": (lambda p: p.chat_model(model="gpt-4o", logprobs=True, top_logprobs=2), _TEXT),
    "reasoning": (lambda p: p.chat_model(model="o3", reasoning_effort="low", max_tokens=99), _TEXT),
    "stop": (lambda p: p.chat_model(model="gpt-4o").bind(stop=["."]), _TEXT),
    "extra_body": (lambda p: p.chat_model(model="gpt-4o", extra_body={"seed": 7}), _TEXT),
    "tools": (lambda p: p.chat_model(model="gpt-4o").bind_tools([weather], tool_choice="any"), _CALL),
    "json_schema": (lambda p: p.chat_model(model="gpt-4o").with_structured_output(City), _JSON),
    "json_mode": (
        lambda p: p.chat_model(model="gpt-4o").with_structured_output(City, method="json_mode"),
        _JSON,
    ),
    "function_calling": (
        lambda p: p.chat_model(model="gpt-4o").with_structured_output(City, method="function_calling"),
        _SCHEMA_CALL,
    ),
    "responses": (lambda p: p.chat_model(model="gpt-4o", use_responses_api=True), _TEXT),
    "responses_v1": (lambda p: p.chat_model(model="gpt-4o", use_responses_api=True, output_version="v1"), _TEXT),
}
ANTHROPIC: dict[str, tuple[Callable[[LoopbackProvider], Runnable[Any, Any]], Behaviour]] = {
    "plain": (lambda p: p.anthropic_model(max_tokens=30), _TEXT),
    "stop": (lambda p: p.anthropic_model(max_tokens=30).bind(stop=["."]), _TEXT),
    "tools": (lambda p: p.anthropic_model(max_tokens=30).bind_tools([weather]), _CALL),
    "function_calling": (lambda p: p.anthropic_model(max_tokens=30).with_structured_output(City), _SCHEMA_CALL),
}
_PROMPT = [("system", "Be brief."), ("human", "Where?")]


def _compare(provider: LoopbackProvider, chain: Runnable[Any, Any], answer: Behaviour, name: str, store: Path) -> None:
    """Ask the same thing at once and in a batch: what is sent and what comes back must not differ."""
    provider.script(answer)
    at_once = chain.invoke(_PROMPT)
    provider.next_batch(answer=lambda *_: answer)
    results = submit_batch(chain, [_PROMPT], store=store, provider=name).collect()
    assert not results.errors, results.errors
    (sent,) = _model_requests(provider)
    (batched,) = provider.batch_items
    at_once_body = {key: value for key, value in dict(sent.body or {}).items() if key != "stream"}
    assert dict(batched.body or {}) == at_once_body
    assert batched.path == sent.path
    _same(results[0], at_once)


def _model_requests(provider: LoopbackProvider) -> list[Any]:
    paths = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
    return [request for request in provider.requests if request.path in paths and request.method == "POST"]


def _same(batched: object, at_once: object) -> None:
    if not isinstance(at_once, AIMessage):
        assert batched == at_once
        return
    assert isinstance(batched, AIMessage)
    left, right = _plain(batched), _plain(at_once)
    assert left == right


def _plain(message: AIMessage) -> dict[str, Any]:
    """A message without what no two calls have in common: ids, times, and the tier."""
    told = json.loads(message.model_dump_json())
    del told["id"]
    for key in ("id", "created_at", "service_tier", "system_fingerprint"):
        told["response_metadata"].pop(key, None)
    told["response_metadata"].pop("usage", None)
    for call in told["tool_calls"]:
        call.pop("id")
    told["content"] = (
        [_without_ids(block) for block in told["content"]] if isinstance(told["content"], list) else told["content"]
    )
    return told


def _without_ids(block: Any) -> Any:
    return (
        {key: value for key, value in block.items() if key not in {"id", "call_id"}}
        if isinstance(block, dict)
        else block
    )


@pytest.mark.parametrize("kind", OPENAI)
def test_chat_openai_sends_and_reads_the_same_in_a_batch(provider: LoopbackProvider, tmp_path: Path, kind: str) -> None:
    """A parameter that is dropped, or usage that is lost, is what the rivals get wrong."""
    make, answer = OPENAI[kind]
    _compare(provider, make(provider), answer, "openai", tmp_path / "b.db")


@pytest.mark.parametrize("kind", ANTHROPIC)
def test_chat_anthropic_sends_and_reads_the_same_in_a_batch(
    provider: LoopbackProvider, tmp_path: Path, kind: str
) -> None:
    """The same for Anthropic."""
    make, answer = ANTHROPIC[kind]
    _compare(provider, make(provider), answer, "anthropic", tmp_path / "b.db")


def test_a_pydantic_schema_of_the_responses_api_is_sent_and_parsed(provider: LoopbackProvider, tmp_path: Path) -> None:
    """There the class is called `text_format`, and its client turns it into `text.format`."""
    model = provider.chat_model(model="gpt-4o", use_responses_api=True)
    chain = model.with_structured_output(City)
    body = ChainContext(chain, None, "openai", (), None).wires[0].request("Where?").body
    assert body["text"]["format"]["name"] == "City"
    assert json.loads(as_bytes(body)) == body
    provider.next_batch(answer=lambda *_: _JSON)
    assert list(submit_batch(chain, ["Where?"], store=tmp_path / "b.db", provider="openai").collect()) == [
        City(name="Lima")
    ]


def test_sampling_parameters_reach_anthropic_as_they_do_at_once(provider: LoopbackProvider) -> None:
    """`langchain-anthropic` hands them to its client as `extra_body`, which a batch must merge itself."""
    model = provider.anthropic_model(max_tokens=30, temperature=0.5)
    model.invoke(_PROMPT)
    (sent,) = _model_requests(provider)
    assert ChainContext(model, None, "anthropic", (), None).wires[0].request(_PROMPT).body == sent.body


def test_a_private_method_that_is_gone_is_named(provider: LoopbackProvider) -> None:
    """A release without it must say so before anything is sent, and which release it is."""
    with pytest.raises(UnsupportedChainError, match=r"langchain-openai \d.* has no _no_such_method"):
        private(provider.chat_model(), "_no_such_method", "langchain-openai")


def test_headers_of_single_requests_are_refused(provider: LoopbackProvider, tmp_path: Path) -> None:
    """A batch cannot carry them, and to drop them quietly would change the request."""
    model = provider.chat_model().bind(extra_headers={"x-team": "night"})
    with pytest.raises(ValueError, match="extra_headers"):
        submit_batch(model, ["Where?"], store=tmp_path / "b.db", provider="openai")
    assert provider.files == ()
