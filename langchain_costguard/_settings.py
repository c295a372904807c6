"""What the environment says to the whole package."""

from __future__ import annotations

import os
from typing import Final

DISABLED_VARIABLE: Final = "COSTGUARD_DISABLED"
"""Set to 1, it removes every effect: nothing is watched, stored or refused."""

_YES: Final = frozenset({"1", "true", "yes", "on"})


def is_disabled() -> bool:
    """Whether `COSTGUARD_DISABLED` is set."""
    return os.environ.get(DISABLED_VARIABLE, "").strip().lower() in _YES
