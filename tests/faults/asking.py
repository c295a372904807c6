"""The four ways to ask a chat model, as one function, and what must hold after each whatever went wrong."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from langchain_costguard import CostCallbackHandler, LedgerEntry

MODES = ("invoke", "ainvoke", "stream", "astream")


class Asked(NamedTuple):
    """What became of a call, as its caller sees it."""

    text: str
    """What arrived of the answer."""
    error: Exception | None


def ask(model: Any, mode: str, question: str = "hello", **config: Any) -> Asked:
    """Ask once; an error is an outcome."""
    arrived: list[str] = []
    try:
        if mode == "invoke":
            arrived.append(model.invoke(question, config).text)
        elif mode == "ainvoke":
            arrived.append(asyncio.run(model.ainvoke(question, config)).text)
        elif mode == "stream":
            arrived.extend(chunk.text for chunk in model.stream(question, config))
        else:
            asyncio.run(_collect(model.astream(question, config), arrived))
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return Asked("".join(arrived), error)
    return Asked("".join(arrived), None)


async def _collect(pieces: Any, arrived: list[str]) -> None:
    async for chunk in pieces:
        arrived.append(chunk.text)  # noqa: PERF401 - what had arrived when it broke is kept


def check_books(
    handler: CostCallbackHandler, billed: Decimal, *, calls: int, is_covered: bool = True
) -> list[LedgerEntry]:
    """What every fault must leave: closed lines, nothing reserved, at least the bill charged, within the limit.

    Args:
        handler: with one hard budget in money.
        billed: what the provider billed for them, in US dollars.
        calls: how many calls there were.
        is_covered: whether the promise covers this fault (see "outside the promise" in docs/budgets.md).

    Returns:
        The lines.
    """
    # A loaded machine may outlast a store's short patience once; memory needs none, and has everything at once.
    assert handler.flush() or (handler.store.may_block and handler.flush())
    lines = list(handler.store.entries())
    assert len(lines) == calls
    assert [line for line in lines if line.status == "open"] == []
    (status,) = handler.budgets()
    assert status.reserved == Decimal(0)
    assert status.spent <= status.limit
    assert status.frozen is None
    if is_covered:
        assert status.spent >= billed, f"{status.spent} charged, {billed} billed"
    assert handler._recorder.faults == 0, "tracking itself failed"
    return lines
