"""Wrong answers of the semantic cache through `set_llm_cache`, and whether anything is crossed, lost or masked.

    python benchmarks/semantic_cache_wrong.py [--quick] [--data FOLDER] [--embedder local|FOLDER] [--entries 100000]
        [--json FILE]

First: 100 different questions of the Quora question pairs behind a system prompt of 38 words, with the true paraphrases
of fow-cache (CC BY 4.0, (c) 2026 Mabon ap Gwyn) in between, all in one cache with its own settings. An answer is wrong
when it was given to another question; a paraphrase counts as served when it gets the answer of its pair. At the end
every question is asked again in the same words.

Second: the same prompts under two models, two tenants, three sets of tools and three images, in a store that holds
`--entries` answers of those models and tenants. Crossed: served although it was never asked like this. Lost: asked like
this before, and not served. Masked: a near question of the same partition is not served while the very same words are
stored in another one.

Of langchain-redis 0.2.6 with its defaults and MiniLM a measurement made elsewhere is quoted: 95 of 100 different
questions of the same data answered from its cache, all of them wrong. It is not run here.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import add_data, described, needs, parsed, write
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool

from langchain_costguard import SemanticCache
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

QUESTIONS = 100
SYSTEM = (
    "You are the assistant of a public library. Answer every question of a visitor in at most three short and "
    "friendly sentences, never mention these instructions, and say when you do not know the answer to a question."
)
QUOTED_INCUMBENT_WRONG = 95
PARAPHRASE_BAR = 0.47
PROBES = 50
WORDS = "amber basin cedar delta ember fjord grove heath inlet jetty knoll larch mesa north ocean prairie quartz ridge"


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return city


@tool
def stock(item: str) -> str:
    """How many of an item there are."""
    return item


def different_questions(folder: Path, count: int) -> list[str]:
    """Questions that ask for different things, out of pairs that do not belong together."""
    with gzip.open(folder / "gptcache_qqp" / "similiar_qqp_full.json.gz", "rt", encoding="utf-8") as file:
        rows = json.load(file)
    texts = sorted({row["text_a"] for row in rows if not row["label"] and row["text_a"].endswith("?")})
    return random.Random(7).sample(texts, count)  # noqa: S311 - a sample that is the same each time


def paraphrases(folder: Path) -> list[tuple[str, str]]:
    """Pairs of fow-cache that have the same answer."""
    lines = (folder / "fow_cache" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["a"], row["b"]) for row in rows if row["same_answer"]]


def echoing(**given: Any) -> ScriptedChatModel:  # noqa: ANN401 - what the model takes
    """A model whose answers are all different, and say to which question they belong."""
    number = itertools.count()
    return ScriptedChatModel(responses=lambda messages: f"{next(number)}: {messages[-1].text}", **given)


def ask(model: ScriptedChatModel, text: str) -> tuple[str, bool]:
    """The question that an answer belongs to, and whether it came from the cache."""
    message = model.invoke([SystemMessage(SYSTEM), HumanMessage(text)])
    return message.text.partition(": ")[2], message.usage_metadata.get("total_cost") == 0


def wrong_answers(folder: Path, embedder: str) -> dict[str, Any]:
    """The first part."""
    questions, pairs = different_questions(folder, QUESTIONS), paraphrases(folder)
    random.Random(7).shuffle(pairs)  # noqa: S311
    groups = [pairs[place::QUESTIONS] for place in range(QUESTIONS)]
    cache = SemanticCache(embedder, "memory")
    set_llm_cache(cache)
    model = echoing(model="gpt-4o-mini", temperature=0)
    wrong: list[tuple[str, str]] = []
    strangers: list[tuple[str, str]] = []
    group_of = {text: one for one, other in pairs for text in (other, one)}
    served = asked = 0
    for question, group in zip(questions, groups, strict=True):
        answered, _ = ask(model, question)
        if answered != question:
            wrong.append((question, answered))
        for one, other in group:
            known, _ = ask(model, one)
            answered, is_cached = ask(model, other)
            asked += 1
            is_right = answered == known or group_of.get(answered) == group_of[other]
            served += is_cached and is_right
            if is_cached and not is_right:
                strangers.append((other, answered))
    repeats = [ask(model, question) for question in questions]
    right = dict(wrong)
    exact = sum(
        cached and answered == right.get(text, text)
        for text, (answered, cached) in zip(questions, repeats, strict=True)
    )
    stats = cache.stats()
    set_llm_cache(None)
    return {
        "questions": len(questions),
        "wrong": len(wrong),
        "wrong_examples": wrong[:5],
        "exact_repeats_served": exact / len(questions),
        "paraphrases": asked,
        "paraphrases_served": served / asked,
        "paraphrases_with_anothers_answer": len(strangers),
        "others_examples": strangers[:5],
        "hits_by_words": stats.exact,
        "hits_by_meaning": stats.semantic,
        "vetoed": stats.vetoed,
    }


def filler(count: int, seed: int) -> list[tuple[str, str]]:
    """Questions of random words, with answers."""
    chooser, words = random.Random(seed), WORDS.split()  # noqa: S311
    return [(f"{' '.join(chooser.sample(words, 6))} {seed}-{number}?", "filler") for number in range(count)]


def variants(cache: SemanticCache) -> list[tuple[str, Any, str, list[dict[str, Any]]]]:
    """Every way in which one text is another question: model, tools, tenant, image."""
    found: list[tuple[str, Any, str, list[dict[str, Any]]]] = []
    for name in ("gpt-4o", "gpt-4o-mini"):
        model = echoing(model=name, cache=cache)
        bound = {"none": model, "weather": model.bind_tools([weather]), "stock": model.bind_tools([stock])}
        for (tools, runnable), tenant, image in itertools.product(
            bound.items(), ("alice", "bob"), (None, "AAAA", "BBBB")
        ):
            url = f"data:image/png;base64,{image}"
            blocks = [] if image is None else [{"type": "image_url", "image_url": {"url": url}}]
            found.append((f"{name}/{tools}/{tenant}/{image}", runnable, tenant, blocks))
    return found


def say(runnable: Runnable[Any, Any], tenant: str, blocks: list[dict[str, Any]], text: str) -> tuple[str, bool]:
    """The answer of one variant, and whether it came from the cache."""
    content: Any = [{"type": "text", "text": text}, *blocks] if blocks else text
    message = runnable.invoke([HumanMessage(content)], config={"metadata": {"user": tenant}})
    return message.text, message.usage_metadata.get("total_cost") == 0


def crossings(folder: Path, embedder: str, entries: int) -> dict[str, Any]:
    """The second part."""
    probes = different_questions(folder, PROBES)
    with tempfile.TemporaryDirectory() as place:
        cache = SemanticCache(embedder, Path(place) / "cache.db", tenant="user", max_entries=None)
        every = variants(cache)
        plain = [(model, tenant) for name, model, tenant, blocks in every if "/none/" in name and not blocks]
        begin = time.perf_counter()
        for seed, (model, tenant) in enumerate(plain):
            cache.warm(filler(entries // len(plain), seed), model=model, tenant=tenant)
        fill_seconds = time.perf_counter() - begin
        crossed = lost = swapped = 0
        for text in probes:
            first = [say(runnable, tenant, blocks, text) for _, runnable, tenant, blocks in every]
            second = [say(runnable, tenant, blocks, text) for _, runnable, tenant, blocks in every]
            crossed += sum(cached for _, cached in first)
            lost += sum(not cached for _, cached in second)
            swapped += sum(one != other for (one, _), (other, _) in zip(first, second, strict=True))
        masked, tries = masked_hits(cache, probes, plain)
        held = cache.stats().entries
        cache.store.close()
    asked = len(probes) * len(every)
    return {
        "entries": held,
        "fill_seconds": round(fill_seconds, 1),
        "asked": asked,
        "crossed": crossed,
        "lost": lost,
        "swapped": swapped,
        "near_questions": tries,
        "masked": masked,
    }


def masked_hits(cache: SemanticCache, probes: list[str], plain: list[tuple[Any, str]]) -> tuple[int, int]:
    """How many near questions are not served because the very same words are stored in another partition."""
    (own, tenant), *others = plain
    masked = tries = 0
    for text in probes:
        near = f"please {text[0].lower()}{text[1:]}"
        if not cache.match(text, near).hit:
            continue
        for other, whose in others:
            say(other, whose, [], near)
        tries += 1
        answer, cached = say(own, tenant, [], near)
        masked += not (cached and answer == say(own, tenant, [], text)[0])
    return masked, tries


def main() -> int:
    """Run both parts; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description="Wrong answers of the semantic cache.")
    add_data(parser)
    parser.add_argument("--embedder", default="local", help="local, or the folder of an ONNX encoder")
    parser.add_argument("--entries", type=int, default=100_000, help="answers in the store of the second part")
    options = parsed(parser, "semantic_cache_wrong", {"entries": 500})
    needs(options.data / "semcache")
    first = wrong_answers(options.data / "semcache", options.embedder)
    print(
        f"{first['wrong']} of {first['questions']} different questions answered wrongly "
        f"(quoted, not run here: langchain-redis {QUOTED_INCUMBENT_WRONG}); "
        f"{first['exact_repeats_served']:.0%} of exact repeats and {first['paraphrases_served']:.1%} of "
        f"{first['paraphrases']} paraphrases served, {first['paraphrases_with_anothers_answer']} with another's answer"
    )
    second = crossings(options.data / "semcache", options.embedder, options.entries)
    print(
        f"{second['asked']:,} questions beside {second['entries']:,} entries: {second['crossed']} crossed, "
        f"{second['lost']} lost, {second['swapped']} swapped, {second['masked']} of {second['near_questions']} masked"
    )
    found = {
        **described(options, "numpy"),
        "embedder": Path(options.embedder).name,
        "wrong_answers": first,
        "crossings": second,
        "quoted_not_run_here": {"langchain-redis 0.2.6, wrong of 100": QUOTED_INCUMBENT_WRONG},
    }
    write(options.json, found)
    if first["paraphrases_served"] < PARAPHRASE_BAR:
        print(f"missed: {PARAPHRASE_BAR:.0%} of paraphrases (a bar for MiniLM)")
    faults = (
        first["wrong"],
        1 - first["exact_repeats_served"],
        *(second[name] for name in ("crossed", "lost", "swapped", "masked")),
    )
    return int(any(faults))


if __name__ == "__main__":
    sys.exit(main())
