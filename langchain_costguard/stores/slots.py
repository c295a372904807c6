"""Counter and Slot: what one counter holds, slot by slot, and which of its slots are still kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard.budgets.claims import CounterState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.budgets.claims import Unit

KEPT_SLOTS: Final = 100
"""A counter with more slots lets go of those that have left its window: a status shows them, and late claims come."""

_ENDED: Final = "its window ended long ago"


class Slot:
    """What a counter holds in one slot of time."""

    __slots__ = ("crossed", "frozen", "overrun", "refused", "reserved", "slot_us", "spent", "unsettled")

    def __init__(self, slot_us: int) -> None:
        """Begin empty."""
        self.slot_us: int = slot_us
        self.spent: int = 0
        self.reserved: int = 0
        self.unsettled: int = 0
        self.overrun: int = 0
        self.refused: int = 0
        self.frozen: str | None = None
        self.crossed: tuple[int, ...] = ()


class Counter:
    """The slots of one counter, oldest first.

    Attributes:
        slots: by their time.
    """

    __slots__ = ("_kept_from_us", "budget", "name", "slots", "unit")

    def __init__(self, budget: str, name: str, unit: Unit) -> None:
        """Begin without slots."""
        self.budget: str = budget
        self.name: str = name
        self.unit: Unit = unit
        self.slots: dict[int, Slot] = {}
        self._kept_from_us = -(2**63)

    @property
    def is_reserved(self) -> bool:
        """Whether something of it is reserved."""
        return any(slot.reserved for slot in self.slots.values())

    def begin(self, slot_us: int, since_us: int) -> Slot:
        """Add a slot, and let go of old ones that have left the window, which begins at `since_us`.

        A slot that was let go of begins again only frozen: what had been spent of it is no longer known.
        """
        slot = Slot(slot_us)
        if slot_us < self._kept_from_us:
            slot.frozen = _ENDED
        is_late = bool(self.slots) and slot_us < next(reversed(self.slots))
        self.slots[slot_us] = slot
        if is_late:
            self.slots = dict(sorted(self.slots.items()))
        else:
            self._drop_before(since_us)
        return slot

    def since(self, since_us: int) -> Iterator[Slot]:
        """The slots from a time on, newest first."""
        for slot in reversed(self.slots.values()):
            if slot.slot_us < since_us:
                return
            yield slot

    def sums(self, since_us: int) -> tuple[int, int, str | None]:
        """What is spent and reserved in the slots from a time on, and why one of them is frozen."""
        spent = reserved = 0
        frozen = None
        for slot in reversed(self.slots.values()):
            if slot.slot_us < since_us:
                break
            spent += slot.spent
            reserved += slot.reserved
            frozen = slot.frozen if frozen is None else frozen
        return spent, reserved, frozen

    def unfreeze(self) -> None:
        """Admit claims again, except on slots that were let go of."""
        for slot in self.slots.values():
            if slot.slot_us >= self._kept_from_us:
                slot.frozen = None

    def state(self, slot: Slot) -> CounterState:
        """What is told of a slot."""
        return CounterState(
            budget=self.budget,
            counter=self.name,
            slot_us=slot.slot_us,
            unit=self.unit,
            spent=slot.spent,
            reserved=slot.reserved,
            unsettled=slot.unsettled,
            overrun=slot.overrun,
            refused=slot.refused,
            frozen=slot.frozen,
            crossed_ppm=slot.crossed,
        )

    def _drop_before(self, time_us: int) -> None:
        """Let go of slots before a time, oldest first, up to one of which something is reserved."""
        while len(self.slots) > KEPT_SLOTS:
            oldest = next(iter(self.slots.values()))
            if oldest.slot_us >= time_us or oldest.reserved:
                return
            del self.slots[oldest.slot_us]
            self._kept_from_us = oldest.slot_us + 1
