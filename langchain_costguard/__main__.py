"""What `python -m langchain_costguard` runs: the command line."""

from __future__ import annotations

if __name__ == "__main__":
    from langchain_costguard.cli.program import main

    main()
