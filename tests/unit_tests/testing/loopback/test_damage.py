"""Answers that arrive damaged: each kind reaches the real clients as what it says, and is billed."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from langchain_costguard.testing import Behaviour, LoopbackProvider
from langchain_costguard.testing.loopback import DAMAGES

_NUMBERS = re.compile(r"loopback-\d+")
"""What differs between two equal answers."""

_CLIENT = httpx.Client(timeout=10, verify=False)  # noqa: S501 - loopback only, and plain
PATHS: dict[str, dict[str, Any]] = {
    "/chat/completions": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "q"}]},
    "/responses": {"model": "gpt-4o-mini", "input": "q"},
    "/messages": {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "q"}]},
}


def post(provider: LoopbackProvider, path: str, **fields: Any) -> httpx.Response:
    """The answer as it arrives."""
    options = {"stream_options": {"include_usage": True}} if fields.get("stream") and path != "/messages" else {}
    return _CLIENT.post(provider.base_url + path, json={**PATHS[path], **fields, **options})


def counts(usage: Any) -> list[int]:
    """All numbers of tokens in usage."""
    return [n for v in usage.values() for n in (counts(v) if isinstance(v, dict) else [v]) if isinstance(n, int)]


@pytest.mark.parametrize("path", PATHS)
def test_every_damage_changes_what_arrives_and_nothing_of_the_bill(provider: LoopbackProvider, path: str) -> None:
    """A damage that does nothing would let a test of it pass for nothing."""
    for stream in (False, True):
        whole = post(provider, path, stream=stream).text
        price = provider.requests[-1].billed
        for damage in DAMAGES:
            provider.next(damage=damage)
            spoilt = post(provider, path, stream=stream).text
            assert provider.requests[-1].billed == price > 0
            of_streams_alone = damage in ("usage_twice", "no_end")
            is_whole = _NUMBERS.sub("n", spoilt) == _NUMBERS.sub("n", whole)
            assert is_whole is (of_streams_alone and not stream), damage


@pytest.mark.parametrize("path", PATHS)
def test_each_damage_is_what_it_is_called(provider: LoopbackProvider, path: str) -> None:
    """Names are what a reader of a failing test has."""
    provider.script(*(Behaviour(damage=d) for d in ("no_usage", "dirty_usage", "zero_usage", "no_choices")))
    missing, dirty, zero, empty = (post(provider, path).json() for _ in range(4))
    assert "usage" not in missing
    assert max(counts(dirty["usage"])) < 0
    assert set(counts(zero["usage"])) == {0}
    assert [empty[name] for name in ("choices", "content", "output") if name in empty] == [[]]
    provider.script(Behaviour(damage="malformed_json"), Behaviour(damage="wrong_content_type"))
    with pytest.raises(json.JSONDecodeError):
        post(provider, path).json()
    assert post(provider, path).headers["content-type"] == "text/html"


def test_a_reset_connection_and_a_slow_one_arrive_as_such(provider: LoopbackProvider) -> None:
    """A client sees `ECONNRESET`, or piece after piece."""
    provider.next(drop_after_chunks=2, resets=True)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        post(provider, "/chat/completions", stream=True)
    provider.next(chunk_seconds=0.001)
    assert post(provider, "/chat/completions").json()["choices"]
    provider.next(chunk_seconds=0.001)
    assert "[DONE]" in post(provider, "/chat/completions", stream=True).text


def test_a_function_says_how_each_request_is_served() -> None:
    """Under many threads a script cannot say whose request goes wrong; the request itself can."""

    def behave(body: Any) -> Behaviour | None:
        return Behaviour(status=503) if body["messages"][0]["content"] == "fail" else None

    with LoopbackProvider(behave=behave) as provider:
        assert post(provider, "/chat/completions").status_code == 200
        assert post(provider, "/chat/completions", messages=[{"role": "user", "content": "fail"}]).status_code == 503
        provider.next(status=429)
        assert post(provider, "/chat/completions").status_code == 429


def test_requests_that_were_taken_are_still_billed(provider: LoopbackProvider) -> None:
    """Hours of requests must not fill the memory, nor leave the bill."""
    post(provider, "/chat/completions")
    bill = provider.billed
    (taken,) = provider.take_requests()
    assert (taken.billed, provider.requests, provider.billed) == (bill, (), bill)
