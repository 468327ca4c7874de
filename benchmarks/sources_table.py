"""Compare this project's candidate sources with those of the competition's 11th place.

Run ``python -m benchmarks.sources_table`` where the graph has run; ``--folder`` names another project, such as a
folder of ``benchmarks.scale``. In the last validation week, each of their published sources is compared with the same
rule on this shop and with the most similar source of this project. Both are truncated to the published number of
candidates per buyer. Further tables give the union's recall by number of candidates, and MAP@12 from the evaluation.
"""

import argparse
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks import eleventh_place, record
from benchmarks.eleventh_place import SOURCES
from retail import metrics, paths, stage, weeks
from retail import params as parameters
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.params import Params
from retail.ragged import pair_codes
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.engine.proposals import load_state
from stage1_candidates.pool import read_candidates
from stage1_candidates.pooling import fusion

DRAWS = 1000  # bootstrap samples of the buyers
WAYS = ("theirs", "same rule", "ours")
HEADER = ["source", *[f"{name}: {way}" for name in ("a buyer", "recall", "hit ratio") for way in WAYS]]
NOTE = (
    "theirs: published by the 11th place for the competition's data, week of 2020-09-16. same rule: computed from this "
    "shop's log (benchmarks/eleventh_place.py). ours: the most similar source of params.yaml, in brackets; empty if it "
    "is off. Lists are truncated to the published number of candidates per buyer. The fused list of all our sources "
    "has as many candidates as the seven rules together. Compare ours with the same rule. The published figure gives "
    "the order of magnitude only: a shop with fewer articles and buyers is easier, and an invented shop differs. "
    "Intervals: 95%, bootstrap over buyers."
)


def truncate(best: Lists, each: float) -> Lists:
    """Truncate every row to n entries, with the smallest n whose mean length per row is closest to ``each``."""
    sizes = np.diff(best.ptr)
    longer = len(sizes) - np.cumsum(np.bincount(sizes))  # rows with more than 0, 1, ... entries
    means = np.cumsum(longer) / max(len(sizes), 1)  # mean entries per row if each keeps at most 1, 2, ...
    most = int(np.argmin(np.abs(means - each))) + 1
    kept = fusion.ranks(best) <= most
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(sizes, most))])
    return Lists(ptr, best.target[kept], best.weight[kept])


def propose_ours(name: str, history: History, shop: Shop, users: Array, params: Params) -> Lists | None:
    """Propose up to LONGEST candidates by this project's source or network ``name``; None if it is off."""
    if name not in source.proposing(params):
        return None
    module, settings = source.load(name, params)
    longer = settings.model_copy(update={"take": eleventh_place.LONGEST})
    return Loaded(module, longer, load_state(name, history.week)).propose(history, shop, users)


def find_hits(best: Lists, bought: Array) -> Array:
    """Find which entries were bought: (n,) bool; ``bought``: codes of the pairs (row, item) of the truth."""
    return np.isin(pair_codes(best.key_of_rows(), best.target), bought)


def measure(best: Lists, bought: Array, seed: int) -> dict[str, float]:
    """Measure candidates per buyer, recall with its interval, and hit ratio (hits / candidates)."""
    hit = find_hits(best, bought)
    hits_per_row = np.bincount(best.key_of_rows()[hit], minlength=best.keys)
    bought_per_row = np.bincount((bought >> np.uint64(32)).astype(np.int64), minlength=best.keys)
    draws = np.random.default_rng(seed).poisson(1.0, (DRAWS, best.keys))  # how often each draw contains each buyer
    low, high = metrics.interval(draws @ hits_per_row / np.maximum(draws @ bought_per_row, 1))
    recall, hit_ratio = float(hit.sum() / len(bought)), float(hit.sum() / max(len(hit), 1))
    return {"a buyer": len(hit) / best.keys, "recall": recall, "low": low, "high": high, "hit ratio": hit_ratio}


def compare_sources(
    history: History, shop: Shop, users: Array, bought: Array, params: Params
) -> dict[str, dict[str, Any]]:
    """Compare the sources: published source -> way -> figures; "nearest" names ours. The last row is the union."""
    rows: dict[str, dict[str, Any]] = {}
    by_rule = []
    for name, published in SOURCES.items():
        each = published.rows / eleventh_place.BUYERS
        nearest = propose_ours(published.nearest, history, shop, users, params)
        by_rule.append(truncate(published.rule(history, shop, users), each))
        rows[name] = {
            "nearest": published.nearest,
            "theirs": {"a buyer": each, "recall": published.recall, "hit ratio": published.hit_ratio},
            "same rule": measure(by_rule[-1], bought, params.seed),
            "ours": None if nearest is None else measure(truncate(nearest, each), bought, params.seed),
        }
    union = measure(unite(by_rule), bought, params.seed)
    as_many = truncate(fuse_stored(history.week, users, params, eleventh_place.LONGEST), union["a buyer"])
    rows["all of them"] = {
        "nearest": "all",
        "theirs": {"a buyer": None, "recall": eleventh_place.UNION, "hit ratio": None},
        "same rule": union,
        "ours": measure(as_many, bought, params.seed),
    }
    return rows


def unite(parts: Sequence[Lists]) -> Lists:
    """Unite lists: each row's articles in any of them."""
    codes = np.unique(np.concatenate([pair_codes(best.key_of_rows(), best.target) for best in parts]))
    ptr = np.searchsorted(codes >> np.uint64(32), np.arange(parts[0].keys + 1))
    return Lists(ptr.astype(np.int64), codes.astype(np.uint32), np.ones(len(codes), np.float32))


def fuse_stored(week: int, users: Array, params: Params, take: int) -> Lists:
    """Fuse the sources' stored proposals, as the pool does, into the ``take`` best articles per row."""
    proposed = {name: read_candidates(name, week, users) for name in source.proposing(params)}
    return fusion.fuse(proposed, params.pool.model_copy(update={"take": take}))


def measure_budgets(week: int, users: Array, bought: Array, params: Params) -> dict[int, dict[str, float]]:
    """Measure the union's recall: candidates per buyer, at most -> published recall, ours, our number of candidates."""
    best = fuse_stored(week, users, params, max(eleventh_place.BUDGETS))
    hit, rank = find_hits(best, bought), fusion.ranks(best)
    return {
        k: {
            "theirs": recall,
            "ours": float(hit[rank <= k].sum() / len(bought)),
            "a buyer": float((rank <= k).sum() / len(users)),
        }
        for k, recall in eleventh_place.BUDGETS.items()
    }


def format_cells(rows: Mapping[str, dict[str, Any]]) -> list[list[str]]:
    """Format the rows of the table of sources."""
    return [
        [
            f"{name} ({row['nearest']})",
            *[_format_figure(row[way], "a buyer", ".1f") for way in WAYS],
            *[_format_figure(row[way], "recall", ".4f") + _format_interval(row[way]) for way in WAYS],
            *[_format_figure(row[way], "hit ratio", ".4f") for way in WAYS],
        ]
        for name, row in rows.items()
    ]


def _format_figure(figures: Mapping[str, Any] | None, name: str, form: str) -> str:
    return "" if figures is None or figures[name] is None else f"{figures[name]:{form}}"


def _format_interval(figures: Mapping[str, Any] | None) -> str:
    return "" if figures is None or "low" not in figures else f" [{figures['low']:.4f}, {figures['high']:.4f}]"


def format_quality(evaluation: Mapping[str, Any]) -> list[list[str]]:
    """Format a row per list: its name, MAP@12, the interval, and twelve's difference from it with the interval."""
    rows = []
    for name, mean in evaluation["map12"].items():
        minus = evaluation["twelve_minus"].get(name)
        difference = "" if minus is None else f"{minus['mean']:+.4f} [{minus['low']:+.4f}, {minus['high']:+.4f}]"
        rows.append([name, f"{mean['mean']:.4f}", f"[{mean['low']:.4f}, {mean['high']:.4f}]", difference])
    return rows


def plot(rows: Mapping[str, dict[str, Any]], budgets: Mapping[int, dict[str, float]]) -> Figure:
    """Plot each source's recall three ways with intervals, and the union's recall over its number of candidates."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    axes, curve = figure.subplots(1, 2, width_ratios=(2, 1))
    place = np.arange(len(rows))
    for k, way in enumerate(WAYS):
        figures = [row[way] or {"recall": 0.0} for row in rows.values()]
        recall = np.array([row["recall"] for row in figures])
        errors = [
            np.array([abs(row.get(end, row["recall"]) - row["recall"]) for row in figures]) for end in ("low", "high")
        ]
        axes.barh(place + (k - 1) * 0.27, recall, 0.25, xerr=errors, label=way)
    axes.set_yticks(place, list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("recall at the published number of candidates")
    axes.legend()
    for way, colour in (("theirs", "C0"), ("ours", "C2")):  # the bars' colours
        curve.plot(list(budgets), [row[way] for row in budgets.values()], colour, marker="o")
    curve.set(xlabel="candidates per buyer", ylabel="recall of the union", ylim=(0, None))
    curve.grid(alpha=0.3)
    return figure


def main() -> None:
    """Measure the sources of a finished run; print and write the tables and the plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sources_table", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(), help="project in which the graph has run (%(default)s)")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    out, began = arguments.out.resolve(), time.perf_counter()
    evaluation_file = paths.EVALUATION / "evaluation.json"
    if not (arguments.folder / evaluation_file).exists():
        raise InputError(f"{arguments.folder / evaluation_file}: no such file; run the graph there first (`dvc repro`)")
    with contextlib.chdir(arguments.folder):
        params, shop = parameters.read(), shops.read()
        week = weeks.plan(shop.log, params.weeks).validation[-1]
        users, truth = weeks.buyers(shop.log, week), weeks.truth(shop.log, week)
        bought = pair_codes(np.searchsorted(users, truth[0]), truth[1])
        rows = compare_sources(weeks.history(shop.log, week), shop, users, bought, params)
        budgets = measure_budgets(week, users, bought, params)
        evaluation = json.loads(evaluation_file.read_text())
        data = {"buyers": len(users), "pairs": len(bought), "articles": shop.log.items, "customers": shop.log.users}
        files = [file.resolve() for file in sorted(params.data.folder.glob("*.csv"))]
    command = f"python -m benchmarks.sources_table --folder {arguments.folder}"
    origin = record.describe_origin(files, [params.seed], command, time.perf_counter() - began)
    write_results(rows, budgets, evaluation, {**data, "week": week}, origin, out)


def write_results(
    rows: dict[str, dict[str, Any]], budgets: dict[int, dict[str, float]], evaluation: dict[str, Any],
    data: dict[str, int], origin: dict[str, Any], out: Path,
) -> None:  # fmt: skip
    """Print the tables, and write sources_table.json, .md and .png to ``out``."""
    union = [
        [str(k), *[f"{row[way]:.3f}" for way in ("theirs", "ours")], f"{row['a buyer']:.1f}"]
        for k, row in budgets.items()
    ]
    tables = {
        "sources": (HEADER, format_cells(rows)),
        "union": (
            ["candidates per buyer, at most", "recall: theirs", "recall: ours", "candidates per buyer: ours"],
            union,
        ),
        "quality": (["list", "MAP@12", "95%", "twelve minus it"], format_quality(evaluation)),
    }
    console = Console(width=200)
    for header, lines in tables.values():
        table = Table(*header)
        for line in lines:
            table.add_row(*line)
        console.print(table)
    about = ", ".join(f"{name} {value:,}" for name, value in data.items())
    console.print(about, NOTE)
    texts = [record.markdown_table(header, lines) for header, lines in tables.values()]
    quality = {name: evaluation[name] for name in ("map12", "twelve_minus", "by_recency")}
    figures = {"shop": data, "note": NOTE, "sources": rows, "union": budgets, **quality}
    record.write_json("sources_table", origin, figures, out)
    record.write_markdown("sources_table", origin, "\n\n".join([*texts, f"This shop: {about}.", NOTE]), out)
    record.write_plot("sources_table", plot(rows, budgets), out)


if __name__ == "__main__":
    stage.guarded(main, "bench-sources")
