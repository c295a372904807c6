"""How a settlement is written down until the store that keeps its budgets has it: versioned JSON."""

from __future__ import annotations

import json
from typing import Final

from langchain_costguard.budgets.claims import Charge, Claim, Settlement
from langchain_costguard.exceptions import StoreError

_VERSION: Final = 1


def to_text(settlement: Settlement) -> str:
    """A settlement as JSON of integers and strings."""
    charges = [
        [*charge.claim[:-1], list(charge.claim.alerts_ppm), charge.amount, charge.freezes]
        for charge in settlement.charges
    ]
    return json.dumps({"version": _VERSION, "id": settlement.reservation_id, "charges": charges})


def from_text(text: str) -> Settlement:
    """The settlement that was written.

    Raises:
        StoreError: a newer release wrote it.
    """
    kept = json.loads(text)
    if kept["version"] != _VERSION:
        msg = (
            f"A settlement was kept by a newer release (form {kept['version']}; this one knows {_VERSION}): "
            "pip install --upgrade langchain-costguard"
        )
        raise StoreError(msg)
    charges = tuple(
        Charge(Claim._make((*claim, tuple(alerts))), amount, freezes)
        for *claim, alerts, amount, freezes in kept["charges"]
    )
    return Settlement(kept["id"], charges)
