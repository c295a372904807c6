"""Prompt caching and batches on real prompts: what simulated providers bill, at the package's prices."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import prompt_caching_provider
from claims_data import BATCH_MODELS, CACHING_MODELS, ON, WITHOUT_PREFIX
from claims_rows import Row, charge, row
from claims_workloads import Sent, Workload, pieces, workloads
from prompt_caching import MODELS
from prompt_caching_provider import Bill

from langchain_costguard.callbacks.wrapping import inner_models
from langchain_costguard.prompt_caching import CachePlan
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_costguard.prompt_caching import PlannedModel

SAME = "the same tokens are read"
ALONE, PLANNED = "provider's own, left alone", "CachePlan"


def measure(folder: Path) -> Iterator[Row]:
    """Prompt caching: the automatic cache left alone, and the package's plan; the baseline has no cache."""
    prompt_caching_provider.tokens_of = pieces  # real tokens instead of the fake's
    for workload in workloads(folder):
        for model in CACHING_MODELS:
            baseline = usd(plain(workload), model)
            ways = {PLANNED: served(workload, model, planned=True)}
            if not model.startswith("claude"):
                ways[ALONE] = served(workload, model, planned=False)
            for way, usages in ways.items():
                yield row(
                    "prompt_caching", way, workload.name, model, calls=len(usages), baseline=baseline,
                    billed=usd(usages, model), quality=1.0, quality_is=SAME,
                    is_claimed=workload.name not in WITHOUT_PREFIX,
                )  # fmt: skip


def measure_batch(folder: Path) -> Iterator[Row]:
    """Batches: against the same calls at once, without a cache and with the best of cached and not cached."""
    prompt_caching_provider.tokens_of = pieces  # real tokens instead of the fake's
    for workload in workloads(folder):
        for model in BATCH_MODELS:
            billed = usd(plain(workload), model, batch=True)
            cached = served(workload, model, planned=True)
            baselines = {
                "against calls at once, without a cache": (usd(plain(workload), model), billed),
                "against calls at once, with a planned cache": (usd(cached, model), billed),
            }
            if model.startswith("claude"):  # Anthropic's discounts multiply, where a batch happens to hit the cache
                kept = usd(cached, model, batch=True)
                baselines["against a planned cache that the batch hits as well"] = (
                    usd(cached, model),
                    kept,
                )
            for way, (baseline, paid) in baselines.items():
                yield row(
                    "batch", way, workload.name, model, calls=len(cached), baseline=baseline, billed=paid,
                    quality=1.0, quality_is=SAME,
                )  # fmt: skip


def plain(workload: Workload) -> list[TokenUsage]:
    """Each call without a cache."""
    found = []
    for one in workload.sent:
        read = sum(len(pieces(message.text)) for message in one.messages())
        found.append(TokenUsage(uncached_input=read, output_text=one.output_tokens))
    return found


def served(workload: Workload, model: str, *, planned: bool) -> list[TokenUsage]:
    """Each call as the simulated provider bills it; input tokens are those of `plain`, but for the words of roles."""
    _, make_cache, make_model = MODELS[model]
    client, cache = make_model(), make_cache()
    wrapped = plans(client, workload) if planned else {}
    found = []
    for one in workload.sent:
        bill = Bill()
        cache.serve(body(client, wrapped.get(one.group), one), one.moment, one.output_tokens, bill)
        whole = sum(len(pieces(message.text)) for message in one.messages())
        around = bill.plain + bill.read + bill.write_5m + bill.write_1h - whole
        found.append(
            TokenUsage(
                uncached_input=max(bill.plain - around, 0),
                cache_read=bill.read,
                cache_write_5m=bill.write_5m,
                cache_write_1h=bill.write_1h,
                output_text=bill.output,
            )
        )
    return found


def plans(client: Any, workload: Workload) -> dict[str, PlannedModel]:  # noqa: ANN401 - any client
    """A plan for each group, made of its first two requests; for all together where nothing is asked twice."""
    groups = workload.groups
    if all(len(sent) < 2 for sent in groups.values()):
        return dict.fromkeys(groups, plan(client, workload.sent).apply(client))
    return {name: plan(client, sent).apply(client) for name, sent in groups.items() if len(sent) > 1}


def plan(client: Any, sent: list[Sent] | tuple[Sent, ...]) -> CachePlan:  # noqa: ANN401 - any client
    """The package's plan, told how often and how fast the prefix is sent."""
    return CachePlan.from_examples(
        client,
        [one.messages() for one in sent[:2]],
        reuse=len(sent) - 1,
        within=timedelta(seconds=sent[-1].moment - sent[0].moment),
        output_tokens=sum(one.output_tokens for one in sent) // len(sent),
        at=ON,
    )


def body(client: Any, wrapped: PlannedModel | None, one: Sent) -> dict[str, Any]:  # noqa: ANN401 - any client
    """The request's body, as the client makes it or as the plan has it made."""
    if wrapped is None:
        made: dict[str, Any] = client._get_request_payload(one.messages())  # noqa: SLF001 - without sending it
        return made
    call = wrapped.prepared(one.messages(), None, {})
    chat: Any
    chat, settings = inner_models(client, call.settings)[0]
    planned: dict[str, Any] = chat._get_request_payload(call.given, **settings)  # noqa: SLF001 - the same
    return planned


def usd(usages: list[TokenUsage], model: str, *, batch: bool = False) -> Decimal:
    """What the calls cost, each by itself."""
    return sum((charge(usage, model, batch=batch) for usage in usages), Decimal(0))
