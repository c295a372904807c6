"""What a provider reported for one call, normalised once into buckets that do not overlap.

LangChain's `usage_metadata` gives totals (`input_tokens`, `output_tokens`) and details that are subsets of them, and
its integrations differ: OpenAI renames the details under the flex and priority tiers, Anthropic zeroes
`cache_creation` when it knows the lifetime of the write, xAI counts reasoning beside the output. Everything behind this
module sees one shape only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_TIER_PREFIXES: Final = ("flex_", "priority_")
_TIER_MARKS: Final = ("flex", "priority")
_LANGCHAIN_ONLY: Final = frozenset({"total_tokens", "input_token_details", "output_token_details"})
"""Keys of which a `usage_metadata` has at least one; of the providers only OpenAI shares the first."""
_PLAIN_KEYS: Final = 3
"""A `usage_metadata` without details has the two totals and their sum."""

Counts = tuple[int, int, int, int, int, int, int, int]
"""The buckets of `TokenUsage` as a plain tuple."""


class TokenUsage(NamedTuple):
    """Tokens of one call, in buckets that do not overlap: each token is counted, and priced, exactly once.

    All values are whole tokens, zero or more. `input_tokens` and `output_tokens` are the totals again, as LangChain
    and OpenTelemetry define them (cached and audio tokens included).

    Example:
        >>> usage = TokenUsage.from_langchain(
        ...     {"input_tokens": 2000, "output_tokens": 300, "input_token_details": {"cache_read": 1024}}
        ... )
        >>> usage.uncached_input, usage.cache_read, usage.input_tokens
        (976, 1024, 2000)
    """

    uncached_input: int = 0
    """Input tokens billed at the full rate: neither read from nor written to a prompt cache, and not audio."""
    cache_read: int = 0
    """Input tokens read from the provider's prompt cache."""
    cache_write_5m: int = 0
    """Input tokens written to the prompt cache at its default lifetime (Anthropic: five minutes)."""
    cache_write_1h: int = 0
    """Input tokens written to the prompt cache for one hour."""
    audio_input: int = 0
    """Audio tokens in the input, not read from a cache."""
    output_text: int = 0
    """Output tokens that are neither reasoning nor audio."""
    reasoning: int = 0
    """Output tokens the model spent on thinking."""
    audio_output: int = 0
    """Audio tokens in the output."""
    flags: tuple[str, ...] = ()
    """What was wrong with the report, one short sentence each; empty for clean usage."""

    @property
    def counts(self) -> Counts:
        """The buckets as a plain tuple, without the flags."""
        return self[:8]

    @property
    def input_tokens(self) -> int:
        """All input tokens."""
        return self[0] + self[1] + self[2] + self[3] + self[4]

    @property
    def output_tokens(self) -> int:
        """All output tokens, reasoning and audio included."""
        return self[5] + self[6] + self[7]

    @property
    def cache_creation(self) -> int:
        """Input tokens written to the prompt cache, whatever their lifetime."""
        return self[2] + self[3]

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return sum(self[:8])

    def combined(self, other: TokenUsage) -> TokenUsage:
        """The usage of two calls together; flags of both are kept."""
        sums = (mine + theirs for mine, theirs in zip(self[:8], other[:8], strict=True))
        return TokenUsage._make((*sums, self.flags + other.flags))

    @classmethod
    def from_langchain(cls, usage: Mapping[str, Any]) -> TokenUsage | None:
        """Normalise a `usage_metadata` of LangChain.

        Args:
            usage: `AIMessage.usage_metadata`: `input_tokens` and `output_tokens` are totals, the details subsets.

        Returns:
            The usage, or `None` if the mapping holds no token count at all (a replayed cache entry may hold only
            `total_cost`). Impossible figures are flagged and never raise.
        """
        counts = clean_counts(usage)
        return cls._from_unclean(usage) if counts is None else cls(*counts)

    @classmethod
    def _from_unclean(cls, usage: Mapping[str, Any]) -> TokenUsage | None:
        input_total = usage.get("input_tokens")
        output_total = usage.get("output_tokens")
        if input_total is None and output_total is None:
            return None
        flags: list[str] = []
        in_details = _details(usage.get("input_token_details"), "input", flags)
        out_details = _details(usage.get("output_token_details"), "output", flags)
        input_total = _count(input_total, "input_tokens", flags)
        output_total = _count(output_total, "output_tokens", flags)
        total = usage.get("total_tokens")
        return cls(
            *_split_input(input_total, in_details, flags),
            *_split_output(input_total, output_total, out_details, total, flags),
            tuple(flags),
        )

    @classmethod
    def from_provider(cls, usage: Mapping[str, Any]) -> TokenUsage | None:
        """Normalise the usage object of a provider's own API, as `llm_output` and raw SDK responses carry it.

        Understands OpenAI (`prompt_tokens`, and the Responses API), Anthropic (whose `input_tokens` leaves the cache
        out), Amazon Bedrock (`inputTokens`), Gemini (`prompt_token_count`) and Ollama (`prompt_eval_count`).

        Args:
            usage: the object under the response's `usage`, as a mapping.

        Returns:
            The usage, or `None` if no token count was found.
        """
        for marker, read in _PROVIDER_SHAPES:
            if usage.get(marker) is not None:
                return cls.from_langchain(read(usage))
        return None


def service_tier_of(usage: Mapping[str, Any]) -> str | None:
    """The service tier that LangChain's OpenAI integration wrote into the names of the details, if it did."""
    details = usage.get("input_token_details")
    if not details:
        details = usage.get("output_token_details")
    if type(details) is dict:
        for key in map(str, details):
            if key.startswith(_TIER_MARKS):
                return key.partition("_")[0]
    return None


def is_replayed(usage: Mapping[str, Any]) -> bool:
    """Whether LangChain replayed this usage from its LLM cache: nothing was asked of a provider, nothing is owed."""
    cost = usage.get("total_cost")
    return cost is not None and cost == 0


def read_usage(usage: Mapping[str, Any]) -> tuple[TokenUsage | None, str | None]:
    """Normalise usage whose shape is not known: LangChain's `usage_metadata`, or a provider's own object.

    Args:
        usage: either of them; told apart by their keys.

    Returns:
        The usage, `None` if no token count was found, and the service tier where its keys name one.
    """
    counts = clean_counts(usage)
    if counts is not None:
        return TokenUsage(*counts), None
    is_langchain = not _LANGCHAIN_ONLY.isdisjoint(usage) and "input_tokens_details" not in usage
    tokens = TokenUsage.from_langchain(usage) if is_langchain else None
    return tokens or TokenUsage.from_provider(usage), service_tier_of(usage)


def clean_counts(usage: Mapping[str, Any]) -> Counts | None:  # noqa: C901 - the hot path, written flat
    """The buckets of a `usage_metadata` in which everything is as documented, and nothing else.

    This is the path of nearly every call: it is written flat and makes a plain tuple, not a named one.

    Returns:
        The buckets in the order of `TokenUsage`; `None` for any other shape, for tier names in the keys, and for
        figures that contradict each other: `read_usage` takes those.
    """
    try:
        rest = usage["input_tokens"]
        text = usage["output_tokens"]
    except KeyError:
        return None
    inputs = usage.get("input_token_details")
    outputs = usage.get("output_token_details")
    if type(rest) is not int or type(text) is not int:
        return None
    if inputs is None and outputs is None and (len(usage) != _PLAIN_KEYS or "total_tokens" not in usage):
        return None
    read = write = write_5m = write_1h = audio = audio_out = reasoning = 0
    if inputs:
        if type(inputs) is not dict:
            return None
        for key, value in inputs.items():
            if type(value) is not int or value < 0:
                return None
            if key == "cache_read":
                read = value
            elif key == "cache_creation":
                write = value
            elif key == "audio":
                audio = value
            elif key == "ephemeral_5m_input_tokens":
                write_5m = value
            elif key == "ephemeral_1h_input_tokens":
                write_1h = value
            elif value:
                return None
        if write > write_5m + write_1h:
            write_5m = write - write_1h
        rest -= read + write_5m + write_1h + audio
    if outputs:
        if type(outputs) is not dict:
            return None
        for key, value in outputs.items():
            if type(value) is not int or value < 0:
                return None
            if key == "reasoning":
                reasoning = value
            elif key == "audio":
                audio_out = value
            elif value:
                return None
        if reasoning and usage.get("total_tokens") == usage["input_tokens"] + text + reasoning:
            return None
        text -= reasoning + audio_out
    if rest < 0 or text < 0:
        return None
    return rest, read, write_5m, write_1h, audio, text, reasoning, audio_out


def _details(details: Any, side: str, flags: list[str]) -> dict[str, int]:  # noqa: ANN401 - a provider's own JSON
    if not details:
        return {}
    if not isinstance(details, Mapping):
        flags.append(f"{side}_token_details was not a mapping")
        return {}
    counts: dict[str, int] = {}
    for name, value in details.items():
        key = str(name)
        for prefix in _TIER_PREFIXES:
            key = key.removeprefix(prefix)
        if value is not None and not isinstance(value, Mapping) and key not in {"flex", "priority"}:
            counts[key] = counts.get(key, 0) + _count(value, key, flags)
    return counts


def _count(value: Any, name: str, flags: list[str]) -> int:  # noqa: ANN401 - a provider's own JSON
    """A whole number of tokens, zero or more; what was reported instead goes into the flags."""
    if value is None:
        flags.append(f"{name} was missing")
        return 0
    if type(value) is tuple:
        return sum(_count(part, name, flags) for part in value)
    try:
        count = int(value)
    except (TypeError, ValueError, OverflowError):
        flags.append(f"{name} was not a number")
        return 0
    if count != value or isinstance(value, bool):
        flags.append(f"{name} was reported as a {type(value).__name__}, not a whole number")
    if count < 0:
        flags.append(f"{name} was negative ({count})")
        return 0
    return count


def _split_input(total: int, details: Mapping[str, int], flags: list[str]) -> tuple[int, int, int, int, int]:
    read = details.get("cache_read", 0)
    write_1h = details.get("ephemeral_1h_input_tokens", 0)
    write_5m = details.get("ephemeral_5m_input_tokens", 0)
    # With lifetimes known Anthropic zeroes `cache_creation`; other integrations repeat their sum in it.
    write_5m += max(0, details.get("cache_creation", 0) - write_5m - write_1h)
    audio = details.get("audio", 0)
    cached = read + write_5m + write_1h
    if cached > total:
        # Reported beside the input instead of inside it, as Anthropic's own API does.
        flags.append(f"cache tokens ({cached}) exceed input_tokens ({total}): counted beside them")
        return max(0, total - audio), read, write_5m, write_1h, min(audio, total)
    if cached + audio > total:
        flags.append(f"audio ({audio}) overlaps the cached input: the overlap is counted as cached")
        audio = total - cached
    return total - cached - audio, read, write_5m, write_1h, audio


def _split_output(
    input_total: int,
    total: int,
    details: Mapping[str, int],
    reported_total: Any,  # noqa: ANN401 - a provider's own JSON
    flags: list[str],
) -> tuple[int, int, int]:
    reasoning = details.get("reasoning", 0)
    audio = details.get("audio", 0)
    beside = reasoning > 0 and reported_total == input_total + total + reasoning
    if reasoning > total or beside:
        # xAI and some gateways count thinking beside the output; `total_tokens` tells.
        flags.append(f"reasoning ({reasoning}) is counted beside output_tokens ({total})")
        return max(0, total - audio), reasoning, min(audio, total)
    if reasoning + audio > total:
        flags.append(f"output details ({reasoning + audio}) exceed output_tokens ({total})")
        audio = total - reasoning
    return total - reasoning - audio, reasoning, audio


def _sub(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        value = usage.get(name)
        if isinstance(value, Mapping):
            return value
    return {}


def _openai_details(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The details of OpenAI's two APIs under LangChain's names."""
    return {
        "input_token_details": {
            "cache_read": inputs.get("cached_tokens"),
            "cache_creation": inputs.get("cache_write_tokens"),
            "audio": inputs.get("audio_tokens"),
        },
        "output_token_details": {"reasoning": outputs.get("reasoning_tokens"), "audio": outputs.get("audio_tokens")},
    }


def _sum(*parts: Any) -> Any:  # noqa: ANN401 - a provider's own JSON
    """The sum of whole numbers, of which `None` is none; the parts where one is anything else, for `_count` to flag."""
    given = tuple(part for part in parts if part is not None)
    return sum(given) if all(type(part) is int and part >= 0 for part in given) else given


def _from_openai(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "input_tokens": usage.get("prompt_tokens"),
        "output_tokens": usage.get("completion_tokens") or 0,
        "total_tokens": usage.get("total_tokens"),
        **_openai_details(_sub(usage, "prompt_tokens_details"), _sub(usage, "completion_tokens_details")),
    }


def _from_anthropic_or_responses(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    if "input_token_details" in usage or "output_token_details" in usage:
        return usage
    inputs = _sub(usage, "input_tokens_details")
    outputs = _sub(usage, "output_tokens_details")
    if inputs or outputs:
        return {**usage, **_openai_details(inputs, outputs)}
    read = usage.get("cache_read_input_tokens")
    written = usage.get("cache_creation_input_tokens")
    if not read and not written:
        return usage
    return {
        "input_tokens": _sum(usage.get("input_tokens"), read, written),
        "output_tokens": usage.get("output_tokens") or 0,
        "input_token_details": {"cache_read": read, "cache_creation": written, **_sub(usage, "cache_creation")},
    }


def _from_bedrock(usage: Mapping[str, Any]) -> dict[str, Any]:
    read, written = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    return {
        "input_tokens": _sum(usage.get("inputTokens"), read, written),
        "output_tokens": usage.get("outputTokens") or 0,
        "input_token_details": {"cache_read": read, "cache_creation": written},
    }


def _from_gemini(usage: Mapping[str, Any]) -> dict[str, Any]:
    thoughts = usage.get("thoughts_token_count")
    return {
        "input_tokens": _sum(usage.get("prompt_token_count"), usage.get("tool_use_prompt_token_count")),
        "output_tokens": _sum(usage.get("candidates_token_count"), thoughts),
        "input_token_details": {"cache_read": usage.get("cached_content_token_count")},
        "output_token_details": {"reasoning": thoughts},
    }


def _from_ollama(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {"input_tokens": usage.get("prompt_eval_count"), "output_tokens": usage.get("eval_count") or 0}


_PROVIDER_SHAPES: Final = (
    ("prompt_tokens", _from_openai),
    ("input_tokens", _from_anthropic_or_responses),
    ("inputTokens", _from_bedrock),
    ("prompt_token_count", _from_gemini),
    ("prompt_eval_count", _from_ollama),
)
"""The key that tells a provider's shape, and its reader; the first match wins."""
