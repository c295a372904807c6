"""The command line: `langchain-costguard demo | report | explain | estimate | calc | prices | ...`."""

from langchain_costguard.cli.program import app, main

__all__ = ["app", "main"]
