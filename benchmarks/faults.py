"""Faults at size: ``python -m benchmarks.faults``, where ``python -m benchmarks.scale`` has run at that scale.

Each long stage is killed in its midst, starved of disk and of memory, and run again. Expected every time: a clear line
and exit code 2, or the end that the system gave it; the earlier outputs untouched and nothing half-written; and then
the same bytes as without the fault. Disk and memory are limited by a tmpfs and a control group, for which the script
must run as root on Linux; what it cannot limit it says and leaves out.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import graph, scale, scratch
from benchmarks.graph import Step
from retail import paths, stage
from retail.errors import InputError
from stage2_ranker import recipe
from submissions.shards import digest

LONG = ("prepare", "source item_cf", "pool", "features own", "table", "train", "evaluate", "submit")
ROOM = 2  # MB that a starved stage has left
GROUP = Path("/sys/fs/cgroup/memory/twelve")  # version 1
GROUP_2 = Path("/sys/fs/cgroup/twelve")
MINE = (paths.DATA, paths.PARAMS, paths.SUBMISSIONS, recipe.BEST)  # of a scratch folder, what a stage reads or writes


@dataclass(frozen=True)
class Outcome:
    """What came of one fault in one stage."""

    stage: str
    fault: str
    ended: str
    whole: bool  # nothing half-written, the other outputs untouched
    same: bool  # the same bytes when run again


def started(here: Path, step: Step) -> subprocess.Popen[str]:
    """The step's process, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", step.module, *step.arguments],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(scratch.ROOT)},
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def files_of(here: Path, step: Step) -> list[Path]:
    """The files of a step's outputs, sorted."""
    found = [file for out in step.outputs for file in [here / out, *(here / out).rglob("*")]]
    return sorted(file for file in found if file.is_file())


def half_written(here: Path) -> list[Path]:
    """What a stage left under a name that is not final; a killed one may, until it runs again."""
    return [part for part in here.rglob(".*.part") if "costs" not in part.parts]


def ended(process: subprocess.Popen[str]) -> str:
    """How a process ended: its exit code, and the last line it said."""
    _, said = process.communicate()
    last = [line for line in said.replace("\r", "\n").splitlines() if line.strip()][-1:]
    return f"{process.returncode}: {last[0].strip() if process.returncode > 0 and last else ''}".strip(": ")


def again(here: Path, step: Step, before: str) -> bool:
    """Whether the step, run without a fault, ends well and leaves the bytes of ``before`` and nothing half-written."""
    process = started(here, step)
    process.communicate()
    return process.returncode == 0 and digest("", files_of(here, step)) == before and not half_written(here)


def killed(here: Path, step: Step, seconds: float) -> Outcome:
    """SIGKILL to the stage and its children after ``seconds``."""
    before, process = digest("", files_of(here, step)), started(here, step)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    how = ended(process)
    whole = digest("", files_of(here, step)) == before
    return Outcome(step.name, f"SIGKILL after {seconds:.1f} s", how, whole, again(here, step, before))


def starved_of_disk(here: Path, step: Step) -> Outcome:
    """``here``, on a tmpfs, gets ``ROOM`` MB of room beside what it holds; then as much as it likes."""
    before = digest("", files_of(here, step))
    used = shutil.disk_usage(here).used
    resized(here, used + ROOM * 2**20)
    how = ended(started(here, step))
    whole = digest("", files_of(here, step)) == before and not half_written(here)
    resized(here, 0)
    return Outcome(step.name, f"{ROOM} MB of disk", how, whole, again(here, step, before))


def resized(folder: Path, size: int) -> None:
    """Give the tmpfs at ``folder`` so many bytes; 0: all the memory there is."""
    subprocess.run(["mount", "-o", f"remount,size={size or '100%'}", str(folder)], check=True)


@contextmanager
def on_tmpfs(source: Path) -> Iterator[Path]:
    """A copy of the scratch folder ``source`` on a tmpfs beside it."""
    folder = source.with_name(f"{source.name}_disk")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100%", "tmpfs", str(folder)], check=True)
    try:
        for part in MINE:
            if (source / part).is_dir():
                shutil.copytree(source / part, folder / part)
            elif (source / part).exists():
                (folder / part).parent.mkdir(exist_ok=True)
                shutil.copy2(source / part, folder / part)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def starved_of_memory(here: Path, step: Step, limit: int) -> Outcome:
    """The stage and its children may have ``limit`` bytes resident, file pages included."""
    before = digest("", files_of(here, step))
    group, name = (GROUP_2, "memory.max") if Path("/sys/fs/cgroup/cgroup.controllers").exists() else (
        GROUP, "memory.limit_in_bytes")  # fmt: skip
    group.mkdir(exist_ok=True)
    (group / name).write_text(str(limit))
    process = started(here, step)
    (group / "cgroup.procs").write_text(str(process.pid))
    how = ended(process)
    whole = digest("", files_of(here, step)) == before
    return Outcome(step.name, f"{limit / 2**20:,.0f} MB of memory", how, whole, again(here, step, before))


def tried(here: Path, steps: list[Step], known: Mapping[str, Any], faults: set[str], memory: int) -> Iterator[Outcome]:
    """Every fault in every step, one after another."""
    limited = os.geteuid() == 0
    if not limited:
        print("not root: disk and memory are left out")
    for step in steps:
        if "kill" in faults:
            yield from (killed(here, step, known[step.name]["seconds"] * part) for part in (0.3, 0.8))
        if "memory" in faults and limited:
            yield starved_of_memory(here, step, memory)
    if "disk" in faults and limited:
        with on_tmpfs(here) as folder:
            yield from (starved_of_disk(folder, step) for step in steps)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--memory", type=int, default=8192, help="MB, of all stages (%(default)s)")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "scale")
    parser.add_argument("--faults", nargs="+", default=["kill", "disk", "memory"], choices=["kill", "disk", "memory"])
    parser.add_argument("--stages", nargs="+", default=LONG, choices=LONG)
    asked = parser.parse_args()
    here = asked.scratch.resolve() / f"{asked.scale:g}"
    if not (here / scale.COSTS).exists():
        raise InputError(
            f"{here}: no shop has run here; run `python -m benchmarks.scale --scales {asked.scale:g}` first"
        )
    known = scale.known(here)
    steps = [one for one in graph.steps(json.loads((here / paths.PARAMS).read_text())) if one.name in asked.stages]
    outcomes = []
    for one in tried(here, steps, known, set(asked.faults), asked.memory * 2**20):
        print(f"{one.stage}, {one.fault}: ended with {one.ended}; whole {one.whole}, same {one.same}", flush=True)
        outcomes.append(one)
    table = Table("stage", "fault", "ended with", "nothing half-written", "same bytes again")
    for one in outcomes:
        table.add_row(one.stage, one.fault, one.ended, str(one.whole), str(one.same))
    Console(width=200).print(table)
    if not all(one.whole and one.same for one in outcomes):
        raise SystemExit(1)


if __name__ == "__main__":
    stage.guarded(main, "faults")
