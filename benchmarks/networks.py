"""MAP@12 with and without each network, as a source and as a feature: ``python -m benchmarks.networks``.

Runs the graph's own stages in a scratch folder. A pool is made for each set of proposing networks, with the scores of
all networks as columns; a variant that lacks a network's score is trained without its columns and answered without it.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from benchmarks import results
from retail import metrics, paths, point, stage
from retail.errors import InputError

ROOT = Path(__file__).parent.parent
COLUMNS = ("score", "of_best", "place")
DRAWS = 2000


class Scratch:
    """A folder with a params.yaml of its own in which stages run; what has been made for the same params is kept."""

    def __init__(self, folder: Path, raw: dict[str, Any]) -> None:
        self.folder, self.raw = folder, raw
        folder.mkdir(parents=True, exist_ok=True)

    def networks(self, sources: tuple[str, ...], scores: tuple[str, ...]) -> None:
        """Write params.yaml with these networks proposing and scoring."""
        blocks = {
            name: {**block, "use": True, "source": name in sources, "score": name in scores}
            for name, block in self.raw["networks"].items()
        }
        (self.folder / "params.yaml").write_text(json.dumps({**self.raw, "networks": blocks}))  # JSON is YAML too

    def run(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
        if done.returncode:
            raise InputError(f"{' '.join(command)} ended with {done.returncode}; its own line above says why")


def variants(names: list[str], default: list[str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Name of a variant -> (networks that propose, networks that score); ``default``: those that params.yaml uses."""
    out: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {"none": ((), ())}
    for name in names:
        out |= {f"{name} as source": ((name,), ()), f"{name} as feature": ((), (name,))}
    if default and default != names:
        out["default"] = (tuple(default), tuple(default))
    out["all"] = (tuple(names), tuple(names))
    return out


def prepared(scratch: Scratch, drop: int) -> None:
    """Stage ``prepare``, then, with ``drop``, a log that ends so many weeks earlier: where choices are made."""
    if (scratch.folder / paths.LOG).exists():
        return
    scratch.networks((), ())
    scratch.run("retail.prepare")
    if drop:
        calendar = scratch.folder / paths.CALENDAR
        days = json.loads(calendar.read_text())["days"] - 7 * drop
        log = pl.read_parquet(scratch.folder / paths.LOG)
        log.filter(pl.col("day") < days).write_parquet(scratch.folder / paths.LOG)
        calendar.write_text(json.dumps({"days": days}))


def pooled(scratch: Scratch, sources: tuple[str, ...]) -> None:
    """Stages ``pool``, ``features``, ``table`` with these networks proposing and all of them scoring."""
    scratch.networks(sources, tuple(scratch.raw["networks"]))
    scratch.run("stage1_candidates.merge")
    for name in scratch.raw["features"]:
        scratch.run("features.build", name)
    scratch.run("stage2_ranker.table")


def evaluated(scratch: Scratch, sources: tuple[str, ...], scores: tuple[str, ...]) -> pl.DataFrame:
    """AP@12 of every buyer of the validation weeks, ranked without the scores of the other networks."""
    scratch.networks(sources, scores)
    table, whole = scratch.folder / paths.TABLE, scratch.folder / paths.DATA / "whole"
    table.rename(whole)
    table.mkdir()
    left_out = [f"{name}__{what}" for name in scratch.raw["networks"] if name not in scores for what in COLUMNS]
    for file in whole.iterdir():
        pl.read_parquet(file).drop(left_out).write_parquet(table / file.name)
    try:
        scratch.run("stage2_ranker.train")
        scratch.run("submissions.evaluate")
        return pl.read_parquet(scratch.folder / paths.EVALUATION / "ap.parquet")
    finally:
        shutil.rmtree(table)
        whole.rename(table)


def compared(ap: dict[str, pl.DataFrame]) -> dict[str, dict[str, Any]]:
    """Mean over weeks of each variant's MAP@12 and the paired difference from the one without networks."""
    base = ap["none"]
    of_week = base.partition_by("week", as_dict=True, maintain_order=True)
    rows = {}
    for name, frame in ap.items():
        assert frame[["week", "user"]].equals(base[["week", "user"]])
        minus = frame.with_columns(twelve=frame["twelve"] - base["twelve"])
        pairs = {kind: _by_week(of, list(of_week)) for kind, of in (("map12", frame), ("minus_none", minus))}
        rows[name] = {kind: _figure(pair) for kind, pair in pairs.items()}
    return rows


def _by_week(frame: pl.DataFrame, keys: list[Any]) -> list[tuple[Any, Any]]:
    parts = frame.partition_by("week", as_dict=True)
    return [(parts[key]["user"].to_numpy(), parts[key]["twelve"].to_numpy()) for key in keys]


def _figure(pairs: list[tuple[Any, Any]]) -> dict[str, float]:
    low, high = metrics.interval(metrics.bootstrap_means(pairs, DRAWS, 1))
    return {"mean": float(np.mean([value.mean() for _, value in pairs])), "low": low, "high": high}


def cells_of(rows: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Text of each variant: MAP@12 and the difference from none, each with its interval."""
    out = []
    for name, row in rows.items():
        cells = [name]
        for figure, sign in ((row["map12"], ""), (row["minus_none"], "+")):
            cells += [f"{figure['mean']:{sign}.4f}", f"[{figure['low']:{sign}.4f}, {figure['high']:{sign}.4f}]"]
        out.append(cells)
    return out


def plot_of(rows: dict[str, dict[str, Any]]) -> Figure:
    """Difference from none of each variant, with its interval."""
    figure = Figure(figsize=(7, 0.4 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows.values()):
        gap = row["minus_none"]
        axes.plot([gap["low"], gap["high"]], [place, place], color="tab:blue")
        axes.plot(gap["mean"], place, "o", color="tab:blue")
        axes.annotate(f"{row['map12']['mean']:.4f}", (gap["high"], place), xytext=(4, -3), textcoords="offset points")
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("MAP@12 minus that without networks, 95% interval; at the right the MAP@12 itself")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/online_retail"))
    parser.add_argument("--weeks", type=int, default=8, help="label weeks that are reported (%(default)s)")
    parser.add_argument("--drop", type=int, default=0, help="weeks at the end of the log to leave out: to choose on")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "networks")
    parser.add_argument("--out", type=Path, default=results.RESULTS)
    asked = parser.parse_args()
    point.check(asked.data)
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["data"]["folder"] = str(asked.data.resolve())
    raw["weeks"]["validation"] = asked.weeks
    names = sorted(raw["networks"])
    scratch = Scratch(asked.scratch.resolve(), raw)
    started = time.perf_counter()
    prepared(scratch, asked.drop)
    scratch.networks(tuple(names), tuple(names))
    for name in names:
        scratch.run("stage1_candidates.learn", name)
    for name in (*raw["sources"], *names):
        scratch.run("stage1_candidates.propose", name)
    ap = {}
    wanted = variants(names, [name for name in names if raw["networks"][name]["use"]])
    every = sorted(wanted.items(), key=lambda one: one[1][0])
    for sources, some in itertools.groupby(every, lambda one: one[1][0]):
        pooled(scratch, sources)
        for name, (_, scores) in some:
            ap[name] = evaluated(scratch, sources, scores)
            print(f"{name}: MAP@12 of all buyer-weeks {np.mean(ap[name]['twelve'].to_numpy()):.4f}", flush=True)
    rows = compared({name: ap[name] for name in wanted})
    command = f"make bench-networks ({asked.weeks} label weeks, {asked.drop} dropped)"
    files = sorted(asked.data.glob("*.csv"))
    made = results.made_from(files, [raw["seed"]], command, time.perf_counter() - started)
    header = ["networks", "MAP@12", "95%", "minus none", "95%"]
    table = Table(*header)
    for cells in cells_of(rows):
        table.add_row(*cells)
    Console(width=120).print(table)
    results.write_json("networks", made, {"weeks": asked.weeks, "rows": rows}, asked.out)
    results.write_markdown("networks", made, results.markdown_table(header, cells_of(rows)), asked.out)
    results.write_plot("networks", plot_of(rows), asked.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-networks")
