"""Where price lists come from: the installed genai-prices, our own additions, a file."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing import additions, genai

if TYPE_CHECKING:
    from pathlib import Path

    from genai_prices.types import Provider

    from langchain_costguard.pricing.additions import Additions


@cache
def overlay() -> Additions:
    """The additions that come with this package."""
    text = files("langchain_costguard.pricing").joinpath("overlay.json").read_text(encoding="utf-8")
    return additions.parse(json.loads(text), path="overlay.json")


def day_of_bundled(providers: tuple[Provider, ...], version: str) -> date:
    """The day of the installed list: the recorded one for a version we tested, else that of its newest price."""
    recorded = overlay().list_dates.get(f"genai-prices {version}")
    return newest_price(providers) if recorded is None else date.fromisoformat(recorded)


def newest_price(providers: tuple[Provider, ...]) -> date:
    """The last day by today on which a price of the list took effect."""
    today = datetime.now(UTC).date()
    return max((day for day in genai.dates(providers) if day <= today), default=date(1970, 1, 1))


def read(path: Path) -> object:
    """The JSON of a price list.

    Raises:
        PriceFormatError: the file cannot be read, is no JSON or holds nothing.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}): give the path of a price list"
        raise PriceFormatError(msg, path=str(path)) from error
    except (ValueError, RecursionError) as error:  # the second where it is nested deeper than Python reads
        msg = f"{path} is not JSON ({error}): give the data.json of genai-prices, or a list in our own schema"
        raise PriceFormatError(msg, path=str(path)) from error
    if not raw or not isinstance(raw, list | dict):
        msg = f"{path} holds no price list: give the data.json of genai-prices, or a list in our own schema"
        raise PriceFormatError(msg, path=str(path))
    return raw
