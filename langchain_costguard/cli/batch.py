"""`batch`: a chain over a file of inputs through a provider's Batch API, submitted now and collected later."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from langchain_costguard._amounts import counted
from langchain_costguard.cli import options
from langchain_costguard.cli.console import EXIT_CODES, epilog, fail, print_json, warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.batching import BatchJob
    from langchain_costguard.batching.jobs.batch_estimate import BatchEstimate
    from langchain_costguard.batching.jobs.batch_results import BatchResults
    from langchain_costguard.batching.jobs.statuses import BatchStatus, BatchSummary

_SUBMITTED: Final = "batch submit inputs.jsonl --chain app.chains:summarize --name nightly"
SUBMIT_EPILOG: Final = epilog(_SUBMITTED, f"{_SUBMITTED} --max-cost 5 --yes")
STATUS_EPILOG: Final = epilog("batch status nightly --chain app.chains:summarize")
COLLECT_EPILOG: Final = epilog(
    "batch collect nightly --chain app.chains:summarize > outputs.jsonl",
    "batch collect nightly --chain app.chains:summarize --wait --output outputs.jsonl",
)
CANCEL_EPILOG: Final = epilog("batch cancel nightly --chain app.chains:summarize")
LIST_EPILOG: Final = epilog("batch list", "batch list --json")

Job = Annotated[str, typer.Argument(metavar="JOB", help="The job: its id, or the name it was given.")]
Chain = Annotated[str, typer.Option("--chain", metavar="MODULE:OBJECT", help="The chain, or a function that makes it.")]
Place = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="FILE",
        help="The file of jobs. Default: COSTGUARD_BATCHES, else the user's own file.",
    ),
]
Ledger = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="PLACE",
        help="Where costs are written: a path or a URL. Default: COSTGUARD_STORE, else the user's own file.",
    ),
]

app: typer.Typer = typer.Typer(
    help="Run a chain over many inputs overnight, at half price, through a provider's Batch API.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(epilog=SUBMIT_EPILOG)
def submit(
    file: Annotated[str, typer.Argument(help="The inputs: JSON lines, or a table in CSV; - for standard input.")],
    *,
    chain: Chain,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="A name of yours; a job of this name is submitted once.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="openai or anthropic, where the chain's model does not say.")
    ] = None,
    max_cost: Annotated[
        str | None, typer.Option(metavar="USD", help="Send nothing if it can cost more than this.")
    ] = None,
    store: Place = None,
    ledger: Ledger = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Submit a chain over a file of inputs, after saying what it will cost and asking.

    A job of the same name is resumed, not submitted again: a command that was interrupted may simply be repeated.
    """
    from langchain_costguard.batching import submit_batch
    from langchain_costguard.cli.batch_lines import open_inputs
    from langchain_costguard.cli.chains import load_chain

    if file == options.STDIN and not yes:
        message = "the inputs come from standard input, so nobody can be asked there: give --yes"
        raise typer.BadParameter(message, param_hint="--yes")
    runnable = load_chain(chain)
    with open_inputs(file) as inputs:
        job = submit_batch(
            runnable,
            inputs,
            name=name,
            provider=provider,
            store=store,
            config=_watched(ledger),
            confirm=_asking(max_cost, yes=yes),
        )
    _print_status(job.status(), as_json=as_json)


@app.command(epilog=STATUS_EPILOG)
def status(
    job: Job, *, chain: Chain, store: Place = None, ledger: Ledger = None, as_json: options.AsJson = False
) -> None:
    """Ask the provider how a job stands, and do what is due: submit what waited, begin the chain's next step."""
    _print_status(_opened(job, chain, store, ledger).status(), as_json=as_json)


@app.command(epilog=COLLECT_EPILOG)
def collect(
    job: Job,
    *,
    chain: Chain,
    output: Annotated[
        str, typer.Option("--output", metavar="FILE", help="Where the outputs go; - for standard output.")
    ] = options.STDIN,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job is done.")] = False,
    store: Place = None,
    ledger: Ledger = None,
    as_json: options.AsJson = False,
) -> None:
    """Fetch what has ended, finish the chain, and write a line of JSON for each input: its output or its error.

    What it cost stands on standard error; with --json it is printed as JSON, and the outputs need a file.
    """
    from langchain_costguard.cli.batch_lines import output_lines

    if as_json and output == options.STDIN:
        message = "--json prints the sums on standard output: name a file for the outputs with --output"
        raise typer.BadParameter(message, param_hint="--output")
    results = _opened(job, chain, store, ledger).collect(wait=wait)
    _write(output, "".join(f"{line}\n" for line in output_lines(results)))
    if as_json:
        print_json(_sums(results))
    else:
        typer.echo(_summary(results), err=True)
    if results.errors:
        warn(_failures(results))


@app.command(epilog=CANCEL_EPILOG)
def cancel(
    job: Job, *, chain: Chain, store: Place = None, ledger: Ledger = None, as_json: options.AsJson = False
) -> None:
    """Have the provider stop; what it has answered until then is billed, and can be collected."""
    _print_status(_opened(job, chain, store, ledger).cancel(), as_json=as_json)


@app.command("list", epilog=LIST_EPILOG)
def list_(store: Place = None, *, as_json: options.AsJson = False) -> None:
    """Print the jobs of this machine, newest first, as they were left; no provider is asked."""
    from langchain_costguard.batching import list_batches

    jobs = list_batches(store)
    if as_json:
        print_json([_summary_as_dict(job) for job in jobs])
    elif jobs:
        _print_jobs(jobs)
    else:
        typer.echo("No job was submitted from here.")


def _opened(job: str, chain: str, store: str | None, ledger: str | None) -> BatchJob:
    from langchain_costguard.batching import open_batch
    from langchain_costguard.cli.chains import load_chain

    return open_batch(job, load_chain(chain), store=store, config=_watched(ledger))


def _watched(ledger: str | None) -> RunnableConfig:
    """The costs go into a ledger that lasts."""
    from langchain_costguard.callbacks import CostCallbackHandler
    from langchain_costguard.cli.ledgers import lasting_place

    return {"callbacks": [CostCallbackHandler(lasting_place(ledger))]}


def _asking(max_cost: str | None, *, yes: bool) -> Callable[[BatchEstimate], bool]:
    """What is done with the estimate: refuse what is too dear, and ask for the rest."""
    most = None if max_cost is None else _dollars(max_cost)

    def agreed(estimate: BatchEstimate) -> bool:
        typer.echo(str(estimate), err=True)
        if most is not None and (estimate.high is None or estimate.high > most):
            cost = "what it can cost is not known" if estimate.high is None else f"it can cost ${estimate.high:f}"
            fail(f"{cost}, and --max-cost is ${most:f}: raise it, set max_tokens in the chain, or send fewer inputs")
        return yes or typer.confirm("Submit?", err=True)

    return agreed


def _dollars(text: str) -> Decimal:
    from langchain_costguard.budgets.limits import decimal_of

    try:
        amount = decimal_of(text, "--max-cost")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--max-cost") from error
    if not amount.is_finite() or amount < 0:
        message = f"{text!r} is no amount of US dollars: write it like 2.50"
        raise typer.BadParameter(message, param_hint="--max-cost")
    return amount


def _write(output: str, text: str) -> None:
    if output == options.STDIN:
        typer.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{output} cannot be written ({error.strerror}): give another path; nothing is lost, collect again")


def _print_status(told: BatchStatus, *, as_json: bool) -> None:
    from langchain_costguard.reports.money import plain

    if as_json:
        print_json(_status_as_dict(told))
    else:
        for line in str(told).splitlines():
            typer.echo(plain(line))


def _status_as_dict(told: BatchStatus) -> dict[str, Any]:
    rows = [part._asdict() for part in told.parts]
    for row in rows:
        row["expires_at"] = row["expires_at"] and row["expires_at"].isoformat()
    return {**told._asdict(), "is_done": told.is_done, "parts": rows}


def _summary_as_dict(job: BatchSummary) -> dict[str, Any]:
    return {**job._asdict(), "created_at": job.created_at.isoformat()}


def _print_jobs(jobs: list[BatchSummary]) -> None:
    from langchain_costguard.cli.console import print_table
    from langchain_costguard.reports.money import plain

    rows = [
        (
            plain(job.name or job.job_id),
            job.state,
            plain(job.provider),
            f"{job.items:,}",
            f"{job.created_at:%Y-%m-%d %H:%M}",
        )
        for job in jobs
    ]
    print_table(("Job", "State", "Provider", "Items", "Submitted"), rows)


def _summary(results: BatchResults) -> str:
    """What there is and what it cost, in a sentence."""
    done = len(results) - len(results.errors)
    cost = "at a cost that is not known" if results.cost is None else f"for ${results.cost:f}"
    saved = "" if results.saved is None else f", ${results.saved:f} less than at once"
    return f"{done:,} of {len(results):,} outputs {cost}{saved}"


def _failures(results: BatchResults) -> str:
    counts = Counter(error.cause for error in results.errors.values())
    told = ", ".join(f"{count:,} {cause}" for cause, count in sorted(counts.items()))
    return f"without an output: {counted(len(results.errors), 'input')} ({told}); the lines say why"


def _sums(results: BatchResults) -> dict[str, Any]:
    amounts = {"cost": results.cost, "synchronous_cost": results.synchronous_cost, "saved": results.saved}
    return {
        "items": len(results),
        "errors": len(results.errors),
        **{name: None if amount is None else f"{amount:f}" for name, amount in amounts.items()},
        "unpriced": results.unpriced,
        "input_tokens": results.input_tokens,
        "output_tokens": results.output_tokens,
    }
