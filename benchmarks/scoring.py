"""How fast the ranker scores a shard: LightGBM beside compilers of its trees. ``python -m benchmarks.scoring``.

Run it where the graph has run. The rows are those of the submission's first customers, the models those that answer it.
Compilers that are not installed are left out; what one cannot do is said in its row.
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

from benchmarks import results
from benchmarks.scorers import BLOCK, PLAIN, SCORERS, Lent, Trees
from retail import params as parameters
from retail import paths, stage, weeks
from retail import shop as shops
from retail.log import Array
from retail.pairs import Pairs
from stage1_candidates.pool import loaded
from stage2_ranker.model import ranker
from stage2_ranker.model.blend import Blend
from submissions.answering import answer

THREADS = (1, 2)
HEADER = ["scorer", "threads", "rows per second", "times LightGBM", "quartiles", "compiled in", "scores", "lists"]


def shard(customers: int) -> tuple[Pairs, Array, Array]:
    """The pairs, the features (n, f) float32 and the filler of the submission's first ``customers``."""
    params, shop = parameters.read(), shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    history = weeks.history(shop.log, plan.submission)
    users = np.sort(pl.read_parquet(paths.WANTED)["user"].to_numpy())[:customers]
    pairs, rows = answer.table(history, shop, users, loaded(plan.submission, params), params)
    return pairs, ranker.to_matrix(rows), answer.best_sellers(history)


@dataclass
class Entry:
    """One scorer with so many threads; ``blend`` is None where it could not be made."""

    name: str
    threads: int
    blend: Blend | None
    compiled_in: float
    fault: str
    seconds: list[float] = field(default_factory=list)  # of each round


def entries(blend: Blend, folder: Path) -> list[Entry]:
    """Every scorer whose packages are here, LightGBM itself first."""
    out = []
    for name, (packages, how) in SCORERS.items():
        if missing := [package for package in packages if not find_spec(package)]:
            print(f"{name}: {', '.join(missing)} not installed, left out")
            continue
        called = " + ".join(f"{package} {version(package)}" for package in packages)
        for threads in THREADS:
            began = time.perf_counter()
            entry = Entry(f"{name} ({called})" if name in packages else name, threads, None, 0.0, "")
            try:
                models: dict[str, Any] = {
                    model: Trees(how(paths.FINAL_MODEL / f"{model}.txt", threads, folder)) for model in blend.models
                }
                entry.blend = Lent(models, blend.weights, blend.spreads, blend.rounds, blend.average)
            except Exception as error:  # whatever a compiler cannot do, the others go on
                entry.fault = f"{type(error).__name__}: {error}"
            entry.compiled_in = time.perf_counter() - began
            out.append(entry)
    return out


def timed(every: Sequence[Entry], features: Array, repeats: int) -> None:
    """Let the scorers score all rows in turn, ``repeats`` times over, so that what else runs here strikes all alike."""
    able = [(entry, entry.blend) for entry in every if entry.blend]
    for _, blend in able:
        blend.score_raw(features[:BLOCK])  # threads and memory are made ready
    for _ in tqdm(range(repeats), desc="scoring", unit="round"):
        for entry, blend in able:
            began = time.perf_counter()
            blend.score_raw(features)
            entry.seconds.append(time.perf_counter() - began)


def figures(every: Sequence[Entry], pairs: Pairs, features: Array, filler: Array) -> list[dict[str, Any]]:
    """One row per scorer: its rate, over LightGBM's with as many threads in the same round, and whether it agrees."""
    plain_seconds = {entry.threads: np.array(entry.seconds) for entry in every if entry.name == PLAIN}
    expected = next(entry.blend for entry in every if entry.blend).predict(features, pairs.run)
    lists = answer.top(pairs, expected, filler)
    rows = []
    for entry in every:
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
                "lists_apart": int((answer.top(pairs, score, filler) != lists).any(axis=1).sum()),
            }
        rows.append(row)
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """Text of a row."""
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=300, help="whose candidates are scored (%(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="rounds of all scorers (%(default)s)")
    parser.add_argument("--out", type=Path, default=results.RESULTS)
    asked = parser.parse_args()
    began = time.perf_counter()
    pairs, features, filler = shard(asked.customers)
    with TemporaryDirectory() as folder:
        every = entries(Blend.load(paths.FINAL_MODEL), Path(folder))
        timed(every, features, asked.repeats)
        rows = figures(every, pairs, features, filler)
    trees = {name: model.num_trees() for name, model in Blend.load(paths.FINAL_MODEL).models.items()}
    said = (
        f"{len(features):,} rows of {features.shape[1]} features, {sum(trees.values())} trees in {len(trees)} models; "
        f"median of {asked.repeats} rounds in which all take turns."
    )
    table = Table(*HEADER)
    for row in rows:
        table.add_row(*cells(row))
    console = Console(width=160)
    console.print(table)
    console.print(said)
    seconds, files = time.perf_counter() - began, [paths.LOG, *sorted(paths.FINAL_MODEL.glob("*.txt"))]
    made = results.made_from(files, [parameters.read().seed], "python -m benchmarks.scoring", seconds)
    results.write_json("scoring", made, {"trees": trees, "rows": len(features), "scorers": rows}, asked.out)
    text = results.markdown_table(HEADER, map(cells, rows))
    results.write_markdown("scoring", made, f"{text}\n\n{said}", asked.out)


if __name__ == "__main__":
    stage.guarded(main, "scoring")
