"""The SQL of the budgets' hot path: plain text that SQLite and PostgreSQL both understand, run by the driver itself."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

_UNSAFE: Final = re.compile("[\\\\\x00\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"\\([0-9a-f]{4})")
_COUNTER_COLUMNS: Final = "counter, slot_us, unit, spent, reserved, overrun, refused, frozen, crossed"
_CLAIM_COLUMNS: Final = "counter, slot_us, since_us, budget, unit, amount, limit_amount, refuses, charges_lost, alerts"
_MINE: Final = "state = 'open' AND owner_host = ? AND owner_pid = ? AND COALESCE(owner_started, '') = ?"

_ADD: Final = (
    "INSERT INTO counters "
    "(counter, slot_us, budget, unit, spent, reserved, unsettled, overrun, refused, frozen, crossed) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (counter, slot_us) DO UPDATE SET "
    "spent = counters.spent + excluded.spent, reserved = counters.reserved + excluded.reserved, "
    "unsettled = counters.unsettled + excluded.unsettled, overrun = counters.overrun + excluded.overrun, "
    "refused = counters.refused + excluded.refused, frozen = COALESCE(excluded.frozen, counters.frozen)"
)
"""What was told before stays, so that a counter can be added to without having been read."""


class Statement(NamedTuple):
    """One statement and its parameters, in the order of its marks."""

    sql: str
    row: tuple[Any, ...] = ()


class BudgetStatements(NamedTuple):
    """SQL text with positional parameters; see `_TEXTS` for what each of them takes."""

    is_reserved: str
    is_open: str
    slot: str
    window: str
    setting: str
    claims: str
    owners: str
    claims_of_owner: str
    add: str
    add_told: str
    hold: str
    drop: str
    mark: str
    renew: str
    count_open: str
    set_limit: str
    set_frozen: str
    unfreeze_counters: str
    keep_change: str
    forget_opening: str
    put_in_outbox: str
    take_from_outbox: str


_TEXTS: Final = BudgetStatements(
    # id
    is_reserved="SELECT 1 FROM reservations WHERE id = ? LIMIT 1",
    # id
    is_open="SELECT 1 FROM reservations WHERE id = ? AND state = 'open' LIMIT 1",
    # counter, slot
    slot=f"SELECT {_COUNTER_COLUMNS} FROM counters WHERE counter = ? AND slot_us = ?",  # noqa: S608 - constants only
    # counter, first slot
    window=f"SELECT {_COUNTER_COLUMNS} FROM counters WHERE counter = ? AND slot_us >= ?",  # noqa: S608 - as above
    # budget
    setting="SELECT limit_amount, frozen FROM budget_settings WHERE budget = ?",
    # id; gives a state and what makes up a claim
    claims=f"SELECT id, state, {_CLAIM_COLUMNS} FROM reservations WHERE id = ?",  # noqa: S608 - as above
    owners=(
        "SELECT owner_host, owner_pid, owner_started, MIN(lease_until_us) FROM reservations WHERE state = 'open' "
        "GROUP BY owner_host, owner_pid, owner_started"
    ),
    # the owner's host, number and start; the latest end of the lease
    claims_of_owner=(
        f"SELECT id, state, {_CLAIM_COLUMNS} FROM reservations "  # noqa: S608 - as above
        f"WHERE {_MINE} AND lease_until_us <= ? ORDER BY counter, id"
    ),
    # counter, slot, budget, unit; what is added to the five figures; why it is frozen now; all that was told
    add=_ADD,
    add_told=f"{_ADD}, crossed = excluded.crossed",
    # id, the claim, the end of the lease, the owner
    hold=(
        f"INSERT INTO reservations "  # noqa: S608 - as above
        f"(id, {_CLAIM_COLUMNS}, state, lease_until_us, owner_host, owner_pid, owner_started) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?) "
        "ON CONFLICT (id, counter, slot_us) DO UPDATE SET amount = reservations.amount + excluded.amount"
    ),
    # id
    drop="DELETE FROM reservations WHERE id = ?",
    # state, id, counter, slot
    mark="UPDATE reservations SET state = ? WHERE id = ? AND counter = ? AND slot_us = ?",
    # the end of the lease; the owner
    renew=f"UPDATE reservations SET lease_until_us = ? WHERE {_MINE}",  # noqa: S608 - as above
    # the owner
    count_open=f"SELECT COUNT(DISTINCT id) FROM reservations WHERE {_MINE}",  # noqa: S608 - as above
    # budget, limit
    set_limit=(
        "INSERT INTO budget_settings (budget, limit_amount) VALUES (?, ?) "
        "ON CONFLICT (budget) DO UPDATE SET limit_amount = excluded.limit_amount"
    ),
    # budget, why or null
    set_frozen=(
        "INSERT INTO budget_settings (budget, frozen) VALUES (?, ?) "
        "ON CONFLICT (budget) DO UPDATE SET frozen = excluded.frozen"
    ),
    # budget
    unfreeze_counters="UPDATE counters SET frozen = NULL WHERE budget = ? AND frozen IS NOT NULL",
    # budget, action, time, by whom, limit, note
    keep_change=(
        "INSERT INTO budget_changes (number, budget, action, at_us, changed_by, limit_amount, note) "
        "VALUES ((SELECT COALESCE(MAX(number), 0) + 1 FROM budget_changes), ?, ?, ?, ?, ?, ?)"
    ),
    # run id
    forget_opening="DELETE FROM ledger WHERE run_id = ? AND status = 'open'",
    # reservation id, location, settlement, time, the owner
    put_in_outbox=(
        "INSERT INTO outbox "
        "(reservation_id, location, settlement, written_at_us, owner_host, owner_pid, owner_started) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (reservation_id) DO NOTHING"
    ),
    # reservation id
    take_from_outbox="DELETE FROM outbox WHERE reservation_id = ?",
)


def keyed(name: str) -> str:
    """The name of a counter or a budget as every database can hold it; no two names become the same."""
    if name.isascii() and "\\" not in name and "\x00" not in name:
        return name
    return _UNSAFE.sub(lambda found: f"\\{ord(found[0]):04x}", name)


def unkeyed(key: str) -> str:
    """The name that was made a key."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), key) if "\\" in key else key


def budget_statements_for(dialect_name: str) -> BudgetStatements:
    """The statements with the marks that a database's driver knows."""
    return _FORMATTED if dialect_name == "postgresql" else _TEXTS


_MARKED: Final = BudgetStatements._make(text.replace("?", "%s") for text in _TEXTS)
_FORMATTED: Final = _MARKED._replace(
    claims=f"{_MARKED.claims} FOR UPDATE", claims_of_owner=f"{_MARKED.claims_of_owner} FOR UPDATE"
)
"""PostgreSQL keeps the rows that a step ends, so that nobody erases them between its questions and its changes."""
