"""Providers' prompt caches as their documentation describes them, on a clock of their own; plans are unknown here.

Rules and prices are written down here by hand, from the providers' pages as of November 2026, so that they can
contradict the package's data. Not modelled: machines that a request may miss, and calls that overlap.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any

from langchain_costguard.testing.tokenizer import tokenize

MILLION = 1_000_000
LOOKBACK_BLOCKS = 20
MOST_MARKS = 4


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens."""

    plain: Decimal
    read: Decimal
    write_5m: Decimal
    write_1h: Decimal
    output: Decimal


@dataclass
class Bill:
    """What so many calls were billed."""

    calls: int = 0
    plain: int = 0
    read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    output: int = 0

    def usd(self, prices: Prices) -> Decimal:
        """The whole bill."""
        names = ("plain", "read", "write_5m", "write_1h", "output")
        return sum((getattr(self, name) * getattr(prices, name) for name in names), Decimal(0)) / MILLION

    def usd_without_caching(self, prices: Prices) -> Decimal:
        """The same calls without any cache."""
        inputs = self.plain + self.read + self.write_5m + self.write_1h
        return (inputs * prices.plain + self.output * prices.output) / MILLION


@lru_cache(maxsize=20_000)
def tokens_of(text: str) -> tuple[str, ...]:
    """The provider's own tokens."""
    return tuple(tokenize(text))


def tokens_in(text: str) -> int:
    """The provider's own count."""
    return len(tokens_of(text))


@dataclass
class Block:
    """A piece of a request: its text, and its mark if it has one."""

    text: str
    mark: Any = None


def blocks_of(body: dict[str, Any]) -> list[Block]:
    """A request in the order in which it is read."""
    found = [Block(json.dumps(_bare(tool)), tool.get("cache_control")) for tool in body.get("tools") or ()]
    system = body.get("system") or []
    texts = [{"text": system}] if isinstance(system, str) else system
    found += [Block(block["text"], block.get("cache_control")) for block in texts]
    for message in body.get("messages") or body.get("input") or ():
        content = message["content"]
        for block in [{"text": content}] if isinstance(content, str) else content:
            mark = block.get("cache_control") or block.get("prompt_cache_breakpoint")
            found.append(Block(f"{message['role']}: {block.get('text') or json.dumps(_bare(block))}", mark))
    return found


def _bare(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}


def prefixes(blocks: list[Block]) -> list[tuple[str, int]]:
    """For each block the digest and the tokens of everything up to its end."""
    running, total, found = sha256(), 0, []
    for block in blocks:
        running.update(block.text.encode() + b"\0")
        total += tokens_in(block.text)
        found.append((running.hexdigest(), total))
    return found


@dataclass
class AnthropicCache:
    """Marks, four at most, longest lifetime first; read by the longest live prefix, 20 blocks back from each mark."""

    min_tokens: int
    kept: dict[str, tuple[float, int]] = field(default_factory=dict)

    def serve(self, body: dict[str, Any], now: float, output: int, bill: Bill) -> None:
        """Serve a request and add to its bill."""
        blocks = blocks_of(body)
        ends = prefixes(blocks)
        marks = [(place, _seconds(block.mark)) for place, block in enumerate(blocks) if block.mark]
        if body.get("cache_control"):
            marks.append((len(blocks) - 1, _seconds(body["cache_control"])))
        assert len(marks) <= MOST_MARKS, "400: a maximum of 4 blocks with cache_control may be provided"
        lifetimes = [seconds for _, seconds in marks]
        assert lifetimes == sorted(lifetimes, reverse=True), "400: ttl='1h' must not come after ttl='5m'"
        read = max(
            (
                self._live(ends[near], now)
                for mark, _ in marks
                for near in range(max(0, mark - LOOKBACK_BLOCKS), mark + 1)
            ),
            default=0,
        )
        written, total = read, ends[-1][1]
        for mark, seconds in marks:
            digest, tokens = ends[mark]
            if tokens < self.min_tokens:
                continue
            self.kept[digest] = (now + seconds, seconds)
            if tokens > written:
                setattr(
                    bill, name := f"write_{'1h' if seconds > 300 else '5m'}", getattr(bill, name) + tokens - written
                )
                written = tokens
        bill.calls += 1
        bill.read += read
        bill.plain += total - written
        bill.output += output

    def _live(self, end: tuple[str, int], now: float) -> int:
        """The tokens of a prefix if it is still kept; a read begins its lifetime anew."""
        digest, tokens = end
        until, seconds = self.kept.get(digest, (0.0, 0))
        if until < now:
            return 0
        self.kept[digest] = (now + seconds, seconds)
        return tokens


def _seconds(mark: dict[str, str]) -> int:
    return 3600 if mark.get("ttl") == "1h" else 300


@dataclass
class StepCache:
    """OpenAI's before GPT-5.6: automatic, from 1,024 tokens on in steps of 128, five idle minutes, writes are free."""

    min_tokens: int = 1024
    step: int = 128
    seconds: int = 300
    kept: dict[str, float] = field(default_factory=dict)

    def serve(self, body: dict[str, Any], now: float, output: int, bill: Bill) -> None:
        """Serve a request and add to its bill."""
        tokens = [token for block in blocks_of(body) for token in tokens_of(block.text)]
        running, read, start = sha256(), 0, 0
        for end in range(self.min_tokens, len(tokens) + 1, self.step):
            running.update("\0".join(tokens[start:end]).encode())
            start, digest = end, running.hexdigest()
            if self.kept.get(digest, 0) >= now:
                read = end
            self.kept[digest] = now + self.seconds
        bill.calls += 1
        bill.read += read
        bill.plain += len(tokens) - read
        bill.output += output


@dataclass
class BreakpointCache:
    """OpenAI's from GPT-5.6 on: exact prefixes at breakpoints; the end of the request is one unless told otherwise."""

    min_tokens: int = 1024
    seconds: int = 1800
    kept: dict[str, float] = field(default_factory=dict)

    def serve(self, body: dict[str, Any], now: float, output: int, bill: Bill) -> None:
        """Serve a request and add to its bill."""
        blocks = blocks_of(body)
        ends = prefixes(blocks)
        marks = [place for place, block in enumerate(blocks) if block.mark]
        if (body.get("prompt_cache_options") or {}).get("mode") != "explicit":
            marks.append(len(blocks) - 1)
        read = max((tokens for digest, tokens in ends if self.kept.get(digest, 0) >= now), default=0)
        written = read
        for mark in marks:
            digest, tokens = ends[mark]
            if tokens >= self.min_tokens:
                if self.kept.get(digest, 0) < now:
                    self.kept[digest] = now + self.seconds
                written = max(written, tokens)
        bill.calls += 1
        bill.read += read
        bill.write_5m += written - read
        bill.plain += ends[-1][1] - written
        bill.output += output
