"""Words in prompts that cost tokens and ask for nothing: a short, conservative list, in English and Chinese."""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Filler(NamedTuple):
    """A kind of words that a prompt can usually do without."""

    pattern: re.Pattern[str]
    """How they are found."""
    instead: str
    """What may stand in their place."""
    why: str
    """Why they can usually go."""


_PRAISE_EN: Final = (
    r"(?:professional|experienced|knowledgeable|intelligent|skilled|talented|helpful|friendly|expert|smart|capable)"
)
_DEGREE_EN: Final = r"(?:very|highly|extremely|incredibly|truly|exceptionally|deeply)"
_CARE_EN: Final = (
    r"(?:careful(?:ly)?|serious(?:ly)?|comprehensive(?:ly)?|thorough(?:ly)?|thoughtful(?:ly)?|diligent(?:ly)?)"
)
_GOOD_EN: Final = r"(?:accurate|helpful|detailed|correct|comprehensive|thorough|useful|informative|high[- ]quality)"
_PRAISE_ZH: Final = r"(?:专业|有经验|经验丰富|有知识|知识渊博|知识丰富|博学|优秀|聪明|智能|友好|资深)"
_DEGREE_ZH: Final = r"(?:非常|十分|极其|特别|很)"
_CARE_ZH: Final = r"(?:仔细|认真|全面|细心|用心|耐心|谨慎)"
_GOOD_ZH: Final = r"(?:准确|有帮助|有用|详细|正确|全面|有价值|高质量)"


def _filler(pattern: str, instead: str, why: str) -> Filler:
    return Filler(re.compile(pattern, re.IGNORECASE), instead, why)


FILLERS: Final = (
    _filler(
        rf"\byou are an? {_DEGREE_EN}\b[^.!?\n]{{0,200}}?{_PRAISE_EN}[^.!?\n]{{0,100}}?"
        r"\b(?:assistant|ai|expert|model)\b\s*[.,;:!]?\s*",
        "",
        "praise of the model is no instruction",
    ),
    _filler(
        rf"\b(?:please )?answer [^.!?\n]{{0,40}}?{_CARE_EN}(?:(?:,? and|,) {_CARE_EN})+\s*[.;!]?\s*",
        "",
        "it asks for nothing that can be checked",
    ),
    _filler(
        r"\b(?:please )?(?:make sure|ensure|be sure)(?: that)? (?:your|the) (?:answer|response|reply)s? (?:is|are) "
        rf"{_GOOD_EN}(?:(?:,? and|,) {_GOOD_EN})*\s*[.;!]?\s*",
        "",
        "every answer should be; say what would make it so",
    ),
    _filler(
        r"\b(?:i would like you to|i want you to|i need you to|your task is to|could you please|would you please"
        r"|can you please)\s+",
        "",
        "the instruction alone says the same",
    ),
    _filler(
        r"\b(?:thank you|thanks)(?: (?:very|so) much)?(?: in advance)?(?: for your help)?\s*[.!]\s*", "", "a courtesy"
    ),
    _filler(
        r"\b(?:it is|it's) (?:very |extremely |really )?important (?:to note )?that\s+", "", "what follows says it"
    ),
    _filler(r"\b(?:very|extremely|really|absolutely)(?: very| extremely| really)+\b ?", "very ", "once is enough"),
    _filler(r"\btake a deep breath(?: and)?\s*[.,]?\s*", "", "no model breathes"),
    _filler(
        rf"你是一[个位名](?:{_DEGREE_ZH}?{_PRAISE_ZH}(?:的)?[、，,和且]?)*{_DEGREE_ZH}{_PRAISE_ZH}(?:的)?(?:AI|人工智能)?"
        r"(?:助手|助理|专家|模型)[。，,；;！!]?\s*",
        "",
        "praise of the model is no instruction",
    ),
    _filler(
        rf"请?(?:你|您)?(?:{_CARE_ZH}[地]?[、，,和且]?){{2,8}}(?:地)?(?:回答|回复|解答)(?:用户的|我的|以下|下面的|这个)?(?:问题)?[。，,；;！!]?\s*",
        "",
        "it asks for nothing that can be checked",
    ),
    _filler(
        rf"(?:请)?(?:务必)?(?:确保|保证)(?:你|您)?的?(?:回答|答案|回复)(?:是|要)?(?:{_GOOD_ZH}的?[、，,和且]?)+[。；;！!]?\s*",
        "",
        "every answer should be; say what would make it so",
    ),
    _filler(r"(?:非常|十分)?(?:感谢|谢谢)(?:你|您)?(?:的帮助)?[。！!]\s*", "", "a courtesy"),
)
"""What is looked for. Taking any of it away may change an answer: it is shown, and never done by itself."""


def without_fillers(text: str) -> tuple[str, list[tuple[str, Filler]]]:
    """A text without fillers, and those that were found, as they stood there."""
    found: list[tuple[str, Filler]] = []
    for filler in FILLERS:
        matches = [match[0] for match in filler.pattern.finditer(text)]
        if matches:
            found += [(match.strip(), filler) for match in matches]
            text = filler.pattern.sub(filler.instead, text)
    return text, found
