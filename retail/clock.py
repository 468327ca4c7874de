"""Say how long a run will take and took, compared with the last run: ``python -m retail.clock``.

A run is one `dvc repro`. When a stage of a run starts, it prints the expected time of itself and of the rest of the
run. The expected times are those of the last run, scaled by how this run has fared so far.

``data/costs/<stage>.json`` holds the cost of a stage's last run, and the clock's own values. No stage depends
on these files. A stage that is run by hand leaves the clock's values as they are.
"""

import argparse
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from retail import graph, paths

STAGE = "DVC_STAGE"  # DVC tells its commands the name of their stage in this variable
SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh"}  # DVC starts a stage through one
SAME = 5.0  # seconds by which two readings of a process's start may differ, because the system's clock is adjusted
ORDER = paths.COSTS / "order.txt"  # the names of all stages, so that only the first stage of a run reads YAML


@dataclass(frozen=True)
class Run:
    """A run: the process of `dvc repro`."""

    pid: int
    start: float  # seconds since 1970

    def is_same(self, other: "Run | None") -> bool:
        """Tell whether ``other`` is this run."""
        return other is not None and self.pid == other.pid and abs(self.start - other.start) < SAME

    @classmethod
    def find(cls) -> Self | None:
        """Find the run that this process belongs to; None for a stage that is run by hand."""
        try:
            parent = psutil.Process().parent()
            while parent is not None and parent.name() in SHELLS:
                parent = parent.parent()
            return None if parent is None else cls(parent.pid, round(parent.create_time(), 2))
        except psutil.Error:  # the process has ended or belongs to someone else
            return None


@dataclass(frozen=True)
class Cost:
    """The cost of a stage's last run; the values after ``peak_mb`` are the clock's own."""

    seconds: float  # of the stage's ``main``
    peak_mb: float
    elapsed: float | None = None  # seconds since the stage before it ended: with DVC's work, Python's start, imports
    previous: float | None = None  # the ``expected`` seconds before this run
    resumed: bool = False  # an earlier attempt was killed, so ``elapsed`` may be a part of the work
    ended: float = 0.0  # on the system's monotonic clock, which is comparable within a run
    run: Run | None = None

    @property
    def expected(self) -> float:
        """Return the seconds that the next run of the stage will take, as far as known."""
        elapsed = self.seconds if self.elapsed is None else self.elapsed
        return max(elapsed, self.previous or 0.0) if self.resumed else elapsed

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Read a cost file; None if it is missing or not a cost file."""
        try:
            raw = json.loads(file.read_text(encoding="utf-8"))
            return cls(**{**raw, "run": Run(*raw["run"]) if raw.get("run") else None})
        except (OSError, ValueError, TypeError, AttributeError):
            return None


@dataclass(frozen=True)
class Watch:
    """The clock of one stage, from its start to its end."""

    name: str  # of the cost file
    old: Cost | None  # the stage's cost before
    run: Run | None  # None if the stage is run by hand
    begin: float  # end of the stage before it in this run, or start of this process; monotonic seconds
    resumed: bool

    def stop(self) -> dict[str, Any]:
        """Return the clock's values for the cost file of the stage, which has just ended."""
        if self.run is None:
            return {} if self.old is None or self.old.run is None else _to_values(self.old)
        now, before = time.monotonic(), None
        if self.old is not None:
            before = self.old.previous if self.run.is_same(self.old.run) else self.old.expected
        _attempt(self.name).unlink(missing_ok=True)
        return _to_values(Cost(0.0, 0.0, round(now - self.begin, 2), before, self.resumed, round(now, 2), self.run))


def start(name: str) -> Watch:
    """Start the clock of stage ``name``; in a run, print the expected time."""
    file = paths.COSTS / f"{name}.json"
    address = os.environ.get(STAGE, "")
    run = Run.find() if _to_file_name(address) == name else None
    if run is None:
        return Watch(name, Cost.read(file), None, 0.0, False)
    stages = list_stages()
    costs = read_costs(stages)
    if address in stages:
        print(describe_start(address, stages, costs, run), flush=True)
    age = max(time.time() - psutil.Process().create_time(), 0.0)
    ends = [cost.ended for cost in costs.values() if run.is_same(cost.run)]
    attempt = _attempt(name)
    resumed = attempt.exists()
    attempt.parent.mkdir(parents=True, exist_ok=True)
    attempt.touch()  # it stays behind if the stage is killed
    return Watch(name, Cost.read(file), run, max(ends, default=time.monotonic() - age), resumed)


def list_stages() -> list[str]:
    """List all stages as DVC names them, in the order of the graph; [] where the graph cannot be read.

    Keeps the list in data/costs until dvc.yaml or params.yaml changes.
    """
    try:
        stats = [file.stat() for file in (graph.GRAPH, paths.PARAMS)]
        stamp = " ".join(f"{stat.st_mtime_ns} {stat.st_size}" for stat in stats)
        if ORDER.exists():
            first, *names = ORDER.read_text(encoding="utf-8").splitlines()
            if first == stamp:
                return names
        names = graph.list_stages()
        part = ORDER.with_name(f".{ORDER.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("\n".join([stamp, *names]), encoding="utf-8")
        os.replace(part, ORDER)
    except Exception:  # a progress line must stop no stage; what is wrong with a file, the stages themselves report
        return []
    return names


def read_costs(stages: Iterable[str]) -> dict[str, Cost]:
    """Read the costs of those ``stages`` that have one."""
    read = {name: Cost.read(paths.COSTS / f"{_to_file_name(name)}.json") for name in stages}
    return {name: cost for name, cost in read.items() if cost is not None}


def describe_start(stage: str, stages: Sequence[str], costs: Mapping[str, Cost], run: Run) -> str:
    """Describe the expected time of ``stage``, which starts now, and of the rest of the run, in one line.

    DVC skips stages and does not say so. Where the run has skipped a stage already, it may skip more: the time left is
    then "at most" the sum over the stages that follow.
    """
    place = stages.index(stage)
    line = f"[{place + 1}/{len(stages)}] {stage}"
    ran = {name for name, cost in costs.items() if run.is_same(cost.run)}
    left = [name for name in stages[place:] if name not in ran]
    known = [costs[name].expected for name in left if name in costs]
    if not known:
        return line if ran else f"{line}: no earlier run to estimate from"
    scale = compute_scale([costs[name] for name in ran])
    own = f"about {format_estimate(scale * costs[stage].expected)}" if stage in costs else "time unknown"
    bound = "about" if ran.issuperset(stages[:place]) else "at most"
    unknown = len(left) - len(known)
    note = f"; {unknown} stage{'s' * (unknown > 1)} unknown" if unknown else ""
    return (
        f"{line}: {own}; whole run {bound} {format_estimate(scale * sum(known))} left (from the last run's costs{note})"
    )


def compute_scale(costs: Iterable[Cost]) -> float:
    """Compute the ratio of actual to expected seconds over the finished stages of a run; 1 if none is comparable."""
    actual, expected = _sum_both(costs)
    return actual / expected if expected else 1.0


def describe_end(costs: Mapping[str, Cost], stages: int) -> str | None:
    """Describe the newest run in ``costs``, as ``describe_time`` does; None if no run is known.

    ``stages``: number of all stages of the graph.
    """
    newest = max((cost.run for cost in costs.values() if cost.run), key=lambda run: run.start, default=None)
    ran = select_run(costs.values(), newest)
    subject = "run" if len(ran) == stages else f"run of {len(ran)} of {stages} stages"
    return f"{subject}: {describe_time(ran)}" if ran else None


def describe_time(ran: Sequence[Cost]) -> str:
    """Describe the time of the stages ``ran`` of a run, and its ratio to the last run.

    Both times count only the stages that did all of their work in this run and in an earlier one.
    """
    total = sum(cost.elapsed or 0.0 for cost in ran)
    actual, expected = _sum_both(ran)
    if not expected:
        return f"{format_seconds(total)}; no earlier run to compare with"
    others = sum(not _is_comparable(cost) for cost in ran)
    more = f"; {others} more stage{'s' * (others > 1)}: {format_seconds(total - actual)}" if others else ""
    return f"{format_seconds(actual)}, {actual / expected:.2f} of the last run ({format_seconds(expected)}){more}"


def select_run(costs: Iterable[Cost], run: Run | None) -> list[Cost]:
    """Select the costs of the stages that ran in ``run``."""
    return [cost for cost in costs if run is not None and run.is_same(cost.run)]


def format_estimate(seconds: float) -> str:
    """Format an expected time, coarsely.

    >>> [format_estimate(s) for s in (0.2, 25.4, 89, 374, 5400, 8000)]
    ['1 s', '25 s', '89 s', '6 min', '1 h 30 min', '2 h 13 min']
    """
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def format_seconds(seconds: float) -> str:
    """Format a measured time.

    >>> [format_seconds(s) for s in (0.2, 59.7, 250, 3600)]
    ['0 s', '1 min 0 s', '4 min 10 s', '1 h 0 min 0 s']
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours} h " if hours else "") + (f"{minutes} min " if hours or minutes else "") + f"{rest} s"


def _sum_both(costs: Iterable[Cost]) -> tuple[float, float]:
    """Sum the actual and the previous seconds of the comparable stages."""
    both = [cost for cost in costs if _is_comparable(cost)]
    return sum(cost.elapsed or 0.0 for cost in both), sum(cost.previous or 0.0 for cost in both)


def _is_comparable(cost: Cost) -> bool:
    """Tell whether a stage did the whole of its work in this run and in an earlier one."""
    return cost.previous is not None and not cost.resumed


def _to_values(cost: Cost) -> dict[str, Any]:
    """Return the clock's own values of ``cost`` as JSON has them."""
    run = cost.run and [cost.run.pid, cost.run.start]
    return {
        "elapsed": cost.elapsed,
        "previous": cost.previous,
        "resumed": cost.resumed,
        "ended": cost.ended,
        "run": run,
    }


def _to_file_name(stage: str) -> str:
    """Return the name of a stage's cost file: propose_item_cf for propose@item_cf."""
    return stage.replace("@", "_")


def _attempt(name: str) -> Path:
    """Return the path of the file that exists while a stage runs, and after it was killed."""
    return paths.COSTS / f".{name}.attempt"


def main() -> None:
    """Print the time of the newest run and its ratio to the run before it."""
    parser = argparse.ArgumentParser(prog="python -m retail.clock", description=__doc__.splitlines()[0])
    parser.add_argument("--since", type=float, default=0.0, help="seconds since 1970; an older run is not printed")
    since = parser.parse_args().since
    stages = list_stages()
    costs = {name: cost for name, cost in read_costs(stages).items() if cost.run and cost.run.start > since - SAME}
    if line := describe_end(costs, len(stages)):
        print(line)


if __name__ == "__main__":
    main()
