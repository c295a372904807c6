"""The loopback provider's life: where it serves, how it is scripted, how it ends."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import openai
import pytest

from langchain_costguard.testing import Behaviour, LoopbackProvider


def test_it_serves_on_this_machine_only(provider: LoopbackProvider) -> None:
    """Tests must never reach, nor be reached from, a network."""
    assert provider.base_url.startswith("http://127.0.0.1:")
    assert provider.base_url.endswith("/v1")


def test_outside_its_block_it_says_how_to_use_it() -> None:
    """The commonest mistake deserves its own sentence."""
    with pytest.raises(RuntimeError, match="with LoopbackProvider"):
        _ = LoopbackProvider().base_url


def test_two_providers_do_not_mix() -> None:
    """Bills of parallel tests must stay apart."""
    with LoopbackProvider(reply="one") as first, LoopbackProvider(reply="two") as second:
        assert first.chat_model().invoke("q").content == "one"
        assert second.chat_model().invoke("q").content == "two"
        assert len(first.requests) == len(second.requests) == 1


def test_closing_ends_waiting_answers_threads_and_the_port() -> None:
    """A test run must not end with threads that wait for an hour."""
    before = set(threading.enumerate())
    provider = LoopbackProvider().start()
    port = int(provider.base_url.rsplit(":", 1)[1].partition("/")[0])
    provider.script(Behaviour(latency_seconds=3600))
    model = provider.chat_model(max_retries=0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(model.invoke, "q")
        while not provider.requests:
            pass
        provider.close()
        left = {thread.name for thread in set(threading.enumerate()) - before}
        assert not [name for name in left if "loopback" in name or "process_request" in name]
        with pytest.raises(openai.APIConnectionError):
            waiting.result(timeout=10)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_it_can_be_closed_twice_and_keeps_its_bill() -> None:
    """The bill is read after the block as often as in it."""
    with LoopbackProvider() as provider:
        provider.chat_model().invoke("q")
        billed = provider.billed
    provider.close()
    assert provider.billed == billed > 0


def test_the_script_is_followed_and_then_the_usual_reply(provider: LoopbackProvider) -> None:
    """A test scripts what matters to it and leaves the rest."""
    provider.script("one", Behaviour(text="two"))
    model = provider.chat_model()
    assert [model.invoke("q").content for _ in range(3)] == ["one", "two", "An answer from the loopback provider."]


def test_the_usual_reply_can_depend_on_the_request() -> None:
    """Chains that parse answers need answers that fit the question."""
    with LoopbackProvider(reply=lambda body: body["messages"][-1]["content"].upper()) as provider:
        assert provider.chat_model().invoke("loud").content == "LOUD"


def test_a_reply_function_that_fails_is_heard_of() -> None:
    """A fault in a test's own function must not look like a network fault."""
    with LoopbackProvider(reply=lambda body: body["no such field"]) as provider:
        with pytest.raises(openai.InternalServerError, match="KeyError: 'no such field'"):
            provider.chat_model(max_retries=0).invoke("q")
        assert [(request.status, request.billed) for request in provider.requests] == [(500, 0)]


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_connection_serves_one_request_or_many(keep_alive: bool) -> None:
    """OpenAI's clients never close a kept connection, so by default there is none to close."""
    with LoopbackProvider(keep_alive=keep_alive) as provider:
        port = int(provider.base_url.rsplit(":", 1)[1].partition("/")[0])
        connection = HTTPConnection("127.0.0.1", port)
        for _ in range(2):
            connection.request("GET", "/v1/models")
            response = connection.getresponse()
            response.read()
            assert response.will_close == (not keep_alive)
        connection.close()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null"])
def test_a_body_that_is_no_object_is_a_client_error(provider: LoopbackProvider, content: bytes) -> None:
    """A broken request must not break the server."""
    port = int(provider.base_url.rsplit(":", 1)[1].partition("/")[0])
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/v1/chat/completions", content)
    response = connection.getresponse()
    assert response.status == 400
    assert json.loads(response.read())["error"]["type"] == "invalid_request_error"
    connection.close()
    assert provider.chat_model().invoke("q").content


@pytest.mark.parametrize("path", ["/v1/nothing", "/", "/v1/chat"])
def test_an_unknown_path_is_not_found(provider: LoopbackProvider, path: str) -> None:
    """Asking for what is not emulated must be told from an answer."""
    port = int(provider.base_url.rsplit(":", 1)[1].partition("/")[0])
    for method in ("GET", "POST"):
        connection = HTTPConnection("127.0.0.1", port)
        connection.request(method, path, b"{}")
        assert connection.getresponse().status == 404
        connection.close()
