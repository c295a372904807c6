"""TaskRouter: a model for each kind of task, which the caller names or a classifier finds."""

# ruff: noqa: ANN401 - questions and answers are of any kind

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import patch_config

from langchain_costguard import tags
from langchain_costguard.routing.asking import label_of
from langchain_costguard.routing.decision import Proposal, checked_confidence
from langchain_costguard.routing.errors import NoRouteError
from langchain_costguard.routing.route import Route, as_route
from langchain_costguard.routing.router import MAX_SESSIONS, Router

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.routing.asking import Asked

Classifier = Any
"""What finds the task of a text: a function, a Runnable (a model told to answer with the task's name), or a
`TaskClassifier`. It gives the task, or the task and how sure it is."""

DEFAULT: Final = "default"
"""The route of tasks that have none."""

_TASK_KEYS: Final = ("task_type", "task")
_HIDDEN_TAG: Final = "nostream"
"""LangGraph shows no messages of runs with this tag."""
_AROUND_A_NAME: Final = " \t\r\n.,:;!'\"`*"


class TaskRouter(Router):
    """Asks the model that is meant for a task.

    The task is what the input says under `task_type` or `task` (`{"task_type": "simple_qa", "query": "..."}`), else
    what `config["configurable"]` or `config["metadata"]` says there, else what the classifier finds.

    Args:
        routes: the model of each task; a `Route` where more is to be said of it.
        default: the model of other tasks, or the name of one of the routes; without one they raise `NoRouteError`.
        classifier: finds the task where nobody names it; a model's calls for it are booked as cost of routing.
        min_confidence: a task found with less confidence goes to the default.
        baseline: the model that would be asked without routing, which savings are counted against: a model, the name
            of a route, or a model's name; `None` for the dearest of the routes.
        task_key: the names under which the task is looked for.
        input_key: where the question stands in an input that is a dict; `None` to find it.
        sticky_by: a key, such as `"session_id"`, looked for where the task is: questions of one session go where the
            first went, unless a task is named.
        max_sessions: so many sessions are remembered.
        name: the name of its runs.

    Raises:
        ValueError: there is no route, the default names none, or `min_confidence` has no default to go to.
        TypeError: a route is no model, or the classifier is none; later, a classifier that is asynchronous is to answer
            in a way that is not.

    Example:
        ```python
        router = TaskRouter({"simple_qa": mini, "code_generation": full}, default=mini)
        router.invoke({"task_type": "code_generation", "query": "A binary search in Rust"})
        ```
    """

    def __init__(
        self,
        routes: Mapping[str, Runnable[Any, Any] | Route],
        default: Runnable[Any, Any] | Route | str | None = None,
        *,
        classifier: Classifier | None = None,
        min_confidence: float = 0.0,
        baseline: str | Runnable[Any, Any] | None = None,
        task_key: str | Sequence[str] = _TASK_KEYS,
        input_key: str | None = None,
        sticky_by: str | None = None,
        max_sessions: int = MAX_SESSIONS,
        name: str | None = None,
    ) -> None:
        """Check the routes and keep them."""
        made = {label_of(task): as_route(route) for task, route in routes.items()}
        if not made:
            msg = "routes is empty: give a model for each task, TaskRouter({'simple_qa': mini, ...})"
            raise ValueError(msg)
        self._task_keys: tuple[str, ...] = (task_key,) if isinstance(task_key, str) else tuple(task_key)
        self._tasks: Mapping[str, str] = {_plain(task): task for task in made}
        self._default: str | None = _default_of(default, made)
        if default is not None and not isinstance(default, str):
            made[DEFAULT] = as_route(default)
        if not (classifier is None or callable(classifier) or isinstance(classifier, Runnable)):
            msg = f"classifier={classifier!r:.60} finds no task: give a function, a Runnable or a TaskClassifier"
            raise TypeError(msg)
        if min_confidence > 0 and self._default is None:
            msg = f"min_confidence={min_confidence} needs a route for what is less sure: set `default`"
            raise ValueError(msg)
        self._classifier = classifier
        self._min_confidence = min_confidence
        super().__init__(
            made,
            baseline=baseline,
            label_keys=self._task_keys,
            input_key=input_key,
            sticky_by=sticky_by,
            max_sessions=max_sessions,
            name=name,
        )

    def _labelled(self, asked: Asked) -> Proposal | None:
        said = asked.said(self._task_keys)
        if said is None:
            return None
        task, place = said
        route = self._tasks.get(_plain(task))
        if route is not None:
            return Proposal(route, f"task {task!r}, named in {place}")
        return self._elsewhere(f"no route for task {task!r}, named in {place}")

    def _propose(self, asked: Asked, config: RunnableConfig) -> Proposal:
        if self._classifier is None:
            return self._unnamed()
        try:
            if isinstance(self._classifier, Runnable):
                found = self._classifier.invoke(asked.text, _classifying(config))
            else:
                found = self._classifier(asked.text)
        except Exception as error:  # noqa: BLE001 - whatever it raises, the default can still answer
            return self._without_classifier(error)
        if isinstance(found, Coroutine):
            found.close()
            msg = "the classifier is asynchronous: ask by `ainvoke`, `astream` or `abatch`, or give one that is not"
            raise TypeError(msg)
        return self._found(found)

    async def _apropose(self, asked: Asked, config: RunnableConfig) -> Proposal:
        if self._classifier is None:
            return self._unnamed()
        try:
            if isinstance(self._classifier, Runnable):
                found = await self._classifier.ainvoke(asked.text, _classifying(config))
            else:
                found = await asyncio.to_thread(self._classifier, asked.text)  # it may embed, or ask a server
                if hasattr(found, "__await__"):
                    found = await cast("Awaitable[Any]", found)
        except Exception as error:  # noqa: BLE001 - the same as in `_propose`
            return self._without_classifier(error)
        return self._found(found)

    def _found(self, found: Any) -> Proposal:
        """The route of what a classifier said."""
        try:
            task, confidence = _read(found)
        except (TypeError, ValueError) as error:
            return self._without_classifier(error)
        route = self._tasks.get(_plain(task))
        if route is None:
            return self._elsewhere(f"the classifier found {task[:60]!r}, which has no route", confidence)
        if confidence is not None and confidence < self._min_confidence:
            return self._elsewhere(f"the classifier is not sure of task {route!r} ({confidence:.2f})")
        return Proposal(route, f"task {route!r}, found by the classifier", confidence)

    def _unnamed(self) -> Proposal:
        return self._elsewhere(f"no task was named under {' or '.join(map(repr, self._task_keys))}")

    def _without_classifier(self, error: Exception) -> Proposal:
        if self._default is None:
            raise error
        return self._elsewhere(f"the classifier failed ({type(error).__name__})")

    def _elsewhere(self, why: str, confidence: float | None = None) -> Proposal:
        """The default, for a reason.

        Raises:
            NoRouteError: there is none.
        """
        if self._default is not None:
            return Proposal(self._default, f"{why}: the default", confidence)
        tasks = ", ".join(map(repr, self._tasks.values()))
        msg = f"{why[0].upper()}{why[1:]}, and there is no default. Tasks with a route: {tasks}. Set `default`."
        raise NoRouteError(msg, routes=tuple(self.routes))


def _default_of(default: Runnable[Any, Any] | Route | str | None, routes: Mapping[str, Route]) -> str | None:
    if not isinstance(default, str):
        if default is not None and DEFAULT in routes:
            msg = f"There is a route {DEFAULT!r} already: leave it out of `routes`, or name it, `default={DEFAULT!r}`."
            raise ValueError(msg)
        return None if default is None else DEFAULT
    if default not in routes:
        msg = f"default={default!r} is none of the routes {', '.join(map(repr, routes))}: name one, or give a model."
        raise ValueError(msg)
    return default


def _classifying(config: RunnableConfig) -> RunnableConfig:
    """The config of a classifier's run: a call that would not have been made without routing."""
    inside = patch_config(config)
    inside["metadata"] = {**(config.get("metadata") or {}), tags.TECHNIQUE: ["routing"], tags.BASELINE_MODEL: ""}
    inside["tags"] = [*(config.get("tags") or ()), _HIDDEN_TAG]
    return inside


def _read(found: Any) -> tuple[str, float | None]:
    """The task, and how sure the classifier is of it.

    Raises:
        TypeError: the confidence is none.
        ValueError: the confidence is not a number.
    """
    if isinstance(found, BaseMessage):
        return found.text, None
    if isinstance(found, tuple) and len(found) == len(("task", "confidence")):
        task, confidence = found
        return label_of(task), None if confidence is None else checked_confidence(confidence)
    return label_of(found), None


def _plain(task: str) -> str:
    """A task's name as it is compared."""
    return task.strip(_AROUND_A_NAME).casefold().replace(" ", "_").replace("-", "_")
