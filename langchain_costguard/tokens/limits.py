"""How many tokens a model takes and answers with at most: by LangChain's own model profiles, else by our dated rows."""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.tokens.models import bare_name, is_embedding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INTEGRATIONS: Final = (
    "langchain_openai",
    "langchain_anthropic",
    "langchain_google_genai",
    "langchain_mistralai",
    "langchain_groq",
    "langchain_deepseek",
    "langchain_xai",
    "langchain_fireworks",
    "langchain_perplexity",
    "langchain_openrouter",
    "langchain_aws",
)
"""The packages that bring profiles, in the order they are asked."""

_PROFILES_FILE: Final = "data/_profiles.py"
_OWN_ROWS: Final = Path(__file__).with_name("limits.json")
_AFTER_THE_NAME: Final = re.compile(r"(-v\d+)?(:.*)?$")
_DATE: Final = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


@lru_cache(maxsize=1024)
def max_output_of(model: str | None) -> int | None:
    """The most tokens a model answers with.

    Args:
        model: the model in any usual form (`"gpt-4o"`, `"azure/gpt-4o"`, `"us.anthropic.claude-sonnet-4-5-v1:0"`).

    Returns:
        Tokens per answer, reasoning included; zero for embeddings; `None` if neither an installed integration of
        LangChain nor our own rows (`limits.json`) know the model.
    """
    if is_embedding(model):
        return 0
    return _limit(model, "max_output_tokens")


@lru_cache(maxsize=1024)
def max_input_of(model: str | None) -> int | None:
    """The most input tokens a model takes; `model` as for `max_output_of`.

    Returns:
        Tokens of the context window that the input may fill; `None` if it is not known.
    """
    return _limit(model, "max_input_tokens")


@lru_cache(maxsize=1024)
def may_reason(model: str | None) -> bool:
    """Whether a model may be billed for output that nobody is shown; `model` as for `max_output_of`.

    Returns:
        `False` only where a profile says that it does not reason.
    """
    name = bare_name(model)
    for profiles in map(_profiles_of, _INTEGRATIONS):
        for spelling in _spellings(name):
            if spelling in profiles:
                return profiles[spelling].get("reasoning_output") is not False
    return True


def _limit(model: str | None, kind: str) -> int | None:
    name = bare_name(model)
    for profiles in (*map(_profiles_of, _INTEGRATIONS), _own_rows()):
        for spelling in _spellings(name):
            most = profiles.get(spelling, {}).get(kind)
            if isinstance(most, int) and most > 0:
                return most
    return None


@cache
def _own_rows() -> Mapping[str, Mapping[str, Any]]:
    """Our own rows by model, for those whose integration is not installed."""
    rows = json.loads(_OWN_ROWS.read_text("utf-8"))["models"]
    return {model: row for row in rows for model in row["models"]}


def _spellings(name: str) -> Iterator[str]:
    """A name as it is, and without what clouds and dates add to it."""
    name = name[max(name.find("claude"), 0) :]
    plain = _AFTER_THE_NAME.sub("", name, count=1)
    yield name
    yield plain
    yield _DATE.sub("", plain)


@cache
def _profiles_of(integration: str) -> Mapping[str, Mapping[str, Any]]:
    """The profiles of an integration, read from its data file: importing the whole package takes up to a second."""
    package = find_spec(integration)
    if package is None or package.origin is None:
        return {}
    spec = spec_from_file_location(f"_profiles_of_{integration}", Path(package.origin).parent / _PROFILES_FILE)
    if spec is None or spec.loader is None:
        return {}
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (OSError, ImportError):  # this release brings no such file
        return {}
    found = getattr(module, "_PROFILES", {})
    return found if isinstance(found, dict) else {}
