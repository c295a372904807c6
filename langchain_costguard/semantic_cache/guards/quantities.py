"""The numbers of a question as values with units, however they are written: digits, words, clock times, Chinese."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from langchain_costguard.semantic_cache.guards import lexicon

_UNITS: Final = """
money $: $ usd dollar dollars buck bucks
money eur: € eur euro euros
money gbp: £ gbp quid pound pounds sterling 英镑
money yen: ¥ jpy yen 日元
money cny: cny rmb yuan 元 块 人民币
money inr: ₹ inr rupee rupees
money cent: cent cents pence p
share: % percent 百分
time 1: second seconds sec secs 秒
time 60: minute minutes min mins 分钟
time 3600: hour hours hr hrs 小时
time 86400: day days 天 日
time 604800: week weeks 周 星期
time 1209600: fortnight fortnights
time 2629800: month months mo 个月
time 31557600: year years yr yrs 年
age: years-old year-old yo 岁
mass mg: mg milligram milligrams 毫克
mass g: g gram grams gramme grammes 克
mass kg: kg kilo kilos kilogram kilograms 公斤 千克
mass lb: lb lbs
mass oz: oz ounce ounces
length mm: mm millimetre millimetres millimeter millimeters
length cm: cm centimetre centimetres centimeter centimeters
length m: metre metres meter meters 米
length km: km kilometre kilometres kilometer kilometers 公里
length in: inch inches
length ft: ft foot feet
length mi: mile miles mi
volume ml: ml millilitre millilitres milliliter milliliters mls
volume l: litre litres liter liters 升
volume gal: gallon gallons
data kb: kb kilobyte kilobytes
data mb: mb megabyte megabytes
data gb: gb gigabyte gigabytes gig gigs
data tb: tb terabyte terabytes
speed mph: mph
speed kmh: kmh kph
heat c: °c celsius centigrade
heat f: °f fahrenheit
"""
_ONES: Final = {word: value for value, word in enumerate(lexicon.NUMERALS.split())}
_TENS: Final = {word: 10 * value for value, word in enumerate(lexicon.TENS.split(), start=2)}
_ORDINALS: Final = {
    "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
    "half": 0.5, "dozen": 12, "twice": 2, "double": 2, "triple": 3, "couple": 2,
}  # fmt: skip
_SCALES: Final = {
    "hundred": 100, "thousand": 1_000, "k": 1_000, "grand": 1_000, "million": 10**6, "m": 10**6, "mn": 10**6,
    "billion": 10**9, "bn": 10**9, "b": 10**9, "trillion": 10**12,
}  # fmt: skip
_LARGE: Final = "hundred|thousand|million|billion"
_WORDS: Final = "|".join((*_ONES, *_TENS, *_ORDINALS))
_UNIT_WORDS: Final = "|".join(
    sorted((re.escape(word) for line in _UNITS.strip().splitlines() for word in line.split(": ")[1].split()), key=len)[
        ::-1
    ]
)
_NUMBER: Final = re.compile(
    rf"""(?P<date>\b\d{{4}}-\d{{1,2}}-\d{{1,2}}\b)
    | (?P<clock>\b\d{{1,2}}[:.]\d{{2}}(?=\s*(?:[ap]\.?m\b|o'clock|h\b|$|[^\d%]))(?P<clockhalf>\s*[ap]\.?m\b\.?)?)(?!\d)
    | \b(?P<hour>\d{{1,2}}|{"|".join(_ONES)})\s*(?P<half>[ap]\.?m\b\.?|o'?clock
        |(?:in\ the\ )(?:morning|afternoon|evening))
    | (?P<before>[$€£¥₹]\s*)?(?P<digits>(?<![\w.])\d+(?:,\d{{3}})+(?:\.\d+)?|(?<![A-Za-z\d])\d+(?:\.\d+)?)
      (?:st|nd|rd|th)?  # codespell:ignore nd
      (?:[\s-]?(?P<scale>k|m|mn|bn|b|hundred|thousand|grand|million|billion|trillion)\b)?
      (?:[\s-]?(?P<unit>year-old|years-old|{_UNIT_WORDS})(?![a-z]))?
    | \b(?P<words>(?:{_WORDS})(?:[\s-](?:and\ )?(?:{_WORDS}|{_LARGE}))*|(?:a\ )?(?:{_LARGE}))\b
      (?:[\s-](?P<wunit>{_UNIT_WORDS})(?![a-z]))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NOON: Final = 12
_DIGIT: Final = re.compile(r"\d")
_LETTERS: Final = re.compile(r"[a-z]+")
_SPELLED_WORDS: Final = frozenset((*_ONES, *_TENS, *_ORDINALS, "hundred", "thousand", "million", "billion"))


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a question.

    Attributes:
        value: the number; in its unit's base for times (seconds), else as written.
        kind: what is measured, such as `time`, `money` or `clock`; empty for a bare number.
        unit: in what, where it cannot be converted; empty otherwise.
        written: the words it was read from.
        loose: whether it may be no number at all, as `one` in `the blue one`.
    """

    value: float
    kind: str
    unit: str
    written: str
    loose: bool = False
    bare: float | None = None


@lru_cache(maxsize=1)
def units() -> dict[str, tuple[str, str]]:
    """For each name of a unit what it measures, and the unit itself or its size."""
    found: dict[str, tuple[str, str]] = {}
    for line in _UNITS.strip().splitlines():
        measure, names = line.split(": ")
        kind, _, unit = measure.partition(" ")
        found.update(dict.fromkeys(names.split(), (kind, unit)))
    return found


def quantities(text: str) -> tuple[tuple[Quantity, ...], str]:
    """The numbers of a text, and the text without them.

    Args:
        text: a question; English words for numbers are read, Chinese ones are for `chinese.quantities`.
    """
    low = text.lower()
    if not _DIGIT.search(low) and _SPELLED_WORDS.isdisjoint(_LETTERS.findall(low)):
        return (), text
    found: list[Quantity] = []

    def note(match: re.Match[str]) -> str:
        quantity = _read(match)
        if quantity is None:
            return match[0]
        found.append(quantity)
        return match[0] if quantity.loose else " "

    rest = _NUMBER.sub(note, text)
    return tuple(found), rest


def _read(match: re.Match[str]) -> Quantity | None:
    written = match[0].strip()
    if match["date"]:
        year, month, day = (int(part) for part in match["date"].split("-"))
        return Quantity(year * 10_000 + month * 100 + day, "date", "", written)
    if match["clock"]:
        hour, minute = (int(part) for part in re.findall(r"\d+", match["clock"])[:2])
        return Quantity(_minutes(hour, minute, match["clockhalf"] or ""), "clock", "", written)
    if match["hour"]:
        hour = _ONES.get(match["hour"].lower(), -1)
        return Quantity(_minutes(hour if hour >= 0 else int(match["hour"]), 0, match["half"]), "clock", "", written)
    if match["digits"]:
        value = float(match["digits"].replace(",", "")) * _SCALES.get((match["scale"] or "").lower(), 1)
        return measured(value, (match["unit"] or match["before"] or "").strip().lower(), written)
    value = _spelled(match["words"].lower())
    return measured(value, (match["wunit"] or "").lower(), written, loose=match["words"].lower() in {"one", "half"})


def _minutes(hour: int, minute: int, half: str) -> float:
    half = half.strip().lower()
    if half.startswith("p") or half.endswith(("afternoon", "evening")):
        hour = hour % _NOON + _NOON
    elif half.startswith("a") or half.endswith("morning"):
        hour %= _NOON
    return hour * 60 + minute


def measured(value: float, unit: str, written: str, *, loose: bool = False) -> Quantity:
    """A number with what its unit measures; `loose` where it may be no number at all."""
    if unit in {"year-old", "years-old"}:
        return Quantity(value, "", "", written)
    kind, size = units().get(unit, ("", ""))
    if kind == "time":
        return Quantity(value * float(size), "time", "", written, bare=value)
    return Quantity(value, kind, size, written, loose=loose and not kind)


def _spelled(words: str) -> float:
    total, part = 0.0, 0.0
    for word in re.split(r"[\s-]+", words):
        if word in _SCALES:
            part = (part or 1) * _SCALES[word]
            if _SCALES[word] > 100:  # noqa: PLR2004 - a hundred goes on: `two hundred and five thousand`
                total, part = total + part, 0.0
        else:
            part += _ONES.get(word, _TENS.get(word, _ORDINALS.get(word, 0)))
    return total + part


def same(one: Quantity, other: Quantity) -> bool:
    """Whether two numbers say the same; a unit that only one of them gives is taken for the other's."""
    if one.kind == other.kind:
        return abs(one.value - other.value) <= 1e-9 * max(1.0, abs(one.value)) and one.unit == other.unit
    if {one.kind, other.kind} == {"", "clock"}:
        clock, bare = (one, other) if one.kind else (other, one)
        return clock.value % 720 == (bare.value * 60) % 720
    if not one.kind or not other.kind:
        return (one.bare or one.value) == (other.bare or other.value)
    return False
