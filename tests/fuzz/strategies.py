"""What the fuzz tests feed to parsers: valid data with a few hostile changes, as values, as text and as bytes."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from langchain_costguard.testing.lines import make_entry
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.ledger import LedgerEntry

IS_LONG: Final = os.environ.get("LONG") == "1"
_TIMES: Final = int(os.environ.get("FUZZ_TIMES", "400")) if IS_LONG else 1
_PHASES: Final = [Phase.generate, *([Phase.shrink] if os.environ.get("SHRINK") == "1" else [])]
"""A failure is shown as it was found: making it small takes minutes, and is asked for with `SHRINK=1`."""


def fuzz(examples: int = 40) -> settings:
    """The settings of one fuzz test: the same few examples in CI, others and many more with `LONG=1`.

    Args:
        examples: how many in CI; `FUZZ_TIMES` (400 if not set) as many in the long form.
    """
    return settings(
        max_examples=examples * _TIMES,
        derandomize=not IS_LONG,
        database=None,
        phases=_PHASES,
        report_multiple_bugs=False,
        deadline=None,  # a slow machine is no defect; what must end soon is bounded by its size
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


HOSTILE_TEXTS: Final = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff text",
    "\u202eevil\u202c",
    "\ufeffBOM",
    "line\r\nbreak",
    "\x1b[31mred\x1b[0m",
    "²",
    "１２",  # noqa: RUF001 - digits that are not ASCII
    "12",
    "-5",
    "1e400",
    "1e-999999999",
    "NaN",
    "Infinity",
    "sNaN",
    "true",
    "null",
    "[",
    "{}",
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "'; DROP TABLE ledger; --",
    "../../../etc/passwd",
    "~nobody-of-this-name/x",
    "http://[::1",
    "postgresql://[",
    "%s%n{0}{x!r}",
    "[bold red]markup[/]",
    "x" * 5000,
    "9" * 5000,
)
"""Texts at which parsers have failed before."""

HOSTILE_NUMBERS: Final = (
    0,
    -1,
    1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**16,
    10**30,
    10**400,
    -0.0,
    0.5,
    1e308,
    -1.5,
    5e-324,
    float("inf"),
    float("-inf"),
    float("nan"),
)


def deep(depth: int, *, as_dict: bool = False) -> Any:
    """A value nested so deep."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if as_dict else [value]
    return value


def deep_text(depth: int, *, as_dict: bool = False) -> str:
    """The same as JSON, which may be deeper than Python reads."""
    return '{"a":' * depth + "1" + "}" * depth if as_dict else "[" * depth + "1" + "]" * depth


DEPTHS: Final = st.one_of(st.sampled_from([5, 100, 200_000]), st.integers(150, 1100))
"""Around the depth at which Python gives up, which depends on where it stands, and far beyond."""

texts: Final = st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=20)
numbers: Final = st.sampled_from(HOSTILE_NUMBERS) | st.integers() | st.floats()
scalars: Final = st.none() | st.booleans() | numbers | texts
values: Final = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
"""Anything JSON could hold, and what Python's own reader takes for it."""


def entries_of(
    names: st.SearchStrategy[str], *, counts: st.SearchStrategy[int] | None = None, **more: st.SearchStrategy[Any]
) -> st.SearchStrategy[LedgerEntry]:
    """Lines of a ledger in which a user or a provider has chosen every name.

    Args:
        names: the names.
        counts: how many tokens of each kind there are, where they are known.
        **more: further fields, or other values for those named here.
    """
    named = ("chain", "user", "session", "request_model", "error")
    tokens = st.integers(0, 10**30) if counts is None else counts
    fields = {
        **dict.fromkeys(named, names),
        "tags": st.lists(names, max_size=3).map(tuple),
        "metadata": st.dictionaries(names, names, max_size=2),
        "usage": st.none() | st.builds(TokenUsage, *[tokens] * 8, flags=st.lists(names, max_size=2).map(tuple)),
    }
    return st.builds(make_entry, **{**fields, **more})


@st.composite
def mutated(draw: st.DrawFn, valid: Any, most: int = 3) -> Any:
    """A copy of valid data with up to `most` changes: other types, keys that are gone or new, nesting, repetition."""
    changed = deepcopy(valid)
    for _ in range(draw(st.integers(0, most))):
        changed = _changed(draw, changed)
    return changed


def _changed(draw: st.DrawFn, whole: Any) -> Any:
    places = _places(whole)
    if not places:
        return draw(values)
    parent, key = draw(st.sampled_from(places))
    kind = draw(st.sampled_from(["value", "value", "value", "drop", "wrap", "deep", "new", "repeat"]))
    if kind == "value":
        parent[key] = draw(values)
    elif kind == "drop":
        del parent[key]
    elif kind == "wrap":
        parent[key] = draw(st.sampled_from([[parent[key]], {"value": parent[key]}, str(parent[key])]))
    elif kind == "deep":
        parent[key] = deep(draw(st.integers(2, 60)), as_dict=draw(st.booleans()))
    elif isinstance(parent, list):
        parent.insert(key, deepcopy(parent[key]) if kind == "repeat" else draw(values))
    else:
        parent[draw(texts)] = deepcopy(parent[key]) if kind == "repeat" else draw(values)
    return whole


def _places(value: Any) -> Sequence[tuple[Any, Any]]:
    """Every place in nested data, as its container and its key."""
    if isinstance(value, dict):
        found: list[tuple[Any, Any]] = [(value, key) for key in value]
        return found + [place for item in value.values() for place in _places(item)]
    if isinstance(value, list):
        return [(value, at) for at in range(len(value))] + [place for item in value for place in _places(item)]
    return []


_INSERTED: Final = (
    b"\xef\xbb\xbf",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\r",
    b"\n\n",
    b'"',
    b"\\",
    b",",
    b"{",
    b"]",
    b"NaN",
    b"1e999",
    b"\\ud800",
    b"[" * 2000,
    b"9" * 5000,
    b" " * 70_000,
)


class File(bytes):
    """The bytes of a file, of which a failure shows the beginning only."""

    def __repr__(self) -> str:
        """The first 2,000 bytes, and how many there are."""
        return f"{bytes(self[:2000])!r} of {len(self)}"


@st.composite
def mutated_bytes(draw: st.DrawFn, valid: bytes, most: int = 3) -> bytes:
    """A file with up to `most` changes: cut off, cut out, doubled, overwritten, or in another encoding."""
    data = valid
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(["insert", "insert", "cut", "end", "double", "overwrite", "begin"]))
        if kind == "insert":
            data = data[:start] + draw(st.sampled_from(_INSERTED)) + data[start:]
        elif kind == "cut":
            data = data[:start] + data[end:]
        elif kind == "end":
            data = data[:start]
        elif kind == "double":
            data = data[:end] + data[start:]
        elif kind == "overwrite":
            data = data[:start] + draw(st.binary(max_size=8)) + data[end:]
        else:
            data = b"\xef\xbb\xbf" + data
    if draw(st.integers(0, 15)) == 0:
        data = data.decode("utf-8", "replace").encode("utf-16")
    return File(data)


def as_json(value: Any) -> str:
    """A value as a careless program writes it: with `NaN`, with halves of surrogate pairs, and with large numbers."""
    return json.dumps(value, default=str)


@st.composite
def json_files(draw: st.DrawFn, valid: Any, *, indent: int | None = None) -> bytes:
    """A JSON file: mutated as data, or as bytes, or nested far too deep somewhere."""
    kind = draw(st.sampled_from(["data", "data", "bytes", "deep"]))
    if kind == "bytes":
        return draw(mutated_bytes(json.dumps(valid, indent=indent).encode()))
    text = json.dumps(draw(mutated(valid)), indent=indent, ensure_ascii=draw(st.booleans()), default=str)
    if kind == "deep":
        text = with_deep_part(draw, text)
    return File(text.encode("utf-8", "surrogatepass"))


def with_deep_part(draw: st.DrawFn, text: str) -> str:
    """JSON text in which one value is nested as deep as Python reads, or deeper."""
    colons = [at for at, letter in enumerate(text) if letter == ":"]
    nested = deep_text(draw(DEPTHS), as_dict=draw(st.booleans()))
    if not colons:
        return nested
    at = draw(st.sampled_from(colons)) + 1
    end = min((found for found in (text.find(",", at), text.find("}", at)) if found >= 0), default=len(text))
    return text[:at] + nested + text[end:]
