"""What a hit saves, and the ledger lines of hits that LangChain reports to nobody: of text LLMs, and of plain use."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING
from uuid import uuid4

from langchain_costguard.callbacks.prompts import plain_text
from langchain_costguard.callbacks.scopes import current_views
from langchain_costguard.callbacks.watcher import CallView, CallWatcher
from langchain_costguard.callbacks.wrapped import recorded_nano
from langchain_costguard.cost import nano_half_even
from langchain_costguard.exceptions import UnknownPriceError
from langchain_costguard.pricing import PriceBook
from langchain_costguard.recorder import Outcome, StartedCall
from langchain_costguard.semantic_cache.answers import SEMANTIC_CACHE, model_of, usage_of
from langchain_costguard.tokens import count_tokens
from langchain_costguard.usage import TokenUsage, read_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.outputs import Generation
    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.recorder import Recorder

COUNTED: str = "counted"
"""How the usage of a text LLM's answer is known that its provider's report does not go with."""


def avoided_nanos(
    generations: Sequence[Generation], model: str | None, prices: PriceBook | None, text: str | None = None
) -> int | None:
    """What it would cost to ask for an answer again.

    Args:
        generations: the answer.
        model: the model that was asked, where the answer does not say which one it is.
        prices: the price book; `None` for the list prices.
        text: the prompt of a text LLM, whose tokens are counted when nothing was reported.

    Returns:
        Billionths of a US dollar; `None` when not known.
    """
    recorded = recorded_nano(generations)
    if recorded is not None:
        return recorded
    usage = _reported(generations) or (None if text is None or model is None else _counted(text, generations, model))
    named = model_of(generations) or model
    if usage is None or named is None:
        return None
    try:
        cost = (prices or _list_prices()).price(usage, model=named, fallback_model=model)
    except UnknownPriceError:
        return None
    return None if cost is None else nano_half_even(cost.pico_usd)


def report_text_hit(prompt: str, generations: Sequence[Generation], model: str | None, *, is_near: bool) -> None:
    """Have a text LLM's hit booked as `cached` by everybody who watches: LangChain calls no callback for it.

    Args:
        prompt: what was asked.
        generations: what was served.
        model: the model that would have been asked.
        is_near: whether the answer was given to another question of the same meaning.
    """
    _report(StartedCall(uuid4(), "llm", prompt, plain_text), generations, model, is_near=is_near)


def report_plain_hit(text: str, generations: Sequence[Generation], *, is_near: bool) -> None:
    """Have a hit of `get` or `query` booked as `cached` by everybody who watches, where the answer says what it took.

    A text that was set by hand cost nothing that is known, and is no call.

    Args:
        text: what was asked.
        generations: what was served.
        is_near: whether the answer was given to another question of the same meaning.
    """
    if usage_of(generations):
        call = StartedCall(uuid4(), "chat", text, plain_text)
        _report(call, generations, model_of(generations), is_near=is_near)


def _report(call: StartedCall, generations: Sequence[Generation], model: str | None, *, is_near: bool) -> None:
    """Book a hit in every ledger that watches, under the labels of the chain around it."""
    config = _config_of_chain()
    views = current_views(*_views_in(config))
    if not views:
        return
    call.request_model = model
    call.tags, call.metadata = config.get("tags") or (), config.get("metadata") or {}
    call.is_timed = False
    call.watch(views)
    reported = _reported(generations)
    usage = reported or _counted(call.prompt, generations, model)
    technique = SEMANTIC_CACHE if is_near else None
    outcome = Outcome(
        "cached", usage, model_of(generations), technique=technique, avoided_nano=recorded_nano(generations)
    )
    for recorder in call.recorders:
        _book(recorder, call, outcome, is_counted=reported is None)


def _book(recorder: Recorder, call: StartedCall, outcome: Outcome, *, is_counted: bool) -> None:
    entry = recorder.lines.finished(call, outcome, time.perf_counter_ns())
    if is_counted:
        entry.estimate_method = COUNTED
    for view in call.views:
        if view.recorder is recorder:
            view.see(entry)
    recorder.write(entry)


def _config_of_chain() -> RunnableConfig:
    """What was given to the chain around the call."""
    from langchain_core.runnables.config import var_child_runnable_config

    return var_child_runnable_config.get() or {}


def _views_in(config: RunnableConfig) -> list[CallView]:
    """The handlers among it."""
    callbacks = config.get("callbacks")
    handlers = callbacks if isinstance(callbacks, list) else getattr(callbacks, "handlers", ())
    return [view for handler in handlers if isinstance(handler, CallWatcher) for view in handler.views]


def _reported(generations: Sequence[Generation]) -> TokenUsage | None:
    reported = usage_of(generations)
    return None if not reported else read_usage(reported)[0]


def _counted(text: str, generations: Sequence[Generation], model: str | None) -> TokenUsage:
    answered = "".join(generation.text for generation in generations)
    return TokenUsage(uncached_input=count_tokens(text, model).tokens, output_text=count_tokens(answered, model).tokens)


@cache
def _list_prices() -> PriceBook:
    return PriceBook()
