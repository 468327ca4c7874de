"""Measure how fast scorers score a shard, compared with LightGBM: ``python -m benchmarks.scoring``.

Run it where the graph has run. It scores the candidates of the submission's first customers with the final model.
Compilers that are not installed are skipped. If a compiler fails, its row gives the error.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from benchmarks import record
from benchmarks.scorers import BLOCK, PLAIN, SCORERS, ScorerBlend, ScorerModel
from retail import params as parameters
from retail import paths, stage, weeks
from retail import shop as shops
from retail.log import Array
from retail.pairs import Pairs
from stage1_candidates.pool import load_sources
from stage2_ranker.model import ranker
from stage2_ranker.model.blend import Blend
from submissions.answering import answer

THREADS = (1, 2)
HEADER = ["scorer", "threads", "rows per second", "times LightGBM", "quartiles", "compiled in", "scores", "lists"]


def read_shard(customers: int) -> tuple[Pairs, Array, Array]:
    """Read the candidates of the submission's first ``customers``.

    Returns the pairs, their features (n, f) float32, and the best sellers that fill short lists.
    """
    params, shop = parameters.read(), shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    history = weeks.history(shop.log, plan.submission)
    users = np.sort(pl.read_parquet(paths.WANTED)["user"].to_numpy())[:customers]
    pairs, rows = answer.build_table(history, shop, users, load_sources(plan.submission, params), params)
    return pairs, ranker.to_matrix(rows), answer.list_best_sellers(history)


@dataclass
class Entry:
    """A scorer with ``threads`` threads and its measurements."""

    name: str
    threads: int
    blend: Blend | None  # None if the scorer failed
    compiled_in: float  # seconds
    fault: str  # why it failed, or ""
    seconds: list[float] = field(default_factory=list)  # one value per round


def compile_scorers(blend: Blend, folder: Path) -> list[Entry]:
    """Make every scorer whose packages are installed, LightGBM first; ``folder``: where compilers write."""
    entries = []
    for name, (packages, make) in SCORERS.items():
        if missing := [package for package in packages if not find_spec(package)]:
            print(f"{name}: {', '.join(missing)} not installed, skipped")
            continue
        versions = " + ".join(f"{package} {version(package)}" for package in packages)
        for threads in THREADS:
            began = time.perf_counter()
            entry = Entry(f"{name} ({versions})" if name in packages else name, threads, None, 0.0, "")
            try:
                models: dict[str, Any] = {
                    model: ScorerModel(make(paths.FINAL_MODEL / f"{model}.txt", threads, folder))
                    for model in blend.models
                }
                entry.blend = ScorerBlend(models, blend.weights, blend.spreads, blend.rounds, blend.average)
            except Exception as error:  # a compiler may fail in any way; the others continue
                entry.fault = f"{type(error).__name__}: {error}"
            entry.compiled_in = time.perf_counter() - began
            entries.append(entry)
    return entries


def time_scorers(entries: Sequence[Entry], features: Array, repeats: int) -> None:
    """Time each scorer on all rows in ``repeats`` rounds; taking turns exposes all to the same load of the machine."""
    working = [(entry, entry.blend) for entry in entries if entry.blend]
    for _, blend in working:
        blend.score_raw(features[:BLOCK])  # warm up threads and memory
    for _ in tqdm(range(repeats), desc="scoring", unit="round"):
        for entry, blend in working:
            began = time.perf_counter()
            blend.score_raw(features)
            entry.seconds.append(time.perf_counter() - began)


def summarise(entries: Sequence[Entry], pairs: Pairs, features: Array, filler: Array) -> list[dict[str, Any]]:
    """Summarise each scorer in a row: its rate, its ratio to LightGBM's, and whether it agrees with LightGBM.

    Ratios compare the same round and number of threads.
    """
    plain_seconds = {entry.threads: np.array(entry.seconds) for entry in entries if entry.name == PLAIN}
    expected = next(entry.blend for entry in entries if entry.blend).predict(features, pairs.run)
    lists = answer.select_top(pairs, expected, filler)
    rows = []
    for entry in entries:
        row: dict[str, Any] = {"scorer": entry.name, "threads": entry.threads, "fault": entry.fault}
        if entry.blend:
            score = entry.blend.predict(features, pairs.run)
            ratios = plain_seconds[entry.threads] / np.array(entry.seconds)
            row |= {
                "rows_per_second": len(features) / float(np.median(entry.seconds)),
                "ratio": float(np.median(ratios)),
                "ratio_low": float(np.quantile(ratios, 0.25)),
                "ratio_high": float(np.quantile(ratios, 0.75)),
                "compiled_in": entry.compiled_in,
                "scores_apart": float(np.abs(score - expected).max()),
                "lists_apart": int((answer.select_top(pairs, score, filler) != lists).any(axis=1).sum()),
            }
        rows.append(row)
    return rows


def format_cells(row: dict[str, Any]) -> list[str]:
    """Format a scorer's row."""
    head = [row["scorer"], str(row["threads"])]
    if row["fault"]:
        return [*head, row["fault"], *[""] * (len(HEADER) - 3)]
    return [
        *head,
        f"{row['rows_per_second']:,.0f}",
        f"{row['ratio']:.2f}",
        f"{row['ratio_low']:.2f}..{row['ratio_high']:.2f}",
        f"{row['compiled_in']:.1f} s",
        "identical" if row["scores_apart"] == 0 else f"{row['scores_apart']:.0e} apart",
        "identical" if row["lists_apart"] == 0 else f"{row['lists_apart']} differ",
    ]


def main() -> None:
    """Time all scorers; print and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--customers", type=int, default=300, help="customers whose candidates are scored (%(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=15, help="rounds of all scorers (%(default)s)")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    began = time.perf_counter()
    pairs, features, filler = read_shard(arguments.customers)
    with TemporaryDirectory() as folder:
        entries = compile_scorers(Blend.load(paths.FINAL_MODEL), Path(folder))
        time_scorers(entries, features, arguments.repeats)
        rows = summarise(entries, pairs, features, filler)
    trees = {name: model.num_trees() for name, model in Blend.load(paths.FINAL_MODEL).models.items()}
    description = (
        f"{len(features):,} rows of {features.shape[1]} features, {sum(trees.values())} trees in {len(trees)} models; "
        f"median of {arguments.repeats} rounds in which the scorers take turns."
    )
    table = Table(*HEADER)
    for row in rows:
        table.add_row(*format_cells(row))
    console = Console(width=160)
    console.print(table)
    console.print(description)
    seconds, files = time.perf_counter() - began, [paths.LOG, *sorted(paths.FINAL_MODEL.glob("*.txt"))]
    origin = record.describe_origin(files, [parameters.read().seed], "python -m benchmarks.scoring", seconds)
    record.write_json("scoring", origin, {"trees": trees, "rows": len(features), "scorers": rows}, arguments.out)
    text = record.markdown_table(HEADER, map(format_cells, rows))
    record.write_markdown("scoring", origin, f"{text}\n\n{description}", arguments.out)


if __name__ == "__main__":
    stage.guarded(main, "scoring")
