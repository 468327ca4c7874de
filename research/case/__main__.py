"""The CASE paper's Ta-Feng table, every row trained here: ``python -m research.case``, or ``make bench-case``.

Each row under each seed is a task in a process of its own, with one thread. What is finished is kept in
data/bench/case, so a run that was killed goes on where it stopped.
"""

import argparse
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from rich.console import Console
from tqdm import tqdm

from benchmarks import record
from research.case import closed_form, report, tafeng, task
from research.case.tafeng import PARTS, Figures
from research.case.task import Scores
from retail import paths, stage
from retail.errors import InputError

DATA = Path("../shared/data/case_tafeng")
KEPT = paths.DATA / "bench" / "case"
SINGLE = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
ABLATION = "CASE with"  # how the names of CASE's ablations begin
PAPER = "CASE"


class Task(NamedTuple):
    module: str
    row: str
    seed: int
    file: Path
    mark: str


def planned(known: dict[str, ModuleType], names: list[str], seeds: list[int], data: Path, folder: Path) -> list[Task]:
    """Rows without a seed once, the others under every seed."""
    out = []
    for name in names:
        for seed in seeds[:1] if known[name] is closed_form else seeds:
            file = folder / f"{task.slug(name)}_{seed}.npz"
            out.append(Task(known[name].__name__, name, seed, file, task.fingerprint(known[name], name, seed, data)))
    return out


def pairs(known: dict[str, ModuleType]) -> list[tuple[str, str]]:
    """What is compared: the first row of ``ours`` with FreqRate and the paper's CASE, that one with the tuned KNN."""
    own = [name for name, module in known.items() if module.__name__ == "research.case.ours"][:1]
    return [(name, other) for name in own for other in ("FreqRate", PAPER)] + [(PAPER, "TIFU-KNN, tuned")]


def run(tasks: list[Task], data: Path, jobs: int) -> dict[Task, Scores]:
    """All tasks' scores; those not yet kept are made, ``jobs`` at a time."""
    left = [one for one in tasks if task.kept(one.file, one.mark) is None]
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(tasks), initial=len(tasks) - len(left), unit="task") as bar:
        pending = [pool.submit(_process, one, data) for one in left]
        try:
            for finished in as_completed(pending):
                bar.set_postfix_str(finished.result())
                bar.update()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    out = {one: task.kept(one.file, one.mark) for one in tasks}
    return {one: scores for one, scores in out.items() if scores is not None}


def _process(one: Task, data: Path) -> str:
    """Run one task; its own words go to a log beside its file."""
    one.file.parent.mkdir(parents=True, exist_ok=True)
    log = one.file.with_suffix(".log")
    asked = [one.module, one.row, str(one.seed), str(data), str(one.file)]
    environment = {**os.environ, **dict.fromkeys(SINGLE, "1")}
    with log.open("w") as words:
        ended = subprocess.run(
            [sys.executable, "-m", "research.case.task", *asked],
            stdout=words,
            stderr=words,
            env=environment,
            check=False,
        ).returncode
    if ended or task.kept(one.file, one.mark) is None:
        raise InputError(f"{one.row}, seed {one.seed}: ended with {ended}; {log} says why")
    return f"{one.row}, seed {one.seed}"


def main() -> None:
    known = task.rows()
    asked = arguments(list(known))
    names = asked.rows or [name for name in known if asked.ablations or not name.startswith(ABLATION)]
    test = tafeng.read(asked.data, "test")
    tasks = planned(known, names, asked.seeds, asked.data, KEPT)
    found = run(tasks, asked.data, asked.jobs)
    figures: dict[str, list[Figures]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for one, scores in found.items():
        figures[one.row].append(tafeng.evaluate(test, scores.test))
        seconds[one.row].append(scores.info["seconds"])
    rows = {
        name: {
            **report.summary(figures[name]),
            "seeds": len(figures[name]),
            "seconds": sum(seconds[name]) / len(seconds[name]),
            "deterministic": known[name] is closed_form,
        }
        for name in names
    }
    checked = [report.check(name, figures[name]) for name in (PAPER,) if name in names]
    compared = report.differences(figures, pairs(known))
    made = record.made_from(
        [tafeng.path(asked.data, part) for part in PARTS],
        asked.seeds,
        shlex.join(["python", "-m", "research.case", *sys.argv[1:]]),
        sum(map(sum, seconds.values())),
    )
    runs = {f"{one.row}, seed {one.seed}": scores.info for one, scores in found.items()}
    body = {"rows": rows, "published": report.PUBLISHED, "check": checked, "differences": compared, "runs": runs}
    lines = [report.check_line(one) for one in checked], [report.difference_line(one) for one in compared]
    record.write_json("case", made, body)
    record.write_markdown("case", made, report.markdown(rows, *lines))
    record.write_plot("case", report.plot(rows))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(report.table(rows))
    for line in (*lines[0], *lines[1]):
        console.print(line, highlight=False)


def arguments(known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m research.case", description="The CASE paper's Ta-Feng table.")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the three parquet files (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the trained rows (%(default)s)")
    parser.add_argument("--rows", nargs="+", choices=known, metavar="ROW", help=f"some of: {'; '.join(known)}")
    parser.add_argument("--jobs", type=int, default=2, help="tasks at a time, one thread each (%(default)s)")
    parser.add_argument("--ablations", action="store_true", help="CASE's ablations too")
    return parser.parse_args()


if __name__ == "__main__":
    stage.guarded(main, "bench-case")
