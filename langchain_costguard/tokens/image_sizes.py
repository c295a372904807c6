"""How large an image is, read off the first bytes of its file: PNG, JPEG, GIF and WebP."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

Size = tuple[int, int]
"""Width and height in pixels."""

_HEAD_BYTES: Final = 30
_JPEG_BYTES: Final = 262_144
"""How far into a JPEG its size is looked for, behind thumbnails and colour profiles."""

_JPEG_SIZE_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})


def size_of(image: str | bytes) -> Size | None:
    """The size of an image.

    Args:
        image: the file, as bytes or in base64.

    Returns:
        Width and height in pixels; `None` if the format is another one, or the beginning is damaged.
    """
    head = _first(image, _HEAD_BYTES)
    if head.startswith(b"\xff\xd8"):
        return _usable(_jpeg_size(_first(image, _JPEG_BYTES)))
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _usable((_big(head[16:20]), _big(head[20:24])))
    if head.startswith((b"GIF87a", b"GIF89a")):
        return _usable((_little(head[6:8]), _little(head[8:10])))
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _usable(_webp_size(head))
    return None


def _first(image: str | bytes, count: int) -> bytes:
    if isinstance(image, bytes):
        return image[:count]
    try:
        return b64decode(image[: count // 3 * 4])
    except (binascii.Error, ValueError):
        return b""


def _usable(size: Size | None) -> Size | None:
    return size if size is not None and min(size) > 0 else None


def _jpeg_size(data: bytes) -> Size | None:
    """Walk from segment to segment up to the one that holds the size."""
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:  # noqa: PLR2004 - what every segment begins with
        marker = data[position + 1]
        if marker in _JPEG_SIZE_MARKERS:
            return _big(data[position + 7 : position + 9]), _big(data[position + 5 : position + 7])
        bare = marker in _JPEG_BARE_MARKERS
        position += 1 if marker == 0xFF else 2 if bare else 2 + _big(data[position + 2 : position + 4])  # noqa: PLR2004 - the length's two bytes
    return None


def _webp_size(head: bytes) -> Size | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return _little(head[24:27]) + 1, _little(head[27:30]) + 1
    if kind == b"VP8L":
        packed = _little(head[21:25])
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return (_little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF) if kind == b"VP8 " else None


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
