"""How a compressor in a chain says what it left out: a custom event, and nothing where no run is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
)

from langchain_costguard import tags

if TYPE_CHECKING:
    from langchain_core.callbacks import Callbacks
    from langchain_core.runnables import RunnableConfig


def tell(saved_tokens: int, callbacks: Callbacks = None) -> None:
    """Dispatch what was left out to whoever watches the run."""
    config = _config(callbacks)
    if saved_tokens and get_callback_manager_for_config(config).parent_run_id is not None:
        dispatch_custom_event(tags.COMPRESSED_EVENT, {"saved_tokens": saved_tokens}, config=config)


async def atell(saved_tokens: int, callbacks: Callbacks = None) -> None:
    """The same on an event loop."""
    config = _config(callbacks)
    if saved_tokens and get_async_callback_manager_for_config(config).parent_run_id is not None:
        await adispatch_custom_event(tags.COMPRESSED_EVENT, {"saved_tokens": saved_tokens}, config=config)


def _config(callbacks: Callbacks) -> RunnableConfig:
    given: dict[str, Any] = {} if callbacks is None else {"callbacks": callbacks}
    return ensure_config(given)  # type: ignore[arg-type] # a part of a RunnableConfig
