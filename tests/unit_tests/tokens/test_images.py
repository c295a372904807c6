"""Counting images: the examples of the providers' guides, sizes read without a library, and a bound for each."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image as Picture

from langchain_costguard.tokens import UnboundedInputError, bound_message_tokens, count_message_tokens
from langchain_costguard.tokens.contents import image_in
from langchain_costguard.tokens.image_sizes import size_of
from langchain_costguard.tokens.images import Image, image_bound, image_count

EVERY_RULE = [
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5.1",
    "gpt-5.6",
    "gpt-6-sol",
    "o1",
    "o3",
    "o4-mini",
    "computer-use-preview",
    "claude-3-5-sonnet-20241022",
    "claude-sonnet-4-5",
    "claude-opus-4-7",
    "claude-opus-5",
    "gemini-2.5-flash",
    "gemini-3-pro-preview",
]


def picture(width: int, height: int, kind: str = "PNG", **options: Any) -> bytes:
    """An image file."""
    page = io.BytesIO()
    Picture.new("RGB", (width, height), "teal").save(page, kind, **options)
    return page.getvalue()


def in_base64(data: bytes) -> str:
    """A file as a request carries it."""
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        ("gpt-4o", (1024, 1024), "high", 765),
        ("gpt-4o", (2048, 4096), "high", 1105),
        ("gpt-4o", (4096, 8192), "low", 85),
        ("gpt-4o", (512, 512), None, 255),
        ("gpt-4.1-nano", (1024, 1024), None, 2520),
        ("gpt-5.6", (1024, 1024), None, 1229),
        ("o3", (1024, 1024), "low", 75),
        ("claude-sonnet-4-5", (200, 200), None, 64),
        ("claude-opus-4-7", (1000, 1000), None, 1296),
        ("gemini-2.5-flash", (384, 384), None, 258),
        ("gemini-2.5-flash", (960, 540), None, 1548),
        ("gemini-3-pro-preview", (3000, 4000), None, 1120),
    ],
)
def test_the_examples_of_the_guides_come_out(
    model: str, size: tuple[int, int], detail: str | None, tokens: int
) -> None:
    """Each figure is one that a provider or a careful user has published."""
    assert image_count(Image(size, detail), model)[0] == tokens


def test_a_large_image_is_shrunk_to_whole_patches() -> None:
    """OpenAI's guide works this one out: 1800 x 2400 becomes 33 x 44 patches."""
    assert image_count(Image((1800, 2400)), "gpt-4.1-mini")[0] == -(-1452 * 162 // 100)


@pytest.mark.parametrize("model", EVERY_RULE)
def test_no_image_is_above_its_bound(model: str) -> None:
    """A hard budget reserves the bound."""
    sides = (1, 31, 383, 385, 512, 767, 1025, 1568, 1569, 2577, 6001, 12_000)
    for size in [(width, height) for width in sides for height in sides]:
        for detail in (None, "low", "high", "original"):
            image = Image(size, detail)
            most, note = image_bound(image, model)
            assert most is not None, note
            assert 0 < image_count(image, model)[0] <= most, (model, size, detail)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (640, 480), (5000, 3)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_size_is_read_off_the_file(kind: str, width: int, height: int) -> None:
    """A picture library is not needed to know what a picture costs."""
    data = picture(width, height, kind)
    assert size_of(data) == size_of(in_base64(data)) == (width, height)


def test_other_kinds_of_webp_are_read() -> None:
    """The format has three headers."""
    assert size_of(picture(70, 50, "WEBP", lossless=True)) == (70, 50)
    assert size_of(picture(70, 50, "WEBP", exif=b"Exif\0\0" + bytes(20))) == (70, 50)


def test_a_size_behind_a_long_header_is_read() -> None:
    """Cameras put thumbnails and colour profiles before the size."""
    assert size_of(in_base64(picture(70, 50, "JPEG", icc_profile=bytes(60_000)))) == (70, 50)


@pytest.mark.parametrize("data", ["", "%%%", "AAAA", b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", "é"])
def test_a_damaged_image_has_no_size(data: str | bytes) -> None:
    """A broken image fails at the provider; counting it must not fail before."""
    assert size_of(data) is None


def test_every_form_of_an_image_is_recognised() -> None:
    """OpenAI, Anthropic, Google and LangChain each write it differently; none may be counted as base64 text."""
    data = in_base64(picture(300, 200))
    url = f"data:image/png;base64,{data}"
    blocks: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": url},
        {"type": "input_image", "image_url": url},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        {"type": "image", "source_type": "base64", "data": data, "mime_type": "image/png"},
        {"type": "image", "base64": data, "mime_type": "image/png"},
        {"type": "media", "mime_type": "image/png", "data": data},
        {"type": "image", "url": "https://example.com/a.png", "width": 300, "height": 200},
    ]
    assert [image_in(block) for block in blocks] == [Image((300, 200))] * len(blocks)
    assert image_in({"type": "input_image", "image_url": url, "detail": "low"}) == Image((300, 200), "low")
    assert image_in({"type": "image", "file_id": "f1"}) == Image(None)
    assert image_in({"type": "text", "text": "image"}) is None


def test_an_image_that_is_only_named_counts_as_the_most_it_can_be() -> None:
    """Nobody fetches it to find out."""
    block = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    alone = count_message_tokens([("user", "hi")], "gpt-4o").tokens
    count = count_message_tokens([("user", ["hi", block])], "gpt-4o")
    assert count.tokens == alone + 1445
    assert count.notes == (
        "image: 1,445 tokens, the most OpenAI's 512 px tiles allow, as its size is not in the request",
    )
    low = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png", "detail": "low"}}
    assert count_message_tokens([("user", ["hi", low])], "gpt-4o").tokens == alone + 85


@pytest.mark.parametrize("model", ["llava", "gemini-2.5-pro", None])
def test_an_image_without_a_limit_is_counted_but_not_bounded(model: str | None) -> None:
    """A stand-in is good enough for an estimate, and not for a promise."""
    messages = [("user", [{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}])]
    assert count_message_tokens(messages, model).tokens > 258
    with pytest.raises(UnboundedInputError, match="image: "):
        bound_message_tokens(messages, model)
