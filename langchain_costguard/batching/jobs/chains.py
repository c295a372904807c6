"""How a chain is cut for batches: what runs before each model, the model and what is bound to it, and what is after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.language_models import BaseChatModel, BaseLanguageModel
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase, RunnableEach
from langchain_core.runnables.config import ensure_config, merge_configs
from langchain_core.runnables.configurable import DynamicRunnable
from langchain_core.runnables.passthrough import RunnableAssign
from langchain_core.runnables.retry import RunnableRetry

from langchain_costguard.batching.jobs.job_errors import UnsupportedChainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from langchain_core.runnables import RunnableConfig

_FOR_TRACERS: Final = ("ls_structured_output_format", "structured_output_format")
"""Settings that LangChain takes out again before it sends anything."""


class ModelStep(NamedTuple):
    """One model of a chain, with what runs before it."""

    before: Runnable[Any, Any] | None
    """What makes the model's input; `None` if that is the input of the step itself."""
    model: BaseChatModel
    kwargs: Mapping[str, Any]
    """What is bound to the model: tools, a schema, stop words."""
    config: RunnableConfig
    """The config bound to it: tags, metadata, callbacks."""


class ChainPlan(NamedTuple):
    """A chain, cut at its models."""

    steps: tuple[ModelStep, ...]
    after: Runnable[Any, Any] | None
    """What finishes the chain after the last model; `None` if its message is the output."""


class _Piece(NamedTuple):
    runnable: Runnable[Any, Any]
    kwargs: Mapping[str, Any]
    config: RunnableConfig


def plan_chain(chain: Runnable[Any, Any], config: RunnableConfig | None = None) -> ChainPlan:
    """Cut a chain at its models.

    Args:
        chain: a chat model, or a sequence with chat models in it.
        config: the config of the job, by which configurable parts are chosen.

    Raises:
        UnsupportedChainError: there is no chat model in it, or one stands where it cannot be batched.
    """
    _refuse_other(chain)
    steps: list[ModelStep] = []
    between: list[Runnable[Any, Any]] = []
    for piece in _pieces(chain, _Piece(chain, {}, ensure_config(config)), bound=ensure_config({})):
        if isinstance(piece.runnable, BaseChatModel):
            kwargs = {key: value for key, value in piece.kwargs.items() if key not in _FOR_TRACERS}
            steps.append(ModelStep(_sequence(between), piece.runnable, kwargs, piece.config))
            between = []
        else:
            _refuse_hidden_model(piece.runnable)
            between.append(piece.runnable)
    if not steps:
        msg = (
            f"there is no chat model among the steps of {_shown(chain)}: give a chain such as prompt | model | parser, "
            "or use run_many"
        )
        raise UnsupportedChainError(msg)
    return ChainPlan(tuple(steps), _sequence(between))


def _pieces(runnable: Runnable[Any, Any], whole: _Piece, bound: RunnableConfig) -> Iterator[_Piece]:
    """The steps of a chain in a row: sequences opened, bindings around models taken off."""
    kwargs, job_config = whole.kwargs, whole.config
    if isinstance(runnable, DynamicRunnable):
        runnable, _ = runnable.prepare(merge_configs(job_config, bound))
    if isinstance(runnable, RunnableSequence):
        if kwargs:
            first, *rest = runnable.steps
            yield from _pieces(first, _Piece(first, kwargs, job_config), bound)
        else:
            rest = list(runnable.steps)
        for step in rest:
            yield from _pieces(step, _Piece(step, {}, job_config), bound)
    elif isinstance(runnable, RunnableBindingBase) and _has_model(runnable.bound):
        inner = {} if isinstance(runnable, RunnableRetry) else {**runnable.kwargs, **kwargs}
        merged = runnable._merge_configs(bound)  # noqa: SLF001 - what the binding itself does when it is invoked
        yield from _pieces(runnable.bound, _Piece(runnable.bound, inner or kwargs, job_config), merged)
    elif isinstance(runnable, RunnableParallel) and len(runnable.steps__) == 1 and _has_model(runnable):
        ((name, step),) = runnable.steps__.items()
        yield from _pieces(step, _Piece(step, kwargs, job_config), bound)
        yield _Piece(RunnableLambda(_under(name)), {}, bound)
    elif isinstance(runnable, BaseChatModel) or not kwargs:
        yield _Piece(runnable, kwargs, bound)
    else:
        yield _Piece(runnable.bind(**kwargs), {}, bound)


def _refuse_other(chain: object) -> None:
    if not isinstance(chain, Runnable):
        msg = f"{type(chain).__name__} is no chain: give a Runnable such as prompt | model | parser"
        raise UnsupportedChainError(msg)


def _under(name: str) -> Any:  # noqa: ANN401 - a function of any value
    """What a parallel step of one branch does with the branch's output."""

    def named(value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the branch gives
        return {name: value}

    return named


def _sequence(runnables: list[Runnable[Any, Any]]) -> Runnable[Any, Any] | None:
    if not runnables:
        return None
    return runnables[0] if len(runnables) == 1 else RunnableSequence(*runnables)


def _refuse_hidden_model(runnable: Runnable[Any, Any]) -> None:
    if isinstance(runnable, BaseLanguageModel):
        msg = f"{_shown(runnable)} is a text model, and Batch APIs take chat models: use the chat model of the provider"
        raise UnsupportedChainError(msg)
    if not _has_model(runnable):
        return
    if isinstance(runnable, RunnableWithFallbacks):
        remedy = "batch the first model alone, and run what resubmit_failed() leaves with run_many(fallback, ...)"
    elif isinstance(runnable, RunnableParallel | RunnableAssign | RunnableBranch):
        remedy = "submit one job for each branch that asks a model, or use run_many"
    else:
        remedy = "put the model between | and | as a step of its own, or use run_many"
    msg = f"a model inside {_shown(runnable)} cannot go through a Batch API: {remedy}"
    raise UnsupportedChainError(msg)


def _has_model(runnable: object, depth: int = 0) -> bool:
    if isinstance(runnable, BaseLanguageModel):
        return True
    return depth < _MAX_DEPTH and any(_has_model(part, depth + 1) for part in _parts(runnable))


_MAX_DEPTH: Final = 32


def _parts(runnable: object) -> Iterable[object]:
    """What a Runnable is made of."""
    if isinstance(runnable, RunnableSequence):
        return runnable.steps
    if isinstance(runnable, RunnableParallel):
        return runnable.steps__.values()
    if isinstance(runnable, RunnableAssign):
        return (runnable.mapper,)
    if isinstance(runnable, RunnableBranch):
        return (*(part for branch in runnable.branches for part in branch), runnable.default)
    if isinstance(runnable, RunnableWithFallbacks):
        return runnable.runnables
    if isinstance(runnable, RunnableBindingBase | RunnableEach):
        return (runnable.bound,)
    if isinstance(runnable, DynamicRunnable):
        return (runnable.default,)
    if isinstance(runnable, RunnableLambda):
        return runnable.deps
    return ()


def _shown(runnable: object) -> str:
    return type(runnable).__name__
