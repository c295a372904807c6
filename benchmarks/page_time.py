"""The parts of the page that tell times: of tracking, pricing, counting, keeping, asking, and of what is put around."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from page_parts import Bar, Section, Table, at_least, at_most, nested, number

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = "langchain-costguard"
CORE = "langchain-core UsageMetadataCallbackHandler"
IMPORT_BAR_MS = 60


def overhead(found: dict[str, Any]) -> Section:
    """Callbacks on a model that answers at once."""
    cases = found["added_microseconds_per_call"]
    rows = {who: {case: cases[case][who]["cpu_us"] for case in cases} for who in cases["invoke"]}
    ours, core = rows[f"{OURS}, memory"], rows[CORE]
    hooks = found["configure_hooks"]
    measured = f" ({found['import']['date'][:10]})" if "date" in found["import"] else ""
    return Section(
        "Microseconds of CPU per call that a callback adds to a chat model that answers at once, with usage; the first "
        "row is the call itself. A stream has 51 chunks.",
        [nested(rows, "", "callback")],
        [
            *(at_most(f"{case}, no more than LangChain's own handler", core[case], ours[case], "us") for case in ours),
            at_most(
                f"importing the main names, over langchain_core{measured}",
                IMPORT_BAR_MS,
                found["import"]["added_ms"],
                "ms",
            ),
            at_most(
                f"hooks that {hooks['uses']:,} uses leave behind", 0, hooks["hooks_after"] - hooks["hooks_before"], ""
            ),
        ],
    )


def pricing(found: dict[str, Any]) -> Section:
    """Contenders on the same usages."""
    rows = found["us_per_calculation"]
    worst = max(row[OURS] for row in rows.values())
    turned = {
        who.strip(): {case: row[who] for case, row in rows.items() if who in row} for who in next(iter(rows.values()))
    }
    return Section(
        f"Microseconds of CPU to price one call, {found['usages']:,} distinct usages, nothing remembered; the answers "
        "of genai-prices are the same to the last digit, which is asserted.",
        [nested(turned, "", "contender")],
        [at_most("the dearest kind of call", found["bar_us"], worst, "us")],
    )


def tokens(found: dict[str, Any]) -> Section:
    """Errors of the ways to count."""
    tables = []
    for encoding, methods in found["error_percent"].items():
        rows = [
            [name, *(f"{one['median']:+.1f} ({one['min']:+.0f} to {one['max']:+.0f})" for one in kinds.values()),
             kinds["all"]["too_low"]]
            for name, kinds in methods.items()
        ]  # fmt: skip
        tables.append(
            Table(f"Error in per cent, {encoding}", ["method", *next(iter(methods.values())), "too low"], rows)
        )
    nothing = found["first_answer_ms"]["nothing"]
    slowest = max(nothing["first_bound_ms"], nothing["first_count_ms"])
    return Section(
        f"How far a count of tokens is from tiktoken's, before the call, over {sum(found['texts'].values()):,} texts: "
        "the median, the least and the largest error in per cent; below zero is too low.",
        tables,
        [
            at_most("texts the upper bound is too low for", 0, found["under_estimates_by_the_bound"], ""),
            at_most("first answer with no vocabulary installed", 50, slowest, "ms"),
        ],
    )


def store(found: dict[str, Any]) -> Section:
    """Stores beside each other."""
    rows = {name: {**row, "sums, ms": found["totals_ms"][name]} for name, row in found["us_per_line"].items()}
    return Section(
        "Microseconds to keep one line of the ledger, its opening note included: the mean, the processor's share, the "
        "median and the slowest hundredth; and the milliseconds that its sums by day and model take afterwards.",
        [nested(rows, "", "store")],
        [at_most("SQLite, mean", found["bar_us"], found["us_per_line"]["SQLite"]["mean"], "us")],
    )


def report(found: dict[str, Any]) -> Section:
    """Reports beside pandas."""
    by_lines = found["by_lines"]
    tables = [
        nested(
            {
                who: {"seconds": row["seconds"], "of the processor": row["cpu"], "MB": row["mb"]}
                for who, row in rows.items()
            },
            f"{int(lines):,} lines",
            "question",
        )
        for lines, rows in by_lines.items()
    ]
    lines, largest = max(by_lines.items(), key=lambda one: int(one[0]))
    ours = {name: row for name, row in largest.items() if not name.startswith("pandas")}
    return Section(
        "What a question to a SQLite ledger of 90 days takes, in a process of its own; the rival is what people do "
        "without this package, pandas over the same columns.",
        tables,
        [
            at_most(
                f"by day and model, {int(lines):,} lines",
                found["bar_seconds"],
                ours["by day and model"]["seconds"],
                "s",
            ),
            at_most("most memory of any question", found["bar_mb"], max(row["mb"] for row in ours.values()), "MB"),
        ],
    )


def cascade_overhead(found: dict[str, Any]) -> Section:
    """Cascades beside fallbacks."""
    added, quoted = found["added_us_per_accepted_answer"], found["quoted_not_run_here_us"]
    titles = {"untracked": "Nobody tracks", "track_costs": "Inside track_costs()"}
    worst = max(us for row in added["untracked"].values() for who, us in row.items() if who.startswith("Cascade"))
    said = "; ".join(f"{who} {', '.join(f'{case} {us:,}' for case, us in row.items())}" for who, row in quoted.items())
    return Section(
        "Microseconds of CPU that a cascade adds to a model call whose answer it accepts, by the length of the prompt; "
        f"the first row is the bare call. Quoted from another machine, not run here: {said}.",
        [nested(_turned(added[name]), title, "contender") for name, title in titles.items()],
        [at_most("the dearest cascade, untracked", found["bar_us"], worst, "us")],
    )


def semantic_cache(found: dict[str, Any]) -> Section:
    """Caches beside each other."""
    head = ["system", "entries", "exact, ms", "by meaning, ms", "p99, ms", "right", "puts a second", "MB"]
    rows = []
    for who, sizes in found["systems"].items():
        for one in sizes:
            if "failed" in one:
                rows.append([who, f"{one['entries']:,}", one["failed"], *["-"] * 5])
                continue
            near, exact = one["semantic_ms"], one.get("exact_ms", {}).get("p50")
            mb = one["resident_mb"] + one["server_mb"]
            rows.append(
                [who, f"{one['entries']:,}", number(exact), number(near["p50"]), number(near["p99"]),
                 f"{one['right_share']:.0%}", f"{one['puts_per_second']:,}", number(mb)]
            )  # fmt: skip
    return Section(
        "Milliseconds of a lookup by the same words and by meaning, given ready vectors; what storing takes; memory. "
        "`costguard` keeps a SQLite file.",
        [Table("", head, rows)],
        list(_cache_bars(found)),
    )


def _cache_bars(found: dict[str, Any]) -> list[Bar]:
    bars = []
    near_bars = {name: bar for name, bar in found["bars_ms"].items() if name != "exact"}
    for one in found["systems"].get("costguard", []):
        if "failed" in one:
            continue
        size = f"{one['entries']:,} entries"
        bars.append(at_most(f"exact, {size}", found["bars_ms"]["exact"], one["exact_ms"]["p50"], "ms"))
        if (bar := near_bars.get(str(one["entries"]))) is not None:
            bars.append(at_most(f"by meaning, {size}", bar, one["semantic_ms"]["p50"], "ms"))
        bars.append(at_least(f"stored, {size}", found["bar_puts_per_second"], one["puts_per_second"], "a second"))
    return bars


def batching(found: dict[str, Any]) -> Section:
    """`run_many` beside `batch` and `abatch`."""
    rows, crash = found["microseconds_per_call"], found["crash"]
    plain = rows["langchain abatch"]["cpu_us"]
    shown = {who: {"CPU, us": row["cpu_us"], "times abatch": row["cpu_us"] / plain} for who, row in rows.items()}
    worst = max(rows[who]["cpu_us"] for who in ("run_many", "arun_many")) / plain
    return Section(
        f"Microseconds of CPU per call of a model that answers at once, {found['calls']:,} calls, "
        f"{found['side_by_side']} side by side. `abatch` prices nothing; tracked, it does. After kill -9 in the middle "
        f"of {crash['items']:,} calls, {crash['kept_at_the_crash']:,} were kept, and the second run asked "
        f"{crash['requests_after']:,}.",
        [nested(shown, "", "contender")],
        [
            at_most("the dearer of run_many and arun_many, times abatch", found["bar_times_abatch"], worst, ""),
            at_most("asked twice although kept", 0, crash["asked_twice_although_kept"], ""),
        ],
    )


def middleware(found: dict[str, Any]) -> Section:
    """Middleware beside LangChain's own."""
    calls = found["calls_mini_and_full"]
    rows = [[who, number(us), calls[who]] for who, us in found["added_us_per_model_call"].items()]
    return Section(
        "Microseconds of CPU per model call that middleware adds to an agent whose model answers at once; the first "
        "row is the agent without any. Beside it the calls that one run makes to the small and the large model.",
        [Table("", ["agent with", "us per model call", "calls, small + large"], rows)],
    )


def _turned(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows and columns changed about."""
    return {who: {case: row[who] for case, row in found.items() if who in row} for row in found.values() for who in row}
