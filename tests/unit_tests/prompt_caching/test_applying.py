"""A planned model marks what the plan says, on copies, at most four times, and leaves everything else as it was."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware.prompt_caching import _tag_system_message, _tag_tools
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_costguard import CascadeChatModel
from langchain_costguard.callbacks.wrapping import inner_models
from langchain_costguard.prompt_caching import PlannedModel
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.prompt_caching import CachePlan

SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


@tool
def find_order(number: int) -> str:
    """Look an order up."""
    return str(number)


@tool
def refund_order(number: int) -> str:
    """Pay an order back."""
    return str(number)


@pytest.fixture
def claude() -> ChatAnthropic:
    """A client of a model that caches from 1,024 tokens on."""
    return ChatAnthropic(model_name="claude-sonnet-5", api_key=SecretStr("none"))  # type: ignore[call-arg] # as users write it


@pytest.fixture
def gpt() -> Callable[[str], ChatOpenAI]:
    """Makes a client of one of OpenAI's models."""
    return lambda name: ChatOpenAI(model=name, api_key=SecretStr("none"))


def payload(model: PlannedModel, given: Any, **settings: Any) -> dict[str, Any]:
    """The body of the request that would be sent."""
    call = model.prepared(given, None, settings)
    chat, bound = inner_models(model.model, call.settings)[0]
    body: dict[str, Any] = chat._get_request_payload(call.given, **bound)  # type: ignore[attr-defined] # both clients have it
    return body


def marks(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """Where a body is marked, in the provider's order, and how."""
    found = [("tool", one["cache_control"]) for one in body.get("tools", ()) if "cache_control" in one]
    system = body.get("system") if isinstance(body.get("system"), list) else []
    found += [("system", one["cache_control"]) for one in system or () if "cache_control" in one]
    for number, message in enumerate(body.get("messages") or body["input"]):
        for block in message["content"] if isinstance(message["content"], list) else ():
            mark = block.get("cache_control") or block.get("prompt_cache_breakpoint")
            if mark:
                found.append((f"message {number}", mark))
    if body.get("cache_control"):
        found.append(("request", body["cache_control"]))
    return found


def test_the_system_prompt_is_marked_for_the_planned_lifetime(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, requests: list[Any]
) -> None:
    """One mark where the prefix ends, five minutes or an hour."""
    often, seldom = plan(), plan(reuse=60, within=timedelta(hours=10))
    assert marks(payload(often.apply(claude), requests[1])) == [("system", SHORT)]
    assert marks(payload(seldom.apply(claude), requests[1])) == [("system", LONG)]


def test_nothing_that_was_given_is_changed(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, handbook: str
) -> None:
    """A mark that stays in a user's message is sent again with every later call, to whichever provider."""
    messages = [SystemMessage([{"type": "text", "text": handbook}]), HumanMessage("Hello")]
    before = deepcopy(messages)
    payload(plan().apply(claude), messages)
    assert messages == before


def test_a_request_that_begins_differently_is_not_marked(plan: Callable[..., CachePlan], claude: ChatAnthropic) -> None:
    """Its write would be paid for and never read."""
    assert marks(payload(plan().apply(claude), [("system", "Something else."), ("human", "Hello")])) == []


def test_what_changes_at_the_end_of_a_system_prompt_is_cut_off_behind_the_mark(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, handbook: str
) -> None:
    """Anthropic caches whole blocks: with the date in the same block nothing would ever be read."""
    examples = [[("system", f"{handbook}\nToday is 2026-11-2{day}."), ("human", "Hello")] for day in range(3)]
    body = payload(plan(examples=examples).apply(claude), examples[2])
    assert [block.get("cache_control") for block in body["system"]] == [SHORT, None]
    assert "".join(block["text"] for block in body["system"]) == examples[2][0][1]


def test_tools_are_marked_where_they_alone_are_long_enough(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, handbook: str
) -> None:
    """Tools come first: with another system prompt they can still be read."""
    described = {
        "name": "search", "description": handbook, "input_schema": {"type": "object", "properties": {}}
    }  # fmt: skip
    requests = [[("system", handbook), ("human", f"Question {number}")] for number in range(2)]
    made = plan(claude.bind_tools([described]), examples=requests)
    bound = made.apply(claude).bind_tools([described])
    assert marks(payload(bound, requests[0])) == [("tool", SHORT), ("system", SHORT)]
    assert marks(payload(bound, [("system", "Another."), ("human", "Hello")])) == [("tool", SHORT)]
    assert "cache_control" not in described


def test_plans_made_with_tools_hold_however_they_are_bound(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, requests: list[Any]
) -> None:
    """Functions, tools and the provider's own dicts are the same tools."""
    made = plan(examples=requests, tools=[find_order, refund_order])
    assert marks(payload(made.apply(claude).bind_tools([find_order, refund_order]), requests[0])) == [("system", SHORT)]
    assert marks(payload(made.apply(claude).bind_tools([refund_order, find_order]), requests[0])) == []


def test_applying_twice_marks_once(plan: Callable[..., CachePlan], claude: ChatAnthropic, requests: list[Any]) -> None:
    """Wrappers are composed by people who cannot see each other's code."""
    made, same = plan(), plan()
    once = made.apply(claude)
    assert made.apply(once) is once
    twice = PlannedModel(once, same)
    outer = twice.prepared(requests[0], None, {})
    assert marks(payload(once, outer.given, **outer.settings)) == [("system", SHORT)]


def test_the_marks_of_langchain_anthropics_middleware_are_kept_and_not_doubled(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, handbook: str
) -> None:
    """It tags the last tool and the system prompt, and sets a mark for the whole request."""
    examples = [[("system", handbook), ("human", f"Question {number}")] for number in range(2)]
    made = plan(examples=examples, tools=[find_order, refund_order])
    tagged = _tag_tools([find_order, refund_order], SHORT) or []
    system = _tag_system_message(SystemMessage(handbook), SHORT)
    body = payload(made.apply(claude).bind_tools(tagged), [system, HumanMessage("Hello")], cache_control=SHORT)
    assert marks(body) == [("tool", SHORT), ("system", SHORT), ("request", SHORT)]


def test_never_more_than_four_marks(plan: Callable[..., CachePlan], claude: ChatAnthropic, handbook: str) -> None:
    """The fifth makes the provider refuse the request."""
    marked: list[str | dict[str, Any]] = [
        {"type": "text", "text": f"Part {n}", "cache_control": SHORT} for n in range(4)
    ]
    examples = [[SystemMessage(handbook), HumanMessage(marked), HumanMessage(f"{n}")] for n in range(2)]
    body = payload(plan(examples=examples).apply(claude), examples[0])
    assert len(marks(body)) == 4
    assert all(place != "system" for place, _ in marks(body))


@pytest.mark.parametrize(
    ("planned", "given", "placed"),
    [
        (timedelta(hours=1), LONG, [("system", LONG), ("message 0", LONG)]),
        (timedelta(hours=16), SHORT, [("system", LONG), ("message 0", SHORT)]),
    ],
)
def test_a_longer_lifetime_stands_before_a_shorter_one(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, handbook: str, planned: timedelta, given: Any, placed: Any
) -> None:
    """Anthropic refuses an hour behind five minutes."""
    examples = [[("system", handbook), ("human", f"{number}")] for number in range(2)]
    made = plan(examples=examples, within=planned)
    last = HumanMessage([{"type": "text", "text": "Hello", "cache_control": given}])
    assert marks(payload(made.apply(claude), [SystemMessage(handbook), last])) == placed


def test_the_end_of_a_conversation_is_marked_and_moves_on(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, requests: list[Any]
) -> None:
    """Each turn reads what the one before it wrote."""
    grown = [requests[0], [*requests[0], ("ai", "On its way."), ("human", "Since when?")]]
    model = plan(examples=grown, turn_gap=timedelta(minutes=1)).apply(claude)
    other = [requests[2][0], ("human", "Hello"), ("ai", "Hi"), ("human", "My order?")]
    assert [place for place, _ in marks(payload(model, other))] == ["system", "message 2"]


def test_the_end_may_be_a_tools_answer(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, requests: list[Any]
) -> None:
    """In an agent most turns end so."""
    grown = [requests[0], [*requests[0], ("ai", "On its way."), ("human", "Since when?")]]
    model = plan(examples=grown, turn_gap=timedelta(minutes=1)).apply(claude)
    call = AIMessage("", tool_calls=[{"name": "find_order", "args": {"number": 1}, "id": "c1"}])
    turn = [SystemMessage(requests[0][0][1]), HumanMessage("Hello"), call, ToolMessage("here", tool_call_id="c1")]
    assert [place for place, _ in marks(payload(model, turn))] == ["system", "message 2"]


def test_openai_gets_one_key_for_one_prefix(
    plan: Callable[..., CachePlan], gpt: Callable[[str], ChatOpenAI], requests: list[Any]
) -> None:
    """Requests with one key reach the machine that has their prefix; a user's own key is not overruled."""
    model = plan("openai:gpt-4o").apply(gpt("gpt-4o"))
    keys = {payload(model, request)["prompt_cache_key"] for request in requests}
    assert len(keys) == 1
    assert payload(model, requests[0], prompt_cache_key="mine")["prompt_cache_key"] == "mine"
    assert "prompt_cache_key" not in payload(model, [("human", "Something else.")])


def test_gpt_5_6_and_later_write_only_what_is_marked(
    plan: Callable[..., CachePlan], gpt: Callable[[str], ChatOpenAI], requests: list[Any]
) -> None:
    """Left alone it writes every long prompt to its end, at 1.25 times the price, for nobody."""
    model = gpt("gpt-5.6-sol")
    body = payload(plan("openai:gpt-5.6-sol").apply(model), requests[0])
    assert body["prompt_cache_options"] == {"mode": "explicit"}
    assert marks(body) == [("message 0", {"mode": "explicit"})]
    unplanned = payload(plan("openai:gpt-5.6-sol", reuse=0).apply(model), requests[0])
    assert unplanned["prompt_cache_options"] == {"mode": "explicit"}
    assert marks(unplanned) == []


def test_a_users_own_cache_options_stay(
    plan: Callable[..., CachePlan], gpt: Callable[[str], ChatOpenAI], requests: list[Any]
) -> None:
    """Who sets them knows why."""
    own = {"mode": "implicit"}
    body = payload(plan("openai:gpt-5.6-sol").apply(gpt("gpt-5.6-sol")), requests[0], prompt_cache_options=own)
    assert body["prompt_cache_options"] == own


@pytest.mark.parametrize("model", ["anthropic:claude-sonnet-5", "anthropic:claude-opus-5-5"])
def test_a_plan_that_is_not_worth_it_changes_nothing(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, requests: list[Any], model: str
) -> None:
    """Not worth it and not known are both no reason to pay."""
    call = plan(model, reuse=0).apply(claude).prepared(requests[0], None, {})
    assert call.given is requests[0]
    assert (call.settings, call.config) == ({}, None)


def test_the_technique_joins_those_that_are_told_already(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, requests: list[Any]
) -> None:
    """A leg of a cascade is made cheaper by both."""
    call = plan().apply(claude).prepared(requests[0], {"metadata": {"costguard_technique": "cascade"}}, {})
    assert call.config is not None
    assert call.config["metadata"]["costguard_technique"] == ["cascade", "prompt_caching"]


def test_what_has_no_single_chat_model_is_refused(plan: Callable[..., CachePlan]) -> None:
    """A cascade's tiers have a cache each."""
    tiers = [ScriptedChatModel(responses=("a",), model=name) for name in ("mini", "full")]
    with pytest.raises(TypeError, match="2 chat models"):
        plan().apply(CascadeChatModel(tiers=tiers))
    with pytest.raises(TypeError, match="no chat model"):
        plan().apply("gpt-4o")


def test_a_plan_for_another_provider_is_refused(
    plan: Callable[..., CachePlan], gpt: Callable[[str], ChatOpenAI]
) -> None:
    """Anthropic's marks mean nothing to OpenAI."""
    with pytest.raises(ValueError, match="make one with CachePlan"):
        plan().apply(gpt("gpt-4o"))


def test_no_longer_mark_stands_behind_a_shorter_one_when_the_whole_request_is_marked(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, requests: list[Any]
) -> None:
    """Anthropic puts the mark of the whole request at its end, and refuses an hour there behind five minutes."""
    body = payload(plan().apply(claude), requests[0], cache_control=LONG)
    assert marks(body) == [("system", LONG), ("request", LONG)]


def test_a_last_message_without_content_has_no_end_to_mark(
    plan: Callable[..., CachePlan], claude: ChatAnthropic, handbook: str
) -> None:
    """There is nothing in it that could carry a mark."""
    first = [("system", handbook), ("human", "a")]
    turns = [first, [*first, ("ai", "b"), ("human", "c")]]
    made = plan(examples=turns, turn_gap=timedelta(minutes=1))
    assert made.marks_conversation
    body = payload(made.apply(claude), [SystemMessage(handbook), HumanMessage([])])
    assert marks(body) == [("system", SHORT)]


def test_a_plan_with_a_key_is_not_for_a_provider_without(plan: Callable[..., CachePlan]) -> None:
    """An unknown setting is an error there, and a plan's figures are another provider's."""
    deepseek = ChatOpenAI(model="deepseek-chat", api_key=SecretStr("none"), base_url="https://api.deepseek.com/v1")
    with pytest.raises(ValueError, match="the plan is for gpt-4o, the model is deepseek-chat"):
        plan("gpt-4o").apply(deepseek)
