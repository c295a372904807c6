"""`estimate`: what a prompt will cost, before it is sent."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import epilog, fail, print_json, warn_if_stale

EPILOG: Final = epilog(
    "estimate prompt.txt --model gpt-4o-mini",
    "estimate prompt.txt --model gpt-4o --model claude-sonnet-4-5 --max-output-tokens 500",
    "estimate - --model gpt-4o --json < prompt.txt",
)


def estimate(
    file: Annotated[str, typer.Argument(help="The prompt as text; - for standard input.")],
    *,
    model: Annotated[list[str], typer.Option(metavar="NAME", help="A model; repeat it to compare several.")],
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who serves the model, where its name does not say.")
    ] = None,
    max_output_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="The longest an answer may be. Default: the model's own limit."),
    ] = None,
    expected_output_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="How long an answer usually is.")
    ] = None,
    prices: options.PriceFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what a prompt will cost, as a range in US dollars; nothing is sent anywhere.

    The range runs from an answer of no length to the longest one. A model whose price is not known ends the command
    with exit code 1, after the others were estimated.
    """
    from langchain_costguard.estimates import estimate_cost

    book = options.price_book(prices)
    prompt = options.read_text(file)
    if not prompt.strip():
        fail(f"{'standard input' if file == options.STDIN else file} holds no prompt: give a text")
    try:
        made = estimate_cost(
            prompt,
            model,
            max_output_tokens,
            provider=provider,
            prices=book,
            expected_output_tokens=expected_output_tokens,
        )
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        print_json(made.to_dict())
    else:
        typer.echo(str(made))
    warn_if_stale(book.catalog)
    unknown = [each.model for each in made if each.low is None]
    if unknown:
        fail(book.why_unpriced(unknown[0], provider))
