"""Every order in which techniques can be nested: it works exactly, or it refuses and names the order that works."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_costguard import (
    Budget,
    Cascade,
    CascadeChatModel,
    CostCallbackHandler,
    SemanticCache,
    TaskRouter,
    guarded,
    limit_output,
    slim_prompt,
    track_costs,
)
from langchain_costguard.cascade import SelfVerification
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.semantic_cache import cached
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Behaviour
from tests.integration_tests.everything import (
    PROMPT,
    ROOMS,
    WAYS,
    Asked,
    Provider,
    is_sure,
    left_out_tokens,
    pieces_of,
    plan,
    without_any,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from langchain_costguard.cascade import Draft

PROVIDER = Provider
ONE_MODEL = ("cached", "planned", "compressed", "limited", "guarded", "slim")
CASCADES = {"Cascade": Cascade, "CascadeChatModel": lambda tiers, accept: CascadeChatModel(tiers=tiers, accept=accept)}
HARD = Asked("What is hard about room 41?", "ann", "lookup", has_context=True)


def never(draft: Draft) -> bool:
    """Accept nothing."""
    del draft
    return False


def models(provider: Provider, *names: str) -> list[Any]:
    """Plain chat models of the provider."""
    given = names or ("gpt-4o-mini", "gpt-4o")
    return [provider.chat_model(model=name, max_tokens=80, stream_usage=True, max_retries=0) for name in given]


def wrapped(model: Any, order: Sequence[str], cache: SemanticCache) -> Any:
    """A model with techniques around it, the innermost first."""
    around: dict[str, Callable[[Any], Any]] = {
        "cached": lambda one: cached(one, cache),
        "planned": lambda one: plan(one.model_name).apply(one),
        "compressed": ContextCompressor(max_tokens=120).before,
        "limited": lambda one: limit_output(one, 50),
        "guarded": guarded,
        "slim": slim_prompt,
    }
    for name in order:
        model = around[name](model)
    return model


def asked_in(way: str, model: Any, one: Asked, config: dict[str, Any]) -> str:
    """The text of an answer, in one of six ways."""
    pieces = pieces_of(way, model, PROMPT.invoke(one.given), {**one.config, **config})
    return "".join(piece.text for piece in pieces)


def budgeted() -> AbstractContextManager[CostCallbackHandler]:
    """A block with a hard budget of its own."""
    return track_costs(budgets=[Budget(5, per="total")], store=InMemoryStore())


def steps_of(costs: CostCallbackHandler) -> dict[str, Decimal]:
    """What each step saved, as far as it is known."""
    return {step.technique: step.saved_cost for step in costs.report().savings().steps if step.saved_cost is not None}


def assert_exact(costs: CostCallbackHandler, provider: Provider, *, baseline: Decimal) -> None:
    """One line for each request, the bill to the nano-dollar, the budget as the ledger, and nothing left reserved.

    Args:
        costs: what watched, with a budget.
        provider: who billed.
        baseline: what all would have cost without any technique, computed by hand.
    """
    paid = [line for line in costs.entries() if line.status != "cached"]
    assert len(paid) == len(provider.requests)
    waterfall = costs.report().savings()
    assert costs.total_cost == waterfall.billed_cost == provider.billed
    assert waterfall.baseline_cost == baseline
    assert baseline - sum(steps_of(costs).values()) == provider.billed
    (standing,) = costs.budgets()
    assert (standing.spent, standing.reserved) == (provider.billed, 0)


ORDERS = list(permutations(ONE_MODEL, 3))  # each pair, in both orders, with every third


@pytest.mark.parametrize("first", ONE_MODEL)
def test_techniques_around_one_model_are_exact_in_any_order(provider: Provider, first: str) -> None:
    """The innermost three of six in each order: exact, or refused before anything is asked."""
    for number, order in enumerate(one for one in ORDERS if one[0] == first):
        cache = SemanticCache(store="memory", embedder=False, tenant="user")
        if "cached" in order[1:]:
            with pytest.raises(TypeError, match=r"put it inside, .* around cached\(ChatOpenAI\(\.\.\.\)\)"):
                wrapped(models(provider)[0], order, cache)
            continue
        tiers = [wrapped(model, order, cache) for model in models(provider)]
        begun, way = len(provider.requests), WAYS[number % len(WAYS)]
        other, usage = CostCallbackHandler(InMemoryStore()), UsageMetadataCallbackHandler()
        face = list(CASCADES.values())[number % 2]
        router = TaskRouter({"lookup": face(tiers, is_sure), "code": tiers[1]}, baseline="gpt-4o")
        with budgeted() as costs:
            assert asked_in(way, router, HARD, {"callbacks": [other, usage]}).endswith("of gpt-4o.")
        draft, final = provider.requests[begun:]
        assert costs.total_cost == other.total_cost == draft.billed + final.billed
        assert sum(one["total_tokens"] for one in usage.usage_metadata.values()) == (
            draft.tokens.total_tokens + final.tokens.total_tokens
        )
        saved = left_out_tokens(final, HARD.prompt)
        assert (saved > 0) is ("compressed" in order)
        assert costs.report().savings().baseline_cost == without_any(final, saved)
        (standing,) = costs.budgets()
        assert (standing.spent, standing.reserved) == (costs.total_cost, 0)


@pytest.mark.parametrize("face", CASCADES)
@pytest.mark.parametrize("way", WAYS)
def test_a_technique_around_a_cascade_and_a_router_around_all_are_exact(
    provider: Provider, face: str, way: str
) -> None:
    """A limit and a compressor that stand around the whole cascade hold for each of its legs."""
    cascade = CASCADES[face](models(provider), is_sure)
    around = limit_output(ContextCompressor(max_tokens=120).before(cascade), 50)
    router = TaskRouter({"lookup": around, "code": models(provider)[1]}, baseline="gpt-4o")
    with budgeted() as costs:
        assert asked_in(way, router, HARD, {}).endswith("of gpt-4o.")
    saved = left_out_tokens(provider.requests[-1], HARD.prompt)
    assert saved > 0
    assert_exact(costs, provider, baseline=without_any(provider.requests[-1], saved))


@pytest.mark.parametrize(
    "place",
    [
        lambda compressor, cascade: PROMPT | compressor | cascade,
        lambda compressor, cascade: PROMPT | compressor.before(cascade),
        lambda compressor, cascade: (
            RunnableLambda(lambda given: {**given, "documents": [Document(given["context"])]})
            | RunnableLambda(
                lambda given: {
                    **given,
                    "context": compressor.compress_documents(given["documents"], given["question"])[0].page_content,
                }
            )
            | PROMPT
            | cascade
        ),
    ],
    ids=["in the chain", "before the model", "behind the retriever"],
)
@pytest.mark.parametrize("face", CASCADES)
def test_what_a_compressor_left_out_is_left_out_of_each_leg(provider: Provider, face: str, place: Any) -> None:
    """An escalation sends the shorter prompt too; its saving was claimed at the small model's price alone."""
    chain = place(ContextCompressor(max_tokens=120), CASCADES[face](models(provider), is_sure))
    with budgeted() as costs:
        chain.invoke(HARD.given, HARD.config)
    context = HARD.given["context"]  # a retriever's compressor sees it without the question
    saved = [left_out_tokens(request, context, behind=HARD.text) for request in provider.requests]
    assert [line.saved_input_tokens for line in costs.entries()] == saved
    assert min(saved) > 0
    assert_exact(costs, provider, baseline=without_any(provider.requests[-1], saved[-1]))


@pytest.mark.parametrize("kept", [(0,), (1,), (0, 1)], ids=["the draft", "the answer", "both"])
@pytest.mark.parametrize("face", CASCADES)
def test_an_answer_from_a_cache_is_compared_once_in_a_cascade(
    provider: Provider, face: str, kept: tuple[int, ...]
) -> None:
    """Draft and answer are two lines of one answer: what one of them claims, the other must not claim again."""
    cache = SemanticCache(store="memory", embedder=False, tenant="user")
    tiers = [cached(one, cache) if at in kept else one for at, one in enumerate(models(provider))]
    cascade = CASCADES[face](tiers, is_sure)
    with budgeted() as costs:
        for _ in range(2):
            asked_in("invoke", cascade, HARD, {})
    answers = [request for request in provider.requests if request.model == "gpt-4o"]
    drafts = [request for request in provider.requests if request.model == "gpt-4o-mini"]
    assert (len(drafts), len(answers)) == (2 - (0 in kept), 2 - (1 in kept))
    again = answers[0].billed if 1 in kept else without_any(answers[1])
    assert steps_of(costs).get("exact_cache", Decimal(0)) == (answers[0].billed if 1 in kept else 0)
    assert_exact(costs, provider, baseline=without_any(answers[0]) + again)


def test_a_cache_around_a_whole_cascade_books_its_hits(provider: Provider) -> None:
    """They were on no line at all: LangChain's run of a cascade is nobody's call, but one was avoided."""
    cache = SemanticCache(store="memory", embedder=False, tenant="user")
    model = cached(CascadeChatModel(tiers=models(provider), accept=is_sure), cache)
    other = CostCallbackHandler(InMemoryStore())
    with budgeted() as costs:
        for way in WAYS:
            asked_in(way, model, HARD, {"callbacks": [other]})
    _, final = provider.requests
    hits = [line for line in costs.entries() if line.status == "cached"]
    assert len(hits) == len(WAYS) - 1 == sum(line.status == "cached" for line in other.entries())
    avoided = final.billed * len(hits)  # no more than the large model alone: without techniques nobody drafts
    assert steps_of(costs)["exact_cache"] == avoided
    assert hits[0].user == "ann"
    assert_exact(costs, provider, baseline=without_any(final) + avoided)


@pytest.mark.parametrize(
    "faces", [("Cascade", "Cascade"), ("CascadeChatModel", "Cascade"), ("Cascade", "CascadeChatModel")]
)
@pytest.mark.parametrize("inner", [0, 1], ids=["as the first tier", "as the last tier"])
def test_a_cascade_in_a_cascade_compares_an_answer_once(provider: Provider, faces: tuple[str, str], inner: int) -> None:
    """The drafts of both are taken back, whatever stands in between, and others see the tokens of all legs."""
    small, middle, full = models(provider, "gpt-4o-mini", "gpt-4.1", "gpt-4o")
    outer, nested = CASCADES[faces[0]], CASCADES[faces[1]]
    cascade = (
        outer([nested([small, middle], never), full], never)
        if inner == 0
        else outer([small, TaskRouter({"lookup": nested([middle, full], never)})], never)
    )
    usage = UsageMetadataCallbackHandler()
    with budgeted() as costs:
        asked_in("invoke", cascade, HARD, {"callbacks": [usage]})
    assert [request.model for request in provider.requests] == ["gpt-4o-mini", "gpt-4.1", "gpt-4o"]
    assert sum(one["total_tokens"] for one in usage.usage_metadata.values()) == sum(
        request.tokens.total_tokens for request in provider.requests
    )
    assert_exact(costs, provider, baseline=without_any(provider.requests[-1]))


def test_a_cascade_whose_last_tier_is_a_router_is_compared_with_the_routers_model(provider: Provider) -> None:
    """Its baseline was a model called TaskRouter, which has no price, so that nothing was known to be saved."""
    small, full = models(provider)
    cascade = Cascade([small, TaskRouter({"code": full, "chat": small}, default="code")], is_sure)
    with track_costs() as costs:
        asked_in("invoke", cascade, Asked("What is easy?", "ann", "lookup"), {})
    assert cascade.baseline_model == "gpt-4o"
    assert costs.report().savings().baseline_cost == without_any(provider.requests[0])


def test_what_a_routed_cascade_spends_on_judging_is_the_cascades(provider: Provider) -> None:
    """It stood as a loss of the router; so did an escalation whose tokens were those of its draft."""
    provider.script("Same words.", Behaviour(text="No", logprob=-0.01), "Same words.")
    small, full = models(provider)
    cascade = Cascade([small, full], SelfVerification(0.5))
    with budgeted() as costs:
        asked_in("invoke", TaskRouter({"lookup": cascade, "code": full}), Asked("What?", "ann", "lookup"), {})
    draft, judge, final = provider.requests
    assert [request.model for request in provider.requests] == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o"]
    assert steps_of(costs) == {"cascade": -(draft.billed + judge.billed)}
    assert_exact(costs, provider, baseline=without_any(final))


@pytest.mark.parametrize(
    ("around", "right"),
    [
        (guarded, "guarded(ChatOpenAI(...))"),
        (cached, "cached(ChatOpenAI(...))"),
        (lambda model: limit_output(model, 50), "limit_output(ChatOpenAI(...))"),
        (slim_prompt, "slim_prompt(ChatOpenAI(...))"),
        (plan("gpt-4o").apply, "plan.apply(ChatOpenAI(...))"),
    ],
)
def test_what_cannot_go_around_a_router_says_where_it_goes(
    provider: Provider, around: Callable[[Any], Any], right: str
) -> None:
    """A router takes a dict and chooses; a technique of one model goes around each of its models."""
    small, full = models(provider)
    with pytest.raises(TypeError) as refused:
        around(TaskRouter({"chat": small, "code": full}))
    assert f"put it around the model of each route, TaskRouter({{'easy': {right}}})" in str(refused.value)


@pytest.mark.parametrize(("around", "name"), [(guarded, "guarded"), (plan("gpt-4o").apply, "plan.apply")])
@pytest.mark.parametrize("face", CASCADES)
def test_what_cannot_go_around_a_cascade_says_where_it_goes(
    provider: Provider, face: str, around: Callable[[Any], Any], name: str
) -> None:
    """A guard around it measured the room for a model that nobody knows, and capped nothing."""
    with pytest.raises(TypeError) as refused:
        around(CASCADES[face](models(provider), is_sure))
    assert "put it around each tier" in str(refused.value)
    assert f"{name}(ChatOpenAI(...)), {name}(ChatOpenAI(...))]" in str(refused.value)


def test_a_compressor_before_a_router_that_is_given_a_dict_says_where_it_goes(provider: Provider) -> None:
    """It cannot know which entry is the prompt."""
    small, full = models(provider)
    model = ContextCompressor(max_tokens=120).before(TaskRouter({"chat": small, "code": full}))
    with pytest.raises(TypeError, match="put the compressor before the model of each route"):
        model.invoke({"query": ROOMS, "task_type": "chat"})
    assert not provider.requests


class Year(BaseModel):
    """A year."""

    year: int


@pytest.mark.parametrize("way", WAYS)
def test_structured_answers_go_through_everything(provider: Provider, way: str) -> None:
    """Every technique keeps `with_structured_output`, and a draft is judged before it is parsed for anybody."""
    provider.script('{"year": 0}', '{"year": 1932}')
    cache = SemanticCache(store="memory", embedder=False, tenant="user")
    tiers = [
        wrapped(model, ("cached", "planned", "compressed", "guarded", "limited"), cache) for model in models(provider)
    ]
    router = TaskRouter({"lookup": Cascade(tiers, has_year), "code": tiers[1]}, baseline="gpt-4o")
    chain = PROMPT | router.with_structured_output(Year, method="json_schema")
    with budgeted() as costs:
        assert pieces_of(way, chain, HARD.given, HARD.config)[-1] == Year(year=1932)
    saved = left_out_tokens(provider.requests[-1], HARD.prompt)
    assert saved > 0
    assert_exact(costs, provider, baseline=without_any(provider.requests[-1], saved))


def has_year(draft: Draft) -> bool:
    """Accept what names one."""
    return '"year": 0' not in draft.answer.text
