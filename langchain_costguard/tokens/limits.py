"""How many tokens a model can answer with at most, as LangChain's own model profiles know it."""

from __future__ import annotations

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
_AFTER_THE_NAME: Final = re.compile(r"(-v\d+)?(:.*)?$")
_DATE: Final = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


@lru_cache(maxsize=1024)
def max_output_of(model: str | None) -> int | None:
    """The most tokens a model answers with.

    Args:
        model: the model in any usual form (`"gpt-4o"`, `"azure/gpt-4o"`, `"us.anthropic.claude-sonnet-4-5-v1:0"`).

    Returns:
        Tokens per answer, reasoning included; zero for embeddings; `None` if no installed integration of LangChain
        has a profile of the model.
    """
    if is_embedding(model):
        return 0
    name = bare_name(model)
    for integration in _INTEGRATIONS:
        profiles = _profiles_of(integration)
        for spelling in _spellings(name):
            most = profiles.get(spelling, {}).get("max_output_tokens")
            if isinstance(most, int) and most > 0:
                return most
    return None


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
