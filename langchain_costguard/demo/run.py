"""The demo from start to end: ask, record, price, report."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from langchain_costguard.callbacks import track_costs
from langchain_costguard.demo.chain import QUESTIONS, ask_all
from langchain_costguard.demo.endpoints import on_this_machine
from langchain_costguard.demo.server import INSTALL_LINE, DemoError
from langchain_costguard.pricing import PriceBook, gpu_hour

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from langchain_costguard.callbacks import CostCallbackHandler
    from langchain_costguard.demo.endpoints import Endpoint
    from langchain_costguard.reports import CostReport

COMPARED_MODELS: Final = ("gpt-4o-mini", "gpt-4o")
"""The models whose list prices the same tokens are held against."""

SCRIPTED_NOTICE: Final = f"""\
NO MODEL ANSWERS HERE: none is installed, so the answers and the token counts are invented.
  A real model on this machine:  {INSTALL_LINE}
  A server of your own:          langchain-costguard demo --base-url URL --model NAME
"""
"""What is printed before and after a demo without a model."""

_PROXY_VARIABLES: Final = ("NO_PROXY", "no_proxy")
_LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost")


def run(
    console: Console, *, endpoint: Endpoint | None = None, gpu_price: str = "0.10", store: str | None = None
) -> CostCallbackHandler:
    """Run the demo and print what happens.

    Args:
        console: where to print.
        endpoint: who answers; `None` for the model on this machine.
        gpu_price: what an hour of your own hardware costs, in US dollars.
        store: where the lines are kept; `None` for memory.

    Returns:
        The handler that saw the calls.

    Raises:
        DemoError: no model could be reached, or it refused.
        StoreError: the store cannot be opened.
        PriceFormatError: the price is no number.
    """
    hourly = gpu_hour(gpu_price)
    with _loopback_without_proxy(), _progress(console) as progress, _endpoint(endpoint, progress) as chosen:
        console.print(f"Asking {chosen.title}\n", markup=False, highlight=False, soft_wrap=True)
        if chosen.is_scripted:
            console.print(SCRIPTED_NOTICE, style="yellow", markup=False, highlight=False, soft_wrap=True)
        prices = PriceBook({chosen.model: hourly}) if chosen.is_own else PriceBook()
        with track_costs(store, prices) as costs:
            _ask(chosen, progress)
    _print_report(console, costs, chosen, gpu_price)
    return costs


def _endpoint(endpoint: Endpoint | None, progress: Progress) -> AbstractContextManager[Endpoint]:
    """The endpoint that was named, else the model on this machine, with its loading shown."""
    if endpoint is not None:
        return nullcontext(endpoint)
    loading = progress.add_task("starting the model", total=None)

    def on_wait(seconds: float) -> None:
        progress.update(loading, description=f"loading the model, {seconds:.0f} s")

    return _then_remove(on_this_machine(on_wait=on_wait), progress, loading)


@contextmanager
def _then_remove(endpoint: AbstractContextManager[Endpoint], progress: Progress, task: int) -> Iterator[Endpoint]:
    """The endpoint, with the line of its loading taken away once it is there."""
    from rich.progress import TaskID

    with endpoint as chosen:
        progress.remove_task(TaskID(task))
        yield chosen


def _ask(endpoint: Endpoint, progress: Progress) -> None:
    """Ask every question, printing each answer as it comes."""
    import openai
    from rich.padding import Padding
    from rich.text import Text

    asking = progress.add_task("asking", total=sum(map(len, QUESTIONS.values())))
    try:
        for answer in ask_all(endpoint):
            progress.console.print(Text.assemble((f"{answer.way:>6}  ", "cyan"), (answer.question, "bold")))
            progress.console.print(Padding(Text(answer.text), (0, 0, 0, 8)))
            progress.advance(asking)
    except openai.OpenAIError as error:
        why = f"{type(error).__name__}: {error}"
        msg = f"{endpoint.model} did not answer ({why}). Check that it runs, its URL (--base-url) and name (--model)"
        raise DemoError(msg) from error


def _print_report(console: Console, costs: CostCallbackHandler, endpoint: Endpoint, gpu_price: str) -> None:
    report = costs.report()
    console.print()
    console.print(report)
    console.print()
    console.print(_by_way(report))
    console.print()
    console.print(_elsewhere(report, endpoint, gpu_price))
    console.print("What was read from the prompt cache counts as such everywhere.\n", style="dim")
    if endpoint.is_scripted:
        console.print(SCRIPTED_NOTICE, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _by_way(report: CostReport) -> Table:
    """The sums by how the chain was called, which is the tag of each run."""
    table = _table("How it was called", "calls", "tokens in", "tokens out", "cost (USD)")
    rows = {row.name: row for row in report.by("tag")}
    for row in (rows[way] for way in QUESTIONS):
        table.add_row(row.name, str(row.calls), str(row.input_tokens), str(row.output_tokens), row.cost)
    return table


def _elsewhere(report: CostReport, endpoint: Endpoint, gpu_price: str) -> Table:
    """What was paid beside what the same tokens cost at list price elsewhere."""
    from langchain_costguard.reports.money import dollars

    table = _table("The same tokens", "cost (USD)")
    basis = f"${gpu_price} per GPU-hour" if endpoint.is_own else "list price"
    table.add_row(f"{endpoint.model}, {basis}", dollars(report.total_cost))
    for model in COMPARED_MODELS:
        if model != endpoint.model:
            table.add_row(f"{model}, list price", dollars(report.at_model(model)))
    return table


def _table(first: str, *others: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for header in others:
        table.add_column(header, justify="right")
    return table


def _progress(console: Console) -> Progress:
    """A spinner, what is being done, and how much of it; the line goes away at the end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True)


@contextmanager
def _loopback_without_proxy() -> Iterator[None]:
    """Keep requests to this machine away from a proxy that the environment names."""
    before = {name: os.environ.get(name) for name in _PROXY_VARIABLES}
    for name, value in before.items():
        os.environ[name] = ",".join([*filter(None, [value]), *_LOOPBACK_HOSTS])
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
