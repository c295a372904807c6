"""How many requests a client may send for one run, and how long each may take, as its own package has it."""

from __future__ import annotations

import math
from typing import Any

import anthropic
import httpx
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.load import dumpd
from langchain_openai import AzureChatOpenAI, ChatOpenAI, OpenAI, OpenAIEmbeddings

from langchain_costguard.guard.attempts import CLIENTS, attempts_of, retries_taken


def shown(model: Any) -> tuple[int, float | None]:
    """What start hooks would show of a client."""
    return attempts_of({}, dumpd(model))


def test_the_defaults_of_the_installed_packages_are_the_ones_in_the_table() -> None:
    """A release that retries more often would make every bound too low."""
    assert openai.DEFAULT_MAX_RETRIES == CLIENTS["ChatOpenAI"].max_retries == 2
    assert openai.DEFAULT_TIMEOUT.read == CLIENTS["ChatOpenAI"].timeout_seconds
    assert anthropic.DEFAULT_MAX_RETRIES == CLIENTS["ChatAnthropic"].max_retries == 2
    assert anthropic.DEFAULT_TIMEOUT.read == CLIENTS["ChatAnthropic"].timeout_seconds


def test_real_clients_show_what_they_were_told() -> None:
    """`max_retries` stands in the constructor mapping only where it was given."""
    key = {"api_key": "none"}
    assert shown(ChatOpenAI(model="gpt-4o", **key)) == (3, 600.0)
    assert shown(ChatOpenAI(model="gpt-4o", max_retries=0, timeout=5, **key)) == (1, 5.0)
    assert shown(ChatOpenAI(model="gpt-4o", max_retries=7, timeout=(2.0, 30.0), **key)) == (8, 30.0)
    assert shown(OpenAI(max_retries=4, **key)) == (5, 600.0)
    azure = AzureChatOpenAI(azure_deployment="d", azure_endpoint="https://example.org", api_version="1", **key)
    assert shown(azure) == (3, 600.0)
    assert shown(ChatAnthropic(model="claude-sonnet-4-5", max_retries=1, timeout=9.0, **key)) == (2, 9.0)


def test_embeddings_that_are_not_serializable_show_themselves_in_their_text() -> None:
    """LangChain gives the `repr` of what it cannot serialize."""
    serialized = dumpd(OpenAIEmbeddings(api_key="none", max_retries=5))
    assert attempts_of({}, {**serialized, "kwargs": {}, "repr": "OpenAIEmbeddings(max_retries=5)"})[0] == 6


class OurOwn(ChatOpenAI):
    """A subclass with a name nobody knows."""


def test_a_subclass_is_known_by_its_type() -> None:
    """`_llm_type` is inherited."""
    model = OurOwn(model="gpt-4o", api_key="none")
    assert attempts_of({"_type": model._llm_type}, dumpd(model)) == (3, 600.0)


def test_googles_client_counts_the_first_attempt_and_takes_zero_as_its_default() -> None:
    """`max_retries=1` is how its users switch retries off."""
    serialized: dict[str, Any] = {"id": ["ChatGoogleGenerativeAI"], "kwargs": {}}
    attempts = [attempts_of({}, {**serialized, "kwargs": {"max_retries": given}})[0] for given in (0, 1, 6)]
    assert [*attempts, attempts_of({}, serialized)[0]] == [6, 1, 6, 6]


@pytest.mark.parametrize("serialized", [None, {}, {"id": ["langchain", "Unheard"], "kwargs": {}}])
def test_a_model_that_shows_no_retries_sends_one_request(serialized: dict[str, Any] | None) -> None:
    """A model of the user's own has no client that could retry."""
    assert attempts_of({"_type": "scripted"}, serialized) == (1, None)


def test_what_the_run_says_wins_over_the_client() -> None:
    """`bind(timeout=...)` changes one run."""
    assert attempts_of({"timeout": 3}, {"id": ["ChatOpenAI"], "kwargs": {"request_timeout": 60.0}}) == (3, 3.0)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (httpx.Timeout(0.2), 0.2),
        (httpx.Timeout(30, read=5), 5.0),
        (httpx.Timeout(30, read=None), math.inf),
        (httpx.Timeout(None), math.inf),
        ((30.0, 0.5), 0.5),
    ],
)
def test_the_timeout_for_reading_is_found_where_langchain_shows_a_timeout_by_its_text(
    timeout: Any, seconds: float
) -> None:
    """Taken for the default of ten minutes, attempts that timed out and were billed are never charged."""
    assert shown(ChatOpenAI(model="gpt-4o", api_key="none", timeout=timeout)) == (3, seconds)
    assert attempts_of({"timeout": timeout}, dumpd(ChatOpenAI(model="gpt-4o", api_key="none"))) == (3, seconds)


@pytest.mark.parametrize(
    ("shown_as", "seconds"),
    [
        ("request_timeout=Timeout(timeout=2)", 2.0),
        ("request_timeout=7.5", 7.5),
        ("timeout=(1, 9)", 9.0),
        ("request_timeout=None", 600.0),
        ("request_timeout=<Waiting>", 0.0),
    ],
)
def test_a_client_that_is_only_text_shows_its_timeout(shown_as: str, seconds: float) -> None:
    """Embeddings of OpenAI are not serializable."""
    serialized = {"id": ["OpenAIEmbeddings"], "repr": f"OpenAIEmbeddings(stream_chunk_timeout=1.0, {shown_as}, n=1)"}
    assert attempts_of({}, serialized) == (3, seconds)


@pytest.mark.parametrize(
    "timeout", ["soon", True, {"lc": 1, "type": "not_implemented", "repr": "Patience()"}, object()]
)
def test_a_timeout_that_cannot_be_read_counts_as_none_too_short(timeout: Any) -> None:
    """Then any time may hold every retry, which is charged; the default of the client would charge none."""
    assert attempts_of({}, {"id": ["ChatOpenAI"], "kwargs": {"request_timeout": timeout}}) == (3, 0.0)


def failure(retries: str | None) -> openai.APIStatusError:
    """A 429 of OpenAI's client, after so many retries."""
    headers = {} if retries is None else {"x-stainless-retry-count": retries}
    request = httpx.Request("POST", "https://example.org", headers=headers)
    response = httpx.Response(429, request=request)
    return openai.RateLimitError("slow down", response=response, body=None)  # type: ignore[arg-type]  # a stand-in


@pytest.mark.parametrize(("header", "retries"), [("2", 2), ("0", 0), (None, None), ("many", None)])
def test_an_error_says_how_many_attempts_came_before_it(header: str | None, retries: int | None) -> None:
    """The last of them was refused and costs nothing; those before it may have been billed."""
    error = failure(header)
    wrapped = ValueError("wrapped")
    wrapped.__cause__ = error
    assert retries_taken(error) == retries_taken(wrapped) == retries


def test_an_error_met_while_another_was_handled_says_nothing_of_that_one() -> None:
    """A backup that is called in an `except` block has its own attempts."""
    error = ValueError("of the backup")
    error.__context__ = failure("2")
    assert retries_taken(error) is None
    assert retries_taken(httpx.ReadTimeout("no request was noted")) is None


@pytest.mark.parametrize(
    ("timeout", "seconds"), [((1.0, 2.0, 3.0, 4.0), 2.0), ((7.0,), 7.0), ([], math.inf), ({"lc": 1}, 0.0), (0, 0.0)]
)
def test_of_several_timeouts_the_one_for_reading_counts(timeout: Any, seconds: float) -> None:
    """The clients take them in the order of connecting, reading, writing, waiting."""
    assert attempts_of({"timeout": timeout}, {"id": ["ChatOpenAI"], "kwargs": {}}) == (3, seconds)


def test_a_client_without_a_path_is_known_by_its_name() -> None:
    """Some integrations show only that."""
    assert attempts_of({}, {"name": "ChatOpenAI"}) == (3, 600.0)
    assert attempts_of({}, {"id": [], "name": None}) == (1, None)
