"""Which input tokens compressors have left out of prompts that are still to be sent, by outermost run."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from langchain_costguard.tags import BASELINE_BOOKED, BASELINE_MODEL, with_technique

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
        self._of_cascade: OrderedDict[UUID, tuple[UUID, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether any call is waited for."""
        return bool(self._by_root or self._of_cascade)

    def note(self, root_run_id: UUID, run_id: UUID, saved_tokens: int) -> None:
        """Note what one compressor's run left out, however many handlers are told of it."""
        if saved_tokens <= 0:
            return
        with self._lock:
            self._by_root.setdefault(root_run_id, {})[run_id] = saved_tokens
            if len(self._by_root) > _MAX_RUNS:
                self._by_root.popitem(last=False)

    def take(self, call: StartedCall) -> None:
        """Hand what was left out to the call that is now sent, unless it is itself a part of the compressing.

        The legs of a cascade send the same prompt, so that it is left out of each of them.
        """
        root = call.root_run_id or call.run_id
        if call.metadata.get(BASELINE_MODEL) == "":
            return
        with self._lock:
            left_out = self._by_root.pop(root, None)
            saved = sum(left_out.values()) if left_out else self._of_earlier_leg(root, call)
            if left_out and BASELINE_BOOKED in call.metadata and call.parent_run_id is not None:
                self._of_cascade[root] = (call.parent_run_id, saved)
                if len(self._of_cascade) > _MAX_RUNS:
                    self._of_cascade.popitem(last=False)
        if saved:
            call.metadata = with_technique(call.metadata, "compression", saved_input_tokens=saved)

    def _of_earlier_leg(self, root: UUID, call: StartedCall) -> int:
        """What was left out of an earlier leg of the same cascade."""
        cascade, saved = self._of_cascade.get(root, (None, 0))
        return saved if cascade == call.parent_run_id else 0

    def end(self, run_id: UUID) -> None:
        """Forget a run that has ended without another call."""
        if self:
            with self._lock:
                self._by_root.pop(run_id, None)
                self._of_cascade.pop(run_id, None)

    def reset(self) -> None:
        """Begin anew, in a forked child: its parent may have held the lock."""
        self.__init__()  # type: ignore[misc] # the object is shared by reference, so it is reset in place


SHORTENED: Final = ShortenedPrompts()
"""What is still to be claimed in this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SHORTENED.reset)
