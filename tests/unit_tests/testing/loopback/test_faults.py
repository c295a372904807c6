"""What goes wrong with providers, on demand: errors, late answers, broken streams, and what they cost."""

from __future__ import annotations

import logging

import httpx
import openai
import pytest

from langchain_costguard.testing import Behaviour, LoopbackProvider


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_an_error_raises_what_openai_raises_and_costs_nothing(
    provider: LoopbackProvider, status: int, error: type[Exception]
) -> None:
    """Retries, fallbacks and refusals branch on these classes."""
    provider.script(status)
    with pytest.raises(error):
        provider.chat_model(max_retries=0).invoke("q")
    (request,) = provider.requests
    assert (request.status, request.billed, request.tokens.total_tokens) == (status, 0, 0)


def test_the_client_waits_as_long_as_it_is_told_and_tries_again(provider: LoopbackProvider) -> None:
    """One LangChain run can be several requests: only the provider sees them."""
    provider.script(Behaviour(status=429, retry_after_seconds=0.001), "fine")
    assert provider.chat_model().invoke("q").content == "fine"
    assert [request.status for request in provider.requests] == [429, 200]


def test_an_error_can_be_billed(provider: LoopbackProvider) -> None:
    """Some gateways charge for a failed attempt."""
    provider.next(status=500, billed=True)
    with pytest.raises(openai.InternalServerError):
        provider.chat_model(max_retries=0).invoke("q")
    assert provider.billed > 0


def test_an_answer_after_the_clients_timeout_is_billed(provider: LoopbackProvider) -> None:
    """The caller sees a failure, the invoice sees a call: this is why a reservation must not be released."""
    provider.next(latency_seconds=3600)
    with pytest.raises(openai.APITimeoutError):
        provider.chat_model(timeout=0.05, max_retries=0).invoke("q")
    assert provider.billed > 0


def test_every_silent_retry_after_a_timeout_is_billed(provider: LoopbackProvider) -> None:
    """One run, three bills: the client's own retries are invisible to callbacks."""
    provider.script(*[Behaviour(latency_seconds=3600)] * 3)
    with pytest.raises(openai.APITimeoutError):
        provider.chat_model(timeout=0.05, max_retries=2).invoke("q")
    assert len([request for request in provider.requests if request.billed > 0]) == 3


def test_a_stream_breaks_in_the_middle_and_is_billed_whole(provider: LoopbackProvider) -> None:
    """What was generated is owed, although usage never arrived."""
    provider.next(text="one two three four", drop_after_chunks=3)
    received: list[str] = []
    with pytest.raises(openai.APIError):
        received.extend(chunk.text for chunk in provider.chat_model(stream_usage=True, max_retries=0).stream("q"))
    assert "".join(received) == "one two"
    assert provider.requests[0].tokens.output_tokens == 5


def test_a_connection_breaks_instead_of_an_answer(provider: LoopbackProvider) -> None:
    """Without a stream there is nothing in the middle: the connection ends."""
    provider.next(drop_after_chunks=0)
    with pytest.raises(openai.APIConnectionError):
        provider.chat_model(max_retries=0).invoke("q")
    assert provider.billed > 0


def test_a_stream_can_withhold_usage_from_a_client_that_asked(provider: LoopbackProvider) -> None:
    """Some servers accept `include_usage` and ignore it."""
    provider.next(stream_usage=False)
    usages = [chunk.usage_metadata for chunk in provider.chat_model(stream_usage=True).stream("q")]
    assert not any(usages)


def test_an_unknown_model_does_not_exist(provider: LoopbackProvider) -> None:
    """A typing error in a test must not be billed at some price."""
    with pytest.raises(openai.NotFoundError, match=r"gpt-9.*prices="):
        provider.chat_model(model="gpt-9").invoke("q")
    assert [(request.status, request.billed) for request in provider.requests] == [(404, 0)]


def test_a_tier_that_is_not_offered_is_refused(provider: LoopbackProvider) -> None:
    """Nobody is served in a tier without a price."""
    with pytest.raises(openai.BadRequestError, match="service_tier"):
        provider.chat_model(model="gpt-4o", service_tier="flex").invoke("q")


def test_a_refused_request_does_not_use_up_the_script(provider: LoopbackProvider) -> None:
    """The script speaks of requests that reach the model."""
    provider.next(text="fine")
    with pytest.raises(openai.NotFoundError):
        provider.chat_model(model="gpt-9").invoke("q")
    assert provider.chat_model().invoke("q").content == "fine"


def test_embeddings_fail_as_told(provider: LoopbackProvider) -> None:
    """They have retries of their own."""
    provider.script(429)
    with pytest.raises(openai.RateLimitError):
        provider.embeddings(max_retries=0).embed_query("q")


def test_nothing_is_printed(
    provider: LoopbackProvider, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The standard library's server logs every request to stderr, and errors with a traceback."""
    with caplog.at_level(logging.INFO, logger="langchain_costguard"):
        provider.next(drop_after_chunks=0)
        with pytest.raises(openai.APIConnectionError):
            provider.chat_model(max_retries=0).invoke("CANARY")
        provider.chat_model().invoke("CANARY")
    assert capfd.readouterr() == ("", "")
    assert "CANARY" not in "".join(record.getMessage() for record in caplog.records if record.name != "openai")


@pytest.mark.parametrize(("resets", "seen"), [(True, httpx.ReadError), (False, httpx.RemoteProtocolError)])
def test_an_answer_cut_short_ends_as_told(provider: LoopbackProvider, resets: bool, seen: type[Exception]) -> None:
    """A connection that is reset is another error than one that is closed."""
    provider.fault("POST *", arriving_share=0.5, resets=resets)
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "q"}]}
    with pytest.raises(seen):
        httpx.post(f"{provider.base_url}/chat/completions", json=body, headers={"authorization": "Bearer x"})
