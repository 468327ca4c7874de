"""Compare the lists of two commits: ``python -m benchmarks.quality BASE NEW --data FOLDER``.

BASE and NEW are clones of the repository, made for this alone, each with a finished .venv. Each clone runs its graph to
the stage ``evaluate`` once per training: the seed of params.yaml is 1, 2, ... The two commits may have different
numbers of trainings, because an older commit may take hours. A killed comparison resumes: it keeps each finished
evaluation.

``--drop`` leaves out the last weeks of the log, to compare on weeks that no report uses.
"""

import argparse
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from benchmarks import paired, record, result_tables
from benchmarks.clone import Clone, open_clone, reset, time_command
from retail import kept, metrics, paths, stage
from retail.errors import InputError
from retail.log import Array
from retail_input import point
from retail_input.prepare import TRANSACTIONS

NAMES = ("base", "new")
AP = Path("evaluation") / "ap.parquet"  # of a clone's data folder: week, user, twelve (AP@12), one row per buyer
KEY = ("week", "user")


@dataclass(frozen=True)
class Task:
    """An evaluation to make: a clone and the seed of its training."""

    name: str
    seed: int


def cut_log(folder: Path, drop: int, out: Path) -> Path:
    """Copy a shop without the last ``drop`` weeks of its log to ``out``; return the folder to read.

    sample_submission.csv is left out. With ``drop`` 0 ``folder`` itself is returned.
    """
    if drop == 0:
        return folder.resolve()
    with stage.whole_folder(out) as part:
        for file in folder.glob("*.csv"):
            if file.name not in (TRANSACTIONS, "sample_submission.csv"):
                shutil.copyfile(file, part / file.name)
        log = pl.scan_csv(folder / TRANSACTIONS, infer_schema=False, empty_string_is_null=False)
        last = log.select(pl.col("t_dat").str.to_date().max()).collect().item()
        begin = last - timedelta(days=7 * drop)
        log.filter(pl.col("t_dat").str.to_date() <= begin).sink_csv(part / TRANSACTIONS)
    return out.resolve()


def set_params(file: Path, seed: int, folder: Path, weeks: int) -> None:
    """Set the seed, the shop's folder and the number of validation weeks in a clone's params.yaml."""
    yaml = YAML()
    yaml.width = 10_000  # do not wrap long flow mappings
    raw = yaml.load(file)
    raw["seed"], raw["data"]["folder"], raw["weeks"]["validation"] = seed, folder.as_posix(), weeks
    yaml.dump(raw, file)


def evaluate(clone: Clone, seed: int, folder: Path, weeks: int, log: Path) -> pl.DataFrame:
    """Run the graph of ``clone`` from nothing to its evaluation: rows (week, user, twelve), by week and user."""
    reset(clone)
    set_params(clone.folder / paths.PARAMS, seed, folder, weeks)
    time_command(["dvc", "repro", "evaluate"], clone, log)
    ap = pl.read_parquet(clone.folder / paths.DATA / AP).select(*KEY, "twelve").sort(KEY)
    reset(clone)
    return ap


def bootstrap_trainings(trainings: Sequence[pl.DataFrame], draws: int) -> Array:
    """Bootstrap customers within each training: (trainings, draws) mean of the weeks' means of ``twelve``.

    The same draw has the same customers in every training and in every call with the same customers.
    """
    return np.array([metrics.bootstrap_means(_list_weeks(ap), draws, 1) for ap in trainings])


def _list_weeks(ap: pl.DataFrame) -> list[tuple[Array, Array]]:
    weeks = ap.partition_by("week", maintain_order=True)
    return [(week["user"].to_numpy(), week["twelve"].to_numpy()) for week in weeks]


def draw_trainings(means: Array, seed: int) -> Array:
    """Average the rows of ``means`` (trainings, draws) over trainings drawn with replacement, anew in each draw."""
    trainings, draws = means.shape
    drawn = np.random.default_rng(seed).integers(trainings, size=(trainings, draws))
    mean: Array = np.take_along_axis(means, drawn, axis=0).mean(axis=0)
    return mean


def average(trainings: Sequence[pl.DataFrame]) -> float:
    """Average ``twelve`` within each week, over the weeks, and over the trainings."""
    return float(np.mean([np.mean([value.mean() for _, value in _list_weeks(ap)]) for ap in trainings]))


def compare(ap: Mapping[str, Sequence[pl.DataFrame]], draws: int = paired.DRAWS) -> dict[str, Any]:
    """Compare the trainings of ``new`` with those of ``base``, paired by customer.

    Returns base, new and minus (new - base), each with mean, low and high: a 95% interval of a bootstrap over customers
    and over trainings. A commit of one training adds no variance of its own, so its interval is too narrow by that of
    trainings. InputError if the evaluations have other customers.
    """
    first = ap[NAMES[0]][0]
    for trainings in ap.values():
        for frame in trainings:
            if not frame.select(KEY).equals(first.select(KEY)):
                raise InputError("the evaluations have other customers or weeks; compare runs of the same files")
    means = {
        name: draw_trainings(bootstrap_trainings(trainings, draws), seed)
        for seed, (name, trainings) in enumerate(ap.items())
    }
    rows = {name: (average(ap[name]), means[name]) for name in NAMES}
    rows["minus"] = (rows["new"][0] - rows["base"][0], means["new"] - means["base"])
    return {
        name: dict(zip(("mean", "low", "high"), (mean, *metrics.interval(of_draws)), strict=True))
        for name, (mean, of_draws) in rows.items()
    }


def describe(ap: Mapping[str, Sequence[pl.DataFrame]], result: Mapping[str, Any]) -> dict[str, Any]:
    """Add to the ``result`` of ``compare`` the weeks, the customers of all weeks and the number of trainings."""
    first = ap[NAMES[0]][0]
    return {
        "weeks": first["week"].unique().sort().to_list(),
        "buyers": first.height,
        "trainings": {name: len(ap[name]) for name in NAMES},
        **result,
    }


def print_table(row: Mapping[str, Any]) -> None:
    """Print the figures as a table."""
    header, cells = result_tables.list_quality_cells([row])
    table = Table(*header, title="MAP@12")
    table.add_row(*cells)
    Console(width=160).print(table)


def main() -> None:
    """Make the evaluations that are missing; print the table and write quality_SHOP.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path, help="a clone at the commit to compare with; its ignored files are removed")
    parser.add_argument("new", type=Path, help="a clone at the new commit; its ignored files are removed")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/online_retail"), help="folder of the shop")
    parser.add_argument("--drop", type=int, default=0, help="weeks at the end of the log to leave out (%(default)s)")
    parser.add_argument("--weeks", type=int, default=8, help="label weeks to evaluate, the last ones (%(default)s)")
    parser.add_argument(
        "--trainings", type=int, nargs=2, default=[1, 3], metavar=("BASE", "NEW"), help="seeds 1, 2, ..."
    )
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "quality")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    point.check_folder(arguments.data)
    if min(*arguments.trainings, arguments.weeks) < 1 or arguments.drop < 0:
        raise InputError("--trainings and --weeks: expected 1 or more; --drop: expected 0 or more")
    began = time.perf_counter()
    clones = {name: open_clone(name, getattr(arguments, name)) for name in NAMES}
    files = sorted(arguments.data.glob("*.csv"))
    label = f"{arguments.data.name}_{arguments.drop}_{arguments.weeks}_{kept.digest(files)[:8]}"
    folder = cut_log(arguments.data, arguments.drop, arguments.scratch / label)
    ap: dict[str, list[pl.DataFrame]] = {name: [] for name in NAMES}
    for name, trainings in zip(NAMES, arguments.trainings, strict=True):
        for seed in range(1, trainings + 1):
            file = arguments.scratch / f"{label}_{clones[name].commit[:12]}_{seed}.parquet"
            if not file.exists():
                print(f"{arguments.data.name}: {name}, training {seed} of {trainings}", flush=True)
                frame = evaluate(clones[name], seed, folder, arguments.weeks, file.with_suffix(".log"))
                with stage.whole_file(file) as part:
                    frame.write_parquet(part)
            ap[name].append(pl.read_parquet(file))
    row = {"shop": arguments.data.name, **describe(ap, compare(ap))}
    print_table(row)
    seeds = list(range(1, max(arguments.trainings) + 1))
    command = (
        f"python -m benchmarks.quality BASE NEW --data {arguments.data} --drop {arguments.drop} --weeks "
        f"{arguments.weeks} --trainings {arguments.trainings[0]} {arguments.trainings[1]}"
    )
    origin = record.describe_origin(files, seeds, command, time.perf_counter() - began)
    commits = {name: clone.commit for name, clone in clones.items()}
    record.write_json(f"quality_{arguments.data.name}", origin, {"commits": commits, **row}, arguments.out)


if __name__ == "__main__":
    stage.guarded(main, "quality")
