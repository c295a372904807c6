"""The parts of the page that tell money: what is claimed and saved, who may spend it, and what is paid twice."""

from __future__ import annotations

from typing import Any

from claims_data import CLAIMS
from page_parts import Bar, Section, Table, at_least, at_most, nested, number, share


def claims(found: dict[str, Any]) -> Section:
    """Claims beside what was measured."""
    rows = []
    for one in found["summary"]:
        claim = CLAIMS[one["claim"]]
        said = "varies" if claim.low is None or claim.high is None else f"{claim.low:.0%} to {claim.high:.0%}"
        figures = (share(one[name]) for name in ("median", "median_of_all", "worst", "best"))
        rows.append([f"{claim.name}: {one['way']}", said, one["data_sets"], *figures, number(one["worst_quality"])])
    return Section(
        "What is claimed of each technique, and what it took off the bill with its own costs: the median over the data "
        "sets the claim is about and over all of them, the worst and the best of all, and the worst quality (a share "
        "of the answers without it, or as [savings](savings.md) says). Below zero it cost more than it saved.",
        [Table("", ["claim, and how", "claimed", "sets", "median", "of all", "worst", "best", "worst quality"], rows)],
    )


def budgets(found: dict[str, Any]) -> Section:
    """Budgets beside each other."""
    tables = [_races(found["race"])] if found.get("race") else []
    if found.get("sub_cent"):
        tables.append(
            nested(
                found["sub_cent"],
                "30,000 calls of $0.00004 on $1.00: 25,000 may run; rivals are stopped after a while",
                "budget",
                _plain,
            )
        )
    if found.get("speed_alone_us"):
        rows = {
            f"{name}: {step}": row for name, steps in found["speed_alone_us"].items() for step, row in steps.items()
        }
        tables.append(nested(rows, "One call alone, microseconds", "store: what is done"))
    if found.get("contention"):
        tables.append(
            nested(found["contention"], "32 contenders reserve, settle and write lines without a pause", "store")
        )
    if found.get("guarded_added_us"):
        cases = found["guarded_added_us"]
        rows = {who: {case: cases[case][who]["cpu_us"] for case in cases} for who in next(iter(cases.values()))}
        tables.append(
            nested(rows, "Microseconds of CPU that guarding adds to a call; first the call itself", "callback")
        )
    bars = [
        Bar(name, f"<= {number(one['bar'])}", number(one["measured"]), is_met=one["is_met"])
        for name, one in found.get("bars", {}).items()
    ]
    return Section(
        "A limit of $1.00, calls of $0.01 to a provider that takes 5 ms, 640 attempts by 32 contenders: exactly 100 "
        "may run, and each one more is 1 % overspent. Rivals are called as their documentation does it. Measured on: "
        f"{'; '.join(_when(name, at) for name, at in found['measured'].items())}.",
        tables,
        [*(_exact(found["race"]) if found.get("race") else []), *bars],
    )


def _when(name: str, at: dict[str, Any]) -> str:
    """When a section was measured, and beside how many other processes."""
    load = f", load {at['load'][0]}" if at["load"] else ""
    note = f" ({at['note']})" if "note" in at else ""
    return f"{name} {at['date'][:10]}{load}{note}"


def _races(found: dict[str, list[dict[str, Any]]]) -> Table:
    rows = []
    for name, runs in found.items():
        middle = sorted(one["wall_s"] for one in runs)[len(runs) // 2]
        ran = ", ".join(str(one["ran"]) for one in runs)
        most = max(one["overspend_percent"] for one in runs)
        waits = max(one["worst_wait_ms"] for one in runs)
        rows.append([name, ran, f"{most} %", number(middle), number(waits), sum(one["errors"] for one in runs)])
    return Table("The race", ["budget", "ran", "worst overspend", "seconds", "worst wait, ms", "errors"], rows)


def _exact(found: dict[str, list[dict[str, Any]]]) -> list[Bar]:
    ours = ("memory", "SQLite", "PostgreSQL", "Valkey", "SQLite with headroom", "Valkey with headroom")
    most = max(one["overspend_percent"] for name in ours for one in found[name])
    fewest = min(one["ran"] for name in ours for one in found[name])
    return [
        at_most("overspent in any race, by any store of ours", 0, most, "%"),
        at_least("calls that ran of 100 that may", 100, fewest, ""),
    ]


def _plain(figure: Any) -> str:  # noqa: ANN401 - a number of any kind
    return f"{figure:,}"


def prompt_caching(found: dict[str, Any]) -> Section:
    """A plan beside what is done without."""
    rows = []
    for one in found["simulated"]:
        for each in one["rows"]:
            shares = (share(each[name]) for name in ("saved_of_bill", "read_of_input", "written_of_input"))
            rows.append([f"{one['model']}, {one['workload']}", each["by"], *shares])
    tables = [Table("", ["model and traffic", "by", "saved of the bill", "read", "written"], rows)]
    bars = []
    if isinstance(found["real"], dict):
        first, stamped = (found["real"][name]["read_of_input"] for name in ("static first", "id in front"))
        bars = [
            at_least("a real model, what is static first: read from the cache", 0.99, found["real"]["static first"]
                     ["read_of_prefix_approx"], "of the prefix"),
            at_most("a real model, an id in front: read from the cache", 0.01, stamped, "of the input"),
        ]  # fmt: skip
        rows = [["what is static first", share(first)], ["an id in front", share(stamped)]]
        tables.append(Table("SmolLM2, served by llama.cpp", ["prompt", "input read from the cache"], rows))
    return Section(f"{found['about']}. Left alone, a call to Claude caches nothing.", tables, bars)


_CRASHED = {"paid_again": "paid again", "lost": "lost"}


def batch_jobs(found: dict[str, Any]) -> Section:
    """Jobs that are killed."""
    rows = []
    for name, one in found["crashes"].items():
        if "kills" in one:
            rows.append([name, one["kills"], one["all_once"], one["paid_again"], one["lost"]])
        else:
            rows.append([name, one.get("not_run") or one.get("undisturbed"), "-", "-", "-"])
    tables = [Table("", ["by", "kills", "ended with each item paid once", "items paid again", "items lost"], rows)]
    scale, ours = found.get("scale"), found["crashes"].get("costguard", {})
    bars = [at_most(f"items of ours {what}", 0, ours[name], "") for name, what in _CRASHED.items() if name in ours]
    if scale:
        seconds = ", ".join(f"{name} {scale[f'{name}_s']} s" for name in ("submit", "wait", "collect"))
        said = [
            f"{scale['requests']:,}",
            f"{scale['delivered']:,}",
            scale["cost"],
            scale["billed"],
            seconds,
            scale["peak_mb"],
        ]
        tables.append(Table("At scale", ["requests", "delivered", "our cost", "billed", "time", "peak MB"], [said]))
        bars.append(at_most("items answered twice at scale", 0, scale["answered_again"], ""))
    return Section(
        "A job of six items in two files is killed at each of its requests to a provider of its own, and run again the "
        "way its documentation says.",
        tables,
        bars,
    )


def advisor(found: dict[str, Any]) -> Section:
    """Advice beside oracles, streams and a large ledger."""
    tables, bars = [], []
    if planted := found.get("planted"):
        tables.append(nested(planted["by_kind"], f"Planted opportunities, {planted['seeds']} ledgers", "technique"))
        bars.append(at_most("ledgers in which the advice exceeds the oracle", 0, planted["above_oracle"], ""))
        bars.append(at_most("false advice, of the bill", 0.01, planted["false_advice_share"]["most"], ""))
    if streams := found.get("streams"):
        rows = [
            [f"{one['stream']}, {'a cache a user' if one['tenant'] else 'one cache'}",
             *(f"{float(one[name]):.4f}" for name in ("bill", "predicted", "measured", "rival_counting_duplicates"))]
            for one in streams["rows"]
        ]  # fmt: skip
        head = ["stream", "bill, $", "predicted, $", "measured, $", "counting duplicates, $"]
        tables.append(Table(f"Real streams of {streams['questions']:,} questions", head, rows))
    if scale := found.get("scale"):
        lines = f"{scale['lines']:,} lines"
        bars.append(at_most(f"advice on {lines}", scale["bar_seconds"], scale["seconds"], "s"))
        bars.append(at_most(f"memory for {lines}", scale["bar_mb"], scale["mb"], "MB"))
    return Section(
        "Whether advice finds what an oracle knows of, sizes it rightly, and predicts what a cache then saves.",
        tables,
        bars,
    )
