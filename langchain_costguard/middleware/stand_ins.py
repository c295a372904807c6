"""The models that take the place of a turn's model: with its cache, and with what their runs are to tell."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_core.caches import BaseCache
    from langchain_core.language_models import BaseChatModel

CACHE: Final[ContextVar[BaseCache | None]] = ContextVar("langchain_costguard_agent_cache", default=None)
"""The cache that answers for the turn, whichever model is asked in the end."""


@contextmanager
def answering_from(cache: BaseCache) -> Iterator[None]:
    """Have the models that take the place of a turn's model answered for by its cache as well."""
    token = CACHE.set(cache)
    try:
        yield
    finally:
        CACHE.reset(token)


def instead(model: BaseChatModel) -> BaseChatModel:
    """A model that takes the place of a turn's model: with the cache that answers for it, or its own."""
    cache = CACHE.get()
    return model if cache is None or model.cache is not None else model.model_copy(update={"cache": cache})


def marked(
    model: BaseChatModel,
    *,
    metadata: Mapping[str, Any],
    tags: Sequence[str] = (),
    **fields: Any,  # noqa: ANN401 - fields of a model
) -> BaseChatModel:
    """A copy of a model, still of its own class, whose runs carry this metadata and these tags.

    Args:
        model: the model; a binding around it would hide its class from other middleware.
        metadata: what its runs tell.
        tags: the tags of its runs.
        **fields: other fields of the model to set on the copy.
    """
    known = {**(model.metadata or {}), **metadata}
    return model.model_copy(update={"metadata": known, "tags": [*(model.tags or ()), *tags], **fields})
