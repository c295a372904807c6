"""How each semantic cache is filled and asked, and a process that times one: ours and other packages'.

    python benchmarks/semantic_cache_contenders.py SYSTEM ENTRIES [--lookups 500] [--redis URL]

`benchmarks/semantic_cache.py` starts it, rivals with another environment's Python; it prints its figures as JSON.
Every system is given the same questions and the same ready vectors, so no embedding is timed. A question that is asked
by meaning lies at a cosine of about 0.9 from the one that is stored, which must be the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIMS = 384
ANSWER = "The order is refunded within fourteen days to the card it was paid with. " * 8
THRESHOLD = 0.85
BATCHED_FROM = 200_000
BATCH = 1000
_WARM_UP = 20


class System(NamedTuple):
    """A cache of questions with vectors."""

    put: Callable[[list[int], np.ndarray], object]
    """Stores the answers to questions, by their number."""
    exact: Callable[[int], object] | None
    """The answer to a question by its words; `None` where there is no such way."""
    near: Callable[[np.ndarray], str | None]
    """The answer nearest to a vector."""
    server_bytes: Callable[[], int] = lambda: 0
    """What a server takes besides."""


def text_of(number: int) -> str:
    """A stored question."""
    return f"When will order {number} be refunded, and to which card?"


def answer_of(number: int) -> str:
    """Its answer."""
    return f"{number}: {ANSWER}"


def costguard(folder: Path, _: str, *, memory: bool = False) -> System:
    """Ours: the SQLite file and the numpy index."""
    import hashlib

    from langchain_costguard.semantic_cache.index import index_for
    from langchain_costguard.stores.cache_base import CacheEntry
    from langchain_costguard.stores.cache_opening import open_cache_store

    store = open_cache_store("memory" if memory else folder / "cache.db")
    index = index_for(store)
    partition, now_us = b"p" * 32, time.time_ns() // 1000

    def digest(number: int) -> bytes:
        return hashlib.sha256(text_of(number).encode()).digest()

    def put(numbers: list[int], vectors: np.ndarray) -> None:
        store.put(
            [
                CacheEntry(
                    partition, digest(number), answer_of(number).encode(), now_us, now_us + 10**12,
                    text=text_of(number), fingerprint="bench", vector=vector.tobytes(),
                )
                for number, vector in zip(numbers, vectors, strict=True)
            ]
        )  # fmt: skip

    def exact(number: int) -> object:
        return store.get_exact(partition, digest(number), now_us=now_us)

    def near(vector: np.ndarray) -> str | None:
        candidate = index.nearest(partition, "bench", vector, now_us=now_us)[0]
        entry = store.entry(candidate.entry_id, partition, now_us=now_us)
        return None if entry is None or candidate.similarity < THRESHOLD else entry.answer.decode()

    return System(put, exact, near)


def costguard_memory(folder: Path, place: str) -> System:
    """Ours without a file."""
    return costguard(folder, place, memory=True)


def mneme(folder: Path, _: str) -> System:
    """mneme-cache with its SQLite store, given the vectors."""
    from mneme import SemanticCache

    class Embedder:
        name, dim, fingerprint = "bench", DIMS, "bench"

        def embed(self, texts: list[str]) -> Any:  # noqa: ANN401 - never called
            raise NotImplementedError(texts)

    cache = SemanticCache(folder / "mneme.db", Embedder(), similarity_threshold=THRESHOLD)

    def put(numbers: list[int], vectors: np.ndarray) -> None:
        for number, vector in zip(numbers, vectors, strict=True):
            cache.put(text_of(number), answer_of(number), embedding=vector)

    def near(vector: np.ndarray) -> str | None:
        hit = cache.get("something else", embedding=vector)
        return None if hit is None else hit.response

    return System(put, lambda number: cache.get(text_of(number)), near)


def redisvl(_: Path, url: str) -> System:
    """RedisVL's SemanticCache on a Redis with the search module, given the vectors."""
    from redis import Redis
    from redisvl.extensions.cache.llm import SemanticCache
    from redisvl.utils.vectorize import CustomVectorizer

    client = Redis.from_url(url)
    client.flushall()
    vectorizer = CustomVectorizer(embed=lambda *_, **__: [0.0] * DIMS)
    cache = SemanticCache("bench", 1 - THRESHOLD, vectorizer=vectorizer, redis_client=client, overwrite=True)

    def put(numbers: list[int], vectors: np.ndarray) -> None:
        for number, vector in zip(numbers, vectors, strict=True):
            cache.store(text_of(number), answer_of(number), vector=vector.tolist())

    def near(vector: np.ndarray) -> str | None:
        found = cache.check(vector=vector.tolist())
        return found[0]["response"] if found else None

    return System(put, None, near, lambda: int(client.info("memory")["used_memory"]))


def gptcache(folder: Path, _: str) -> System:
    """GPTCache with SQLite and FAISS, given the vectors."""
    from gptcache import Cache, Config
    from gptcache.adapter.api import get, put
    from gptcache.manager import CacheBase, VectorBase, get_data_manager
    from gptcache.similarity_evaluation.distance import SearchDistanceEvaluation

    current: list[np.ndarray] = []
    cache = Cache()
    manager = get_data_manager(
        CacheBase("sqlite", sql_url=f"sqlite:///{folder}/gptcache.db"),
        VectorBase("faiss", dimension=DIMS, index_path=str(folder / "faiss.index")),
        max_size=10_000_000,
    )
    cache.init(
        pre_embedding_func=lambda data, **_: data["prompt"],
        embedding_func=lambda *_, **__: current[0],
        data_manager=manager,
        similarity_evaluation=SearchDistanceEvaluation(),
        config=Config(similarity_threshold=0.8),
    )

    def store(numbers: list[int], vectors: np.ndarray) -> None:
        for number, vector in zip(numbers, vectors, strict=True):
            current[:] = [vector]
            put(text_of(number), answer_of(number), cache_obj=cache)

    def near(vector: np.ndarray) -> str | None:
        current[:] = [vector]
        found: str | None = get("something else", cache_obj=cache)
        return found

    return System(store, None, near)


SYSTEMS = {
    "costguard": costguard,
    "costguard-memory": costguard_memory,
    "mneme": mneme,
    "redisvl": redisvl,
    "gptcache": gptcache,
}


def vectors(count: int) -> Iterator[tuple[list[int], np.ndarray]]:
    """Portions of questions and their vectors: groups of twenty on one subject, and all with a direction in common."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal(DIMS)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        subjects = np.repeat(rng.standard_normal((-(-size // 20), DIMS)), 20, axis=0)[:size]
        made = subjects + 0.9 * rng.standard_normal((size, DIMS)) + common
        yield list(range(start, start + size)), unit(made)


def unit(made: np.ndarray) -> np.ndarray:
    """Rows of length 1, as float32."""
    return (made / np.linalg.norm(made, axis=-1, keepdims=True)).astype(np.float32)


def measure(system: System, count: int, lookups: int) -> dict[str, Any]:
    """Fill a cache and ask it."""
    before = resident_bytes()
    puts, kept = [], []
    rng = np.random.default_rng(1)
    busy = 0.0
    for numbers, made in vectors(count):
        chosen = rng.integers(len(numbers), size=4)
        kept += [(numbers[place], made[place].copy()) for place in chosen]
        groups = [slice(None)] if count >= BATCHED_FROM else [slice(n, n + 1) for n in range(len(numbers))]
        processor = time.process_time()
        for group in groups:
            start = time.perf_counter()
            system.put(numbers[group], made[group])
            puts.append(time.perf_counter() - start)
        busy += time.process_time() - processor
    begun = time.perf_counter()
    system.near(kept[0][1])
    first = time.perf_counter() - begun
    asked = [kept[place] for place in rng.integers(len(kept), size=lookups + _WARM_UP)]
    near, right = [], 0
    for number, vector in asked:
        query = unit(vector + 0.025 * rng.standard_normal(DIMS))
        start = time.perf_counter()
        found = system.near(query)
        near.append(time.perf_counter() - start)
        right += found is not None and found.startswith(f"{number}:")
    figures = {
        "entries": count,
        "put_ms": spread(puts),
        "puts_per_second": round(count / sum(puts)),
        "puts_per_processor_second": round(count / busy),
        "is_batched": count >= BATCHED_FROM,
        "first_lookup_ms": round(first * 1000, 2),
        "semantic_ms": spread(near[_WARM_UP:]),
        "right_share": right / len(asked),
        "resident_mb": round((resident_bytes() - before) / 1e6, 1),
        "server_mb": round(system.server_bytes() / 1e6, 1),
    }
    if system.exact is not None:
        exact = []
        for number in rng.integers(count, size=lookups + _WARM_UP).tolist():
            start = time.perf_counter()
            found_exactly = system.exact(number)
            exact.append(time.perf_counter() - start)
            assert found_exactly is not None
        figures["exact_ms"] = spread(exact[_WARM_UP:])
    return figures


def spread(seconds: list[float]) -> dict[str, float]:
    """Milliseconds: the median and the slowest hundredth."""
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
    return {"p50": round(float(p50), 4), "p99": round(float(p99), 4)}


def resident_bytes() -> int:
    """What this process holds in memory; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Time one system."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("entries", type=int)
    parser.add_argument("--lookups", type=int, default=500)
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        system = SYSTEMS[options.system](Path(name), options.redis)
        print(json.dumps(measure(system, options.entries, options.lookups)))


if __name__ == "__main__":
    main()
