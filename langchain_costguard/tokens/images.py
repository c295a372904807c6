"""How many tokens an image is billed as, by the rule its model's maker has published.

Read in November 2026: OpenAI's guide to images and vision (512 px tiles; 32 px patches), Anthropic's guide to vision
(28 px patches), Google's guides to tokens (768 px tiles) and to media resolution. The factor of OpenAI's models after
GPT-5.1 is not in its guide; users measured 1.2.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from langchain_costguard.tokens.models import bare_name, maker_of

if TYPE_CHECKING:
    from langchain_costguard.tokens.image_sizes import Size

_ASSUMED_SIZE: Final = (1024, 1024)
_UNCUT_PIXELS: Final = 384
"""Gemini cuts images that are larger than this on either side."""


class Image(NamedTuple):
    """An image in a request."""

    size: Size | None = None
    """Width and height in pixels; `None` if the request does not hold the image itself."""
    detail: str | None = None
    """OpenAI's `detail`: `"low"`, `"high"`, `"auto"`, `"original"`; `None` if not given."""


class ImageRule(Protocol):
    """How the images of some models are counted."""

    @property
    def name(self) -> str:
        """What the rule is called in notes."""

    def estimate(self, size: Size, detail: str | None) -> int:
        """The tokens of an image of this size."""

    def bound(self, image: Image) -> int | None:
        """The most tokens the image can have under this rule; `None` if the rule sets no limit."""


class Tiles(NamedTuple):
    """OpenAI's first rule: shrunk to 2048 x 2048, then to 768 on the short side; a base, and so much per 512 px."""

    base: int
    """Tokens of every image; all of them with `detail="low"`."""
    tile: int
    """Tokens of a tile."""
    name: str = "OpenAI's 512 px tiles"

    def estimate(self, size: Size, detail: str | None) -> int:
        """The tokens of an image of this size."""
        if detail == "low":
            return self.base
        scale = min(1.0, 2048 / max(size), 768 / min(size))
        across, down = (math.ceil(math.floor(side * scale + 1e-6) / 512) for side in size)
        return self.base + self.tile * max(1, across) * max(1, down)

    def bound(self, image: Image) -> int | None:
        """The most tokens the image can have: eight tiles cover 2048 x 768."""
        return self.base if image.detail == "low" else self.base + 8 * self.tile


class Patches(NamedTuple):
    """So much per patch of so many pixels; an image with too many of them is shrunk until it fits."""

    side: int
    """Width and height of a patch in pixels."""
    budget: int
    """Patches of an image at most, unless its `detail` is `"original"`."""
    percent: int = 100
    """Tokens of a hundred patches."""
    edge: int | None = None
    """The longest side in pixels before patches are counted; `None` for any."""
    most: int | None = None
    """Patches of an image at most, whatever its `detail`; `None` if that is `budget`."""
    name: str = "OpenAI's 32 px patches"

    def estimate(self, size: Size, detail: str | None) -> int:
        """The tokens of an image of this size."""
        budget = self.most or self.budget if detail == "original" else self.budget
        return math.ceil(self._patches(size, budget) * self.percent / 100)

    def bound(self, image: Image) -> int | None:  # noqa: ARG002 - see `ImageRule`
        """The most tokens the image can have."""
        return math.ceil((self.most or self.budget) * self.percent / 100)

    def _patches(self, size: Size, budget: int) -> int:
        scale = 1.0 if self.edge is None else min(1.0, self.edge / max(size))
        across, down = (side * scale / self.side for side in size)
        if math.ceil(across) * math.ceil(down) <= budget:
            return math.ceil(across) * math.ceil(down)
        scale = math.sqrt(budget / (across * down))
        across, down = across * scale, down * scale
        whole = min(max(1, math.floor(side)) / side for side in (across, down))
        return min(budget, math.ceil(across * whole - 1e-6) * math.ceil(down * whole - 1e-6))


class Crops(NamedTuple):
    """Google's rule up to Gemini 2.5: 258 tokens, or as many for each tile of a larger image."""

    name: str = "Gemini's 768 px tiles"

    def estimate(self, size: Size, detail: str | None) -> int:  # noqa: ARG002 - see `ImageRule`
        """The tokens of an image of this size."""
        return self._cut(size, min(768, max(256, min(size) * 2 // 3)))

    def bound(self, image: Image) -> int | None:
        """The tokens with the smallest tiles there are; no limit without a size."""
        return None if image.size is None else self._cut(image.size, 256)

    def _cut(self, size: Size, side: int) -> int:
        tiles = 1 if max(size) <= _UNCUT_PIXELS else math.ceil(size[0] / side) * math.ceil(size[1] / side)
        return 258 * tiles


class Fixed(NamedTuple):
    """Google's rule since Gemini 3: so much for every image, by the resolution that was asked for."""

    usual: int
    """Tokens at the default resolution."""
    most: int
    """Tokens at the highest one."""
    name: str = "Gemini's media resolution"

    def estimate(self, size: Size, detail: str | None) -> int:  # noqa: ARG002 - see `ImageRule`
        """The tokens at the default resolution."""
        return self.usual

    def bound(self, image: Image) -> int | None:  # noqa: ARG002 - see `ImageRule`
        """The tokens at the highest resolution."""
        return self.most


_STAND_IN: Final = Tiles(85, 170)
_OPENAI_RULES: Final[tuple[tuple[str, ImageRule], ...]] = (
    ("gpt-4o-mini", Tiles(2833, 5667)),
    ("gpt-4.1-mini", Patches(32, 1536, percent=162)),
    ("gpt-4.1-nano", Patches(32, 1536, percent=246)),
    ("gpt-5-mini", Patches(32, 1536, percent=162)),
    ("gpt-5-nano", Patches(32, 1536, percent=246)),
    ("gpt-5-", Tiles(70, 140)),
    ("gpt-5.1", Tiles(70, 140)),
    ("gpt-4", Tiles(85, 170)),
    ("chatgpt-4o", Tiles(85, 170)),
    ("o4-mini", Patches(32, 1536, percent=172)),
    ("o1", Tiles(75, 150)),
    ("o3", Tiles(75, 150)),
    ("computer-use", Tiles(65, 129)),
)
"""By the beginning of the model's name; the first match wins."""

_CLAUDE_TO_4_6: Final = re.compile(r"claude-(?:v?[123]|instant)|-4(?![-.][7-9](?!\d))(?:\D|$)")
_GEMINI_TO_2_5: Final = re.compile(r"gemini-(?:[12]\b|pro|flash)")


@lru_cache(maxsize=1024)
def rule_for(model: str | None) -> ImageRule | None:
    """How a model's images are counted; `None` if its maker has not published it."""
    maker, name = maker_of(model), bare_name(model)
    if maker == "anthropic":
        edge, budget = (1568, 1600) if _CLAUDE_TO_4_6.search(name) else (2576, 4784)
        return Patches(28, budget, edge=edge, name="Claude's 28 px patches")
    if maker == "google":
        return Crops() if _GEMINI_TO_2_5.search(name) else Fixed(1120, 2240)
    return _openai_rule(name) if maker == "openai" else None


def _openai_rule(name: str) -> ImageRule:
    if name == "gpt-5":
        return Tiles(70, 140)
    for prefix, rule in _OPENAI_RULES:
        if name.startswith(prefix):
            return rule
    percent = 246 if "nano" in name else 162 if "mini" in name else 120
    return Patches(32, 2500, percent=percent, most=10_000)


def image_count(image: Image, model: str | None) -> tuple[int, str]:
    """The tokens of an image, and a note that names the rule."""
    rule = rule_for(model)
    if rule is None:
        tokens = _STAND_IN.estimate(image.size or _ASSUMED_SIZE, image.detail)
        return tokens, f"image: {tokens:,} tokens, counted as for gpt-4o; no rule is published for {model}"
    if image.size is not None or image.detail == "low":
        tokens = rule.estimate(image.size or _ASSUMED_SIZE, image.detail)
        return tokens, f"image: {tokens:,} tokens by {rule.name}"
    most = rule.bound(image)
    if most is not None:
        return most, f"image: {most:,} tokens, the most {rule.name} allow, as its size is not in the request"
    tokens = rule.estimate(_ASSUMED_SIZE, image.detail)
    return tokens, f"image: {tokens:,} tokens by {rule.name}, as if it were 1024 x 1024; its size is not in the request"


def image_bound(image: Image, model: str | None) -> tuple[int | None, str]:
    """The most tokens an image can have, `None` if there is no limit, and a note that says by which rule."""
    rule = rule_for(model)
    if rule is None:
        return None, f"image: no rule is published for {model}"
    most = rule.bound(image)
    if most is None:
        return None, f"image: {rule.name} set no limit, and its size is not in the request"
    return most, f"image: at most {most:,} tokens by {rule.name}"
