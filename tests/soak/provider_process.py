"""The provider of a soak, in a process of its own: it does what a prompt says, and keeps the bill by the prompt's mark.

It prints its address, then answers each line on its standard input with what it billed, as JSON, and ends with its
input.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from typing import Any

from langchain_costguard.testing import Behaviour, LoopbackProvider

_MARK = re.compile(r"\[([a-z]+):(\w+)\]")
_SLOW_SECONDS = 1.0
"""Longer than the impatient client of a soak waits."""
_FAULTS = {
    "drop": {"drop_after_chunks": 3},
    "reset": {"drop_after_chunks": 2, "resets": True},
    "slow": {"latency_seconds": _SLOW_SECONDS},
    "json": {"damage": "malformed_json"},
    "html": {"damage": "wrong_content_type"},
    "usage": {"damage": "no_usage"},
    "dirty": {"damage": "dirty_usage"},
    "empty": {"damage": "no_choices"},
    "end": {"damage": "no_end"},
}


def mark_of(body: Any) -> tuple[str, str]:
    """What a prompt asks the provider to do, such as `("cut", "drop")`; the last mark counts."""
    found = _MARK.findall(json.dumps(body.get("messages")))
    return found[-1] if found else ("none", "none")


def behave(body: Any) -> Behaviour | None:
    """Serve a request as its mark says."""
    kind, name = mark_of(body)
    if kind == "cut" and name in _FAULTS:
        return Behaviour(**_FAULTS[name])
    return Behaviour(status=int(name), retry_after_seconds=0) if kind == "err" else None


def reply(body: Any) -> str:
    """A usual answer; the small model does not know what it is asked under the mark `unsure`."""
    is_unsure = mark_of(body)[0] == "unsure" and "mini" in str(body.get("model"))
    return "UNCERTAIN" if is_unsure else "An answer of a dozen words, so that a stream of it has several pieces."


def main() -> None:
    """Serve until the input ends."""
    bills: Counter[str] = Counter()
    with LoopbackProvider(reply=reply, behave=behave, keep_bodies=True) as provider:
        print(provider.base_url, flush=True)  # noqa: T201 - how it is found
        for _ in sys.stdin:
            for request in provider.take_requests():
                bills[":".join(mark_of(request.body or {}))] += int(request.billed * 10**9)
            told = {"total_nano": int(provider.billed * 10**9), "by_mark": bills}
            print(json.dumps(told), flush=True)  # noqa: T201 - as the last line


if __name__ == "__main__":
    main()
