"""The candidate sources of the competition's 11th place beside ours: ``python -m benchmarks.sources_table``.

Runs where the graph has run: the project's folder, or ``--folder`` of one, such as that of ``benchmarks.scale``. In the
last validation week each of their sources stands beside the same rule on this shop and beside the source of ours that
is most like it, both cut to a length at which a buyer has as many candidates as theirs. Then the union by its number of
candidates, and MAP@12 as the graph's evaluation left it.
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
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.proposals import load_state
from stage1_candidates.pool import read_candidates
from stage1_candidates.pooling import fusion, pool

DRAWS = 1000
WAYS = ("theirs", "same rule", "ours")
HEADER = ["source", *[f"{what}: {way}" for what in ("a buyer", "recall", "hit ratio") for way in WAYS]]
NOTE = (
    "theirs: as the 11th place published it, competition data, week of 2020-09-16. same rule: computed from this "
    "shop's log (benchmarks/eleventh_place.py). ours: the source of params.yaml that stands in brackets, the one most "
    "like it; empty where it is off. Lists are cut where a buyer has as many candidates as theirs; all of ours, fused, "
    "where they are as many as those of the seven rules together. A shop of fewer articles and buyers is easier, an "
    "invented one is another: the same rule beside ours is the comparison, the published figure tells the order of "
    "magnitude. Intervals: 95%, bootstrap over buyers."
)


def cut(best: Lists, each: float) -> Lists:
    """The first n of every row, the n at which a row has nearest to ``each`` on the average (n as small as may be)."""
    sizes = np.diff(best.ptr)
    longer = len(sizes) - np.cumsum(np.bincount(sizes))  # rows with more than 0, 1, ... entries
    means = np.cumsum(longer) / max(len(sizes), 1)  # entries a row where each has at most 1, 2, ...
    most = int(np.argmin(np.abs(means - each))) + 1
    kept = fusion.ranks(best) <= most
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(sizes, most))])
    return Lists(ptr, best.target[kept], best.weight[kept])


def ours(name: str, history: History, shop: Shop, users: Array, params: Params) -> Lists | None:
    """What source or network ``name`` proposes, of any length; None where it is off."""
    if name not in source.proposing(params):
        return None
    module, settings = source.load(name, params)
    longer = settings.model_copy(update={"take": eleventh_place.LONGEST})
    return source.proposals(module, history, shop, load_state(name, history.week), users, longer)


def hits(best: Lists, bought: Array) -> Array:
    """(n,) bool: which entries were bought; ``bought``: codes (row, item) of the truth."""
    return np.isin(pool.codes(best.key_of_rows(), best.target), bought)


def figures(best: Lists, bought: Array, seed: int) -> dict[str, float]:
    """Candidates a buyer, recall with its interval, hit ratio."""
    hit = hits(best, bought)
    found = np.bincount(best.key_of_rows()[hit], minlength=best.keys)
    of_row = np.bincount((bought >> np.uint64(32)).astype(np.int64), minlength=best.keys)
    drawn = np.random.default_rng(seed).poisson(1.0, (DRAWS, best.keys))  # times that a buyer is drawn
    low, high = metrics.interval(drawn @ found / np.maximum(drawn @ of_row, 1))
    recall, hit_ratio = float(hit.sum() / len(bought)), float(hit.sum() / max(len(hit), 1))
    return {"a buyer": len(hit) / best.keys, "recall": recall, "low": low, "high": high, "hit ratio": hit_ratio}


def compared(history: History, shop: Shop, users: Array, bought: Array, params: Params) -> dict[str, dict[str, Any]]:
    """Source of theirs -> way -> its figures, and under "nearest" the name of ours; at last the union of the seven."""
    rows: dict[str, dict[str, Any]] = {}
    every = []
    for name, their in SOURCES.items():
        each = their.rows / eleventh_place.BUYERS
        by_rule, nearest = their.rule(history, shop, users), ours(their.nearest, history, shop, users, params)
        every.append(cut(by_rule, each))
        rows[name] = {
            "nearest": their.nearest,
            "theirs": {"a buyer": each, "recall": their.recall, "hit ratio": their.hit_ratio},
            "same rule": figures(every[-1], bought, params.seed),
            "ours": None if nearest is None else figures(cut(nearest, each), bought, params.seed),
        }
    union = figures(united(every), bought, params.seed)
    as_many = cut(fused(history.week, users, params, eleventh_place.LONGEST), union["a buyer"])
    rows["all of them"] = {
        "nearest": "all",
        "theirs": {"a buyer": None, "recall": eleventh_place.UNION, "hit ratio": None},
        "same rule": union,
        "ours": figures(as_many, bought, params.seed),
    }
    return rows


def united(every: Sequence[Lists]) -> Lists:
    """Each row's articles in any of the lists."""
    codes = np.unique(np.concatenate([pool.codes(best.key_of_rows(), best.target) for best in every]))
    ptr = np.searchsorted(codes >> np.uint64(32), np.arange(every[0].keys + 1))
    return Lists(ptr.astype(np.int64), codes.astype(np.uint32), np.ones(len(codes), np.float32))


def fused(week: int, users: Array, params: Params, take: int) -> Lists:
    """The ``take`` best articles of the sources' stored proposals, as the pool puts them in order."""
    proposed = {name: read_candidates(name, week, users) for name in source.proposing(params)}
    return fusion.fuse(proposed, params.pool.model_copy(update={"take": take}))


def by_budget(week: int, users: Array, bought: Array, params: Params) -> dict[int, dict[str, float]]:
    """Candidates a buyer, at most -> recall of the union, that published and ours, and how many ours are."""
    best = fused(week, users, params, max(eleventh_place.BUDGETS))
    hit, rank = hits(best, bought), fusion.ranks(best)
    return {
        k: {
            "theirs": recall,
            "ours": float(hit[rank <= k].sum() / len(bought)),
            "a buyer": float((rank <= k).sum() / len(users)),
        }
        for k, recall in eleventh_place.BUDGETS.items()
    }


def cells(rows: Mapping[str, dict[str, Any]]) -> list[list[str]]:
    """The table's text."""
    return [
        [
            f"{name} ({row['nearest']})",
            *[_told(row[way], "a buyer", ".1f") for way in WAYS],
            *[_told(row[way], "recall", ".4f") + _interval(row[way]) for way in WAYS],
            *[_told(row[way], "hit ratio", ".4f") for way in WAYS],
        ]
        for name, row in rows.items()
    ]


def _told(figures: Mapping[str, Any] | None, what: str, form: str) -> str:
    return "" if figures is None or figures[what] is None else f"{figures[what]:{form}}"


def _interval(figures: Mapping[str, Any] | None) -> str:
    return "" if figures is None or "low" not in figures else f" [{figures['low']:.4f}, {figures['high']:.4f}]"


def quality(evaluation: Mapping[str, Any]) -> list[list[str]]:
    """List, MAP@12, its interval, twelve minus it with the interval of that."""
    out = []
    for name, mean in evaluation["map12"].items():
        minus = evaluation["twelve_minus"].get(name)
        shown = "" if minus is None else f"{minus['mean']:+.4f} [{minus['low']:+.4f}, {minus['high']:+.4f}]"
        out.append([name, f"{mean['mean']:.4f}", f"[{mean['low']:.4f}, {mean['high']:.4f}]", shown])
    return out


def plot(rows: Mapping[str, dict[str, Any]], budgets: Mapping[int, dict[str, float]]) -> Figure:
    """Recall of each source the three ways with intervals; recall of the union over its number of candidates."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    axes, curve = figure.subplots(1, 2, width_ratios=(2, 1))
    place = np.arange(len(rows))
    for k, way in enumerate(WAYS):
        of = [row[way] or {"recall": 0.0} for row in rows.values()]
        value = np.array([one["recall"] for one in of])
        ends = [np.array([abs(one.get(end, one["recall"]) - one["recall"]) for one in of]) for end in ("low", "high")]
        axes.barh(place + (k - 1) * 0.27, value, 0.25, xerr=ends, label=way)
    axes.set_yticks(place, list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("recall at as many candidates")
    axes.legend()
    for way, colour in (("theirs", "C0"), ("ours", "C2")):  # as in the bars
        curve.plot(list(budgets), [one[way] for one in budgets.values()], colour, marker="o")
    curve.set(xlabel="candidates a buyer", ylabel="recall of the union", ylim=(0, None))
    curve.grid(alpha=0.3)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sources_table", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(), help="where the graph has run (%(default)s)")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    out, began = asked.out.resolve(), time.perf_counter()
    evaluated = paths.EVALUATION / "evaluation.json"
    if not (asked.folder / evaluated).exists():
        raise InputError(f"{asked.folder / evaluated}: no such file; run the graph there first (`dvc repro`)")
    with contextlib.chdir(asked.folder):
        params, shop = parameters.read(), shops.read()
        week = weeks.plan(shop.log, params.weeks).validation[-1]
        users, truth = weeks.buyers(shop.log, week), weeks.truth(shop.log, week)
        bought = pool.codes(np.searchsorted(users, truth[0]), truth[1])
        rows = compared(weeks.history(shop.log, week), shop, users, bought, params)
        budgets = by_budget(week, users, bought, params)
        evaluation = json.loads(evaluated.read_text())
        data = {"buyers": len(users), "pairs": len(bought), "articles": shop.log.items, "customers": shop.log.users}
        files = [file.resolve() for file in sorted(params.data.folder.glob("*.csv"))]
    command = f"python -m benchmarks.sources_table --folder {asked.folder}"
    made = record.made_from(files, [params.seed], command, time.perf_counter() - began)
    leave(rows, budgets, evaluation, {**data, "week": week}, made, out)


def leave(
    rows: dict[str, dict[str, Any]], budgets: dict[int, dict[str, float]], evaluation: dict[str, Any],
    data: dict[str, int], made: dict[str, Any], out: Path,
) -> None:  # fmt: skip
    """Print the tables, and write sources_table.json, .md and .png."""
    union = [
        [str(k), *[f"{one[way]:.3f}" for way in ("theirs", "ours")], f"{one['a buyer']:.1f}"]
        for k, one in budgets.items()
    ]
    shown = {
        "sources": (HEADER, cells(rows)),
        "union": (["candidates, at most", "recall: theirs", "recall: ours", "a buyer: ours"], union),
        "quality": (["list", "MAP@12", "95%", "twelve minus it"], quality(evaluation)),
    }
    console = Console(width=200)
    for header, lines in shown.values():
        table = Table(*header)
        for line in lines:
            table.add_row(*line)
        console.print(table)
    about = ", ".join(f"{name} {value:,}" for name, value in data.items())
    console.print(about, NOTE)
    texts = [record.markdown_table(header, lines) for header, lines in shown.values()]
    of_lists = {name: evaluation[name] for name in ("map12", "twelve_minus", "by_recency")}
    found = {"shop": data, "note": NOTE, "sources": rows, "union": budgets, **of_lists}
    record.write_json("sources_table", made, found, out)
    record.write_markdown("sources_table", made, "\n\n".join([*texts, f"This shop: {about}.", NOTE]), out)
    record.write_plot("sources_table", plot(rows, budgets), out)


if __name__ == "__main__":
    stage.guarded(main, "bench-sources")
