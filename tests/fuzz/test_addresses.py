"""URLs, paths and words of the environment: refused with what to write instead, and never shown with a password."""

# ruff: noqa: PT017 - mutated data may be refused or taken; what a refusal says is checked where it comes up

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard._settings import is_disabled
from langchain_costguard.callbacks.watcher import endpoint_provider_of
from langchain_costguard.exceptions import CostGuardError
from langchain_costguard.guard.webhook import WebhookAlert
from langchain_costguard.pricing.names import provider_of_host
from langchain_costguard.stores.location import parse_location
from langchain_costguard.stores.postgresql import _arguments
from tests.fuzz.strategies import fuzz, texts, values

SECRET: Final = "s3cr3t-word"  # noqa: S105 - looked for in messages

addresses: Final = st.one_of(
    texts,
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(
            ["sqlite", "postgresql", "postgres", "postgresql+psycopg", "http", "https", "ftp", "", "SQLITE"]
        ),
        st.sampled_from(["", f"user:{SECRET}@", f"{SECRET}@", "@", f"u:{SECRET}@h@"]),
        st.sampled_from(
            ["", "host", "[::1]", "[::1", "host:99999", "host:x", "h1:1,h2:2", "\x00", "/", "//a", "a%00b"]
        ),
        st.sampled_from(["", "/db", "/db?x=1", "/db?sslmode=%zz", "?", "#f", "/a\x00b", "/\ud800"]) | texts,
    ),
)


@fuzz(150)
@given(address=addresses)
def test_a_place_for_a_ledger_is_understood_or_refused(address: str) -> None:
    """Whoever mistypes it reads what to write, and no log reads the password."""
    try:
        place = parse_location(address)
        assert SECRET not in str(place) + repr(place) or place.path is not None
        if place.url:
            _arguments(place, 5.0)
    except CostGuardError as error:
        assert SECRET not in str(error)


@fuzz(100)
@given(address=addresses)
def test_an_address_for_alerts_is_taken_or_refused_without_being_shown(address: str) -> None:
    """The path of a webhook is its password."""
    try:
        alert = WebhookAlert(address)
    except ValueError as error:
        assert SECRET not in str(error)
        return
    assert SECRET not in repr(alert)
    assert address.startswith(("http", "HTTP"))


@fuzz(100)
@given(address=addresses, name=st.sampled_from(["base_url", "openai_api_base", "azure_endpoint", "endpoint"]))
def test_whose_an_endpoint_is_is_known_or_not(address: str, name: str) -> None:
    """A client's settings are the user's own."""
    for told in (provider_of_host(address), endpoint_provider_of({name: address})):
        assert told is None or isinstance(told, str)


@fuzz(20)
@given(settings=st.dictionaries(texts | st.sampled_from(["base_url", "openai_api_base"]), values))
def test_any_settings_name_a_provider_or_none(settings: dict[str, Any]) -> None:
    """Settings hold secrets, clients and numbers as well."""
    endpoint_provider_of(settings)


@fuzz(20)
@given(word=texts.filter(lambda text: "\x00" not in text and text.isascii()))
def test_any_word_in_the_environment_is_yes_or_no(word: str) -> None:
    """A switch that raises would be one more way to lose a call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSTGUARD_DISABLED", word)
        assert isinstance(is_disabled(), bool)
