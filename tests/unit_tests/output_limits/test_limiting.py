"""limit_output(): the right setting for each provider, stricter limits kept, models that think left room to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.chat_models import init_chat_model
from langchain_anthropic import ChatAnthropic
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel
from langchain_ollama import ChatOllama
from pydantic import BaseModel

from langchain_costguard import Cascade, SemanticCache, guarded
from langchain_costguard.callbacks.output_caps import capped, own_cap
from langchain_costguard.cascade import CascadeChatModel
from langchain_costguard.output_limits import LimitedModel, limit_output
from langchain_costguard.output_limits.reasoning import floor_for, thinks
from langchain_costguard.semantic_cache import cached
from langchain_costguard.testing import LoopbackProvider, Reply, ScriptedChatModel
from tests.ollama_server import OllamaServer, serve_ollama

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class City(BaseModel):
    """A city."""

    name: str


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that answers thirty words and remembers what it was asked."""
    with LoopbackProvider(reply="word " * 30, keep_bodies=True) as served:
        yield served


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    """A server of Ollama's protocol."""
    with serve_ollama() as served:
        yield served


def limits(provider: LoopbackProvider) -> list[dict[str, Any]]:
    """The output limits that the provider was asked with."""
    return [{name: body[name] for name in LIMITS if name in body} for body in (r.body or {} for r in provider.requests)]


# -- the right setting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, {"max_completion_tokens": 7}),
        ({"max_tokens": 2000}, {"max_completion_tokens": 7}),
        ({"max_completion_tokens": 2000}, {"max_completion_tokens": 7}),
        ({"use_responses_api": True}, {"max_output_tokens": 7}),
        ({"use_responses_api": True, "max_tokens": 2000}, {"max_output_tokens": 7}),
    ],
)
def test_openai_gets_the_limit_under_the_name_of_its_api(
    provider: LoopbackProvider, settings: dict[str, Any], sent: dict[str, int]
) -> None:
    """OpenAI refuses the old name for newer models, and the Responses API knows a third one."""
    limit_output(provider.chat_model(**settings), 7).invoke("hello")
    assert limits(provider) == [sent]


@pytest.mark.parametrize(
    "bound", [{"max_tokens": 3}, {"max_completion_tokens": 3}, {"max_tokens": 3, "max_completion_tokens": 2000}]
)
def test_a_stricter_limit_that_is_bound_stays(provider: LoopbackProvider, bound: dict[str, int]) -> None:
    """A limit that is raised behind one's back is a bill one did not agree to."""
    limit_output(provider.chat_model(max_tokens=500).bind(**bound), 7).invoke("hello")
    assert limits(provider) == [{"max_completion_tokens": 3}]


def test_a_call_may_be_stricter_than_its_model(provider: LoopbackProvider) -> None:
    """What one call says is the most precise wish there is."""
    limit_output(provider.chat_model(), 7).invoke("hello", max_tokens=2)
    assert limits(provider) == [{"max_completion_tokens": 2}]


def test_claude_gets_max_tokens() -> None:
    """Anthropic wants it in every request, so there always is one already."""
    model = ChatAnthropic(model="claude-haiku-4-5", api_key="none")
    assert own_cap(model, {}) == 64_000
    assert capped(model, {}, 300) == {"max_tokens": 300}
    assert model._get_request_payload("hello", **capped(model, {}, 300))["max_tokens"] == 300


def test_ollama_gets_num_predict_and_keeps_its_other_options(ollama: OllamaServer) -> None:
    """Options of a call replace all of the model's: its temperature and its context would be lost."""
    model = ChatOllama(model="qwen2.5:7b", base_url=ollama.base_url, temperature=0.5, num_ctx=4096)
    answer = limit_output(model, 5).invoke("hello", stop=["END"])
    (body,) = ollama.bodies
    assert body["options"] == {"num_predict": 5, "temperature": 0.5, "num_ctx": 4096, "stop": ["END"]}
    assert answer.response_metadata["output_truncated"] is True
    assert answer.usage_metadata["output_tokens"] == 5


@pytest.mark.parametrize("own", [{"num_predict": 3}, {"num_predict": -1}])
def test_a_stricter_num_predict_stays(ollama: OllamaServer, own: dict[str, int]) -> None:
    """Minus one is Ollama's word for no limit, and not the strictest of all."""
    model = ChatOllama(model="qwen2.5:7b", base_url=ollama.base_url, **own)
    limit_output(model, 5).invoke("hello")
    assert ollama.bodies[0]["options"]["num_predict"] == (3 if own["num_predict"] == 3 else 5)


def test_guarded_caps_ollama_as_well(ollama: OllamaServer) -> None:
    """Bound as a setting of the call, `num_predict` is an argument that Ollama's client does not know."""
    model = guarded(ChatOllama(model="qwen2.5:7b", base_url=ollama.base_url, temperature=0.5), max_output_tokens=9)
    assert model.invoke("hello").usage_metadata["output_tokens"] == 9
    assert ollama.bodies[0]["options"] == {"num_predict": 9, "temperature": 0.5}


# -- whatever holds a model ----------------------------------------------------------------------------------------


def test_a_chain_has_its_model_limited_wherever_it_stands(provider: LoopbackProvider) -> None:
    """`prompt | model | parser` is what users have at hand; what is around the model stays."""
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    chain = prompt | provider.chat_model() | StrOutputParser()
    both = RunnableParallel(one=chain, two=chain).with_config(tags=["both"])
    assert limit_output(both, 2).invoke({"question": "hello"}) == {"one": "word word", "two": "word word"}
    assert limits(provider) == [{"max_completion_tokens": 2}] * 2


@pytest.mark.parametrize(
    "wrap",
    [
        guarded,
        lambda model: cached(model, SemanticCache()),
        lambda model: Cascade([model, model.model_copy()]),
        lambda model: CascadeChatModel(tiers=[model, model.model_copy()]),
        lambda model: model.with_fallbacks([model.model_copy()]),
        lambda model: model.with_retry(),
        lambda model: model.bind_tools([City]),
        lambda model: model.with_config(tags=["t"]),
    ],
    ids=["guarded", "cached", "cascade", "cascade chat model", "fallbacks", "retry", "tools", "config"],
)
def test_wrappers_of_models_are_limited_too(provider: LoopbackProvider, wrap: Any) -> None:
    """The limit must reach the model, however it is wrapped."""
    answer = limit_output(wrap(provider.chat_model()), 4).invoke("hello")
    assert answer.text == "word word word word"
    assert limits(provider)[0] == {"max_completion_tokens": 4}


def test_limited_models_are_tiers_of_a_cascade(provider: LoopbackProvider) -> None:
    """That is how tiers of different providers are limited."""
    mini, full = provider.chat_model(), provider.chat_model(model="gpt-4o")
    provider.script("UNCERTAIN")
    answer = Cascade([limit_output(mini, 4), limit_output(full, 6)]).invoke("hello")
    assert answer.response_metadata["cascade"]["tier"] == 1
    assert limits(provider) == [{"max_completion_tokens": 4}, {"max_completion_tokens": 6}]


def test_tiers_of_different_providers_are_limited_one_by_one(provider: LoopbackProvider, ollama: OllamaServer) -> None:
    """One setting cannot serve both: sent to the wrong one it fails, or does nothing."""
    local = ChatOllama(model="qwen2.5:7b", base_url=ollama.base_url)
    with pytest.raises(ValueError, match="limit each by itself"):
        limit_output(Cascade([local, provider.chat_model()]), 4)


def test_a_model_that_the_config_chooses_is_limited_when_it_is_known(
    provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init_chat_model()` without a name knows its provider only when it is called."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    model = limit_output(init_chat_model(base_url=provider.base_url, temperature=0), 3)
    chosen = {"configurable": {"model": "gpt-4o-mini", "model_provider": "openai"}}
    assert model.invoke("hello", chosen).text == "word word word"
    with pytest.raises(ValueError, match=r"below 4,096, the floor for o3"):
        model.invoke("hello", {"configurable": {"model": "o3", "model_provider": "openai"}})
    assert len(provider.requests) == 1


def test_tools_and_structured_output_stay_limited(provider: LoopbackProvider) -> None:
    """A wrapper that loses its limit with `bind_tools` is none for agents."""
    model = limit_output(provider.chat_model(), 40)
    assert isinstance(model, LimitedModel)
    assert isinstance(model.bind_tools([City]), LimitedModel)
    provider.next(text='{"name": "Paris"}')
    assert model.with_structured_output(City).invoke("hello") == City(name="Paris")
    raw = model.with_structured_output(City, method="function_calling", include_raw=True).invoke("hello")
    assert raw["raw"].response_metadata["output_truncated"] is False
    assert limits(provider) == [{"max_completion_tokens": 40}] * 2
    assert model.model_name == "gpt-4o-mini"


# -- models that think -----------------------------------------------------------------------------------------------


def test_a_model_that_thinks_is_not_capped_below_its_floor(provider: LoopbackProvider) -> None:
    """Measured: 199 of 200 tokens were spent on thinking, the answer was empty, and all of it was billed."""
    with pytest.raises(ValueError, match=r"max_tokens=300 is below 4,096, the floor for o3.*or give floor=0"):
        limit_output(provider.chat_model(model="o3"), 300)
    limit_output(provider.chat_model(model="o3"), 4096).invoke("hello")
    limit_output(provider.chat_model(model="o3"), 300, floor=0).invoke("hello")
    assert limits(provider) == [{"max_completion_tokens": 4096}, {"max_completion_tokens": 300}]


@pytest.mark.parametrize(
    ("model", "params", "expected"),
    [
        ("gpt-5-mini", {}, True),
        ("openai/o4-mini", {}, True),
        ("gpt-5.1", {"reasoning_effort": "none"}, False),
        ("gpt-5.1", {"reasoning": {"effort": "low"}}, True),
        ("gpt-5-chat-latest", {}, False),
        ("gpt-4o", {}, False),
        ("claude-sonnet-4-5", {}, False),
        ("claude-sonnet-4-5", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, True),
        ("claude-sonnet-4-5", {"thinking": {"type": "disabled"}}, False),
        ("gemini-2.5-flash", {}, True),
        ("gemini-2.5-flash", {"thinking_budget": 0}, False),
        ("gemini-2.0-flash", {}, False),
        ("deepseek-r1:8b", {}, True),
        ("qwen3:8b", {}, True),
        ("qwen3:8b", {"reasoning": False}, False),
        ("qwen3-coder:30b", {}, False),
        ("grok-4-fast-non-reasoning", {}, False),
        ("grok-4-fast-reasoning", {}, True),
        ("grok-code-fast-1", {}, True),
        ("qwen2.5:7b", {}, False),
        ("smollm2-135m-instruct", {}, False),
    ],
)
def test_whether_a_model_thinks(model: str, params: dict[str, Any], *, expected: bool) -> None:
    """What the request says counts first; then what such a model does by itself."""
    assert thinks(model, params) is expected


def test_a_thinking_budget_raises_the_floor() -> None:
    """Anthropic refuses a limit that is not above the budget, and an answer needs room beside it."""
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 10_000}}
    assert floor_for("claude-sonnet-4-5", thinking, 4096) == 11_024
    assert floor_for("claude-sonnet-4-5", thinking, 0) == 0
    assert floor_for("claude-sonnet-4-5", {}, 4096) == 0


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_tokens": 0}, "give a whole number of tokens"),
        ({"max_tokens": 2.5}, "give a whole number of tokens"),
        ({"max_tokens": True}, "give a whole number of tokens"),
        ({"max_tokens": None}, "give max_tokens, or concise=True"),
        ({"max_tokens": 5, "on_truncation": "again"}, "give 'keep', 'retry' or 'raise'"),
        ({"max_tokens": 5, "concise": " "}, "give True, or the words"),
        ({"max_tokens": 5, "floor": -1}, "floor=0 for none"),
        ({"max_tokens": 5, "holdout": 1.0}, "such as holdout=0.05"),
        ({"max_tokens": 5, "holdout": float("nan")}, "such as holdout=0.05"),
    ],
)
def test_arguments_without_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    """Before anything is asked, with what to give instead."""
    with pytest.raises(ValueError, match=message):
        limit_output(ScriptedChatModel(), **arguments)


@pytest.mark.parametrize("given", [StrOutputParser(), ChatPromptTemplate.from_messages(["x"]) | StrOutputParser()])
def test_what_has_no_model_is_refused(given: Any) -> None:
    """A limit that limits nothing would be believed."""
    with pytest.raises(TypeError, match="no chat model is to be seen"):
        limit_output(given, 5)


def test_a_reply_of_a_scripted_model_is_limited() -> None:
    """Models of no known provider take `max_tokens`."""
    model = ScriptedChatModel(responses=Reply("one two three four"))
    limit_output(model, 2).invoke("hello")
    assert model.calls[0].kwargs == {"max_tokens": 2}
