"""Writes the smallest ONNX encoder there is: each token's vector from a table, and a tokenizer of whole words."""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_FLOAT = 1
_INT64 = 7


def write_encoder(folder: Path, words: Mapping[str, Sequence[float]]) -> None:
    """Write `model.onnx` and `tokenizer.json`; the token of an unknown word is the first."""
    table = list(words.values())
    numbers = array("f", [number for row in table for number in row]).tobytes()
    tensor = _ints(1, len(table), len(table[0])) + _ints(2, _FLOAT) + _bytes(8, b"table") + _bytes(9, numbers)
    gather = b"".join(_bytes(field, text) for field, text in ((1, b"table"), (1, b"input_ids"), (2, b"out")))
    gather += _bytes(4, b"Gather")
    graph = (
        _bytes(1, gather)
        + _bytes(2, b"graph")
        + _bytes(5, tensor)
        + _bytes(11, _value(b"input_ids", _INT64, [b"batch", b"length"]))
        + _bytes(12, _value(b"out", _FLOAT, [b"batch", b"length", b"dims"]))
    )
    model = _ints(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _ints(2, 13))
    (folder / "model.onnx").write_bytes(model)
    tokenizer = {
        "version": "1.0",
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {
            "type": "WordLevel",
            "vocab": {word: number for number, word in enumerate(words)},
            "unk_token": next(iter(words)),
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def _value(name: bytes, kind: int, dims: Sequence[bytes]) -> bytes:
    shape = b"".join(_bytes(1, _bytes(2, dim)) for dim in dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, _ints(1, kind) + _bytes(2, shape)))


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _ints(field: int, *numbers: int) -> bytes:
    return b"".join(_varint(field << 3) + _varint(number) for number in numbers)


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
