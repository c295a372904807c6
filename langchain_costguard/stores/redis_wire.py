"""How claims and answers are written for the Lua scripts of the Redis store, and read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.budgets.claims import (
    Admission,
    BudgetChange,
    BudgetSetting,
    Claim,
    CounterState,
    Crossing,
    Refusal,
)
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.counters import spent_share
from langchain_costguard.stores.owners import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from langchain_costguard.budgets.claims import Charge

LARGEST: Final = 2**62
"""The largest limit, and the largest amount that is charged: sums of two still have 64 bits."""

_encode: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def to_bytes(text: str) -> bytes:
    """A string as it is sent; halves of surrogate pairs, which users' names may hold, pass as they are."""
    return text.encode("utf-8", "surrogatepass")


def as_text(answer: Any) -> Any:  # noqa: ANN401 - answers are nested lists of anything
    """An answer with its bytes decoded."""
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "surrogatepass")
    return [as_text(part) for part in answer] if isinstance(answer, list) else answer


def check_size(*amounts: int) -> None:
    """Refuse what 64 bits cannot add up.

    Raises:
        StoreError: a limit or a charge is beyond 2^62 (in money: 4.6 thousand million US dollars).
    """
    for amount in amounts:
        if not -LARGEST <= amount <= LARGEST:
            msg = f"{amount} is beyond 2^62, up to which Redis can add amounts: give a lower limit"
            raise StoreError(msg)


def write_claim(claim: Claim) -> str:
    """A claim as one line of JSON, its amounts as strings, because Lua's numbers are not exact beyond 2^53.

    Raises:
        StoreError: its limit is too large.
    """
    check_size(claim.limit)
    budget, counter, slot_us, since_us, unit, amount, limit, *rest = claim
    return _encode((budget, counter, slot_us, since_us, unit, str(amount), str(limit), *rest))


def write_claims(claims: Iterable[Claim]) -> str:
    """Claims as lines of JSON."""
    return "\n".join(map(write_claim, claims))


def write_amounts(charges: Sequence[Charge]) -> str:
    """The amounts of charges, and whether they freeze."""
    check_size(*(charge.amount for charge in charges))
    return _encode([(str(charge.amount), charge.freezes) for charge in charges])


def write_owner(owner: Owner) -> str:
    """A process as JSON."""
    return _encode(owner)


def write_list(values: Iterable[str]) -> str:
    """Strings as a JSON list."""
    return _encode(list(values))


def write_change(change: BudgetChange) -> str:
    """An operator's change as JSON."""
    return _encode(change)


def read_owner(text: str) -> Owner:
    """A process from JSON."""
    return Owner(*json.loads(text))


def read_claim(line: str) -> Claim:
    """A claim from its line."""
    budget, counter, slot_us, since_us, unit, amount, limit, refuses, charges_lost, alerts = json.loads(line)
    return Claim(
        budget, counter, slot_us, since_us, unit, int(amount), int(limit), refuses, charges_lost, tuple(alerts)
    )


def read_admission(answer: Sequence[Any], claims: Sequence[Claim]) -> Admission:
    """The answer of the script `admit`."""
    _, refusals, exceeded, crossings, _ = answer
    return Admission(
        tuple(_read_refusal(row, claims) for row in refusals),
        tuple(_read_refusal(row, claims) for row in exceeded),
        read_crossings(crossings, claims),
    )


def read_crossings(rows: Iterable[Sequence[str]], claims: Iterable[Claim] = ()) -> tuple[Crossing, ...]:
    """What is to be told, with the claims that were sent where it concerns those."""
    rows = list(rows)
    if not rows:
        return ()
    known = {write_claim(claim): claim for claim in claims}
    return tuple(_read_crossing(row, known) for row in rows)


def read_counters(rows: Iterable[Sequence[Any]]) -> list[CounterState]:
    """What counters hold, oldest first."""
    return sorted((_read_counter(row) for row in rows), key=lambda found: (found.slot_us, found.counter))


def read_settings(rows: Iterable[Sequence[Any]]) -> list[BudgetSetting]:
    """What operators have set, in order of the budgets."""
    return sorted(BudgetSetting(budget, None if limit is None else int(limit), why) for budget, limit, why in rows)


def read_change(line: str) -> BudgetChange:
    """An operator's change; the server's time stands in front of it."""
    written_us, _, text = line.partition(" ")
    change = BudgetChange(*json.loads(text))
    return change if change.at_us else change._replace(at_us=int(written_us))


def _read_refusal(row: Sequence[str], claims: Sequence[Claim]) -> Refusal:
    number, limit, spent, reserved, reason, note = row
    return Refusal(
        claims[int(number)], int(limit), int(spent), int(reserved), "frozen" if reason == "frozen" else "full", note
    )


def _read_crossing(row: Sequence[str], known: Mapping[str, Claim]) -> Crossing:
    line, kind, share, limit, spent, reserved = row
    share_ppm = int(share) if kind == "threshold" else spent_share(int(spent), int(limit))
    claim = known.get(line) or read_claim(line)
    return Crossing(claim, kind, share_ppm, int(limit), int(spent), int(reserved))  # type: ignore[arg-type] # three words


def _read_counter(row: Sequence[Any]) -> CounterState:
    budget, counter, slot, unit, *amounts, frozen, crossed = row
    spent, reserved, unsettled, overrun, refused = (int(amount or 0) for amount in amounts)
    shares = tuple(sorted(int(ppm) for ppm in crossed.split(","))) if crossed else ()
    return CounterState(
        budget, counter, int(slot), unit, spent, reserved, unsettled, overrun, refused, frozen, crossed_ppm=shares
    )
