"""Files of inputs as spreadsheets and other systems write them, read or refused with the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer

from langchain_costguard.cli.batch_lines import open_inputs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("name", "text"), [("a.csv", "question\r\nhello\r\n"), ("a.jsonl", '{"question": "hello"}')])
def test_a_mark_of_the_encoding_is_no_part_of_the_first_word(name: str, text: str, tmp_path: Path) -> None:
    """Spreadsheets write it, and the first column then had a name that no prompt asks for."""
    file = tmp_path / name
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    with open_inputs(str(file)) as inputs:
        assert list(inputs) == [{"question": "hello"}]


def test_a_cell_that_is_too_long_is_refused_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Python's reader of tables takes 131,072 characters; beyond them a traceback was printed."""
    file = tmp_path / "a.csv"
    file.write_text("question\n" + "x" * 200_000 + "\n", encoding="utf-8")
    with pytest.raises(typer.Exit), open_inputs(str(file)) as inputs:
        list(inputs)
    assert "cannot be read (field larger than field limit" in capsys.readouterr().err


def test_a_line_nested_too_deep_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same."""
    file = tmp_path / "a.jsonl"
    file.write_text("1\n" + "[" * 100_000, encoding="utf-8")
    with pytest.raises(typer.Exit), open_inputs(str(file)) as inputs:
        list(inputs)
    assert "line 2 of" in capsys.readouterr().err
