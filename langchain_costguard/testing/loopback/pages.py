"""How long lists are read: page by page, from one object to the next."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from langchain_costguard.testing.loopback.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def page(
    rows: Sequence[Mapping[str, Any]], query: Mapping[str, str], *, largest: int, usual: int, after: str = "after"
) -> dict[str, Any]:
    """The part of a list that was asked for.

    Args:
        rows: the whole list, in its order; each row has an `id`.
        query: `limit`, how many, and `after`, the last id of the page before.
        largest: how many rows a page may have.
        usual: how many it has where nothing is said.
        after: what that cursor is called.

    Raises:
        RequestRefused: `limit` is no number from 1 to `largest`.
    """
    asked = query.get("limit", str(usual))
    if not asked.isdigit() or not 1 <= int(asked) <= largest:
        message = f"Invalid 'limit': '{asked}'. It must be between 1 and {largest}."
        raise RequestRefused(HTTPStatus.BAD_REQUEST, message, param="limit")
    ids = [row["id"] for row in rows]
    first = ids.index(query[after]) + 1 if query.get(after) in ids else 0
    shown = list(rows[first : first + int(asked)])
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": first + len(shown) < len(rows),
    }
