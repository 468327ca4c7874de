"""Reproduce the Ta-Feng table of the CASE paper: ``python -m research.case``, or ``make bench-case``.

Each row and seed is a task in its own process with one thread. Finished tasks are kept in data/bench/case, so a killed
run resumes where it stopped.
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
CACHE = paths.DATA / "bench" / "case"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
ABLATION = "CASE with"  # prefix of "CASE with ..." and "CASE without ...", which only --ablations runs
PAPER = "CASE"


class Task(NamedTuple):
    """One row with one seed; ``digest`` is the fingerprint of its inputs and code."""

    module: str
    row: str
    seed: int
    file: Path


def plan_tasks(
    known: dict[str, ModuleType], names: list[str], seeds: list[int], data: Path, folder: Path
) -> list[Task]:
    """Plan the tasks: a deterministic row once, the others with every seed."""
    tasks = []
    for name in names:
        for seed in seeds[:1] if known[name] is closed_form else seeds:
            mark = task.compute_fingerprint(known[name], name, seed, data)
            file = folder / f"{task.slugify(name)}_{seed}_{mark}.npz"
            tasks.append(Task(known[name].__name__, name, seed, file))
    return tasks


def list_pairs(known: dict[str, ModuleType]) -> list[tuple[str, str]]:
    """List the compared pairs of rows: our CASE with two baselines, and the paper's CASE with TIFU-KNN."""
    own = [name for name, module in known.items() if module.__name__ == "research.case.ours"][:1]
    return [(name, baseline) for name in own for baseline in ("FreqRate", PAPER)] + [(PAPER, "TIFU-KNN, tuned")]


def run_tasks(tasks: list[Task], data: Path, jobs: int) -> dict[Task, Scores]:
    """Return the scores of all tasks; run those without kept scores, ``jobs`` at a time."""
    missing = [job for job in tasks if not job.file.exists()]
    done = len(tasks) - len(missing)
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(tasks), initial=done, unit="task") as bar:
        pending = [pool.submit(_run_process, job, data) for job in missing]
        try:
            for finished in as_completed(pending):
                bar.set_postfix_str(finished.result())
                bar.update()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return {job: task.load_scores(job.file) for job in tasks}


def _run_process(job: Task, data: Path) -> str:
    """Run one task in a process that writes its log next to ``job.file``; return the label of the task."""
    job.file.parent.mkdir(parents=True, exist_ok=True)
    log = job.file.with_suffix(".log")
    arguments = [job.module, job.row, str(job.seed), str(data), str(job.file)]
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
    with log.open("w") as output:
        code = subprocess.run(
            [sys.executable, "-m", "research.case.task", *arguments],
            stdout=output,
            stderr=output,
            env=environment,
            check=False,
        ).returncode
    if code or not job.file.exists():
        raise InputError(f"{job.row}, seed {job.seed} ended with exit code {code}; see {log}")
    return f"{job.row}, seed {job.seed}"


def main() -> None:
    """Run the missing tasks, write case.json, case.md and case.png, and print the table."""
    known = task.load_rows()
    arguments = parse_arguments(list(known))
    names = arguments.rows or [name for name in known if arguments.ablations or not name.startswith(ABLATION)]
    test = tafeng.read(arguments.data, "test")
    tasks = plan_tasks(known, names, arguments.seeds, arguments.data, CACHE)
    scores_by_task = run_tasks(tasks, arguments.data, arguments.jobs)
    figures: dict[str, list[Figures]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for job, scores in scores_by_task.items():
        figures[job.row].append(tafeng.evaluate(test, scores.test))
        seconds[job.row].append(scores.info["seconds"])
    rows = {
        name: {
            **report.summarise(figures[name]),
            "seeds": len(figures[name]),
            "seconds": sum(seconds[name]) / len(seconds[name]),
            "deterministic": known[name] is closed_form,
        }
        for name in names
    }
    checked = [report.check_published(name, figures[name]) for name in (PAPER,) if name in names]
    compared = report.compare_pairs(figures, list_pairs(known))
    origin = record.describe_origin(
        [tafeng.locate(arguments.data, part) for part in PARTS],
        arguments.seeds,
        shlex.join(["python", "-m", "research.case", *sys.argv[1:]]),
        sum(map(sum, seconds.values())),
    )
    runs = {f"{job.row}, seed {job.seed}": scores.info for job, scores in scores_by_task.items()}
    body = {"rows": rows, "published": report.PUBLISHED, "check": checked, "differences": compared, "runs": runs}
    lines = (
        [report.format_check(result) for result in checked],
        [report.format_difference(result) for result in compared],
    )
    record.write_json("case", origin, body)
    record.write_markdown("case", origin, report.render_markdown(rows, *lines))
    record.write_plot("case", report.plot(rows))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(report.build_table(rows))
    for line in (*lines[0], *lines[1]):
        console.print(line, highlight=False)


def parse_arguments(known: list[str]) -> argparse.Namespace:
    """Parse the command line; ``known``: the names of all rows."""
    parser = argparse.ArgumentParser(
        prog="python -m research.case", description="Reproduce the Ta-Feng table of the CASE paper."
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the three parquet files (%(default)s)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds of the trained rows (%(default)s)"
    )
    parser.add_argument("--rows", nargs="+", choices=known, metavar="ROW", help=f"rows to run: {'; '.join(known)}")
    parser.add_argument("--jobs", type=int, default=2, help="tasks to run at a time, one thread each (%(default)s)")
    parser.add_argument("--ablations", action="store_true", help="also run the ablations of CASE")
    return parser.parse_args()


if __name__ == "__main__":
    stage.guarded(main, "bench-case")
