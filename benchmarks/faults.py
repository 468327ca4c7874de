"""Faults at size: ``python -m benchmarks.faults``, where ``python -m benchmarks.scale`` has run at that scale.

Or, with ``--finished``, in a project where `dvc repro` has run; its outputs come out with the same bytes.

Each long stage is killed in its midst, starved of disk and of memory, and run again. Expected every time: a clear line
and exit code 2, or the end that the system gave it; the earlier outputs untouched and nothing half-written; and then
the same bytes as without the fault. Disk and memory are limited by a tmpfs and a control group, for which the script
must run as root on Linux; what it cannot limit it says and leaves out.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import graph, record, scale, scratch
from benchmarks.graph import Step
from retail import paths, stage
from retail.errors import InputError
from submissions.answering.shards import digest

LONG = ("prepare", "source item_cf", "pool", "features own", "table", "train", "evaluate", "submit")
STARTING = 1.5  # seconds that Python takes to begin a stage, which its cost does not count
KILLED = (0.3, 0.8)  # of a stage's seconds, after which it is killed
PART = 0.5  # of what a starved stage needs, of disk and of memory
GROUP = Path("/sys/fs/cgroup/memory/twelve")  # version 1
GROUP_2 = Path("/sys/fs/cgroup/twelve")
WRITTEN = (paths.COSTS, paths.CHECKPOINTS)  # beside its outputs by any stage
HEADER = ["stage", "fault", "ended with", "as it must", "nothing half-written", "same bytes again", "seconds again"]


@dataclass(frozen=True)
class Outcome:
    """What came of one fault in one stage."""

    stage: str
    fault: str
    ended: str
    expected: bool  # it was killed before its end; it said that the disk is full; it had memory enough
    whole: bool  # nothing half-written, the other outputs untouched
    same: bool  # the same bytes when run again
    seconds: float  # that this took

    @property
    def good(self) -> bool:
        return self.expected and self.whole and self.same


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


def again(here: Path, step: Step, before: str) -> tuple[bool, float]:
    """Whether the step, run without a fault, ends well and leaves the bytes of ``before`` and nothing half-written.

    And its seconds: what goes on where it was killed takes fewer.
    """
    began = time.perf_counter()
    process = started(here, step)
    process.communicate()
    seconds = time.perf_counter() - began
    return process.returncode == 0 and digest("", files_of(here, step)) == before and not half_written(here), seconds


def killed(here: Path, step: Step, seconds: float) -> Outcome:
    """SIGKILL to the stage and its children after ``seconds``."""
    before, process = digest("", files_of(here, step)), started(here, step)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    how = ended(process)
    whole = digest("", files_of(here, step)) == before
    in_its_midst = process.returncode == -signal.SIGKILL
    return Outcome(step.name, f"SIGKILL after {seconds:.1f} s", how, in_its_midst, whole, *again(here, step, before))


def kills(here: Path, step: Step, seconds: float, parts: Sequence[float] = KILLED) -> Iterator[Outcome]:
    """A kill after each of ``parts`` of the ``seconds``; tried once more where the stage had ended before."""
    for part in parts:
        one = killed(here, step, STARTING + seconds * part)
        if not one.expected:
            seconds = one.seconds
            one = killed(here, step, seconds * part)
        yield one


def starved_of_disk(here: Path, step: Step) -> Outcome:
    """``here``, on a tmpfs, gets room for ``PART`` of what the step writes; then as much as it likes."""
    files = files_of(here, step)
    before, room = digest("", files), int(PART * sum(file.stat().st_size for file in files))
    resized(here, shutil.disk_usage(here).used + room)
    process = started(here, step)
    how = ended(process)
    whole = digest("", files_of(here, step)) == before and not half_written(here)
    resized(here, 0)
    said = process.returncode == stage.BAD_INPUT and "the disk is full" in how
    return Outcome(step.name, f"{room / 1e6:,.3g} MB of disk", how, said, whole, *again(here, step, before))


def resized(folder: Path, size: int) -> None:
    """Give the tmpfs at ``folder`` so many bytes; 0: all the memory there is."""
    subprocess.run(["mount", "-o", f"remount,size={size or '100%'}", str(folder)], check=True)


@contextmanager
def on_tmpfs(source: Path, step: Step) -> Iterator[Path]:
    """The scratch folder ``source`` on a tmpfs beside it, as far as the step writes; the rest is links."""
    folder = source.with_name(f"{source.name}_disk")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100%", "tmpfs", str(folder)], check=True)
    try:
        mirror(source, folder, {*step.outputs, *WRITTEN})
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def mirror(source: Path, into: Path, copied: set[Path], below: Path = Path()) -> None:
    """Copy the files and folders ``copied`` of ``source``, in folders of their own; everything else is a link."""
    (into / below).mkdir(exist_ok=True)
    for entry in sorted((source / below).iterdir()):
        part = below / entry.name
        if part in copied and entry.is_dir():
            shutil.copytree(entry, into / part)
        elif part in copied:
            shutil.copy2(entry, into / part)
        elif any(part in one.parents for one in copied):
            mirror(source, into, copied, part)
        else:
            (into / part).symlink_to(entry.resolve())


def starved_of_memory(here: Path, step: Step, limit: int, enough: bool) -> Outcome:
    """The stage and its children may have ``limit`` bytes resident, file pages included; must that be ``enough``?"""
    before = digest("", files_of(here, step))
    with limited(limit) as group:
        process = started(here, step)
        (group / "cgroup.procs").write_text(str(process.pid))
        how = ended(process)
    whole = digest("", files_of(here, step)) == before
    good = process.returncode == 0 or not enough
    return Outcome(step.name, f"{limit / 1e6:,.0f} MB of memory", how, good, whole, *again(here, step, before))


@contextmanager
def limited(memory: int) -> Iterator[Path]:
    """A control group whose processes have so many bytes of memory together, and no swap where it can be denied."""
    second = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    group = GROUP_2 if second else GROUP
    group.mkdir(exist_ok=True)
    (group / ("memory.max" if second else "memory.limit_in_bytes")).write_text(str(memory))
    swap = group / ("memory.swap.max" if second else "memory.memsw.limit_in_bytes")
    if swap.exists():
        swap.write_text("0" if second else str(memory))
    try:
        yield group
    finally:
        group.rmdir()


def tried(
    here: Path, steps: list[Step], known: Mapping[str, Any], faults: set[str], memory: int | None,
    parts: Sequence[float],
) -> Iterator[Outcome]:  # fmt: skip
    """Every fault in every step, one after another. ``memory``: MB that every step must do with; None: too little.

    ``parts`` of a step's seconds after which it is killed.
    """
    rooted = os.geteuid() == 0
    if not rooted:
        print("not root: disk and memory are left out")
    for step in steps:
        if "kill" in faults:
            yield from kills(here, step, known[step.name]["seconds"], parts)
        if "memory" in faults and rooted:
            limit = PART * known[step.name]["peak_mb"] * 2**20 if memory is None else memory * 1e6
            yield starved_of_memory(here, step, int(limit), memory is not None)
        if "disk" in faults and rooted:
            with on_tmpfs(here, step) as folder:
                yield starved_of_disk(folder, step)


def place(folder: Path, size: float, finished: Path | None) -> tuple[Path, dict[str, Any]]:
    """Where the faults happen, a project or the scratch folder of a shop of the scale ``size``; its steps' costs."""
    if finished:
        return finished.resolve(), scale.finished(finished)["steps"]
    here = folder.resolve() / f"{size:g}"
    if not (here / scale.COSTS).exists():
        raise InputError(f"{here}: no shop has run here; run `python -m benchmarks.scale --scales {size:g}` first")
    return here, scale.known(here)


def cells(outcomes: list[Outcome], known: Mapping[str, Any]) -> list[list[str]]:
    """The table's text."""
    said = {True: "yes", False: "NO"}
    return [
        [
            *[one.stage, one.fault, one.ended],
            *[said[what] for what in (one.expected, one.whole, one.same)],
            f"{one.seconds:.0f} of {known[one.stage]['seconds']:.0f}",
        ]
        for one in outcomes
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument(
        "--memory", type=int, help="MB that every stage must do with; else each gets half of its peak, and may be ended"
    )
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "scale")
    parser.add_argument("--finished", type=Path, help="a project in which `dvc repro` has run, in place of a scale")
    parser.add_argument("--faults", nargs="+", default=["kill", "disk", "memory"], choices=["kill", "disk", "memory"])
    parser.add_argument("--killed", nargs="+", type=float, default=KILLED, help="parts of a stage's seconds")
    parser.add_argument("--stages", nargs="+", default=LONG, choices=LONG)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    here, known = place(asked.scratch, asked.scale, asked.finished)
    raw, began, title = scale.params_of(here), time.perf_counter(), "faults_finished" if asked.finished else "faults"
    steps = [one for one in graph.steps(raw) if one.name in asked.stages]
    outcomes = []
    for one in tried(here, steps, known, set(asked.faults), asked.memory, asked.killed):
        print(f"{one.stage}, {one.fault}: {'good' if one.good else 'BAD'}, ended with {one.ended}", flush=True)
        outcomes.append(one)
    table = Table(*HEADER)
    for line in cells(outcomes, known):
        table.add_row(*line)
    Console(width=200).print(table)
    files = sorted(Path(raw["data"]["folder"]).glob("*.csv"))
    words = ["FOLDER" if word in {str(asked.finished), str(asked.out)} else word for word in sys.argv[1:]]
    command = shlex.join(["python", "-m", "benchmarks.faults", *words])
    made = record.made_from(files, [raw["seed"]], command, time.perf_counter() - began)
    record.write_json(title, made, {"outcomes": [asdict(one) for one in outcomes]}, asked.out)
    record.write_markdown(title, made, record.markdown_table(HEADER, cells(outcomes, known)), asked.out)
    if not all(one.good for one in outcomes):
        raise SystemExit(1)


if __name__ == "__main__":
    stage.guarded(main, "faults")
