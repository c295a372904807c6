"""How models refuse in words: what is no answer to hand on, and none to keep."""

from __future__ import annotations

import unicodedata
from typing import Final

REFUSALS: Final = (
    "i'm sorry, but i can't",
    "i'm sorry, but i cannot",
    "i'm sorry, but i'm unable",
    "i'm sorry, i can't",
    "i'm sorry, i cannot",
    "i am sorry, but i can't",
    "i am sorry, but i cannot",
    "sorry, but i can't",
    "sorry, but i cannot",
    "sorry, i can't",
    "sorry, i cannot",
    "i apologize, but i can't",
    "i apologize, but i cannot",
    "i can't help with",
    "i can't assist with",
    "i can't provide",
    "i can't answer",
    "i cannot help with",
    "i cannot assist with",
    "i cannot provide",
    "i cannot answer",
    "i cannot fulfill",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i am not able to",
    "i won't be able to",
    "as an ai language model, i can",
    "as an ai, i can",
    "unfortunately, i can't",
    "unfortunately, i cannot",
    "抱歉,我无法",
    "抱歉,我不能",
    "很抱歉,我无法",
    "很抱歉,我不能",
    "对不起,我无法",
    "对不起,我不能",
    "非常抱歉,我无法",
    "非常抱歉,我不能",
    "我无法回答",
    "我不能回答",
    "我无法提供",
    "我不能提供",
    "我无法协助",
    "我无法帮助",
    "作为一个人工智能,我无法",
    "作为ai,我无法",
)
"""How refusals begin, in English and Chinese."""

LONGEST: Final = 400
"""Characters: longer answers that begin like a refusal go on to say something."""


def plain(text: str) -> str:
    """A text in small letters, with plain apostrophes and commas, and without marks before its first word.

    Args:
        text: an answer, or how refusals begin.
    """
    small = unicodedata.normalize("NFKC", text).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return small.replace("、", ",").lstrip("*_\"'#> \n")
