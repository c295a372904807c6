"""The stores that docs/extending.md shows keep the contracts it says they keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.pages import examples_in

PAGE = Path(__file__).parents[3] / "docs" / "extending.md"
SUITES = ("TestCopiedLedger", "TestAuditedBudgets", "TestDictCache")


def shown() -> dict[str, Any]:
    """What the blocks of the page define until its last suite; what they do besides is for `tests/test_docs.py`."""
    names: dict[str, Any] = {"__name__": __name__}
    for example in examples_in(PAGE):
        definitions, _, _ = example.code.partition("\n\n\n" + "from langchain_openai")
        definitions, _, _ = definitions.partition("\n\n\naudited =")
        definitions, _, _ = definitions.partition("\n\n\nanswers =")
        exec(compile("\n" * example.line + definitions, PAGE.name, "exec"), names)  # noqa: S102 - our own page
        if SUITES[-1] in names:
            break
    return names


_SHOWN = shown()
TestCopiedLedger = _SHOWN["TestCopiedLedger"]
TestAuditedBudgets = _SHOWN["TestAuditedBudgets"]
TestDictCache = _SHOWN["TestDictCache"]
