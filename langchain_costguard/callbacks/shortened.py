"""Which input tokens compressors have left out of prompts that are still to be sent, by outermost run."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from langchain_costguard.tags import BASELINE_MODEL, with_technique

if TYPE_CHECKING:
    from uuid import UUID

    from langchain_costguard.recorder import StartedCall

_MAX_RUNS: Final = 10_000
"""So many outermost runs are waited for; what was left out of older ones is not claimed."""


class ShortenedPrompts:
    """What compressors in chains said, until the next model call of their outermost run takes it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._by_root: OrderedDict[UUID, dict[UUID, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether any call is waited for."""
        return bool(self._by_root)

    def note(self, root_run_id: UUID, run_id: UUID, saved_tokens: int) -> None:
        """Note what one compressor's run left out, however many handlers are told of it."""
        if saved_tokens <= 0:
            return
        with self._lock:
            self._by_root.setdefault(root_run_id, {})[run_id] = saved_tokens
            if len(self._by_root) > _MAX_RUNS:
                self._by_root.popitem(last=False)

    def take(self, call: StartedCall) -> None:
        """Hand what was left out to the call that is now sent, unless it is itself a part of the compressing."""
        root = call.root_run_id or call.run_id
        if root not in self._by_root or call.metadata.get(BASELINE_MODEL) == "":
            return
        with self._lock:
            left_out = self._by_root.pop(root, None)
        if left_out:
            saved = sum(left_out.values())
            call.metadata = with_technique(call.metadata, "compression", saved_input_tokens=saved)

    def end(self, run_id: UUID) -> None:
        """Forget a run that has ended without another call."""
        if self._by_root:
            with self._lock:
                self._by_root.pop(run_id, None)

    def reset(self) -> None:
        """Begin anew, in a forked child: its parent may have held the lock."""
        self.__init__()  # type: ignore[misc] # the object is shared by reference, so it is reset in place


SHORTENED: Final = ShortenedPrompts()
"""What is still to be claimed in this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SHORTENED.reset)
