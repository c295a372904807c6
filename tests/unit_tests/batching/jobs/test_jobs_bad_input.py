"""Bad input fails before money is spent, and says what mends it."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_costguard.batching import (
    BatchDeclinedError,
    BatchInputError,
    BatchNotFoundError,
    BatchStateError,
    UnsupportedChainError,
    estimate_batch,
    list_batches,
    open_batch,
    resume_batch,
    submit_batch,
)
from tests.unit_tests.batching.jobs.job_helpers import PROMPT, chain_of, inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_costguard.testing import LoopbackProvider


def test_no_inputs(provider: LoopbackProvider, store: Path) -> None:
    """An empty batch is a mistake of whoever made the list."""
    with pytest.raises(BatchInputError, match="there are no inputs"):
        submit_batch(chain_of(provider), [], store=store, provider="openai")
    with pytest.raises(BatchInputError, match="there are no inputs"):
        estimate_batch(chain_of(provider), iter(()), provider="openai")
    assert list_batches(store) == []


@pytest.mark.parametrize(
    ("inputs", "index"),
    [
        ([{"x": 1}, {"y": 2}], 1),
        ([{"x": 1}, {"x": 2}, {}], 2),
    ],
)
def test_an_input_the_prompt_does_not_take(
    provider: LoopbackProvider, store: Path, inputs: list[Any], index: int
) -> None:
    """The position tells which of 100,000 it was; nothing was sent for the others."""
    with pytest.raises(BatchInputError, match=f"input {index} cannot be made into a request") as error:
        submit_batch(chain_of(provider), inputs, store=store, provider="openai")
    assert error.value.index == index
    assert provider.requests == ()


def test_an_input_the_model_does_not_take(provider: LoopbackProvider, store: Path) -> None:
    """Without a prompt before it, the model itself is what refuses."""
    with pytest.raises(BatchInputError, match="input 1 "):
        submit_batch(provider.chat_model(), ["Hello", 7], store=store, provider="openai")


def test_an_input_that_cannot_be_serialised(provider: LoopbackProvider, store: Path) -> None:
    """A tool argument or a setting of a class that JSON does not know."""
    model = provider.chat_model().bind(metadata={"when": object()})
    with pytest.raises(BatchInputError, match="cannot be written as JSON"):
        submit_batch(model, ["Hello"], store=store, provider="openai")
    dated = provider.chat_model().bind(metadata={"when": datetime(2026, 1, 1)})  # noqa: DTZ001 - as the client takes it
    assert submit_batch(dated, ["Hello"], store=store, provider="openai").id
    nan = provider.chat_model().bind(temperature=float("nan"))
    with pytest.raises(BatchInputError, match="input 0"):
        submit_batch(nan, ["Hello"], store=store, provider="openai")


def test_an_input_longer_than_a_file(provider: LoopbackProvider, store: Path) -> None:
    """No split helps where one request is too long."""
    with pytest.raises(BatchInputError, match="max_bytes_per_file"):
        submit_batch(chain_of(provider), inputs_of(1), store=store, provider="openai", max_bytes_per_file=100)
    with pytest.raises(BatchInputError, match="max_enqueued_tokens"):
        submit_batch(chain_of(provider), inputs_of(1), store=store, provider="openai", max_enqueued_tokens=3)


@pytest.mark.parametrize("limit", ["max_requests_per_file", "max_bytes_per_file", "max_enqueued_tokens"])
def test_limits_that_leave_no_room(provider: LoopbackProvider, store: Path, limit: str) -> None:
    """Zero would split for ever."""
    with pytest.raises(ValueError, match=f"{limit}=0"):
        submit_batch(chain_of(provider), inputs_of(1), store=store, provider="openai", **{limit: 0})  # type: ignore[arg-type] # on purpose


_HAIKU = "claude-haiku-4-5"

CHAINS: dict[str, tuple[Callable[[LoopbackProvider], Any], str]] = {
    "no model": (lambda _: PROMPT, "no chat model"),
    "no chain": (lambda _: 7, "int is no chain"),
    "no Batch API": (lambda _: PROMPT | FakeListChatModel(responses=["a"]), "FakeListChatModel has no Batch API"),
    "text model": (lambda _: PROMPT | FakeListLLM(responses=["a"]), "text model"),
    "parallel": (lambda p: PROMPT | {"a": p.chat_model(), "b": p.chat_model()}, "RunnableParallel.*one job for each"),
    "fallbacks": (lambda p: PROMPT | p.chat_model().with_fallbacks([p.chat_model()]), "batch the first model alone"),
    "two providers": (
        lambda _: (
            ChatOpenAI(model="gpt-4o", api_key=SecretStr("x")) | ChatAnthropic(api_key=SecretStr("x"), model=_HAIKU)
        ),
        "submit one job for each",
    ),
}


@pytest.mark.parametrize("kind", CHAINS)
def test_chains_that_cannot_be_batched(provider: LoopbackProvider, store: Path, kind: str) -> None:
    """Each with what to do instead, before a request or a file is made."""
    make, message = CHAINS[kind]
    with pytest.raises(UnsupportedChainError, match=message):
        submit_batch(make(provider), inputs_of(1), store=store)
    assert not store.exists()


def test_a_model_inside_a_lambda_is_named(provider: LoopbackProvider, store: Path) -> None:
    """It would be asked at full price for each input, which nobody who asks for a batch wants."""
    model = provider.chat_model()

    def asks(text: str) -> str:
        return model.invoke(text).text

    chain = RunnableLambda(asks) | provider.chat_model()
    with pytest.raises(UnsupportedChainError, match="a step of its own"):
        submit_batch(chain, ["Hello"], store=store, provider="openai")


def test_an_endpoint_that_is_not_the_providers_own(provider: LoopbackProvider, store: Path) -> None:
    """VLLM and gateways speak OpenAI's language and have no Batch API: who knows better says so."""
    with pytest.raises(UnsupportedChainError, match="give provider='openai'"):
        submit_batch(chain_of(provider), inputs_of(1), store=store)
    with pytest.raises(UnsupportedChainError, match="provider='gemini'"):
        submit_batch(chain_of(provider), inputs_of(1), store=store, provider="gemini")
    with pytest.raises(UnsupportedChainError, match="ChatOpenAI has no Batch API"):
        submit_batch(chain_of(provider), inputs_of(1), store=store, provider="anthropic")


def test_a_name_stands_for_one_job(provider: LoopbackProvider, store: Path) -> None:
    """The same inputs under the same name are the same job; other inputs are a mistake."""
    chain = chain_of(provider)
    job = submit_batch(chain, inputs_of(2), store=store, provider="openai", name="nightly")
    job.collect()
    assert submit_batch(chain, inputs_of(2), store=store, provider="openai", name="nightly").id == job.id
    with pytest.raises(BatchStateError, match="give another name="):
        submit_batch(chain, inputs_of(3), store=store, provider="openai", name="nightly")
    assert len(provider.batches) == 1


def test_what_is_not_confirmed_is_not_sent(provider: LoopbackProvider, store: Path) -> None:
    """Whoever is asked sees what it costs first."""
    asked: list[str] = []
    chain = chain_of(provider)
    with pytest.raises(BatchDeclinedError) as declined:
        submit_batch(
            chain, inputs_of(2), store=store, provider="openai", confirm=lambda estimate: asked.append(str(estimate))  # type: ignore[func-returns-value, arg-type, return-value] # None is no
        )  # fmt: skip
    assert declined.value.estimate.requests == 2
    assert asked
    assert provider.requests == ()
    assert submit_batch(chain, inputs_of(2), store=store, provider="openai", confirm=lambda _: True).id


def test_a_job_that_is_not_there(provider: LoopbackProvider, store: Path) -> None:
    """With the command that shows which there are."""
    with pytest.raises(BatchNotFoundError, match="list_batches"):
        open_batch("batch-nowhere", chain_of(provider), store=store)


def test_a_chain_that_is_not_the_jobs(provider: LoopbackProvider, store: Path) -> None:
    """Another model would read the answers wrongly, or be asked for what is missing."""
    job = submit_batch(chain_of(provider), inputs_of(1), store=store, provider="openai")
    with pytest.raises(BatchStateError, match="the chain it was submitted with"):
        resume_batch(job.id, chain_of(provider, model="gpt-4o-mini"), store=store)
    assert job.collect(PROMPT | provider.chat_model(model="gpt-4o", max_tokens=50))[0].content


def test_a_file_that_is_no_file_of_jobs(provider: LoopbackProvider, store: Path, tmp_path: Path) -> None:
    """A damaged file, somebody else's database, a newer release's, a folder, a server: each says so."""
    store.write_bytes(b"this is not a database, whatever it is called" * 40)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE things (name TEXT)")
    for place in (store, other, tmp_path, "postgresql://user@host/db"):
        with pytest.raises(BatchStateError, match="store="):
            submit_batch(chain_of(provider), inputs_of(1), store=place, provider="openai")
    newer = tmp_path / "newer.db"
    list_batches(newer)
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(BatchStateError, match="newer than this release"):
        list_batches(newer)
    assert provider.requests == ()


def test_the_default_place_can_be_named_by_the_environment(
    provider: LoopbackProvider, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of a service belong where its operator says."""
    monkeypatch.setenv("COSTGUARD_BATCHES", str(store))
    job = submit_batch(chain_of(provider), inputs_of(1), provider="openai")
    assert job.store == store
    assert [one.job_id for one in list_batches()] == [job.id]


@pytest.mark.parametrize("single", ["a long text", {"x": 1}, b"bytes"])
def test_a_single_input_is_not_taken_for_many(provider: LoopbackProvider, store: Path, single: Any) -> None:
    """A text is iterable: each of its letters would be a request, and be paid."""
    for ask in (submit_batch, estimate_batch):
        given = {"store": store} if ask is submit_batch else {}
        with pytest.raises(TypeError, match="give a list of inputs"):
            ask(provider.chat_model(), single, provider="openai", **given)
    assert provider.files == ()
