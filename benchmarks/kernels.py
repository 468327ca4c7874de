"""The fast paths beside the plain polars way: ``python -m benchmarks.kernels``, where the graph has prepared a shop.

Three things are timed, both ways in turn: reading the CSV files, describing candidate pairs by all feature groups, and
MAP@12 of as many buyers as a week of the competition has. The plain ways check nothing and answer less: polars reads
and writes the transactions as they are, and describes a pair by its counts alone.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numba
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks import record, scratch
from features.engine import group, kernels
from features.engine.kernels import D7, D14, D28, D91, DECAY, FIRST_DAY, LAST_DAY, VISITS
from retail import metrics, paths, stage, weeks
from retail import params as parameters
from retail import shop as shops
from retail.log import Array
from retail.metrics import K
from retail.pairs import Pairs
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists

BUYERS, BOUGHT, SOLD = 69_000, 3.1, 20_000  # a week of the competition: buyers, articles each, articles that sell
HEADER = ["what", "ours", "plain polars", "ours over plain", "least..most"]


def candidates(history: History, users: Array, each: int, seed: int) -> Pairs:
    """``each`` articles per customer: those bought before, at most half of them, and others by their sales."""
    log = history.log
    own = lists.own(history, users, 30.0)
    rank = np.arange(len(own.target)) - np.repeat(own.ptr[:-1], np.diff(own.ptr))
    kept = rank < each // 2
    sold = (history.item_stop - log.item_start[:-1]).astype(float)
    drawn = np.random.default_rng(seed).choice(log.items, (len(users), each), p=sold / sold.sum())
    row = np.concatenate([own.key_of_rows()[kept], np.repeat(np.arange(len(users)), each)])
    item = np.concatenate([own.target[kept], drawn.ravel().astype(np.uint32)])
    found = lists.gather(row, item, np.ones(len(row)), len(users))
    return Pairs(users, found.ptr, found.target)


def described(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, float]:
    """Seconds of each feature group for ``pairs``; what all shards of customers share is made before."""
    seconds = {}
    for name in group.switched_on(params):
        module, settings = group.load(name, params)
        began = time.perf_counter()
        group.compute(name, module, history, shop, pairs, settings)
        seconds[name] = time.perf_counter() - began
    return seconds


def counted(tx: pl.DataFrame, pairs: pl.DataFrame, cutoff: int) -> pl.DataFrame:
    """The plain way to the counts alone: a join of the pairs with the log, grouped."""
    age = cutoff - pl.col("day").cast(pl.Int32)
    return (
        pairs.join(tx, on=["user", "item"], how="left", validate="1:m")
        .with_columns(age=age)
        .group_by("user", "item")
        .agg(
            pl.col("day").count().alias("times"),
            *[(pl.col("age") <= window).sum().alias(f"times_{window}d") for window in kernels.WINDOWS],
            pl.col("age").min().alias("days_since_last"),
            pl.col("age").max().alias("days_since_first"),
            (2.0 ** (-pl.col("age") / 90)).sum().alias("decayed"),
        )
    )


def precision(truth: pl.DataFrame, predicted: pl.DataFrame) -> float:
    """MAP@12 the plain way: a join of the lists with what was bought; no article may be listed twice."""
    sizes = truth.group_by("user").agg(pl.len().alias("bought"))
    hits = predicted.join(truth, on=["user", "item"], how="inner").sort("user", "rank")
    hits = hits.with_columns(nth=pl.int_range(1, pl.len() + 1).over("user"))
    of_user = hits.group_by("user").agg((pl.col("nth") / pl.col("rank")).sum().alias("sum"))
    rows = sizes.join(of_user, on="user", how="left")
    ap = pl.col("sum").fill_null(0.0) / pl.col("bought").clip(upper_bound=K)
    return float(rows.select(ap.mean()).item())


def week_of_buyers(seed: int) -> tuple[Array, Array, Array]:
    """(start, items, lists) of ``BUYERS`` customers whose purchases and lists are drawn alike."""
    rng = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, SOLD + 1)
    cut = np.cumsum(weight / weight.sum())
    sizes = 1 + rng.poisson(BOUGHT - 1, BUYERS)
    user = np.repeat(np.arange(BUYERS), sizes)
    bought = lists.gather(
        user, np.searchsorted(cut, rng.random(len(user))).astype(np.uint32), np.ones(len(user)), BUYERS
    )
    predicted = np.searchsorted(cut, rng.random((BUYERS, 40)))
    order = np.argsort(predicted, axis=1, kind="stable")
    ascending = np.take_along_axis(predicted, order, axis=1)
    repeated = np.concatenate([np.zeros((BUYERS, 1), bool), ascending[:, 1:] == ascending[:, :-1]], axis=1)
    first = np.empty_like(repeated)
    np.put_along_axis(first, order, repeated, axis=1)
    kept = np.argsort(first, axis=1, kind="stable")[:, :K]  # the first twelve different ones
    return bought.ptr, bought.target, np.take_along_axis(predicted, kept, axis=1)


def in_turns(ours: Callable[[], Any], plain: Callable[[], Any], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of both, one after the other, ``rounds`` times over; each runs once before."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for timed in range(rounds + 1):
        for way, kept in zip((ours, plain), seconds, strict=True):
            began = time.perf_counter()
            way()
            if timed:
                kept.append(time.perf_counter() - began)
    return seconds


def row(ours: list[float], plain: list[float], unit: str, work: float = 0.0) -> dict[str, Any]:
    """Medians, and the ratio of the two with its spread; of ``work`` done per second where it is given."""
    ratio = np.array(plain) / np.array(ours)
    shown = [work / float(np.median(of)) if work else float(np.median(of)) for of in (ours, plain)]
    spread = {"times_as_fast": float(np.median(ratio)), "least": float(ratio.min()), "most": float(ratio.max())}
    return {"ours": shown[0], "plain": shown[1], "unit": unit, **spread}


def of_csv(folder: Path, rounds: int) -> dict[str, Any]:
    """The stage ``prepare``, checks and all, beside polars reading and writing the transactions as they are."""
    with TemporaryDirectory() as part:
        here = scratch.Scratch(Path(part), scratch.asked(folder, 1), scratch.models(scratch.asked(folder, 1))).written()

        def ours() -> None:
            here.make(Path("never there"), "retail_input.prepare")

        def plain() -> None:
            file = str(folder.resolve() / "transactions_train.csv")
            code = f"import polars as pl; pl.scan_csv({file!r}, schema_overrides={{'article_id': pl.String}})"
            command = f"{code}.sink_parquet({str(Path(part) / 'plain.parquet')!r})"
            subprocess.run([sys.executable, "-c", command], check=True)

        return row(*in_turns(ours, plain, rounds), "s")


COUNTS = (VISITS, D7, D14, D28, D91, LAST_DAY, FIRST_DAY, DECAY)  # what ``counted`` counts


def of_features(
    customers: int, each: int, rounds: int, params: Params
) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Pair rows per second and core: the counts alone both ways, and all groups beside the plain counts; each group."""
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    history = weeks.history(shop.log, plan.submission)
    users = np.sort(np.random.default_rng(1).choice(shop.log.users, min(customers, shop.log.users), replace=False))
    pairs = candidates(history, users.astype(np.uint32), each, 1)
    keys = pl.DataFrame({"user": pairs.user, "item": pairs.items})
    tx = pl.read_parquet(paths.LOG).select("user", "item", "day")
    items, asked = np.arange(shop.log.items, dtype=np.int32), pairs.items.astype(np.int64)
    alone: list[dict[str, float]] = []

    def plain() -> pl.DataFrame:
        return counted(tx.filter(pl.col("user").is_in(users.tolist())), keys, history.cutoff)

    def counts() -> Array:
        return kernels.affinity(history, items, len(items), pairs.users, pairs.ptr, asked, [90.0], COUNTS)

    work, unit = len(pairs.items) / numba.get_num_threads(), "rows a second and core"
    rows = {
        "the customer's counts of the article alone": row(*in_turns(counts, plain, rounds), unit, work),
        "all feature groups (polars: the counts)": row(
            *in_turns(lambda: alone.append(described(history, shop, pairs, params)), plain, rounds), unit, work
        ),
    }
    return rows, {name: work / float(np.median([one[name] for one in alone[1:]])) for name in alone[0]}


def of_map12(rounds: int) -> dict[str, Any]:
    """MAP@12 of ``BUYERS`` beside polars; both must agree."""
    start, items, predicted = week_of_buyers(1)
    user = np.repeat(np.arange(BUYERS), np.diff(start)).astype(np.uint32)
    truth = pl.DataFrame({"user": user, "item": items})
    of_lists = {"user": np.repeat(np.arange(BUYERS), K).astype(np.uint32), "item": predicted.ravel().astype(np.uint32)}
    flat = pl.DataFrame({**of_lists, "rank": np.tile(np.arange(1, K + 1), BUYERS)})
    mean = metrics.average_precision(start, items, predicted).mean()
    if not np.isclose(mean, precision(truth, flat)):
        raise ValueError(f"MAP@12 is {mean} by the kernel and {precision(truth, flat)} by polars")
    return row(
        *in_turns(lambda: metrics.average_precision(start, items, predicted), lambda: precision(truth, flat), rounds),
        "s",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=10_000, help="whose candidates are described (%(default)s)")
    parser.add_argument("--each", type=int, default=200, help="candidates of each (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="in which both ways take turns (%(default)s)")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    params, began = parameters.read(), time.perf_counter()
    features, alone = of_features(asked.customers, asked.each, asked.rounds, params)
    rows = {
        "CSV files to prepared tables": of_csv(params.data.folder, max(asked.rounds // 2, 1)),
        **features,
        f"MAP@12 of {BUYERS:,} buyers": of_map12(asked.rounds),
    }
    cells = [
        [
            name,
            *[f"{of[way]:,.{0 if of[way] > 1000 else 3}f} {of['unit']}" for way in ("ours", "plain")],
            f"{of['times_as_fast']:.2f}",
            f"{of['least']:.2f}..{of['most']:.2f}",
        ]
        for name, of in rows.items()
    ]
    table = Table(*HEADER)
    for line in cells:
        table.add_row(*line)
    Console(width=140).print(table)
    files = sorted(params.data.folder.glob("*.csv"))
    made = record.made_from(files, [1], "python -m benchmarks.kernels", time.perf_counter() - began)
    record.write_json("kernels", made, {"rows": rows, "groups": alone}, asked.out)
    each = record.markdown_table(["group", "rows a second and core"], [[k, f"{v:,.0f}"] for k, v in alone.items()])
    record.write_markdown("kernels", made, f"{record.markdown_table(HEADER, cells)}\n\n{each}", asked.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-kernels")
