"""What the settings of a request say about its size, under the names of every integration."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from langchain_costguard.guard.requests import CallRequest, Settings, read_settings


def read(params: dict[str, Any] | None = None, kwargs: dict[str, Any] | None = None, **request: Any) -> Settings:
    """The settings of a request for gpt-4o, beside what its client was made with."""
    serialized = None if kwargs is None else {"id": ["ChatOpenAI"], "kwargs": kwargs}
    return read_settings(CallRequest("chat", request.pop("prompt", []), params or {}, serialized, "gpt-4o", **request))


PLAIN = read()


def test_a_request_without_settings_makes_one_plain_answer() -> None:
    """Nothing is limited, nothing is named, nothing is sent beside the prompt."""
    names = frozenset[str]()
    assert Settings(None, 1, None, 0, names, (), (), (), names, speaks=False, has_long_context=False) == PLAIN
    assert read({"temperature": 1, "model": "gpt-4o", "stop": ["x"], "seed": 7, "unheard": 3}) == PLAIN


def test_the_largest_of_several_limits_counts_and_only_whole_positive_ones_are_limits() -> None:
    """Which of them an integration sends is not known here."""
    assert read({"max_tokens": 20, "extra_body": {"num_predict": 30}}).limit == 30
    assert [read({"max_tokens": value}).limit for value in (1, 0, -1, None, True, "9", 2.0)] == [1, *[None] * 6]


def test_a_limit_of_the_run_hides_the_constructors_and_that_the_frameworks() -> None:
    """A run that lifts the limit says so with `None`."""
    told = {"ls_max_tokens": 40}
    assert read(kwargs={"max_tokens": 50}, metadata=told).limit == 50
    assert read({"max_tokens": None}, {"max_tokens": 50}, metadata=told).limit is None
    assert [read(metadata={"ls_max_tokens": value}).limit for value in (40, 1, 0, "40", True)] == [40, 1, *[None] * 3]


@pytest.mark.parametrize("key", ["n", "best_of", "candidate_count", "num_generations", "num_return_sequences"])
def test_answers_are_counted_wherever_they_are_asked_for(key: str) -> None:
    """Each is billed."""
    assert read({key: 3}).answers == read({"model_kwargs": {key: 3}}).answers == read(kwargs={key: 3}).answers == 3
    assert read({key: None}).answers == 1


def test_thinking_and_predictions_are_output_beside_the_answer() -> None:
    """A prediction is billed where it is not used: as many tokens as its text has bytes at most."""
    assert read({"thinking_config": {"thinking_budget": 512}}).thinking == 512
    assert read({"prediction": {"type": "content", "content": "x" * 100}}).predicted > 100
    assert read({"prediction": None}).predicted == 0


def test_tiers_are_read_from_all_who_name_one_in_lower_case() -> None:
    """Each has a price of its own; the dearest is reserved."""
    settings = read({"service_tier": " Priority "}, {"serviceTier": "flex"}, service_tier="AUTO")
    assert settings.tiers == {"priority", "auto"}
    assert read(kwargs={"service_tier": "flex"}).tiers == {"flex"}
    assert read({"speed": ""}).tiers == read({"speed": 3}).tiers == frozenset()


def test_what_a_request_only_names_is_told_by_its_setting() -> None:
    """The provider adds it to the input, and its size is not known."""
    assert read({"previous_response_id": "resp_1", "conversation": None}).named == ("previous_response_id",)


def test_what_the_provider_does_by_itself_is_told_by_its_setting() -> None:
    """Nothing limits how often it searches or calls a server."""
    assert read({"plugins": ["web"], "mcp_servers": []}).acts == ("plugins",)
    assert read(kwargs={"web_search_options": {"depth": 1}}).acts == ("web_search_options",)
    edits: Any = [{"type": "compact_20260112"}]
    assert read({"context_management": edits}).acts == ("context_management",)
    assert read({"context_management": [{"type": "clear_tool_uses"}]}).acts == ()


def test_settings_that_nobody_knows_are_input_unless_they_are_too_small_to_matter() -> None:
    """A schema under a new name must not be left out of the bound."""
    assert read({"new": {"a": 1}, "flag": True, "size": 3, "share": 0.5, "no": None}).sent == (("new", {"a": 1}),)
    assert read(kwargs={"new": {"a": 1}}).sent == ()
    assert read({"extra_body": {"new": "text"}}).sent == (("new", "text"),)
    assert read({"extra_body": None}).sent == read({"extra_body": "text"}).sent == ()


def test_how_long_the_provider_is_told_to_keep_the_prompt() -> None:
    """Writing for an hour is the dearest way to send a token."""
    assert read().caching == frozenset()
    assert read({"cache_control": {"type": "ephemeral"}}).caching == {"5m"}
    assert read({"cache_control": {"type": "ephemeral", "ttl": "1h"}}).caching == {"5m", "1h"}
    system = [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert read({"system": system}).caching == {"5m", "1h"}
    assert read({"system": "no block has a cache"}).caching == read({"tools": system}).caching == frozenset()


def test_an_answer_may_be_audio_where_anything_but_text_is_asked_for() -> None:
    """A token of audio costs several of text."""
    assert [read({"modalities": value}).speaks for value in (["text"], ["TEXT", "audio"], [])] == [False, True, False]
    modes = (SimpleNamespace(name="TEXT"), SimpleNamespace(name="AUDIO"))
    assert [read({"response_modalities": [mode]}).speaks for mode in modes] == [False, True]
    assert [read({"audio": value}).speaks for value in ({"voice": "alloy"}, None)] == [True, False]


def test_the_long_context_beta_is_seen() -> None:
    """It makes the window, and so what a named file can fill, five times as long."""
    assert read({"betas": ["context-1m-2025-08-07"]}).has_long_context
    assert read(kwargs={"betas": ["context-1m-2025-08-07"]}).has_long_context
    assert not read({"betas": ["other"]}).has_long_context


def test_every_other_model_that_may_answer_is_named_once_in_order() -> None:
    """The dearest of them is reserved; the requested one is no other."""
    assert read({"models": ["gpt-4o", "a", "b", "a"]}).models == ("a", "b")
    assert read({"fallbacks": [{"model": "a"}, {"model": "b"}], "model": "c"}).models == ("a", "b", "c")
    assert read({"extra_body": {"model": "a", "model_name": "b"}}).models == ("a", "b")
    assert read({"models": "a"}).models == ("a",)
    assert read({"models": ""}).models == read({"models": None}).models == ()
    assert read(kwargs={"models": ["a"]}).models == ("a",)


def test_models_in_a_form_that_cannot_be_read_are_told_by_their_setting() -> None:
    """Half of a list would be half of the truth."""
    settings = read({"models": ["a", {"name": "b"}], "fallbacks": []})
    assert (settings.models, settings.unknown_models) == ((), ("models",))
    assert read({"models": ["a"]}).unknown_models == ()


def test_an_earlier_response_that_the_client_names_is_named() -> None:
    """The client sends its id instead of the messages, and the provider reads them all again."""
    said = "an earlier response, because of use_previous_response_id"
    response = SimpleNamespace(response_metadata={"id": "resp_1"})
    chat, bare = SimpleNamespace(response_metadata={"id": "chatcmpl_1"}), SimpleNamespace()
    recalls = {"use_previous_response_id": True}
    assert read(kwargs=recalls, prompt=[bare, chat, response]).named == (said,)
    assert read(kwargs=recalls, prompt=[bare, chat]).named == read(kwargs=recalls, prompt="text").named == ()
    assert read(kwargs={"use_previous_response_id": False}, prompt=[response]).named == ()
    assert read(prompt=[response]).named == ()


def test_a_constructor_is_read_once_and_another_one_is_not_taken_for_it() -> None:
    """Mappings are told apart by what they are, not by where they lie in memory."""
    for limit in range(600):
        assert read(kwargs={"max_tokens": limit + 1}).limit == limit + 1
