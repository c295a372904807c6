"""Limited calls and the bill: what was cut off is seen in every way of asking, and retries are booked."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from langchain_costguard import Cascade, CostGuardError, track_costs
from langchain_costguard.output_limits import OutputTruncatedError, limit_output
from langchain_costguard.routing import TaskRouter
from langchain_costguard.savings import Savings
from langchain_costguard.testing import LoopbackProvider, Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable


class City(BaseModel):
    """A city."""

    name: str


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that answers thirty words and bills them."""
    with LoopbackProvider(reply=" ".join(["word"] * 30), keep_bodies=True) as served:
        yield served


def whole(chunks: Any) -> AIMessage:
    """The chunks of a stream together."""
    first, *others = chunks
    return sum(others, first)  # type: ignore[no-any-return] # chunks add up to a chunk


async def collected(stream: Any) -> list[Any]:
    """What a stream yields."""
    return [chunk async for chunk in stream]


WAYS: dict[str, Callable[[Runnable[Any, Any]], AIMessage]] = {
    "invoke": lambda m: m.invoke("hello"),
    "ainvoke": lambda m: asyncio.run(m.ainvoke("hello")),
    "batch": lambda m: m.batch(["hello"])[0],
    "abatch": lambda m: asyncio.run(m.abatch(["hello"]))[0],
    "stream": lambda m: whole(m.stream("hello")),
    "astream": lambda m: whole(asyncio.run(collected(m.astream("hello")))),
}
ways = pytest.mark.parametrize("way", WAYS)


@ways
@pytest.mark.parametrize("api", [{}, {"use_responses_api": True}], ids=["chat", "responses"])
@pytest.mark.parametrize(("limit", "truncated"), [(5, True), (500, False)])
def test_every_way_of_asking_says_whether_the_answer_was_cut_off(
    provider: LoopbackProvider, caplog: pytest.LogCaptureFixture, way: str, api: dict[str, Any], limit: int,
    *, truncated: bool,
) -> None:  # fmt: skip
    """An answer that ends in the middle of a sentence must not pass for one that is whole."""
    model = limit_output(provider.chat_model(stream_usage=True, **api), limit)
    with track_costs() as costs:
        answer = WAYS[way](model)
    assert answer.response_metadata["output_truncated"] is truncated
    assert ("cut off at 5 output tokens" in caplog.text) is truncated
    (line,) = costs.entries()
    assert line.techniques == ("output_limit",)
    assert costs.total_cost == provider.billed > 0


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "batch", "abatch"])
def test_a_retry_has_more_room_and_both_calls_are_booked(provider: LoopbackProvider, way: str) -> None:
    """What the first try cost does not go away because it is not shown."""
    with track_costs() as costs:
        answer = WAYS[way](limit_output(provider.chat_model(), 10, "retry"))
    assert answer.text.split() == ["word"] * 30
    assert answer.response_metadata["output_truncated"] is False
    assert [(r.body or {})["max_completion_tokens"] for r in provider.requests] == [10, 40]
    first, second = sorted(costs.entries(), key=lambda line: line.started_at_us)
    assert (first.baseline_cost, second.baseline_cost) == (None, Decimal(0))
    assert (first.tags, second.tags) == ((), ("output_limit:retry",))
    assert first.techniques == second.techniques == ("output_limit",)
    assert costs.total_cost == provider.billed == Decimal("0.0000264")


def test_a_retry_that_is_cut_off_again_says_so_and_is_the_last(
    provider: LoopbackProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Once more is a bounded cost; again and again is not."""
    answer = limit_output(provider.chat_model(), 5, "retry").invoke("hello")
    assert answer.response_metadata["output_truncated"] is True
    assert len(provider.requests) == 2
    assert "cut off at 20 output tokens" in caplog.text


def test_a_retry_keeps_to_a_limit_that_the_model_has(provider: LoopbackProvider) -> None:
    """The user's own limit holds for the second call as well; without more room there is none."""
    limit_output(provider.chat_model(max_tokens=12), 10, "retry").invoke("hello")
    limit_output(provider.chat_model(max_tokens=8), 10, "retry").invoke("hello")
    assert [(r.body or {})["max_completion_tokens"] for r in provider.requests] == [10, 12, 8]


def test_a_retry_keeps_to_what_the_model_can_write(provider: LoopbackProvider) -> None:
    """More than the model's maximum is refused by its provider."""
    provider.script("word " * 17_000)
    limit_output(provider.chat_model(), 16_000, "retry").invoke("hello")
    assert [(r.body or {})["max_completion_tokens"] for r in provider.requests] == [16_000, 16_384]


@ways
def test_raise_hands_over_what_there_is_of_the_answer(provider: LoopbackProvider, way: str) -> None:
    """The part is paid for: it is the caller's to use."""
    model = limit_output(provider.chat_model(stream_usage=True), 5, "raise")
    with track_costs() as costs, pytest.raises(OutputTruncatedError, match='on_truncation="retry"') as caught:
        WAYS[way](model)
    assert isinstance(caught.value, CostGuardError)
    assert caught.value.is_retryable is False
    assert caught.value.max_tokens == 5
    assert caught.value.answer.text.split() == ["word"] * 5
    assert caught.value.answer.usage_metadata is not None
    assert caught.value.answer.usage_metadata["output_tokens"] == 5
    assert costs.total_cost == provider.billed > 0


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_is_not_tried_again(provider: LoopbackProvider, way: str) -> None:
    """What is out cannot be taken back, and two answers in one stream are none."""
    answer = WAYS[way](limit_output(provider.chat_model(), 5, "retry"))
    assert answer.response_metadata["output_truncated"] is True
    assert len(provider.requests) == 1


def test_a_structured_answer_that_was_cut_off_is_tried_again(provider: LoopbackProvider) -> None:
    """OpenAI's client raises there, and the answer so far stands only in its error."""
    provider.script('{"name": "Llanfairpwllgwyngyll in the north of Wales"}', '{"name": "Paris"}')
    model = limit_output(provider.chat_model(), 4, "retry").with_structured_output(City, method="json_schema")
    assert model.invoke("hello") == City(name="Paris")
    strict = limit_output(provider.chat_model(), 4, "raise").with_structured_output(City, method="json_schema")
    provider.script('{"name": "Llanfairpwllgwyngyll in the north of Wales"}')
    with pytest.raises(OutputTruncatedError) as caught:
        strict.invoke("hello")
    assert caught.value.answer.text == '{"name"'


def test_an_answer_that_is_all_thinking_is_seen(provider: LoopbackProvider) -> None:
    """With floor=0 the user has taken the risk; the empty answer is still named for what it is."""
    provider.next(text="A long answer after much thought", reasoning_tokens=300)
    answer = limit_output(provider.chat_model(model="o3"), 300, floor=0).invoke("hello")
    assert (answer.text, answer.response_metadata["output_truncated"]) == ("", True)


def test_a_holdout_is_left_alone_and_tagged(provider: LoopbackProvider) -> None:
    """What a limit saves is measured against calls without it; the same prompt is always on the same side."""
    model = limit_output(provider.chat_model(), 5, "raise", concise=True, holdout=0.4)
    questions = [f"question {number}" for number in range(60)]
    with track_costs() as costs:
        answers = model.batch(questions, return_exceptions=True)
        again = model.batch(questions, return_exceptions=True)
    whole_answers = [answer for answer in answers if not isinstance(answer, OutputTruncatedError)]
    assert 12 <= len(whole_answers) <= 36
    assert [type(answer) for answer in answers] == [type(answer) for answer in again]
    assert all(answer.response_metadata["output_truncated"] is False for answer in whole_answers)
    held = [line for line in costs.entries() if line.tags == ("output_limit:holdout",)]
    limited = [line for line in costs.entries() if line.tags == ("output_limit:limited",)]
    assert (len(held), len(limited)) == (2 * len(whole_answers), 120 - 2 * len(whole_answers))
    assert {line.techniques for line in held} == {()}
    assert {line.usage.output_tokens for line in held if line.usage} == {30}


def test_other_techniques_and_the_users_metadata_stay() -> None:
    """A limited model inside another technique belongs to both."""
    model = ScriptedChatModel(responses=Reply("one two three"))
    with track_costs() as costs:
        config: Any = {"metadata": {"user": "u1", "costguard_technique": "routing"}, "tags": ["checkout"]}
        limit_output(model, 2).invoke("hello", config)
    (line,) = costs.entries()
    assert line.techniques == ("routing", "output_limit")
    assert (line.user, line.tags) == ("u1", ("checkout",))


def test_nothing_is_logged_of_the_answer(provider: LoopbackProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Logs are read by others than those who may read answers."""
    caplog.set_level(logging.DEBUG, logger="langchain_costguard")
    limit_output(provider.chat_model(), 5).invoke("a secret question")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("langchain_costguard")]
    assert ours == ["An answer was cut off at 5 output tokens."]


def test_a_retry_is_a_loss_of_the_limit_whatever_stands_around_it(provider: LoopbackProvider) -> None:
    """A second try that is booked to the router around it makes the router look dear, and the limit cheap."""
    mini, full = (provider.chat_model(model=name) for name in ("gpt-4o-mini", "gpt-4o"))
    router = TaskRouter({"easy": limit_output(mini, 10, "retry"), "hard": full}, "easy")
    with track_costs() as costs:
        router.invoke("hello")
    first, second = costs.entries()
    assert first.savings is not None
    assert second.savings is not None
    assert (first.techniques, first.baseline_model) == (("routing", "output_limit"), "gpt-4o")
    assert second.savings == Savings(output_limit=-second.billed_nano)
    assert first.savings.routing == first.baseline_nano - first.billed_nano


def test_a_cascade_that_is_asked_again_saves_once(provider: LoopbackProvider) -> None:
    """Without the limit there would have been one answer of the large model, and not two."""
    tiers = [provider.chat_model(model=name) for name in ("gpt-4o-mini", "gpt-4o")]
    with track_costs() as costs:
        answer = limit_output(Cascade(tiers), 10, "retry").invoke("hello")
    assert answer.response_metadata["output_truncated"] is False
    first, second = costs.entries()
    assert first.baseline_nano
    assert second.baseline_nano == 0
    assert second.savings == Savings(output_limit=-second.billed_nano)
    assert costs.total_cost == provider.billed
