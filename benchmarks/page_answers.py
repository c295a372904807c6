"""The parts of the page that tell answers: what is kept of their quality, and which are wrong."""

from __future__ import annotations

from typing import Any

from page_parts import Bar, Section, Table, at_least, at_most, nested, number, share

OURS = "ContextCompressor"
SURVIVAL_BARS = {0.5: 0.93, 0.3: 0.88, 0.15: 0.80}
"""For passages alone, by the share that is kept."""


def cascade_replay(found: dict[str, Any]) -> Section:
    """Cascades and rivals on recorded answers."""
    names = ("cut", "quality", "p10", "regret", "escalated", "missed")
    tables = []
    for pair in dict.fromkeys(row["pair"] for row in found["rows"] if not row["pair"].startswith("unc_bench")):
        rows = [[row["method"], *(share(row[name]) for name in names)] for row in found["rows"] if row["pair"] == pair]
        tables.append(Table(pair, ["method", *names], rows))
    return Section(
        f"Recorded answers, {found['splits']} random halvings: calibrated on one half, judged on the other. `cut` is "
        "the cost saved, `quality` a share of the full model's, `p10` its tenth percentile, `regret` the questions "
        "lost, `missed` the share of halves that miss what the row names.",
        tables,
        [Bar(one["name"], one["asked"], one["found"], is_met=one["is_met"]) for one in found["measures"]],
    )


def cascade_end_to_end(found: dict[str, Any]) -> Section:
    """Two real models."""
    alone, ran = found["alone_on_held_out"], found["ran"]
    full = alone["full"]["cost_usd"]
    rows = [
        [
            f"{name} model alone",
            share(one["accuracy"]["share"]),
            number(one["cost_usd"]),
            share(1 - one["cost_usd"] / full),
        ]
        for name, one in alone.items()
    ]
    rows += [
        [f"cascade, {name}", share(one["held_out"]["accuracy"]["share"]), number(one["held_out"]["cost_usd"]),
         share(one["held_out"]["cut"])]
        for name, one in found["targets"].items()
        if "held_out" in one
    ]  # fmt: skip
    return Section(
        f"{found['models']}; {found['questions']['held_out']} held-out questions; prices {found['prices']}. Run as "
        f"'{ran['as']}', of which {share(ran['escalated'])} went to the full model.",
        [Table("", ["way", "right", "US dollars", "saved"], rows)],
    )


def routing(found: dict[str, Any]) -> Section:
    """Routers beside each other."""
    tables = []
    for split, who in found["nine"].items():
        if isinstance(who, dict):
            rows = [
                [
                    name,
                    number(row["score"]),
                    share(row["price"]),
                    " to ".join(f"{gain:+.3f}" for gain in row["gain_95"]),
                ]
                for name, row in who.items()
            ]
            head = ["router", "right", "of the best single model's price", "gain over it, 95 %"]
            tables.append(Table(f"LLMRouter's nine models, 500 held-out questions, {split}", head, rows))
    names = list(dict.fromkeys(who for part in found["two"].values() for who in part["apgr"]))
    rows = [[who, *(number(part["apgr"].get(who)) for part in found["two"].values())] for who in names]
    tables.append(Table("RouteLLM's two models, APGR", ["router", *found["two"]], rows))
    shown = {who: {length: mid for length, (mid, _) in row.items()} for who, row in found["decisions"].items()}
    tables.append(nested(shown, "Milliseconds of a decision, median, by characters of the prompt", "router"))
    return Section(
        "Which model a router picks before anything is asked, and what that is worth on recorded answers. APGR is the "
        "share of the gap between two models that is closed, over all shares of calls to the dearer one.",
        tables,
        [Bar(name, "yes", "yes" if is_met else "no", is_met=is_met) for name, is_met in found["verdicts"].items()],
    )


def compression(found: dict[str, Any]) -> Section:
    """Methods beside each other."""
    tables, bars = [], []
    for form in ("passages alone", "passages under their titles"):
        tables.append(_by_share(found[form], f"Answers that survive, {form}", "survives"))
        bars += _no_worse(found[form], form, "survives")
        over = sum(row["over_bound"] for row in found[form] if row["method"] == OURS)
        bars.append(at_most(f"{form}: contexts of ours over their bound", 0, over, ""))
    bars += _no_worse(found["meetings"], "QMSum", "gold_recall")
    bars += [
        at_least(f"passages alone, {row['share']:.0%} kept: survives", SURVIVAL_BARS[row["share"]], row["survives"], "")
        for row in found["passages alone"]
        if row["method"] == OURS
    ]
    tables.append(_by_share(found["meetings"], "QMSum: the share of the gold turns that is kept", "gold_recall"))
    rows = [[f"{one['model']}: {one['way']}", one["usd"], one["bill"]] for one in found["money"]]
    tables.append(
        Table("Conversations of 8 turns, after the provider's cache", ["model and way", "US dollars", "bill"], rows)
    )
    absent = "" if str(found["trimwise"])[:1].isdigit() else f" trimwise: {found['trimwise']}"
    return Section(
        f"How often an accepted answer still stands in the compressed context, {found['questions']} held-out questions "
        f"of Natural Questions; every method is given the same tokens.{absent}",
        tables,
        bars,
    )


def _no_worse(found: list[dict[str, Any]], what: str, figure: str) -> list[Bar]:
    """Ours against the best of the others, for each share that is kept."""
    bars = []
    for kept in dict.fromkeys(row["share"] for row in found):
        scores = {row["method"]: row[figure] for row in found if row["share"] == kept and figure in row}
        best, who = max((score, name) for name, score in scores.items() if not name.startswith(OURS))
        bars.append(at_least(f"{what}, {kept:.0%} kept: no worse than {who}", best, scores[OURS], ""))
    return bars


def _by_share(found: list[dict[str, Any]], title: str, figure: str) -> Table:
    kept = list(dict.fromkeys(row["share"] for row in found))
    at = {(row["method"], row["share"]): row.get(figure) for row in found}
    rows = [
        [who, *(number(at.get((who, one))) for one in kept)] for who in dict.fromkeys(row["method"] for row in found)
    ]
    return Table(title, ["method", *(f"{one:.0%} kept" for one in kept)], rows)


def compression_end_to_end(found: dict[str, Any]) -> Section:
    """A real model asked three ways."""
    rows = [[way, share(one["right"]), one["prompt_tokens"]] for way, one in found["ways"].items()]
    differences = [
        [name.replace("_", " "), f"{one['difference']:+.3f}", " to ".join(f"{end:+.3f}" for end in one["interval_95"]),
         number(one["mcnemar_p"])]
        for name in ("compressed_vs_full", "compressed_vs_truncated")
        for one in [found[name]]
    ]  # fmt: skip
    return Section(
        f"{found['model']}; {found['questions']} questions, each asked with the whole context, the compressed and the "
        "truncated one.",
        [
            Table("", ["context", "right", "prompt tokens"], rows),
            Table("Differences in right answers", ["pair", "difference", "95 %", "p (McNemar)"], differences),
        ],
    )


def output_limits(found: dict[str, Any]) -> Section:
    """Limits and slimming."""
    tables = []
    if answers := found.get("answers"):
        rows = [
            [name, share(arm["cut"]), " to ".join(share(end) for end in arm["cut_95"]), share(arm["right"]),
             f"{arm['right_difference']:+.3f}", share(arm["truncated"])]
            for name, arm in answers["arms"].items()
        ]  # fmt: skip
        title = (
            f"{answers['workload']}, {answers['arms']['free']['questions']} questions, limit {answers['limit_tokens']}"
        )
        tables.append(Table(title, ["way", "saved", "95 %", "right", "difference", "cut off"], rows))
    if slimmed := found.get("slimming"):
        ways = [name for name in next(iter(slimmed.values())) if name not in {"texts", "tokens"}]
        rows = [
            [text, one["tokens"], *(f"{share(one[way]['saved'])} ({one[way]['lines_changed']})" for way in ways)]
            for text, one in slimmed.items()
        ]
        tables.append(Table("Tokens saved, and lines that say something else", ["prompts", "tokens", *ways], rows))
    return Section("What limits and an instruction to be concise save, and lossless edits of real prompts.", tables)


def semantic_cache_trust(found: dict[str, Any]) -> Section:
    """Caches' rules on traps."""
    tables, bars = [], []
    for name, one in found["embedders"].items():
        rows = {
            who: {"repeats served, %": row["served"], "traps served, %": row["wrong"]}
            for who, row in one["fow_pairs_odd"].items()
        }
        guards = f"{len(one['guards'])} guards" if one.get("guards") else "an earlier set of guards"
        tables.append(nested(rows, f"fow-cache, the half that nothing was fitted on; {name}, {guards}", "rule"))
        tables.append(_streams(name, one))
        kept = one["calibrate_200_splits"]
        bars.append(
            at_least(f"{name}: promises of 90 % kept", 0.9, kept["kept"] / (kept["splits"] - kept["infeasible"]), "")
        )
    times = found["guard_time"]
    guards = f"{times['guards']} of the guards" if "guards" in times else "Guards"
    return Section(
        "Traps are pairs that look alike and need different answers; a cache should serve the repeats and none of the "
        "traps. GPTCache, langchain-redis and RedisVL are their documented thresholds on the same vectors, not "
        f"the packages. {guards} take {number(times['p50_us'])} us a pair (p95 {number(times['p95_us'])}). On "
        "streams of questions the guards cost hits: at the precision of a plain threshold, that threshold finds "
        f"more of the repeats than this package with its default guards in {_lost(found)} comparisons; "
        "`Guards.lenient()` narrows it.",
        tables,
        bars,
    )


_STREAMS = ("qqp", "banking77", "clinc150")
_FINDS = "ours_recall_at_its_precision"


def _rules(stream: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What others' thresholds do on a stream, and ours at the same precision."""
    return {who: row for who, row in stream.items() if isinstance(row, dict) and _FINDS in row}


def _streams(name: str, one: dict[str, Any]) -> Table:
    """Ours beside plain thresholds on streams of questions, each at the threshold's own precision."""
    rows = []
    for stream in _STREAMS:
        loose = _rules(one[stream].get("lenient guards", {}))
        rows += [
            [one[stream]["what"], who, number(row["precision"]), number(row["recall"]), number(row[_FINDS]),
             number(loose[who][_FINDS]) if who in loose else "not measured"]
            for who, row in _rules(one[stream]).items()
        ]  # fmt: skip
    head = ["stream", "rule", "precision, %", "repeats it finds, %", "ours finds, %", "ours, lenient guards, %"]
    return Table(f"Streams, at the precision of each rule; {name}", head, rows)


def _lost(found: dict[str, Any]) -> str:
    rows = [row for one in found["embedders"].values() for stream in _STREAMS for row in _rules(one[stream]).values()]
    return f"{sum(row['recall'] > row[_FINDS] for row in rows)} of {len(rows)}"


def semantic_cache_wrong(found: dict[str, Any]) -> Section:
    """Wrong answers, crossings."""
    first, second = found["wrong_answers"], found["crossings"]
    rows = [
        ["this package", first["wrong"], share(first["exact_repeats_served"]), share(first["paraphrases_served"])],
        *([f"{who} (quoted, not run here)", wrong, "-", "-"] for who, wrong in found["quoted_not_run_here"].items()),
    ]
    beside = f"beside {second['entries']:,} entries"
    return Section(
        f"{first['questions']} different questions behind one system prompt, with {first['paraphrases']} paraphrases "
        f"between; then {second['asked']:,} prompts under other models, tenants, tools and images {beside}.",
        [Table("", ["cache", "wrong of the different questions", "exact repeats served", "paraphrases served"], rows)],
        [
            at_most("different questions answered wrongly", 0, first["wrong"], ""),
            at_least("paraphrases served (a bar for MiniLM)", 0.47, round(first["paraphrases_served"], 3), ""),
            *(at_most(f"{what} {beside}", 0, second[what], "") for what in ("crossed", "lost", "masked")),
        ],
    )
