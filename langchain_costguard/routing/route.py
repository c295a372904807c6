"""A route: a model under a name, and what its user, LangChain's profile or our rows say that it can do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable

from langchain_costguard.routing.decision import RouteFacts
from langchain_costguard.routing.models import asking_part, chat_model_in, name_of, with_method
from langchain_costguard.tokens.limits import max_input_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Route:
    """A model that questions are sent to, and what it can do where that is not known otherwise.

    Args:
        model: a chat model, one with something bound to it, or a chain with one in it.
        local: whether it is served by yourself: its calls are booked as `local_model`, and it counts as the cheapest.
        max_input_tokens: its context window in tokens; `None` for what LangChain's profile or our rows say.
        tools: whether it can be given tools; `None` for what the profile says.
        images: whether it can be shown images; `None` for what the profile says.
        structured_output: whether it can be given a schema; `None` for what the profile says.

    Example:
        ```python
        Route(ChatOllama(model="qwen2.5:7b"), local=True, max_input_tokens=32_768, images=False)
        ```
    """

    model: Runnable[Any, Any]
    local: bool = False
    max_input_tokens: int | None = None
    tools: bool | None = None
    images: bool | None = None
    structured_output: bool | None = None
    name: str = field(init=False, repr=False)
    """The name of its model, as prices know it."""

    def __post_init__(self) -> None:
        """Refuse what is no route.

        Raises:
            TypeError: the model is no Runnable.
            ValueError: the context window is below one token.
        """
        given: object = self.model
        if not isinstance(given, Runnable):
            msg = f"{given!r:.60} is no model: give a chat model or another Runnable as the route"
            raise TypeError(msg)
        if self.max_input_tokens is not None and self.max_input_tokens < 1:
            msg = f"max_input_tokens={self.max_input_tokens} takes no question: give 1 or more, or leave it out"
            raise ValueError(msg)
        object.__setattr__(self, "name", name_of(self.model))

    @property
    def takes_messages(self) -> bool:
        """Whether it begins with a chat model, and not with a prompt that has variables of its own."""
        return asking_part(self.model) is not None

    @property
    def provider(self) -> str | None:
        """The provider of its model, as LangChain names it; `None` where that is not known."""
        inner = chat_model_in(self.model)
        return None if inner is None else inner.chat._get_ls_params().get("ls_provider")  # noqa: SLF001 - nothing else says it

    def facts(self, name: str, price: int | None) -> RouteFacts:
        """What is known of it.

        Args:
            name: the name of the route.
            price: what a typical call costs, in pico-USD.
        """
        inner = chat_model_in(self.model)
        profile: Mapping[str, Any] = {} if inner is None else dict(inner.chat.profile or {})
        window = self.max_input_tokens or profile.get("max_input_tokens") or max_input_of(self.name)
        tools, by_schema = profile.get("tool_calling"), profile.get("structured_output")
        has_schema = None if tools is None and by_schema is None else bool(tools or by_schema)
        return RouteFacts(
            name,
            self.name,
            price,
            window,
            tools=tools if self.tools is None else self.tools,
            images=profile.get("image_inputs") if self.images is None else self.images,
            structured_output=has_schema if self.structured_output is None else self.structured_output,
        )

    def with_tools(self, tools: Sequence[Any], **settings: Any) -> Route:  # noqa: ANN401 - as `bind_tools` takes them
        """The route whose model has tools; one that cannot have any says so from here on."""
        if self.tools is False:
            return self
        return self._rebuilt(lambda: with_method(self.model, "bind_tools", tools, **settings), tools=False)

    def with_schema(self, schema: Any, **settings: Any) -> Route:  # noqa: ANN401 - as `with_structured_output` takes it
        """The route whose answers have a schema; one that cannot have any says so from here on."""
        if self.structured_output is False:
            return self
        return self._rebuilt(
            lambda: with_method(self.model, "with_structured_output", schema, **settings), structured_output=False
        )

    def _rebuilt(self, build: Callable[[], Runnable[Any, Any]], **without: bool) -> Route:
        try:
            return replace(self, model=build())
        except NotImplementedError:  # as LangChain's base class says that a model has no tools
            changes: dict[str, Any] = dict(without)
            return replace(self, **changes)


def as_route(given: Runnable[Any, Any] | Route, *, local: bool = False) -> Route:
    """A route of whatever a user gave for one."""
    if isinstance(given, Route):
        return given if given.local or not local else replace(given, local=True)
    return Route(given, local=local)
