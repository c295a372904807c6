"""`cache`: what an operator reads and empties."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from langchain_costguard import SemanticCache
from langchain_costguard.cli import app
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from pathlib import Path

RESET = "How do I reset my password?"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A cache with two tenants' answers and a text that could steer a terminal."""
    path = tmp_path / "cache.db"
    cache = SemanticCache(store=path, tenant="user")
    model = ScriptedChatModel(responses="Use the link.", model="gpt-4o", cache=cache)
    for user, text in (("alice", RESET), ("alice", RESET), ("bob", RESET), ("bob", "Clear \x1b[2J the screen?")):
        model.invoke(text, config={"metadata": {"user": user}})
    cache.stats()
    cache.store.close()
    return path


def run(*arguments: Any) -> Any:
    """How a command ended."""
    return CliRunner().invoke(app, ["cache", *map(str, arguments)])


def test_stats_tell_hits_and_money(place: Path) -> None:
    """Whether the cache earns its keep."""
    shown = run("stats", "--store", place)
    told = json.loads(run("stats", "--store", place, "--json").output)

    assert shown.exit_code == 0
    assert "1 hit (25% of 4 lookups): 1 by words, 0 by meaning" in shown.output
    assert (told["exact"], told["misses"], told["entries"]) == (1, 3, 3)
    assert told["avoided_cost"] == "0.0000625"
    assert [(row["tenant"], row["entries"]) for row in told["by"]] == [("alice", 1), ("bob", 2)]


def test_explain_tells_the_nearest_questions_and_why(place: Path) -> None:
    """Why was this served, or not."""
    told = json.loads(run("explain", "How can I reset my password?", "--store", place, "--json").output)
    shown = run("explain", "How do I not reset my password?", "--store", place)

    assert told[0]["stored"] == RESET
    assert told[0]["similarity"] > 0.9
    assert told[0]["hit"] is True
    assert "negation" in shown.output
    assert "\x1b" not in shown.output


def test_clear_deletes_one_tenants_answers(place: Path) -> None:
    """Erasing a customer must not empty the cache."""
    refused = CliRunner().invoke(app, ["cache", "clear", "--store", str(place)], input="n\n")
    done = run("clear", "--store", place, "--tenant", "bob", "--yes")
    left = json.loads(run("stats", "--store", place, "--json").output)

    assert refused.exit_code == 1
    assert "2 cached answers deleted" in done.output
    assert [row["tenant"] for row in left["by"]] == ["alice"]


@pytest.mark.parametrize("command", [["stats"], ["clear", "--yes"], ["explain", "x"]])
def test_a_cache_that_is_not_there_is_a_mistake(tmp_path: Path, command: list[str]) -> None:
    """A typing error must not begin an empty cache."""
    ended = run(*command, "--store", tmp_path / "none.db")

    assert ended.exit_code == 1
    assert "there is no cache at" in ended.output
    assert not (tmp_path / "none.db").exists()


def test_a_cache_in_memory_cannot_be_looked_into() -> None:
    """It ends with its process."""
    assert run("stats", "--store", "memory").exit_code == 2
