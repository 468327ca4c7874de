"""Compare the speed of two commits: ``python -m benchmarks.speed BASE NEW``.

BASE and NEW are clones of the repository, made for this alone, each with a finished .venv. Both do the same work, one
directly after the other; the order alternates from repeat to repeat. A run from nothing first removes everything that
git ignores in its clone, except the environment. A killed benchmark resumes: it keeps each finished measurement.
"""

import argparse
import json
import os
import signal
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from benchmarks import record, result_tables
from benchmarks.clone import Clone, git, list_outputs, open_clone, reset, time_command, widen_window
from retail import kept, paths, stage
from retail.clock import format_estimate
from retail.cores import cores
from retail.errors import InputError
from retail_input import point

ROWS = ("demo", "feature", "nothing", "online_retail", "grocery", "competition")  # in the order of measuring
SHOPS = ("online_retail", "grocery")  # rows that need a folder of --data
ONCE = ("competition",)  # rows that are measured once, whatever --repeats says
NAMES = ("base", "new")
TARGETS: Mapping[
    str, Mapping[str, float]
] = {  # set before the work on speed began, for two cores; all are upper limits
    "demo": {"ratio": 0.20},  # new wall seconds / base wall seconds
    "feature": {"ratio": 0.25},
    "nothing": {"seconds": 2.0},
    "online_retail": {"ratio": 0.30},
    "grocery": {"ratio": 0.30},
    "competition": {"ratio": 0.50, "peak_mb": 4500},
}
GUESSES = {  # seconds of a row in BASE on two cores, for the expected rest until the row has been measured
    "demo": 808, "feature": 400, "nothing": 20, "online_retail": 1860, "grocery": 1860, "competition": 2208,
}  # fmt: skip
COMPETITION = ("--preset", "hm", "--scale", "1", "--out", "data/bench/scale/shops/1")  # where benchmarks.scale looks
FINISHED = Path("data/bench/speed_demo")  # in a clone that holds a finished run of the demo shop: its commit
BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"

Measurement = dict[str, Any]  # wall, cpu (seconds), peak_mb (None if no stage ran), stages (that ran), data (digest)


@dataclass(frozen=True)
class Task:
    """A measurement to take."""

    row: str
    repeat: int  # from 1
    name: str  # of the clone

    @property
    def key(self) -> str:
        """Return the key of the measurement in the file that keeps it."""
        return f"{self.row} {self.repeat} {self.name}"


def find_metrics_stage(clone: Clone) -> str:
    """Find the stage that writes metrics.json."""
    names = [name for name, out in list_outputs(clone.stages, ["metrics"]) if Path(out).name == paths.METRICS.name]
    if len(names) != 1:
        raise InputError(f"{clone.folder}/dvc.yaml: {len(names)} stages have the metrics metrics.json, expected 1")
    return names[0]


def measure(command: Sequence[str], clone: Clone, log: Path) -> Measurement:
    """Measure a command in ``clone``. Peak memory is the largest of the stages that wrote their costs meanwhile."""
    before = read_cost_times(clone)
    os.sync()  # what earlier runs wrote must not be written to disk during this one
    wall, cpu = time_command(command, clone, log)
    files = [file for file, written in read_cost_times(clone).items() if before.get(file) != written]
    peaks = [json.loads(file.read_text(encoding="utf-8"))["peak_mb"] for file in files]
    return {"wall": wall, "cpu": cpu, "peak_mb": max(peaks, default=None), "stages": len(peaks)}


def read_cost_times(clone: Clone) -> dict[Path, int]:
    """Read when each cost file of the clone's stages was written; those of benchmarks.scale lie in a subfolder."""
    return {file: file.stat().st_mtime_ns for file in (clone.folder / paths.DATA).rglob("costs/*.json")}


def run_demo(clone: Clone, log: Path) -> Measurement:
    """Measure a run of the demo shop from nothing and mark the clone as finished."""
    reset(clone)
    measurement = measure(["make", "repro"], clone, log)
    mark_finished(clone)
    return measurement


def mark_finished(clone: Clone) -> None:
    """Note in the clone that it holds a finished run of the demo shop; ``reset`` removes the note."""
    (clone.folder / FINISHED).parent.mkdir(parents=True, exist_ok=True)
    (clone.folder / FINISHED).write_text(clone.commit)


def ensure_demo(clone: Clone, log: Path) -> None:
    """Run the demo shop unless the clone holds its finished run."""
    file = clone.folder / FINISHED
    if not file.exists() or file.read_text() != clone.commit:
        run_demo(clone, log)


def measure_feature(clone: Clone, log: Path) -> Measurement:
    """Measure a run to metrics.json after one feature group's block has changed; then restore block and outputs."""
    ensure_demo(clone, log)
    (clone.folder / FINISHED).unlink()  # a kill leaves outputs of the changed block
    widen_window(clone.folder / paths.PARAMS)
    measurement = measure(["dvc", "repro", find_metrics_stage(clone)], clone, log)
    git(clone.folder, "checkout", "HEAD", "--", paths.PARAMS.as_posix())
    time_command(["dvc", "repro"], clone, log)
    mark_finished(clone)
    return measurement


def measure_nothing(clone: Clone, log: Path) -> Measurement:
    """Measure `dvc repro` when nothing is to do; InputError if a stage ran."""
    ensure_demo(clone, log)
    measurement = measure(["dvc", "repro"], clone, log)
    if measurement["stages"]:
        raise InputError(f"{clone.folder}: {measurement['stages']} stages ran although nothing had changed; see {log}")
    return measurement


def measure_competition(clone: Clone, log: Path) -> Measurement:
    """Measure all stages on the invented shop of the competition's size; making the shop's CSV files is not timed."""
    reset(clone)
    *_, module = clone.stages["synthesize"]["cmd"].split()
    time_command(["python", "-m", module, *COMPETITION], clone, log)
    scale = ["python", "-m", "benchmarks.scale", "--scales", "1", "--out", "data/bench/scale_results"]
    return measure(scale, clone, log)


def measure_task(row: str, clone: Clone, data: Path, log: Path) -> Measurement:
    """Measure a row in a clone; ``data``: the folder of the shops."""
    if row in SHOPS:
        reset(clone)
        return measure(["make", "repro", f"DATA={data.resolve() / row}"], clone, log)
    measures = {
        "demo": run_demo, "feature": measure_feature, "nothing": measure_nothing, "competition": measure_competition
    }  # fmt: skip
    return measures[row](clone, log)


def plan_tasks(rows: Sequence[str], repeats: int) -> Iterator[Task]:
    """Plan the measurements: in each repeat every row in both clones, in turn BASE first and NEW first.

    >>> [task.key for task in plan_tasks(["competition", "demo"], 2)]
    ['demo 1 base', 'demo 1 new', 'competition 1 base', 'competition 1 new', 'demo 2 new', 'demo 2 base']
    """
    for repeat in range(1, repeats + 1):
        for row in ROWS:
            if row in rows and (repeat == 1 or row not in ONCE):
                yield from (Task(row, repeat, name) for name in (NAMES if repeat % 2 else NAMES[::-1]))


def estimate_rest(tasks: Sequence[Task], measurements: Mapping[str, Measurement]) -> float:
    """Estimate the wall seconds of ``tasks``: the mean of their row and clone so far, else a guess."""
    total = 0.0
    for task in tasks:
        ratio = TARGETS[task.row].get("ratio", 1.0) if task.name == "new" else 1.0
        walls = [
            measurement["wall"]
            for key, measurement in measurements.items()
            if (key.split()[0], key.split()[2]) == (task.row, task.name)
        ]
        total += statistics.mean(walls) if walls else GUESSES[task.row] * ratio
    return total


def measure_all(
    tasks: Sequence[Task], clones: Mapping[str, Clone], data: Path, digests: Mapping[str, str], file: Path
) -> dict[str, Measurement]:
    """Take all measurements that ``file`` does not hold yet, and add each to it: key of a task -> measurement.

    ``digests``: row -> digest of its shop's CSV files. A measurement of other CSV files is taken again.
    """
    measurements: dict[str, Measurement] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    stale = [key for key, entry in measurements.items() if entry["data"] != digests.get(key.split()[0], entry["data"])]
    for key in stale:
        del measurements[key]
    left = [task for task in tasks if task.key not in measurements]
    with tqdm(total=len(tasks), initial=len(tasks) - len(left), bar_format=BAR) as bar:
        for place, task in enumerate(left):
            bar.set_description(f"{task.row}, repeat {task.repeat}, {task.name}", refresh=False)
            bar.set_postfix_str(f"about {format_estimate(estimate_rest(left[place:], measurements))} left")
            log = file.parent / "logs" / f"{task.key.replace(' ', '_')}.log"
            measurement = measure_task(task.row, clones[task.name], data, log)
            measurements[task.key] = {**measurement, "data": digests.get(task.row)}
            with stage.whole_file(file) as part:
                part.write_text(json.dumps(measurements, indent=1), encoding="utf-8")
            bar.update()
    return measurements


def summarise(measurements: Mapping[str, Measurement]) -> dict[str, Any]:
    """Summarise each row that was measured in both clones; of a row's repeats only whole pairs count.

    Means of seconds and ratios are geometric, so the mean of the ratios is the ratio of the means.
    """
    rows: dict[str, Any] = {}
    for row in ROWS:
        keys = [key.split()[1] for key in measurements if key.startswith(f"{row} ")]
        repeats = sorted({repeat for repeat in keys if keys.count(repeat) == len(NAMES)}, key=int)
        if not repeats:
            continue
        base, new = ([measurements[f"{row} {repeat} {name}"] for repeat in repeats] for name in NAMES)
        rows[row] = {
            "repeats": len(repeats),
            "base": summarise_side(base),
            "new": summarise_side(new),
            "wall_ratio": summarise_ratios(base, new, "wall"),
            "cpu_ratio": summarise_ratios(base, new, "cpu"),
            "target": dict(TARGETS[row]),
        }
        rows[row]["reached"] = is_reached(rows[row])
    return rows


def summarise_side(side: Sequence[Measurement]) -> dict[str, Any]:
    """Summarise a clone's measurements of a row: means of seconds, largest peak, and the seconds of each repeat."""
    peaks = [measurement["peak_mb"] for measurement in side if measurement["peak_mb"] is not None]
    walls, cpus = ([round(measurement[what], 3) for measurement in side] for what in ("wall", "cpu"))
    means = {what: round(statistics.geometric_mean([m[what] for m in side]), 3) for what in ("wall", "cpu")}
    return {**means, "peak_mb": max(peaks, default=None), "stages": side[0]["stages"], "walls": walls, "cpus": cpus}


def summarise_ratios(base: Sequence[Measurement], new: Sequence[Measurement], what: str) -> dict[str, float]:
    """Summarise the ratios of new to base, repeat by repeat: geometric mean, lowest and highest."""
    ratios = [after[what] / before[what] for before, after in zip(base, new, strict=True)]
    figures = {"mean": statistics.geometric_mean(ratios), "low": min(ratios), "high": max(ratios)}
    return {name: round(value, 6) for name, value in figures.items()}


def is_reached(row: Mapping[str, Any]) -> bool:
    """Tell whether a row of the summary is within all its targets."""
    values = {"ratio": row["wall_ratio"]["mean"], "seconds": row["new"]["wall"], "peak_mb": row["new"]["peak_mb"]}
    return all(values[what] is not None and values[what] <= most for what, most in row["target"].items())


def check_folders(clones: Sequence[Path], used: Sequence[Path]) -> None:
    """Raise InputError if both clones are one, or if a ``used`` folder lies in a clone, which `reset` cleans."""
    base, new = (clone.resolve() for clone in clones)
    if base == new:
        raise InputError(f"{base}: BASE and NEW are the same folder; make a clone for each commit")
    for clone in (base, new):
        for folder in used:
            if folder.resolve().is_relative_to(clone):
                raise InputError(f"{folder.resolve()} lies in the clone {clone}, which is cleaned; use another folder")


def digest_shops(rows: Sequence[str], data: Path) -> dict[str, str]:
    """Compute row -> digest of its shop's CSV files; InputError if a file is missing."""
    for row in set(SHOPS) & set(rows):
        point.check_folder(data / row)
    return {row: kept.digest(sorted((data / row).glob("*.csv"))) for row in SHOPS if row in rows}


def print_table(figures: Mapping[str, Any]) -> None:
    """Print the summary as a table."""
    header, *cells = result_tables.list_speed_cells(figures)
    commits = figures["commits"]
    table = Table(*header, title=f"new {commits['new'][:7]} compared with base {commits['base'][:7]}")
    for line in cells:
        table.add_row(*line)
    Console(width=160).print(table)


def end_cleanly(number: int, _: object) -> None:
    """End as Ctrl+C does, so that a terminated benchmark leaves no run behind."""
    raise SystemExit(128 + number)


def main() -> None:
    """Take the measurements that are missing; print the table and write speed.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path, help="a clone at the commit to compare with; its ignored files are removed")
    parser.add_argument("new", type=Path, help="a clone at the new commit; its ignored files are removed")
    parser.add_argument("--rows", nargs="+", default=ROWS, choices=ROWS)
    parser.add_argument("--repeats", type=int, default=3, help=f"of each row but {', '.join(ONCE)} (%(default)s)")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help=f"folder of {', '.join(SHOPS)}")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "speed", help="measurements and logs")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        raise InputError(f"--repeats {arguments.repeats}: expected 1 or more")
    check_folders([arguments.base, arguments.new], [Path(), arguments.data, arguments.scratch, arguments.out])
    clones = {name: open_clone(name, getattr(arguments, name)) for name in NAMES}
    commits = {name: clone.commit for name, clone in clones.items()}
    digests = digest_shops(arguments.rows, arguments.data)
    signal.signal(signal.SIGTERM, end_cleanly)
    name = f"{clones['base'].commit[:12]}_{clones['new'].commit[:12]}"
    file = arguments.scratch / f"{name}_{kept.fingerprint([commits, record.name_device()])}.json"
    tasks = list(plan_tasks(arguments.rows, arguments.repeats))
    measurements = measure_all(tasks, clones, arguments.data, digests, file)
    figures: dict[str, Any] = {"commits": commits, "threads": cores(), "rows": summarise(measurements)}
    print_table(figures)
    seconds = sum(measurement["wall"] for measurement in measurements.values())
    command = f"python -m benchmarks.speed BASE NEW --rows {' '.join(figures['rows'])} --repeats {arguments.repeats}"
    origin = record.describe_origin([], [1], command, seconds)
    data = {key.split()[0]: measurement["data"] for key, measurement in measurements.items() if measurement["data"]}
    record.write_json("speed", {**origin, "data": data}, figures, arguments.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-speed")
