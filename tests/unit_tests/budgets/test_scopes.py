"""Scopes: which calls each condition means, how they are joined, and what nothing can match."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.budgets import CallFacts, Scope
from langchain_costguard.exceptions import CostGuardWarning

TAGS = "abc"


@pytest.mark.parametrize(
    ("scope", "asked", "provider", "is_meant"),
    [
        ("gpt-4o", "gpt-4o", None, True),
        ("gpt-4o", "GPT-4o", "openai", True),
        ("GPT-4o", "openai:gpt-4o", None, True),
        ("gpt-4o", "azure/gpt-4o", None, True),
        ("gpt-4o", "gpt-4o-2024-08-06", "openai", True),
        ("gpt-4o", "openai/gpt-4o", "openrouter", True),
        ("gpt-4o", "gpt-4o-mini", "openai", False),
        ("gpt-4", "gpt-4o", "openai", False),
        ("gpt-4o-2024-08-06", "gpt-4o", "openai", False),
        ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929", "google_vertexai", True),
        ("azure/gpt-4o", "gpt-4o", "azure_openai", True),
        ("azure/gpt-4o", "gpt-4o", "openai", False),
        ("azure/gpt-4o", "gpt-4o", None, False),
        ("openai:gpt-4o", "gpt-4o", "openai", True),
        ("gpt-4o*", "gpt-4o-mini", "openai", True),
        ("*mini", "openai/gpt-4o-mini", None, True),
        ("azure/gpt-4*", "gpt-4o", "azure", True),
        ("gpt-4.*", "gpt-4o", "openai", False),
        ("gpt-4o", None, "openai", False),
    ],
)
def test_a_model_is_meant_under_its_usual_names(
    scope: str, asked: str | None, provider: str | None, is_meant: bool
) -> None:
    """A prefix or a date in the name must not lead past a budget, and a budget for one model not stop another."""
    assert Scope.model(scope).matches(CallFacts(model=asked, provider=provider)) is is_meant


@pytest.mark.parametrize(
    ("scope", "provider", "model", "is_meant"),
    [
        ("azure_openai", "azure", None, True),
        ("azure", "azure_openai", "gpt-4o", True),
        ("OpenAI", "openai", None, True),
        ("openai", None, "openai/gpt-4o", True),
        ("openai", None, "gpt-4o", False),
        ("openai", "azure", "openai/gpt-4o", False),
        ("ollama", None, None, False),
    ],
)
def test_a_provider_is_meant_under_its_usual_names(
    scope: str, provider: str | None, model: str | None, is_meant: bool
) -> None:
    """LangChain, LiteLLM and price lists each have their own names."""
    assert Scope.provider(scope).matches(CallFacts(provider=provider, model=model)) is is_meant


def test_tags_metadata_and_chains_are_compared_whole() -> None:
    """`check` is not `checkout`, and the metadata of a run is typed by whoever wrote it."""
    facts = CallFacts(tags=["checkout"], metadata={"tenant": 7, "live": True}, chain="agent > tools > model")
    assert Scope.tag("checkout").matches(facts)
    assert not Scope.tag("check").matches(facts)
    assert Scope.metadata("tenant", "7").matches(facts)
    assert Scope.metadata("live", True).matches(facts)  # noqa: FBT003 - the value is the test
    assert not Scope.metadata("live", 1).matches(facts)
    assert not Scope.metadata("stage", "7").matches(facts)
    assert Scope.chain("tools").matches(facts)
    assert not Scope.chain("tool").matches(facts)


@pytest.mark.parametrize("make", [Scope.tag, Scope.model, Scope.provider, Scope.chain, lambda x: Scope.metadata(x, 1)])
@pytest.mark.parametrize(("name", "error"), [("", ValueError), ("  ", ValueError), (None, TypeError), (7, TypeError)])
def test_a_condition_without_a_name_is_refused(make: Any, name: Any, error: type[Exception]) -> None:
    """It would mean no call, and the budget would guard nothing."""
    with pytest.raises(error, match=r"give a name, such as Scope\."):
        make(name)


@pytest.mark.parametrize("value", [None, "", " ", 1.5, [], {}])
def test_a_metadata_value_that_nothing_has_is_refused(value: Any) -> None:
    """`{"tenant": None}` is a forgotten variable."""
    with pytest.raises(ValueError, match="means no call: give a text or a whole number"):
        Scope.metadata("tenant", value)


def test_a_path_is_no_name_of_a_chain() -> None:
    """It would never be found among the names of a path."""
    with pytest.raises(ValueError, match="join names with &"):
        Scope.chain("agent > tools")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Scope.tag("a"), ~Scope.tag("a")),
        (Scope.provider("openai"), Scope.provider("azure")),
        (Scope.metadata("tenant", "a"), Scope.metadata("tenant", "b")),
        (Scope.tag("a") & Scope.tag("b"), ~Scope.tag("b")),
    ],
)
def test_conditions_that_exclude_each_other_are_refused(one: Scope, other: Scope) -> None:
    """A budget for no call looks like one that works."""
    with pytest.raises(ValueError, match=r"join them with \|"):
        _ = one & other


def test_the_same_condition_in_another_order_is_the_same_scope() -> None:
    """The counter must not depend on how a sentence was put."""
    a, b, c = map(Scope.tag, TAGS)
    assert (a & b & c).key == (c & (b & a)).key == "(tag=a&tag=b&tag=c)"
    assert (a | b | a).key == "(tag=a,tag=b)"
    assert (a & a).key == (~~a).key == "tag=a"
    assert hash(a | b) == hash(b | a)
    assert (a & (b | c)).key != ((a & b) | c).key
    assert a != "tag=a"


def test_a_scope_is_said_in_words_and_in_code() -> None:
    """A status says what is covered, a log what to paste."""
    scope = Scope.tag("a") & ~(Scope.provider("ollama") | Scope.chain("x y"))
    assert scope.words == "with tag 'a' and not (inside 'x y' or served by ollama)"
    assert eval(repr(scope)) == scope  # noqa: S307 - the text is our own


def test_only_scopes_are_joined() -> None:
    """`Scope.tag("a") | "b"` is a slip."""
    with pytest.raises(TypeError):
        _ = Scope.tag("a") | "b"  # type: ignore[operator]  # wrong on purpose
    with pytest.raises(TypeError):
        _ = Scope.tag("a") & "b"  # type: ignore[operator]  # wrong on purpose


tags = st.sampled_from(TAGS).map(Scope.tag)
trees = st.recursive(
    tags,
    lambda inner: st.one_of(
        st.tuples(st.just("|"), inner, inner), st.tuples(st.just("&"), inner, inner), st.tuples(st.just("~"), inner)
    ),
    max_leaves=6,
)


def build(tree: Any) -> Scope:
    """The scope of a tree."""
    if isinstance(tree, Scope):
        return tree
    sign, *parts = tree
    sides = [build(part) for part in parts]
    if sign == "~":
        return ~sides[0]
    return sides[0] | sides[1] if sign == "|" else sides[0] & sides[1]


def is_true(tree: Any, having: set[str]) -> bool:
    """What a tree says of a call with these tags, by Python's own words."""
    if isinstance(tree, Scope):
        return tree.key.removeprefix("tag=") in having
    sign, *parts = tree
    values = [is_true(part, having) for part in parts]
    return not values[0] if sign == "~" else any(values) if sign == "|" else all(values)


@given(trees)
def test_joined_scopes_mean_what_the_words_and_or_not_mean(tree: Any) -> None:
    """Whatever is simplified on the way; what is refused means no call at all, and what it prints can be pasted."""
    calls = [{tag for tag, has in zip(TAGS, bits, strict=True) if has} for bits in product((True, False), repeat=3)]
    try:
        scope = build(tree)
    except ValueError:
        return
    assert [scope.matches(CallFacts(tags=having)) for having in calls] == [is_true(tree, having) for having in calls]
    assert eval(repr(scope)).key == scope.key  # noqa: S307 - the text is our own


@pytest.mark.parametrize(
    ("one", "other", "is_refused"),
    [
        ("gpt-4o", "claude-opus-4", True),
        ("gpt-4o", "gpt-4o-mini", True),
        ("gpt-4o", "gpt-4o-2024-08-06", False),
        ("gpt-4o", "azure/gpt-4o", False),
        ("claude-opus-4", "us.anthropic.claude-opus-4", False),
        ("gpt-4o", "claude*", False),
    ],
)
def test_two_models_that_no_call_can_both_ask_for_are_refused(one: str, other: str, *, is_refused: bool) -> None:
    """Such a budget would guard nothing; two names of one model are something else."""
    if is_refused:
        with pytest.raises(ValueError, match=r"no call is both .*, or join them with"):
            Scope.model(one) & Scope.model(other)
    else:
        assert Scope.model(one) & Scope.model(other)


def test_alternatives_that_are_all_taken_away_are_refused() -> None:
    """What is left means no call."""
    either = Scope.tag("a") | Scope.tag("b")
    assert either & ~Scope.tag("a")
    with pytest.raises(ValueError, match="leave one of the conditions out"):
        either & ~Scope.tag("a") & ~Scope.tag("b")


@pytest.mark.parametrize("name", ["opnai", "antropic", "OpenAi2"])
def test_a_provider_that_looks_like_a_known_one_is_warned_about(name: str) -> None:
    """A slip would have the budget guard nothing."""
    with pytest.warns(CostGuardWarning, match="may be meant"):
        Scope.provider(name)


@pytest.mark.parametrize("name", ["acme", "our-gateway", "vllm", "azure_openai", "nvidia", "inference", "xai"])
def test_a_provider_of_ones_own_is_not(name: str) -> None:
    """Anybody may run a server and call it as they like."""
    assert Scope.provider(name)
