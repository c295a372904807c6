"""Where LangChain runs our hooks: on an event loop, or in a thread, where a budget's store is across a network.

LangChain's `AsyncCallbackManager.on_llm_start`, with which text models begin, tells handlers that are not inline only
if no handler is (langchain#39633): beside a tracer, a budget in Redis would not be asked, and beside ours, a user's
handler would not be told. It goes by `run_inline`, and so does what it calls next, which runs each handler where it
belongs. So ours say there that they are what others are, and the truth to everybody else: nobody is passed over because
of ours.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from langchain_core.callbacks import BaseCallbackHandler

if TYPE_CHECKING:
    from collections.abc import Iterable

_START_HOOK: Final = "on_llm_start"
_MANAGERS: Final = "langchain_core.callbacks.manager"
_ASKING_FRAME: Final = 2


class PlacedHandler(BaseCallbackHandler):
    """A handler that keeps nobody from being told of async text models, and is always told itself."""

    is_inline: bool = True
    """Whether the hooks may run on an event loop; an instance says no where a budget's store is across a network."""

    @property
    def run_inline(self) -> bool:  # type: ignore[override] # LangChain reads it, and nobody sets it on ours
        """What LangChain is told of `is_inline`."""
        others = _others_at_text_start()
        return self.is_inline if others is None else others


def _others_at_text_start() -> bool | None:
    """Whether a handler that is not ours is inline, if LangChain asks in order to begin a text run; `None` if not."""
    frame = sys._getframe(_ASKING_FRAME)  # noqa: SLF001 - the way to a caller's locals
    if frame.f_code.co_name == "<listcomp>" and frame.f_back is not None:  # a frame of its own before Python 3.12
        frame = frame.f_back
    if frame.f_code.co_name != _START_HOOK or frame.f_globals.get("__name__") != _MANAGERS:
        return None
    told: Iterable[BaseCallbackHandler] = getattr(frame.f_locals.get("self"), "handlers", ())
    return any(other.run_inline for other in told if not isinstance(other, PlacedHandler))
