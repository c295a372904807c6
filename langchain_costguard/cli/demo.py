"""`demo`: a real chain on a real model, priced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from langchain_costguard.cli.console import epilog

if TYPE_CHECKING:
    from langchain_costguard.demo.endpoints import Endpoint

EPILOG: Final = epilog("demo", "demo --base-url http://localhost:11434/v1 --model qwen2.5:7b", "demo --openai")


def demo(
    *,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask an OpenAI-compatible server (Ollama, vLLM ...); needs --model."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model's name at that server.")] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="The environment variable with that server's key, if any.")
    ] = None,
    openai: Annotated[
        bool, typer.Option("--openai", help="Ask OpenAI itself: real money, a few hundredths of a cent.")
    ] = False,
    gpu_price: Annotated[
        str, typer.Option(metavar="USD", help="What an hour of your own hardware costs, in US dollars.")
    ] = "0.10",
    store: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Keep the lines: a path or a URL. Default: memory only.")
    ] = None,
) -> None:
    """Run a real chain on a real model and show what it cost.

    Without options it serves SmolLM2-135M on this machine; where that is not installed it says so and uses a scripted
    stand-in. --openai reads the key from OPENAI_API_KEY.
    """
    from rich.console import Console

    from langchain_costguard.demo.run import run

    endpoint = _endpoint(base_url, model, api_key_env, openai=openai)
    run(Console(), endpoint=endpoint, gpu_price=gpu_price, store=store)


def _endpoint(base_url: str | None, model: str | None, api_key_env: str | None, *, openai: bool) -> Endpoint | None:
    """Who is asked; `None` for the model on this machine."""
    from langchain_costguard.demo.endpoints import at_url, openai_itself
    from langchain_costguard.demo.server import DemoError

    if openai and base_url:
        msg = "--openai and --base-url name two different servers: give one of them"
        raise typer.BadParameter(msg)
    if base_url:
        try:
            return at_url(base_url, model, api_key_env)
        except DemoError as error:
            raise typer.BadParameter(str(error)) from error
    if openai:
        return openai_itself(model)
    if model or api_key_env:
        msg = "--model and --api-key-env belong to a server: add --base-url URL or --openai"
        raise typer.BadParameter(msg)
    return None
