"""What is exported is what was recorded, and what is imported is all of it or nothing."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.cost import PriceSource
from langchain_costguard.exceptions import LedgerFormatError
from langchain_costguard.exports import (
    FORMAT_VERSION,
    Exported,
    Imported,
    export_entries,
    import_entries,
    read_jsonl,
    write_jsonl,
)
from langchain_costguard.ledger import LedgerEntry, LedgerQuery
from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.testing.lines import full_entry, random_lines
from langchain_costguard.testing.stores import MORNING, make_entry
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_costguard.ledger import CallStatus

GOOD = {"version": 1, "run_id": str(UUID(int=7)), "started_at_us": 5, "kind": "chat", "status": "ok"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the export goes."""
    return tmp_path / "costs.jsonl"


def round_trip(*entries: LedgerEntry, with_digests: bool = True) -> list[LedgerEntry]:
    """The lines after a stay in a file."""
    file = io.StringIO()
    assert write_jsonl(entries, file, with_digests=with_digests) == len(entries)
    file.seek(0)
    return list(read_jsonl(file))


# -- there and back --------------------------------------------------------------------------------------------------


def test_every_field_comes_back_as_it_was(path: Path) -> None:
    """An archive is read years later, when nobody can ask what was meant."""
    lines = [full_entry(), LedgerEntry(run_id=uuid4(), started_at_us=0), *random_lines(200)]
    assert write_jsonl(lines, path, with_digests=True) == 202
    assert list(read_jsonl(path)) == lines
    assert round_trip(*lines) == lines


texts = st.text(st.characters(blacklist_categories=[]) | st.sampled_from('\x00\n\r\u2028\x85\ud800"\\'))
plain = texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@given(
    text=texts,
    number=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    metadata=st.dictionaries(texts, plain),
    usage=st.none() | st.builds(TokenUsage, *[st.integers(0, 2**63 - 1)] * 8, flags=st.lists(texts).map(tuple)),
    billed=st.none() | st.integers(0, 10**16),
    digests=st.lists(st.binary()).map(tuple),
    calls=st.integers(0, 2**63 - 1),
)
def test_no_text_and_no_figure_is_lost_in_a_file(
    text: str,
    number: int,
    metadata: dict[str, Any],
    usage: TokenUsage | None,
    billed: int | None,
    digests: tuple[bytes, ...],
    calls: int,
) -> None:
    """Users call things what they like, and a line break in a name must not break a line."""
    line = make_entry(
        chain=text,
        user=text,
        tags=(text,),
        started_at_us=number,
        metadata=metadata,
        usage=usage,
        billed_nano=billed,
        prefix_digests=digests,
        calls=calls,
        price=PriceSource(text, text, text, text, text, text),
    )
    assert round_trip(line) == [line]


def test_money_is_whole_nano_dollars_and_keys_say_their_units() -> None:
    """A float in an archive is a cent that nobody finds again."""
    file = io.StringIO()
    write_jsonl([full_entry()], file)
    floats: list[str] = []
    line = json.loads(file.getvalue(), parse_float=floats.append)
    assert floats == ["0.1"]  # a value of the user's own metadata
    assert next(iter(line)) == "version"
    assert {key for key in line if key.endswith("_nano_usd")} == {
        f"{name}_nano_usd" for name in ("billed", "list", "reported", "avoided", "baseline", "savings")
    }
    assert line["usage"]["cache_write_1h_tokens"] == 4
    assert (line["billed_nano_usd"], line["latency_us"], line["busy_ns"], line["calls"]) == (11, 16, 20, 19)


def test_unknown_and_free_stay_apart() -> None:
    """`None` is not zero in a file either."""
    unknown = make_entry(billed_nano=None, usage=None, latency_us=None)
    free = make_entry(billed_nano=0, usage=TokenUsage(), latency_us=0, calls=0)
    assert round_trip(unknown, free) == [unknown, free]


def test_digests_leave_the_ledger_only_on_request() -> None:
    """They are made with one store's key; elsewhere they compare with nothing, and need not be there."""
    line = full_entry()
    assert round_trip(line, with_digests=False) == [replace(line, prompt_digest=None, prefix_digests=())]
    assert round_trip(line) == [line]


def test_values_json_has_no_word_for_become_text() -> None:
    """`NaN` in a file is an error in every other program."""
    (line,) = round_trip(make_entry(metadata={"score": float("nan"), "size": Decimal("1.5"), "most": float("inf")}))
    assert line.metadata == {"score": "nan", "size": "1.5", "most": "inf"}


def test_files_can_be_joined(path: Path, tmp_path: Path) -> None:
    """Twelve months are twelve files, and `cat` makes a year of them."""
    lines = random_lines(4)
    write_jsonl(lines[:2], path)
    write_jsonl(lines[2:], tmp_path / "second.jsonl")
    path.write_bytes(path.read_bytes() + b"\n" + (tmp_path / "second.jsonl").read_bytes())
    assert list(read_jsonl(path)) == lines


def test_an_empty_ledger_makes_an_empty_file(path: Path) -> None:
    """Nothing was called, and that can be archived, too."""
    assert write_jsonl([], path) == 0
    assert list(read_jsonl(path)) == []


# -- files -----------------------------------------------------------------------------------------------------------


def test_an_export_that_fails_leaves_the_last_one(path: Path) -> None:
    """A full disk at night must not cost last month's archive."""

    def broken() -> Iterator[LedgerEntry]:
        yield make_entry()
        raise OSError(28, "No space left on device")

    write_jsonl([full_entry()], path)
    before = path.read_bytes()
    with pytest.raises(OSError, match="No space left"):
        write_jsonl(broken(), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_only_the_user_can_read_an_export(path: Path) -> None:
    """The ledger is closed to others; its copy names the same users."""
    write_jsonl([make_entry()], path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_and_read_as_it_is(tmp_path: Path) -> None:
    """`costguard export >(gzip)` names a pipe, which must not be replaced by a file."""
    pipe, lines = tmp_path / "pipe", random_lines(3)
    os.mkfifo(pipe)
    writer = threading.Thread(target=write_jsonl, args=(lines, pipe))
    writer.start()
    with pipe.open("rb") as file:
        found = list(read_jsonl(file))
    writer.join()
    assert found == lines
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_damaged_pipe_gives_nothing(tmp_path: Path) -> None:
    """It can be read once only, and is checked to its end all the same."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(f"{json.dumps(GOOD)}\nnot a line\n",))
    writer.start()
    with pipe.open(encoding="utf-8") as file, pytest.raises(LedgerFormatError, match="Line 2 "):
        read_jsonl(file)
    writer.join()


def test_a_file_is_read_from_where_it_stands() -> None:
    """Somebody may have read a heading of their own before."""
    file = io.StringIO()
    file.write("# exported on a Sunday\n")
    write_jsonl([make_entry(run_id=UUID(int=1))], file)
    file.seek(0)
    file.readline()
    assert [line.run_id for line in read_jsonl(file)] == [UUID(int=1)]


def test_a_byte_order_mark_is_no_fault(path: Path) -> None:
    """Windows editors put one there."""
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert [line.run_id for line in read_jsonl(path)] == [UUID(int=7)]


# -- bad files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"run_id": "seven"}, "run_id cannot be 'seven'"),
        ({"run_id": None}, "run_id cannot be None"),
        ({"billed_nano_usd": 0.5}, "billed_nano_usd cannot be 0.5"),
        ({"billed_nano_usd": True}, "billed_nano_usd cannot be True"),
        ({"billed_nano_usd": "5"}, "billed_nano_usd cannot be '5'"),
        ({"calls": -1}, "calls cannot be -1"),
        ({"status": "fine"}, "status cannot be 'fine'"),
        ({"kind": 5}, "kind cannot be 5"),
        ({"usage": {"uncached_input": 5}}, "usage cannot be {'uncached_input': 5}"),
        ({"usage": {"flags": "bad"}}, "usage cannot be"),
        ({"price": {"source": "x"}}, "price cannot be"),
        ({"tags": "checkout"}, "tags cannot be 'checkout'"),
        ({"metadata": {"a": [1]}}, "metadata cannot be"),
        ({"metadata": {"a": None}}, "metadata cannot be"),
        ({"prompt_digest": "xyz"}, "prompt_digest cannot be 'xyz'"),
        ({"user": 5}, "user cannot be 5"),
        ({"chain": "x" * 100_000, "user": ["x" * 100_000]}, r"user cannot be \['x+\.\.\."),
        ({"cost": 5}, "unknown key 'cost'"),
        ({"version": None}, "names no version"),
        ({"version": "1"}, "names no version"),
        ({"version": 0}, "names no version"),
    ],
)
def test_a_line_that_is_not_as_it_was_written_is_named(path: Path, change: dict[str, Any], fault: str) -> None:
    """A file edited by hand, or another program's, must not become a cost."""
    path.write_text(f"{json.dumps(GOOD)}\n\n{json.dumps({**GOOD, **change})}\n", encoding="utf-8")
    with pytest.raises(LedgerFormatError, match=rf"Line 3 .*{fault}.*: mend it, remove it, or export again") as caught:
        read_jsonl(path)
    assert caught.value.line == 3
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b'"text"',
        b"[]",
        b"\xff\xfe{\x00}\x00",
        b'{"version": 1, "started_at_us": NaN}',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_what_is_no_json_line_is_named(path: Path, text: bytes) -> None:
    """A file that was cut off, or is no export at all."""
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + text)
    with pytest.raises(LedgerFormatError, match=r"Line 2 .* export again") as caught:
        read_jsonl(path)
    assert caught.value.line == 2


@pytest.mark.parametrize("key", ["run_id", "started_at_us", "kind", "status"])
def test_a_line_without_what_every_line_has_is_named(path: Path, key: str) -> None:
    """Otherwise it would be booked as a call at some moment."""
    path.write_text(json.dumps({name: value for name, value in GOOD.items() if name != key}), encoding="utf-8")
    with pytest.raises(LedgerFormatError, match=f"it has no {key}"):
        read_jsonl(path)


def test_a_line_of_a_newer_release_is_refused_with_the_update_that_reads_it(path: Path) -> None:
    """Half understanding it would drop what the newer release added."""
    path.write_text(json.dumps({**GOOD, "version": FORMAT_VERSION + 1, "colour": "red"}), encoding="utf-8")
    with pytest.raises(LedgerFormatError, match=r"Line 1 was written by a newer release .*: pip install --upgrade"):
        read_jsonl(path)


def test_a_damaged_file_imports_nothing_at_all(path: Path) -> None:
    """Half an import cannot be told from a whole one by its sums."""
    store = InMemoryStore()
    write_jsonl(random_lines(50), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LedgerFormatError, match="Line 50 "):
        import_entries(store, read_jsonl(path))
    assert store.totals()[0].calls == 0


# -- into another ledger ---------------------------------------------------------------------------------------------


def test_a_ledger_moves_into_another_line_by_line(path: Path, tmp_path: Path) -> None:
    """A laptop's SQLite becomes a team's database; no sum may change on the way."""
    lines = random_lines(300)
    with SQLStore(tmp_path / "old.db") as old, SQLStore(tmp_path / "new.db") as new:
        for line in lines:
            old.append(line)
        write_jsonl(old.entries(), path)
        assert import_entries(new, read_jsonl(path)) == (300, 0, 0)
        assert list(new.entries()) == list(old.entries())
        assert new.totals(by=["model", "day"]) == old.totals(by=["model", "day"])
        final = sum(line.status in {"ok", "cached", "error"} for line in lines)
        assert 0 < final < 300
        assert import_entries(new, read_jsonl(path)) == (0, 300, 0)
        assert list(new.entries()) == list(old.entries())


def test_a_line_that_is_there_is_not_doubled_and_not_changed() -> None:
    """An export of last month and one of last year overlap."""
    store, line = InMemoryStore(), make_entry()
    store.append(line)
    done = import_entries(store, [replace(line, billed_nano=5), make_entry(billed_nano=0)])
    assert (done.new, done.known) == (1, 1)
    assert store.totals()[0].billed_cost == Decimal("0.00021")


@pytest.mark.parametrize("status", ["open", "cancelled", "lost"])
def test_an_older_export_does_not_undo_what_became_of_a_call(tmp_path: Path, status: CallStatus) -> None:
    """The file knows the call as unfinished; the ledger knows more, or has it running."""
    with SQLStore(tmp_path / "costs.db") as store:
        running = make_entry(status="open", usage=None, billed_nano=None)
        given_up = make_entry(at=MORNING + timedelta(seconds=1), status="cancelled", billed_nano=7)
        store.open_call(running)
        store.append(given_up)
        before = list(store.entries())
        older = [replace(line, status=status, billed_nano=1) for line in before]
        assert import_entries(store, older) == (0, 2, 0)
        assert list(store.entries()) == before
        assert store.orphans() == []


def test_a_call_that_had_not_ended_is_lost_until_its_end_is_imported() -> None:
    """Nobody will end it in the new ledger, but a later export may bring its end."""
    store = InMemoryStore()
    opened = make_entry(status="open", usage=None, billed_nano=None)
    assert import_entries(store, [opened]) == (1, 0, 0)
    (line,) = store.entries()
    assert (line.status, line.unpriced_reason) == ("lost", "it had not ended when it was exported")
    assert store.totals()[0].unpriced_calls == 1
    ended = replace(opened, status="ok", billed_nano=5)
    assert import_entries(store, [ended]) == (1, 0, 0)
    assert list(store.entries()) == [ended]


def test_a_database_is_never_replaced_by_an_export(tmp_path: Path) -> None:
    """The ledger itself is one suffix away from the file that was meant."""
    database = tmp_path / "costs.db"
    with SQLStore(database) as store:
        store.append(make_entry())
        for place in (database, f"{database}-wal"):
            with pytest.raises(FileExistsError, match="it is a SQLite database: give another path"):
                write_jsonl(store.entries(), place)
        assert len(list(store.entries())) == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_was_pruned_is_not_counted_again_by_an_import(kind: str, path: Path, tmp_path: Path) -> None:
    """A backup from before `prune` must neither double the bill nor bring the names back."""
    store = InMemoryStore(max_entries=1) if kind == "memory" else SQLStore(tmp_path / "costs.db")
    old, new = make_entry(user="u1"), make_entry(at=MORNING + timedelta(days=1))
    write_jsonl([old, new], path)
    with store:
        store.append(old)
        assert store.pruned_until_us() is None
        assert store.prune(MORNING + timedelta(days=1)) == 1
        for _ in range(3):  # more than memory remembers run ids
            store.append(make_entry(at=MORNING + timedelta(days=1), billed_nano=0))
        assert import_entries(store, read_jsonl(path)) == Imported(new=1, known=0, pruned=1)
        assert store.totals()[0].billed_cost == Decimal("0.00042")
        assert store.totals(LedgerQuery(user="u1"))[0].calls == 0


def test_the_end_of_a_call_that_pruning_spared_is_imported(tmp_path: Path) -> None:
    """It is in no sum yet: given-up calls stay a week longer than others for just this."""
    given_up = make_entry(status="lost", usage=None, billed_nano=None)
    with SQLStore(tmp_path / "costs.db") as store:
        store.append(given_up)
        store.append(make_entry())
        assert store.prune(MORNING + timedelta(days=1)) == 1
        ended = replace(given_up, status="ok", billed_nano=5)
        assert import_entries(store, [ended]) == Imported(new=1, known=0, pruned=0)
        assert store.totals()[0].billed_cost == Decimal("0.000210005")


def test_an_export_says_how_many_calls_are_in_no_line(path: Path, tmp_path: Path) -> None:
    """A file that seems to be the whole ledger, and is not, is found out when the ledger is gone."""
    with SQLStore(tmp_path / "costs.db") as store:
        store.append(make_entry(calls=3))
        store.append(make_entry(at=MORNING + timedelta(days=1)))
        assert export_entries(store, path) == Exported(lines=2, calls_only_in_sums=0)
        store.prune(MORNING + timedelta(days=1))
        assert export_entries(store, path) == Exported(lines=1, calls_only_in_sums=3)
        later = LedgerQuery(since=MORNING + timedelta(days=1))
        assert export_entries(store, path, query=later) == Exported(lines=1, calls_only_in_sums=0)
    folding = InMemoryStore(max_entries=1)
    for _ in range(3):
        folding.append(make_entry())
    assert export_entries(folding, path) == Exported(lines=1, calls_only_in_sums=2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latency_us", -1),
        ("first_token_us", -1),
        ("started_at_us", 253_402_300_800_000_000),
        ("started_at_us", -62_135_596_800_000_001),
        ("billed_nano_usd", -1),
        ("billed_nano_usd", 10**16 + 1),
        ("list_nano_usd", 10**16 + 1),
        ("avoided_nano_usd", -(10**16) - 1),
        ("calls", 2**63),
        ("usage", {"uncached_input_tokens": 2**63}),
    ],
)
def test_a_value_that_no_call_has_is_refused_with_its_line(path: Path, key: str, value: object) -> None:
    """One such line breaks every later report, or puts a refund nobody gave into the bill."""
    path.write_text(f"{json.dumps(GOOD)}\n{json.dumps({**GOOD, key: value})}\n", encoding="utf-8")
    with pytest.raises(LedgerFormatError, match=f"Line 2 .*{key} cannot be") as caught:
        read_jsonl(path)
    assert caught.value.line == 2


def test_the_outermost_possible_values_are_read(path: Path) -> None:
    """What is refused is impossible, not just unusual: an adjustment may give money back."""
    lines = [
        make_entry(kind="adjustment", calls=0, usage=None, billed_nano=-(10**16)),
        LedgerEntry(run_id=uuid4(), started_at_us=-62_135_596_800_000_000, billed_nano=10**16, latency_us=0),
        LedgerEntry(run_id=uuid4(), started_at_us=253_402_300_799_999_999, billed_nano=0),
    ]
    write_jsonl(lines, path)
    assert list(read_jsonl(path)) == lines


def test_a_compressor_that_made_a_prompt_longer_comes_back(path: Path) -> None:
    """What is exported is imported: a file with a negative figure that it holds itself would be no archive."""
    lines = [make_entry(techniques=("compression",), saved_input_tokens=-3)]
    write_jsonl(lines, path)
    assert list(read_jsonl(path)) == lines
