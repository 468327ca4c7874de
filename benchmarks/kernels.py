"""Compare the project's fast paths with plain polars: ``python -m benchmarks.kernels``.

Run it where stage ``prepare`` has run. Three tasks are timed, each way in turn: reading the CSV files, computing all
feature groups of candidate pairs, and MAP@12 of as many buyers as a week of the competition has. Plain polars does
less. It copies the transactions without checks, and it computes only a pair's counts.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks import record, scratch
from features.engine import group, kernels
from features.engine.kernels import D7, D14, D28, D91, DECAY, FIRST_DAY, LAST_DAY, VISITS
from retail import chunks, metrics, paths, stage, weeks
from retail import params as parameters
from retail import shop as shops
from retail.log import Array
from retail.metrics import K
from retail.pairs import Pairs
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists

BUYERS, BOUGHT, SOLD = 69_000, 3.1, 20_000  # a week of the competition: buyers, articles per buyer, articles sold
HEADER = ["task", "ours", "plain polars", "times as fast", "least..most"]


def draw_candidates(history: History, users: Array, each: int, seed: int) -> Pairs:
    """Draw candidates per customer: at most ``each`` // 2 bought before, and ``each`` drawn in proportion to sales."""
    log = history.log
    own = lists.own(history, users, 30.0)
    rank = np.arange(len(own.target)) - np.repeat(own.ptr[:-1], np.diff(own.ptr))
    bought = rank < each // 2
    sold = (history.item_stop - log.item_start[:-1]).astype(float)
    drawn = np.random.default_rng(seed).choice(log.items, (len(users), each), p=sold / sold.sum())
    row = np.concatenate([own.key_of_rows()[bought], np.repeat(np.arange(len(users)), each)])
    item = np.concatenate([own.target[bought], drawn.ravel().astype(np.uint32)])
    merged = lists.gather(row, item, np.ones(len(row)), len(users))
    return Pairs(users, merged.ptr, merged.target)


def time_groups(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, float]:
    """Time every feature group of ``pairs``: group -> seconds.

    Tables that all customers share are memoised in ``history``, so only the first call pays for them.
    """
    seconds = {}
    for name in group.switched_on(params):
        module, settings = group.load(name, params)
        began = time.perf_counter()
        group.compute(name, module, history, shop, pairs, settings)
        seconds[name] = time.perf_counter() - began
    return seconds


def count_with_polars(tx: pl.DataFrame, pairs: pl.DataFrame, cutoff: int) -> pl.DataFrame:
    """Count each pair's purchases in plain polars: join the pairs with the log and group by pair.

    ``pairs``: rows (user, item), key both; ``tx``: rows (user, item, day), all before ``cutoff`` (a day).
    """
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


def score_with_polars(truth: pl.DataFrame, predicted: pl.DataFrame) -> float:
    """Compute MAP@12 in plain polars: join the lists with the purchases.

    ``truth``: rows (user, item); ``predicted``: rows (user, item, rank), rank from 1; (user, item) is unique in both.
    """
    sizes = truth.group_by("user").agg(pl.len().alias("bought"))
    hits = predicted.join(truth, on=["user", "item"], how="inner").sort("user", "rank")
    hits = hits.with_columns(nth=pl.int_range(1, pl.len() + 1).over("user"))
    sums = hits.group_by("user").agg((pl.col("nth") / pl.col("rank")).sum().alias("sum"))
    rows = sizes.join(sums, on="user", how="left")
    ap = pl.col("sum").fill_null(0.0) / pl.col("bought").clip(upper_bound=K)
    return float(rows.select(ap.mean()).item())


def draw_week(seed: int) -> tuple[Array, Array, Array]:
    """Draw the purchases and lists of ``BUYERS`` customers from the same distribution of articles.

    Returns ptr (BUYERS + 1,), the articles bought (n,) and lists of distinct articles (BUYERS, 12).
    """
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
    is_repeated = np.empty_like(repeated)  # in the order of ``predicted``
    np.put_along_axis(is_repeated, order, repeated, axis=1)
    places = np.argsort(is_repeated, axis=1, kind="stable")[:, :K]  # of the first twelve distinct articles
    return bought.ptr, bought.target, np.take_along_axis(predicted, places, axis=1)


def time_in_turns(ours: Callable[[], Any], plain: Callable[[], Any], rounds: int) -> tuple[list[float], list[float]]:
    """Time both functions alternately in ``rounds`` rounds, after an untimed first run of each; returns the seconds."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for round_number in range(rounds + 1):
        for function, measured in zip((ours, plain), seconds, strict=True):
            began = time.perf_counter()
            function()
            if round_number > 0:
                measured.append(time.perf_counter() - began)
    return seconds


def summarise(ours: list[float], plain: list[float], unit: str, work: float = 0.0) -> dict[str, Any]:
    """Summarise seconds: the median of each, or ``work`` per second if it is given, and the ratio with its spread."""
    ratio = np.array(plain) / np.array(ours)
    medians = [work / float(np.median(way)) if work else float(np.median(way)) for way in (ours, plain)]
    spread = {"times_as_fast": float(np.median(ratio)), "least": float(ratio.min()), "most": float(ratio.max())}
    return {"ours": medians[0], "plain": medians[1], "unit": unit, **spread}


def time_csv(folder: Path, rounds: int) -> dict[str, Any]:
    """Time stage ``prepare`` with all its checks, and polars copying the transactions to Parquet without checks."""
    with TemporaryDirectory() as part:
        raw = scratch.read_settings(folder, 1)
        run = scratch.Scratch(Path(part), raw, scratch.read_models(raw)).write()

        def ours() -> None:
            run.run_stage(Path("no such output"), "retail_input.prepare")

        def plain() -> None:
            file = str(folder.resolve() / "transactions_train.csv")
            code = f"import polars as pl; pl.scan_csv({file!r}, schema_overrides={{'article_id': pl.String}})"
            command = f"{code}.sink_parquet({str(Path(part) / 'plain.parquet')!r})"
            subprocess.run([sys.executable, "-c", command], check=True)

        return summarise(*time_in_turns(ours, plain, rounds), "s")


COUNTS = (VISITS, D7, D14, D28, D91, LAST_DAY, FIRST_DAY, DECAY)  # what ``count_with_polars`` counts


def time_features(
    customers: int, each: int, rounds: int, params: Params
) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Time the features of ``each`` candidates of ``customers`` customers, in pairs per second and core.

    Returns two rows and group -> rate. The rows compare plain polars' counts with the same counts by kernels, and with
    all feature groups.
    """
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    history = weeks.history(shop.log, plan.submission)
    users = np.sort(np.random.default_rng(1).choice(shop.log.users, min(customers, shop.log.users), replace=False))
    pairs = draw_candidates(history, users.astype(np.uint32), each, 1)
    keys = pl.DataFrame({"user": pairs.user, "item": pairs.items})
    tx = pl.read_parquet(paths.LOG).select("user", "item", "day")
    items, wanted = np.arange(shop.log.items, dtype=np.int32), pairs.items.astype(np.int64)
    seconds: list[dict[str, float]] = []

    def plain() -> pl.DataFrame:
        return count_with_polars(tx.filter(pl.col("user").is_in(users.tolist())), keys, history.cutoff)

    def counts() -> Array:
        return kernels.summarise_affinity(history, items, len(items), pairs.users, pairs.ptr, wanted, [90.0], COUNTS)

    work, unit = len(pairs.items) / chunks.count_threads(), "rows a second and core"
    rows = {
        "the customer's counts of the article alone": summarise(*time_in_turns(counts, plain, rounds), unit, work),
        "all feature groups (polars: the counts)": summarise(
            *time_in_turns(lambda: seconds.append(time_groups(history, shop, pairs, params)), plain, rounds), unit, work
        ),
    }
    return rows, {name: work / float(np.median([measured[name] for measured in seconds[1:]])) for name in seconds[0]}


def time_map12(rounds: int) -> dict[str, Any]:
    """Time MAP@12 of ``BUYERS`` buyers by the kernel and by polars; ValueError if they disagree."""
    start, items, predicted = draw_week(1)
    user = np.repeat(np.arange(BUYERS), np.diff(start)).astype(np.uint32)
    truth = pl.DataFrame({"user": user, "item": items})
    columns = {"user": np.repeat(np.arange(BUYERS), K).astype(np.uint32), "item": predicted.ravel().astype(np.uint32)}
    flat = pl.DataFrame({**columns, "rank": np.tile(np.arange(1, K + 1), BUYERS)})
    mean = metrics.average_precision(start, items, predicted).mean()
    if not np.isclose(mean, score_with_polars(truth, flat)):
        raise ValueError(f"MAP@12 is {mean} by the kernel and {score_with_polars(truth, flat)} by polars")
    seconds = time_in_turns(
        lambda: metrics.average_precision(start, items, predicted), lambda: score_with_polars(truth, flat), rounds
    )
    return summarise(*seconds, "s")


def main() -> None:
    """Time all tasks; print and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--customers", type=int, default=10_000, help="customers whose candidates are computed (%(default)s)"
    )
    parser.add_argument("--each", type=int, default=200, help="candidates of each customer (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which both ways take turns (%(default)s)")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    params, began = parameters.read(), time.perf_counter()
    features, rates = time_features(arguments.customers, arguments.each, arguments.rounds, params)
    rows = {
        "CSV files to prepared tables": time_csv(params.data.folder, max(arguments.rounds // 2, 1)),
        **features,
        f"MAP@12 of {BUYERS:,} buyers": time_map12(arguments.rounds),
    }
    cells = [
        [
            name,
            *[f"{row[way]:,.{0 if row[way] > 1000 else 3}f} {row['unit']}" for way in ("ours", "plain")],
            f"{row['times_as_fast']:.2f}",
            f"{row['least']:.2f}..{row['most']:.2f}",
        ]
        for name, row in rows.items()
    ]
    table = Table(*HEADER)
    for line in cells:
        table.add_row(*line)
    Console(width=140).print(table)
    files = sorted(params.data.folder.glob("*.csv"))
    origin = record.describe_origin(files, [1], "python -m benchmarks.kernels", time.perf_counter() - began)
    record.write_json("kernels", origin, {"rows": rows, "groups": rates}, arguments.out)
    group_table = record.markdown_table(
        ["group", "rows a second and core"], [[k, f"{v:,.0f}"] for k, v in rates.items()]
    )
    record.write_markdown("kernels", origin, f"{record.markdown_table(HEADER, cells)}\n\n{group_table}", arguments.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-kernels")
