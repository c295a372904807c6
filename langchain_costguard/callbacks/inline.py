"""Where LangChain runs our hooks: on an event loop, or in a thread, where a budget's store is across a network.

LangChain's `AsyncCallbackManager.on_llm_start`, with which text models begin, tells handlers that are not inline only
if no handler is (langchain#39633): beside a tracer, a budget in Redis would not be asked. It goes by `run_inline`, and
so does what it calls next, which runs each handler where it belongs. So a handler of ours that belongs in a thread says
there that it is inline if another one is, and says the truth to everybody else.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_core.callbacks import BaseCallbackHandler

_START_HOOK: Final = "on_llm_start"
_MANAGERS: Final = "langchain_core.callbacks.manager"
_ASKING_FRAME: Final = 2


def would_be_passed_over(handler: BaseCallbackHandler) -> bool:
    """Whether LangChain asks, in order to begin a text run, for handlers that are inline, and another one is.

    Args:
        handler: a handler whose `run_inline` is asked for by the caller of whoever calls this.
    """
    frame = sys._getframe(_ASKING_FRAME)  # noqa: SLF001 - the way to a caller's locals
    if frame.f_code.co_name == "<listcomp>" and frame.f_back is not None:  # a frame of its own before Python 3.12
        frame = frame.f_back
    if frame.f_code.co_name != _START_HOOK or frame.f_globals.get("__name__") != _MANAGERS:
        return False
    told: Iterable[BaseCallbackHandler] = getattr(frame.f_locals.get("self"), "handlers", ())
    return any(other.run_inline for other in told if other is not handler)
