"""Turn the figures of the pipeline's own benchmarks into Markdown tables.

Each function takes the parsed JSON of one file in benchmarks/results and returns Markdown; none reads a file.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.record import markdown_table

Json = Mapping[str, Any]
SHOPS = {"online_retail": "Online Retail", "hm_sample": "H&M sample", "demo": "demo shop"}  # file name -> row name
LEAST_SECONDS = 10  # stages shorter than this are left out of the table of scale
PART_OF_RUN = {"source": "propose", "deep": "propose_network", "network": "train_network", "features": "build_features"}
WORK = {  # row of benchmarks.speed -> what it times
    "demo": "demo shop from nothing",
    "feature": "demo shop, one feature group changed, to metrics.json",
    "nothing": "demo shop, nothing changed",
    "online_retail": "Online Retail from nothing",
    "grocery": "grocery from nothing",
    "competition": "invented shop of the competition's size",
}
STAGES = {"refit": "train_final", "report": "summary", "page": "report"}  # names of earlier runs -> names of today


def format_interval(row: Json, sign: str = "") -> str:
    """Format the 95% interval of a figure.

    >>> format_interval({"low": 0.11, "high": 0.1416})
    '[0.1100, 0.1416]'
    """
    return f"[{row['low']:{sign}.4f}, {row['high']:{sign}.4f}]"


def format_figure(row: Json, sign: str = "") -> str:
    """Format a mean and its 95% interval as one cell."""
    return f"{row['mean']:{sign}.4f} {format_interval(row, sign)}"


def tabulate_shops(runs: Mapping[str, Json | None]) -> str:
    """Make the table of results: a row for each shop, ``not recorded`` where its run is missing.

    ``runs``: name of the shop's file -> {"made_from": ..., "metrics": ...}, None where there is no file.
    """
    header = ["shop", "twelve [95% interval]", "repurchase, then popular", "popular"]
    rows = []
    for name, title in SHOPS.items():
        run = runs.get(name)
        if run is None:
            rows.append([title, "not recorded", "", ""])
            continue
        map12 = run["metrics"]["map12"]
        peers = [f"{map12[peer]['mean']:.4f}" for peer in ("repurchase_popular", "popular")]
        weeks = len(run["metrics"]["by_week"])
        rows.append([f"{title}, {weeks} weeks", format_figure(map12["twelve"]), *peers])
    return markdown_table(header, rows)


def tabulate_shop_details(runs: Mapping[str, Json | None]) -> str:
    """Make the longer table of results: differences, recall of the pool and the score of a perfect ranker."""
    header = ["shop", "twelve minus repurchase, then popular", "twelve minus popular", "recall@100", "perfect ranker"]
    rows = []
    for name, title in SHOPS.items():
        run = runs.get(name)
        if run is None:
            rows.append([title, "not recorded", "", "", ""])
            continue
        metrics = run["metrics"]
        minus = [format_figure(metrics["twelve_minus"][peer], "+") for peer in ("repurchase_popular", "popular")]
        recall = metrics["recall"]
        rows.append([title, *minus, f"{recall['union']['recall@100']:.4f}", f"{recall['oracle_map12']:.4f}"])
    return markdown_table(header, rows)


def tabulate_networks(figures: Json) -> str:
    """Make the table of the pipeline with and without each network."""
    weeks = figures["weeks"]
    rows = [
        [
            name,
            format_figure(row["map12"]),
            "" if name == "none" else format_figure(row.get("minus") or row["minus_none"], "+"),
        ]
        for name, row in figures["rows"].items()
    ]
    return markdown_table([f"networks that are on ({weeks} label weeks)", "MAP@12", "minus none"], rows)


def tabulate_ablation(figures: Json) -> str:
    """Make the tables of the pipeline without each feature group and without each source."""
    tables = []
    for block, title in (("groups", "without the columns of"), ("sources", "without the source")):
        rows = [
            [name, f"{row['map12']['mean']:.4f}", format_figure(row["minus"], "+"), _format_holm(row["minus"])]
            for name, row in figures[block].items()
            if name != "everything"
        ]
        everything = figures[block]["everything"]["map12"]
        rows.insert(0, ["(nothing is left out)", f"{everything['mean']:.4f}", "", ""])
        tables.append(markdown_table([title, "MAP@12", "minus everything", "p (Holm)"], rows))
    return "\n\n".join(tables)


def _format_holm(minus: Json) -> str:
    return f"{minus['holm']:.3f}" if "holm" in minus else ""


def tabulate_tuning(figures: Json) -> str:
    """Make the table of a ranker with and without a search for its models."""
    rows: list[list[str]] = []
    for name, row in figures["rows"].items():
        minus = format_figure(row["minus"], "+") if rows else ""  # the first row is the baseline of the others
        seconds = figures["seconds"][name]
        rows.append([name, format_figure(row["map12"]), minus, f"{seconds['tune']:,.0f} + {seconds['train']:,.0f}"])
    return markdown_table(["ranker", "MAP@12", "minus untuned", "seconds, search + training"], rows)


def tabulate_scale(figures: Json) -> str:
    """Make the table of costs: each stage's cost on the largest shop, and how it grows with the transactions."""
    steps = figures["runs"]["finished"]["steps"]
    old = "page" in steps  # recorded before stages were renamed
    long = {name: step for name, step in steps.items() if step["seconds"] >= LEAST_SECONDS}
    rows = []
    for name, step in sorted(long.items(), key=lambda entry: -entry[1]["seconds"]):
        grows = figures["exponents"].get(name, {})
        cells = [f"{step['seconds']:,.0f}", f"{step['peak_mb']:,}", f"{step['disk_mb']:,.0f}"]
        exponents = [_format_exponent(grows.get(what)) for what in ("seconds", "peak_mb")]
        rows.append([rename_stage(name) if old else name, *cells, *exponents])
    return markdown_table(["stage", "seconds", "peak MB", "disk MB", "exponent of seconds", "of memory"], rows)


def _format_exponent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def rename_stage(name: str) -> str:
    """Return today's name of a stage that was recorded under an earlier one.

    >>> rename_stage("source ease"), rename_stage("refit")
    ('propose ease', 'train_final')
    """
    kind, _, part = name.partition(" ")
    return f"{PART_OF_RUN.get(kind, kind)} {part}" if part else STAGES.get(name, name)


def tabulate_sources(figures: Json) -> str:
    """Make the tables of our sources compared with those of the competition's 11th place."""
    rows = []
    for name, row in figures["sources"].items():
        cells = [_format_recall(row.get(which)) for which in ("theirs", "same rule", "ours")]
        rows.append([f"{name} ({row['nearest']})", *cells])
    header = ["their source (ours)", "recall they published", "their rule on this shop", "our source on this shop"]
    budgets = [
        [most, f"{row['theirs']:.3f}", f"{row['ours']:.3f}", f"{row['a buyer']:.0f}"]
        for most, row in figures["union"].items()
    ]
    union = ["candidates, at most", "recall they published", "our recall on this shop", "candidates we have"]
    return f"{markdown_table(header, rows)}\n\n{markdown_table(union, budgets)}"


def _format_recall(row: Json | None) -> str:
    if not row or row.get("recall") is None:
        return ""
    return f"{row['recall']:.4f}" + (f" {format_interval(row)}" if "low" in row else "")


def tabulate_scoring(figures: Json) -> str:
    """Make the table of rows per second by scorer of the ranker's trees."""
    rows = [
        [row["scorer"], str(row["threads"]), f"{row['rows_per_second']:,.0f}", f"{row['ratio']:.2f}"]
        for row in figures["scorers"]
        if not row["fault"]
    ]
    return markdown_table(["scorer", "threads", "rows per second", "times LightGBM"], rows)


def list_speed_cells(figures: Json) -> list[list[str]]:
    """List the header and the rows of the table of two commits' speed."""
    header = ["work", "repeats", "base, s", "new, s", "ratio [lowest..highest]", "CPU ratio", "base, peak MB",
              "new, peak MB", "target", "reached"]  # fmt: skip
    rows = []
    for name, row in figures["rows"].items():
        wall, sides = row["wall_ratio"], (row["base"], row["new"])
        ratio = f"{wall['mean']:.3f} [{wall['low']:.3f}..{wall['high']:.3f}]"
        peaks = ["" if side["peak_mb"] is None else f"{side['peak_mb']:,.0f}" for side in sides]
        cells = [*(f"{side['wall']:,.1f}" for side in sides), ratio, f"{row['cpu_ratio']['mean']:.3f}", *peaks]
        rows.append(
            [WORK[name], str(row["repeats"]), *cells, _format_target(row["target"]), "yes" if row["reached"] else "no"]
        )
    return [header, *rows]


def _format_target(target: Json) -> str:
    forms = {"ratio": "{:.2f}", "seconds": "{:g} s", "peak_mb": "{:,.0f} MB"}
    return ", ".join(forms[what].format(most) for what, most in target.items())


def tabulate_speed(figures: Json) -> str:
    """Make the table of two commits' speed: seconds and memory of both, and their ratios."""
    header, *rows = list_speed_cells(figures)
    return markdown_table(header, rows)


def list_quality_cells(shops: Sequence[Json]) -> list[list[str]]:
    """List the header and a row per shop of the table of two commits' MAP@12."""
    rows = []
    for row in shops:
        figures = [
            f"{row[name]['mean']:{sign}.4f} [{row[name]['low']:{sign}.4f}, {row[name]['high']:{sign}.4f}]"
            for name, sign in (("base", ""), ("new", ""), ("minus", "+"))
        ]
        weeks, trainings = row["weeks"], row["trainings"]
        rows.append(
            [row["shop"], f"{weeks[0]}..{weeks[-1]}", f"{row['buyers']:,}", f"{trainings['base']}, {trainings['new']}",
             *figures]
        )  # fmt: skip
    return [["shop", "label weeks", "buyers", "trainings of base, new", "base", "new", "new - base"], *rows]


def tabulate_quality(shops: Sequence[Json]) -> str:
    """Make the table of two commits' MAP@12, a row per shop."""
    header, *rows = list_quality_cells(shops)
    return markdown_table(header, rows)


def tabulate_kernels(figures: Json) -> str:
    """Make the table of our kernels compared with plain polars."""
    rows = [
        [name, *(f"{row[who]:,.3f}" if row["unit"] == "s" else f"{row[who]:,.0f}" for who in ("ours", "plain")),
         row["unit"], f"{row['times_as_fast']:.2f}"]
        for name, row in figures["rows"].items()
    ]  # fmt: skip
    return markdown_table(["work", "ours", "plain polars", "unit", "times as fast"], rows)


def tabulate_faults(files: Mapping[str, Json]) -> str:
    """Make the table of kills and shortages: per stage how many were tried, and how many passed each check.

    ``files``: name of the shop's size -> figures.
    """
    rows = []
    for size, figures in files.items():
        stages: dict[str, list[Json]] = {}
        for outcome in figures["outcomes"]:
            stages.setdefault(outcome["stage"], []).append(outcome)
        for name, outcomes in stages.items():
            counts = [str(sum(outcome[what] for outcome in outcomes)) for what in ("expected", "whole", "same")]
            rows.append([rename_stage(name), size, str(len(outcomes)), *counts])
    header = ["stage", "shop", "faults", "ended as expected", "no half-written output", "same bytes after a rerun"]
    return markdown_table(header, rows)
