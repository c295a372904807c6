"""What a calibrated cascade saves and keeps on questions it was not calibrated on, replayed from recorded answers.

    python benchmarks/cascade_replay.py [--quick] [--splits 200] [--data FOLDER] [--json FILE]

Every row is the mean over random halvings of recorded questions: `calibrate` fits on one half, `escalates` decides on
the other; nothing of either is copied here. Where no threshold is found (`InfeasibleTargetError`,
`LosingCascadeError`) everything is escalated without asking the mini model, as the errors advise. `cut` is the cost
saved against always asking the full model, `quality` the score as a share of the full model's, `p10` the tenth
percentile of it, `regret` the share of questions lost (kept, mini wrong, full right), `net` the accuracy lost. `missed`
is the share of splits whose held-out half misses what the row names; a held-out half is itself a sample, so that a
promise for the long run at 90 % is missed on more than 10 % of halves, and one for the next so many questions
(`horizon`) on at most 10 %. Costs are the recorded ones; those of unc_bench, which has none, are simulated prices.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cascade_data import Pair, dates, multiple_choice, open_models, two_agree
from cascade_splits import SEED, Decide, Row, above, apgr, below, by_threshold, net_above, replay
from harness import add_data, described, known, needs, parsed, write

from langchain_costguard.cascade import ExpectedRegret, QualityTarget, RegretBound, calibrate
from langchain_costguard.exceptions import LosingCascadeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from langchain_costguard.cascade.targets import AnyTarget

DELTA = 0.1
CALIBRATION_ROWS = 1000
SIMULATED_MINI_SHARE = 0.1
VERIFICATION_SHARE = 0.8
"""What a verification call by qwen2.5-72b cost on TriviaQA, of a gpt-4o answer (measured by the data's authors)."""
RIVALS = Path(__file__).parent / "results" / "cascade_rivals.json"


@dataclass(frozen=True)
class Bar:
    """One measure: what was asked, what was found."""

    name: str
    asked: str
    found: str
    is_met: bool


def targets(horizon: int) -> list[tuple[str, AnyTarget, Callable[[Row], bool]]]:
    """What is asked of the two multiple-choice sets, and when it is missed."""
    next_rows = f"next {horizon}"
    return [
        ("quality 95 %, plug-in", QualityTarget(0.95), below(0.95)),
        ("quality 95 % at 90 %", QualityTarget(0.95, confidence=0.9), below(0.95)),
        (f"quality 95 % at 90 %, {next_rows}", QualityTarget(0.95, confidence=0.9, horizon=horizon), below(0.95)),
        ("regret 5 % at 90 %", RegretBound(0.05), above(0.05)),
        (f"regret 5 % at 90 %, {next_rows}", RegretBound(0.05, horizon=horizon), above(0.05)),
        ("net regret 5 % at 90 %", RegretBound(0.05, net=True), net_above(0.05)),
        (f"net regret 5 % at 90 %, {next_rows}", RegretBound(0.05, net=True, horizon=horizon), net_above(0.05)),
        ("regret 2 % at 90 %", RegretBound(0.02), above(0.02)),
        ("regret 5 % expected", ExpectedRegret(0.05), above(0.05)),
        ("regret 2 % expected", ExpectedRegret(0.02), above(0.02)),
    ]


def rivals(task: str, pair: Pair) -> list[tuple[str, Decide]]:
    """Fixed rules on the same questions: nothing of them is fitted, except the share that random mixing escalates."""
    numbers = np.arange(len(pair))
    numbered = replace(pair, confidence=numbers.astype(float))

    def fixed(escalated: NDArray[Any]) -> Decide:
        return lambda _, asked: escalated[asked.confidence.astype(int)]

    def mixed(known: Pair, asked: Pair) -> NDArray[Any]:
        gap = known.full.mean() - known.mini.mean()
        share = np.clip((0.95 * known.full.mean() - known.mini.mean()) / gap, 0, 1)
        return np.asarray(np.random.default_rng(int(asked.confidence[0])).random(len(asked)) < share)

    listed: list[tuple[str, Decide]] = [
        ("random mixing to 95 %", mixed),
        ("always mini", fixed(numbers < 0)),
        ("oracle", fixed((numbered.mini == 0) & (numbered.full == 1))),
    ]
    if RIVALS.exists():
        said = json.loads(RIVALS.read_text(encoding="utf-8"))
        limit = said["cascadeflow_threshold"]
        for name in ("with_logprobs", "text_only"):
            scores = np.array(said[task][f"cascadeflow_{name}"])
            listed.append((f"cascadeflow gate, {name.replace('_', ' ')}", fixed(scores < limit)))
        listed.append(("LiteLLM complexity router", fixed(np.array(said[task]["litellm_is_above_lowest"]) > 0)))
    return listed


def always_full(pair: Pair) -> Row:
    """The model everything is measured against, asked without asking the mini model first."""
    return Row(pair.name, "always full", cut=0, quality=1, p10=1, regret=0, net=0, escalated=1)


def multiple_choice_part(folder: Path, splits: int) -> tuple[list[Row], list[Bar]]:
    """MMLU and MedMCQA, gpt-4o-mini before gpt-4o, with every rival."""
    asked = {"mmlu": (0.70, 0.61, 0.779), "medmcqa": (0.64, 0.55, 0.772)}
    rows, bars = [], []
    for task, (plug_in, bounded, area) in asked.items():
        pair = multiple_choice(folder, task, "gpt-4o-mini", "gpt-4o")
        found = [
            replay(pair, name, by_threshold(target), splits=splits, is_missed=is_missed)
            for name, target, is_missed in targets(len(pair) - len(pair) // 2)
        ]
        found.append(
            replay(
                pair,
                "regret 5 % at 90 %, from 200 rows",
                by_threshold(RegretBound(0.05)),
                splits=splits,
                known_rows=200,
                is_missed=above(0.05),
            )
        )
        by_name = {row.method.split(", next")[0] + ("+" if "next" in row.method else ""): row for row in found}
        numbered = replace(pair, confidence=np.arange(len(pair), dtype=float))
        found += [
            replay(numbered, name, decide, splits=splits, is_missed=below(0.95)) for name, decide in rivals(task, pair)
        ]
        rows += [*found, always_full(pair)]
        measured = apgr(pair, splits)
        scored = json.loads(RIVALS.read_text(encoding="utf-8"))[task]["litellm_score"] if RIVALS.exists() else None
        of_rival = (
            ""
            if scored is None
            else f"; LiteLLM's score {apgr(replace(pair, confidence=-np.array(scored)), splits):.3f}"
        )
        promised = by_name["quality 95 % at 90 %+"]
        bars += [
            at_least(f"{task}: cut at plug-in 95 %", plug_in, by_name["quality 95 %, plug-in"]),
            at_least(f"{task}: cut at regret <= 5 points, 90 %", bounded, by_name["regret 5 % at 90 %"]),
            Bar(
                f"{task}: APGR",
                f"within .01 of {area}",
                f"{measured:.3f}{of_rival}",
                is_met=abs(measured - area) <= 0.01,
            ),
            Bar(
                f"{task}: 95 % missed on held-out halves",
                f"<= {DELTA:.0%} of splits (plug-in anchor: 41-51 %)",
                f"{promised.missed:.1%} at a cut of {promised.cut:.1%}",
                is_met=(promised.missed or 0) <= DELTA + error(splits),
            ),
        ]
    return rows, bars


def signals_part(folder: Path, splits: int) -> tuple[list[Row], list[Bar]]:
    """Votes of six samples on DATE, and two cheap models on GSM8K."""
    six = dates(folder, 6)
    date_rows = [
        replay(six, name, by_threshold(target), splits=splits, is_missed=below(1))
        for name, target in (
            ("regret 5 % at 90 %", RegretBound(0.05)),
            ("net regret 5 % at 90 %", RegretBound(0.05, net=True)),
            ("quality 100 %, plug-in", QualityTarget(1.0)),
        )
    ]
    agree_rows = [
        replay(
            two_agree(folder, "gpt-4o-2024-05-13", by_length=by_length, asks_third=asks_third),
            method,
            by_threshold(target),
            splits=splits,
            is_missed=below(1),
        )
        for by_length, asks_third, method, target in (
            (False, False, "quality 100 %, plug-in", QualityTarget(1.0)),
            (True, False, "quality 100 %, plug-in", QualityTarget(1.0)),
            (True, False, "regret 2 % at 90 %", RegretBound(0.02)),
            (True, True, "regret 2 % at 90 %", RegretBound(0.02)),
        )
    ]
    date, third, two = date_rows[0], agree_rows[-1], agree_rows[:-1]
    said = "; ".join(f"cut {row.cut:.1%} at {row.quality:.2%}" for row in two)
    found = f"{said}; a third asked where they do not: cut {third.cut:.1%} at {third.quality:.2%}"
    return [*date_rows, *agree_rows], [
        Bar(
            "DATE, 6 samples: quality and cut",
            ">= 100 % at >= 61 %",
            f"quality {date.quality:.1%}, cut {date.cut:.1%}",
            is_met=date.quality >= 1 and round(date.cut, 3) >= 0.61,
        ),
        Bar(
            "GSM8K, two cheap models agreeing",
            ">= 84 % cut at 100 %",
            found,
            is_met=any(row.cut >= 0.84 and row.quality >= 1 for row in two),
        ),
    ]


def guarantee_part(folder: Path, splits: int) -> tuple[list[Row], list[Bar]]:
    """How often the promised regret is exceeded on 9,000 questions after calibrating on 1,000."""
    allowed = DELTA + error(splits)
    bars = []
    rows = [
        replay(
            replace(pair, name=f"unc_bench {pair.name}"),
            f"regret {alpha:.0%} at 90 %",
            by_threshold(RegretBound(alpha)),
            splits=splits,
            known_rows=CALIBRATION_ROWS,
            is_missed=above(alpha),
        )
        for pair in open_models(folder, SIMULATED_MINI_SHARE)
        for alpha in (0.02, 0.05)
    ]
    for task in sorted({row.pair.split()[1] for row in rows}):
        for alpha in (0.02, 0.05):
            missed = [
                row.missed or 0
                for row in rows
                if row.pair.split()[1] == task and row.method.startswith(f"regret {alpha:.0%}")
            ]
            bars.append(
                Bar(
                    f"unc_bench {task}: P(regret > {alpha})",
                    f"<= {DELTA} + Monte-Carlo error = {allowed:.3f}",
                    f"{np.mean(missed):.3f} over {len(missed)} pairs, worst {max(missed):.3f}",
                    is_met=bool(np.mean(missed) <= allowed),
                )
            )
    return rows, bars


def losing_part(folder: Path) -> tuple[list[Row], list[Bar]]:
    """A mini model too dear for its full model is refused before it costs anything."""
    bars = []
    for task in ("mmlu", "medmcqa"):
        pair = multiple_choice(folder, task, "qwen2.5-72b-instruct", "gpt-4o")
        ratio = pair.full_cost.sum() / pair.mini_cost.sum()
        try:
            report = calibrate(
                pair.confidence,
                pair.mini,
                pair.full,
                mini_cost=pair.mini_cost,
                full_cost=pair.full_cost,
                signal_cost=VERIFICATION_SHARE * pair.full_cost,
            )
            said = f"accepted, cut {report.expected_cut:.1%}"
        except LosingCascadeError as error_:
            said = f"refused: {str(error_).split(':')[0]}"
        bars.append(
            Bar(
                f"{task}: qwen2.5-72b -> gpt-4o (price ratio {ratio:.1f}) with a verification call",
                "refused",
                said,
                is_met=said.startswith("refused"),
            )
        )
    return [], bars


def at_least(name: str, asked: float, row: Row) -> Bar:
    """A measure of the cut."""
    return Bar(name, f">= {asked:.0%}", f"{row.cut:.1%} (quality {row.quality:.1%})", is_met=round(row.cut, 3) >= asked)


def error(splits: int) -> float:
    """Two standard errors of a share of 10 % over the splits."""
    return 2 * sqrt(DELTA * (1 - DELTA) / splits)


def print_table(rows: list[Row], bars: list[Bar]) -> None:
    """Both tables."""
    width = max(len(row.method) for row in rows)
    for name in dict.fromkeys(row.pair for row in rows):
        print(f"\n{name}")
        print(f"  {'':<{width}}     cut  quality     p10  regret     net  escal.  missed  refused")
        for row in rows:
            if row.pair == name:
                shares = (row.cut, row.quality, row.p10, row.regret, row.net, row.escalated, row.missed, row.refused)
                shown = "".join(f"{'-':>8}" if share is None else f"{share:>8.1%}" for share in shares)
                print(f"  {row.method:<{width}}{shown}")
    print("\nMeasures")
    for bar in bars:
        print(f"  {'met   ' if bar.is_met else 'MISSED'} {bar.name}: {bar.found} (asked: {bar.asked})")


def document(head: dict[str, Any], rows: list[Row], bars: list[Bar], *, splits: int, seconds: float) -> dict[str, Any]:
    """What was measured, on what."""
    return {
        **head,
        "rivals": known(RIVALS).get("versions"),
        "seed": SEED,
        "splits": splits,
        "seconds": round(seconds, 1),
        "measures": [asdict(bar) for bar in bars],
        "rows": [
            {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(row).items()}
            for row in rows
        ],
    }


def main() -> None:
    """Replay, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--splits", type=int, default=200, help="random halvings per row")
    add_data(parser)
    options = parsed(parser, "cascade_replay", {"splits": 20})
    folder = options.data / "cascade"
    needs(folder)
    began = time.perf_counter()
    parts = [
        multiple_choice_part(folder, options.splits),
        signals_part(folder, options.splits),
        guarantee_part(folder, options.splits),
        losing_part(folder),
    ]
    rows = [row for part, _ in parts for row in part]
    bars = [bar for _, part in parts for bar in part]
    print_table(rows, bars)
    written = document(
        described(options, "numpy"), rows, bars, splits=options.splits, seconds=time.perf_counter() - began
    )
    write(options.json, written)
    print(f"\n{options.splits} splits in {written['seconds']} s, written to {options.json.name}")


if __name__ == "__main__":
    main()
