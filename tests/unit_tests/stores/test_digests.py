"""Prompts are kept as digests under a key that belongs to one store: comparable in it, meaningless outside it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import uuid4

from langchain_costguard import PriceBook, TokenUsage
from langchain_costguard.recorder import Outcome, Recorder, StartedCall
from langchain_costguard.stores import InMemoryStore, SQLStore

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.stores import LedgerStore

PROMPT = "The patient's name is Ada. " * 400
"""Longer than two of the blocks whose digests are kept."""


def digests(store: LedgerStore) -> tuple[bytes, ...]:
    """What one store keeps of the prompt."""
    call = StartedCall(uuid4(), "chat", PROMPT, str)
    call.request_model, call.provider = "gpt-4o", "openai"
    outcome = Outcome("ok", TokenUsage(5))
    line = Recorder(store, PriceBook()).book(call, outcome, call.started_ns)
    assert line.prompt_digest is not None
    (found,) = [each for each in store.entries() if each.run_id == call.run_id]
    assert (found.prompt_digest, found.prefix_digests) == (line.prompt_digest, line.prefix_digests)
    return (line.prompt_digest, *line.prefix_digests)


def test_two_stores_keep_different_digests_of_one_prompt(tmp_path: Path) -> None:
    """Whoever gets two ledgers, or an export, cannot tell by the digests who asked the same."""
    with SQLStore(tmp_path / "one.db") as one, SQLStore(tmp_path / "two.db") as two:
        kept = [digests(store) for store in (one, two, InMemoryStore(), InMemoryStore())]
    assert [len(each) for each in kept] == [3] * 4
    assert len({digest for each in kept for digest in each}) == 3 * 4


def test_one_store_keeps_equal_digests_of_equal_prompts_after_it_was_closed(tmp_path: Path) -> None:
    """Repeats are found over months and many processes, because the key stays with the ledger."""
    with SQLStore(tmp_path / "costs.db") as store:
        first = digests(store)
    with SQLStore(tmp_path / "costs.db") as store:
        assert digests(store) == first


def test_a_digest_cannot_be_made_without_the_key() -> None:
    """A plain hash of a short prompt is found by trying; a keyed one is not."""
    store, data = InMemoryStore(), PROMPT.encode()
    kept = digests(store)[0]
    assert kept == hashlib.blake2b(data, key=store.digest_key, digest_size=16).digest()
    assert kept != hashlib.blake2b(data, digest_size=16).digest()
    assert kept != hashlib.blake2b(data, key=InMemoryStore().digest_key, digest_size=16).digest()
