"""What `python -m langchain_costguard.cli` runs: the program itself."""

from __future__ import annotations

from langchain_costguard.cli.program import main

if __name__ == "__main__":
    main()
