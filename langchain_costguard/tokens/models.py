"""Which published encoding a model reads with, and what its maker is, by its name."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

Maker = Literal["openai", "anthropic", "google"]
"""Who made a model, as far as it decides how images and tools are counted."""

_DEFAULT_ENCODING: Final = "o200k_base"
_ENCODING_OF_PREFIX: Final = (
    ("gpt-4o", "o200k_base"),
    ("gpt-4.1", "o200k_base"),
    ("gpt-4.5", "o200k_base"),
    ("gpt-5", "o200k_base"),
    ("gpt-oss", "o200k_base"),
    ("chatgpt-4o", "o200k_base"),
    ("o1", "o200k_base"),
    ("o3", "o200k_base"),
    ("o4-mini", "o200k_base"),
    ("gpt-4", "cl100k_base"),
    ("gpt-3.5", "cl100k_base"),
    ("gpt-35", "cl100k_base"),
    ("text-embedding-3-", "cl100k_base"),
    ("text-embedding-ada-002", "cl100k_base"),
    ("davinci-002", "cl100k_base"),
    ("babbage-002", "cl100k_base"),
)
"""The models whose encoding OpenAI has published, by the beginning of their name; the first match wins."""

_OPENAI_PREFIXES: Final = (
    "gpt-",
    "chatgpt-",
    "o1",
    "o3",
    "o4",
    "computer-use",
    "text-embedding-",
    "davinci",
    "babbage",
)


@lru_cache(maxsize=1024)
def encoding_of(model: str | None) -> tuple[str, bool]:
    """The encoding to count with, and whether it is the model's own.

    Args:
        model: the model in any usual form; `None` if it is not known.
    """
    name = bare_name(model)
    for prefix, encoding in _ENCODING_OF_PREFIX:
        if name.startswith(prefix):
            return encoding, True
    return _DEFAULT_ENCODING, False


@lru_cache(maxsize=1024)
def maker_of(model: str | None) -> Maker | None:
    """Who made a model; `None` if its name does not say."""
    name = (model or "").lower()
    if "claude" in name:
        return "anthropic"
    if "gemini" in name:
        return "google"
    return "openai" if bare_name(model).startswith(_OPENAI_PREFIXES) else None


def is_embedding(model: str | None) -> bool:
    """Whether a model makes embeddings: it reads a text without anything around it, and answers no tokens."""
    return "embed" in bare_name(model)


def bare_name(model: str | None) -> str:
    """A model's name in lower case, without what users and gateways put before it.

    Example:
        >>> bare_name("openrouter/openai/GPT-4o"), bare_name("azure_openai:o3"), bare_name("ft:gpt-4o-mini:org::id")
        ('gpt-4o', 'o3', 'gpt-4o-mini:org::id')
    """
    name = (model or "").strip().lower().rpartition("/")[2]
    head, colon, rest = name.partition(":")
    return rest if colon and rest.startswith(_OPENAI_PREFIXES) and not head.startswith(_OPENAI_PREFIXES) else name
