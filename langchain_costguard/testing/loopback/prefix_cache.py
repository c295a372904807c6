"""Which beginnings of prompts the provider has seen: from 1,024 tokens on, in steps of 128, like OpenAI's cache."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MINIMUM_TOKENS: Final = 1024
_STEP_TOKENS: Final = 128
_MAX_PREFIXES: Final = 20_000


class PrefixCache:
    """Remembers prefixes of prompts, per model; the oldest are forgotten. Safe to use from many threads."""

    def __init__(self) -> None:
        """Begin empty."""
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._lock = Lock()

    def read(self, model: str, prompt: Sequence[str]) -> int:
        """How many tokens of `prompt` were in the cache; afterwards all of its prefixes are."""
        prefixes = list(_prefixes(model, prompt))
        with self._lock:
            cached = max((length for length, digest in prefixes if digest in self._seen), default=0)
            self._seen.update((digest, None) for _, digest in prefixes)
            while len(self._seen) > _MAX_PREFIXES:
                self._seen.popitem(last=False)
        return cached


def _prefixes(model: str, prompt: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    running = sha256(model.encode())
    start = 0
    for end in range(_MINIMUM_TOKENS, len(prompt) + 1, _STEP_TOKENS):
        running.update("\0".join(prompt[start:end]).encode("utf-8", "surrogatepass"))
        yield end, running.digest()
        start = end
