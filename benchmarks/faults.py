"""Kill long stages, limit their disk and memory, and check that they recover: ``python -m benchmarks.faults``.

Run it where ``python -m benchmarks.scale`` has run at the same scale. With ``--finished``, run it on a project in which
`dvc repro` has run; its outputs keep their bytes.

After each fault three things are expected. First, the stage was killed, or it ended with exit code 2 and a clear
message. Second, earlier outputs are untouched and no partial file is left. Third, a rerun writes the same bytes as
before the fault. A tmpfs limits the disk and a control group the memory; both need root on Linux. Without root these
faults are skipped with a message.
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
from retail.kept import digest

LONG = ("prepare", "propose", "pool", "build_features", "table", "train", "evaluate", "submit")
STARTING = 1.5  # seconds of Python's startup and imports, which a stage's cost does not include
KILLED = (0.3, 0.8)  # a stage is killed after these fractions of its seconds
PART = 0.5  # fraction of the disk or memory a stage needs that a limit grants
GROUP = Path("/sys/fs/cgroup/memory/twelve")  # control group, version 1
GROUP_2 = Path("/sys/fs/cgroup/twelve")  # version 2
WRITTEN = (paths.COSTS, paths.CHECKPOINTS)  # folders that any stage writes to in addition to its outputs
HEADER = [
    "stage",
    "fault",
    "ended with",
    "as expected",
    "no partial file",
    "same bytes after a rerun",
    "seconds of the rerun",
]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a fault in a stage."""

    stage: str
    fault: str
    ended: str  # exit code and last line of the stage's messages
    expected: bool  # killed while running; or reported a full disk; or finished within the memory granted
    whole: bool  # no partial file, earlier outputs untouched
    same: bool  # a rerun wrote the same bytes
    seconds: float  # of the rerun

    @property
    def good(self) -> bool:
        """Return whether the stage passed all three checks."""
        return self.expected and self.whole and self.same


def start_step(root: Path, step: Step) -> subprocess.Popen[str]:
    """Start the step in the folder ``root``, in its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", step.module, *step.arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(scratch.ROOT)},
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def list_files(root: Path, step: Step) -> list[Path]:
    """List the files of a step's outputs, sorted."""
    candidates = [file for out in step.outputs for file in [root / out, *(root / out).rglob("*")]]
    return sorted(file for file in candidates if file.is_file())


def digest_outputs(root: Path, step: Step) -> str:
    """Digest names and contents of a step's output files."""
    return digest(list_files(root, step))


def list_partial(root: Path) -> list[Path]:
    """List unfinished outputs; a killed stage may leave them until its next run."""
    return [part for part in root.rglob(".*.part") if "costs" not in part.parts]


def wait_for_end(process: subprocess.Popen[str]) -> str:
    """Wait for a process; return its exit code and, if it failed, the last line of its messages."""
    _, messages = process.communicate()
    last = [line for line in messages.replace("\r", "\n").splitlines() if line.strip()][-1:]
    return f"{process.returncode}: {last[0].strip() if process.returncode > 0 and last else ''}".strip(": ")


def rerun(root: Path, step: Step, before: str) -> tuple[bool, float]:
    """Run the step without a fault; return whether it recovers, and its seconds.

    It recovers if it succeeds, its outputs have the digest ``before``, and no partial file is left. A stage that
    resumes takes fewer seconds than a full run.
    """
    began = time.perf_counter()
    process = start_step(root, step)
    process.communicate()
    seconds = time.perf_counter() - began
    return process.returncode == 0 and digest_outputs(root, step) == before and not list_partial(root), seconds


def kill_step(root: Path, step: Step, seconds: float) -> Outcome:
    """Send SIGKILL to the step and its children after ``seconds``, then rerun it."""
    before, process = digest_outputs(root, step), start_step(root, step)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    end = wait_for_end(process)
    whole = digest_outputs(root, step) == before
    killed = process.returncode == -signal.SIGKILL
    return Outcome(step.name, f"SIGKILL after {seconds:.1f} s", end, killed, whole, *rerun(root, step, before))


def kill_repeatedly(root: Path, step: Step, seconds: float, parts: Sequence[float] = KILLED) -> Iterator[Outcome]:
    """Kill the step after each fraction in ``parts`` of its ``seconds``; retry once if it had already ended."""
    for part in parts:
        outcome = kill_step(root, step, STARTING + seconds * part)
        if not outcome.expected:
            seconds = outcome.seconds
            outcome = kill_step(root, step, seconds * part)
        yield outcome


def limit_disk(root: Path, step: Step) -> Outcome:
    """Run the step in ``root``, a tmpfs with space for ``PART`` of its outputs; then rerun it without the limit."""
    files = list_files(root, step)
    before, space = digest_outputs(root, step), int(PART * sum(file.stat().st_size for file in files))
    resize_tmpfs(root, shutil.disk_usage(root).used + space)
    process = start_step(root, step)
    end = wait_for_end(process)
    whole = digest_outputs(root, step) == before and not list_partial(root)
    resize_tmpfs(root, 0)
    reported = process.returncode == stage.BAD_INPUT and "the disk is full" in end
    return Outcome(step.name, f"{space / 1e6:,.3g} MB of disk", end, reported, whole, *rerun(root, step, before))


def resize_tmpfs(folder: Path, size: int) -> None:
    """Resize the tmpfs at ``folder`` to ``size`` bytes; 0: all memory."""
    subprocess.run(["mount", "-o", f"remount,size={size or '100%'}", str(folder)], check=True)


@contextmanager
def mirror_to_tmpfs(source: Path, step: Step) -> Iterator[Path]:
    """Mirror the scratch folder ``source`` to a tmpfs next to it: copies of what the step writes, links to the rest."""
    folder = source.with_name(f"{source.name}_disk")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100%", "tmpfs", str(folder)], check=True)
    try:
        mirror(source, folder, {*step.outputs, *WRITTEN})
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def mirror(source: Path, target: Path, copied: set[Path], below: Path = Path()) -> None:
    """Copy the files and folders ``copied`` (relative to ``source``) to ``target``; link to everything else.

    ``below``: the subfolder that a recursive call mirrors.
    """
    (target / below).mkdir(exist_ok=True)
    for entry in sorted((source / below).iterdir()):
        part = below / entry.name
        if part in copied and entry.is_dir():
            shutil.copytree(entry, target / part)
        elif part in copied:
            shutil.copy2(entry, target / part)
        elif any(part in path.parents for path in copied):
            mirror(source, target, copied, part)
        else:
            (target / part).symlink_to(entry.resolve())


def limit_memory(root: Path, step: Step, limit: int, enough: bool) -> Outcome:
    """Run the step and its children with ``limit`` bytes of resident memory, file pages included; then rerun it.

    ``enough``: whether the step must succeed within the limit.
    """
    before = digest_outputs(root, step)
    with make_group(limit) as group:
        process = start_step(root, step)
        (group / "cgroup.procs").write_text(str(process.pid))
        end = wait_for_end(process)
    whole = digest_outputs(root, step) == before
    expected = process.returncode == 0 or not enough
    return Outcome(step.name, f"{limit / 1e6:,.0f} MB of memory", end, expected, whole, *rerun(root, step, before))


@contextmanager
def make_group(memory: int) -> Iterator[Path]:
    """Make a control group whose processes share ``memory`` bytes, without swap if the kernel can deny it."""
    version_2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    group = GROUP_2 if version_2 else GROUP
    group.mkdir(exist_ok=True)
    (group / ("memory.max" if version_2 else "memory.limit_in_bytes")).write_text(str(memory))
    swap = group / ("memory.swap.max" if version_2 else "memory.memsw.limit_in_bytes")
    if swap.exists():
        swap.write_text("0" if version_2 else str(memory))
    try:
        yield group
    finally:
        group.rmdir()


def inject_faults(
    root: Path, steps: list[Step], costs: Mapping[str, Any], faults: set[str], memory: int | None,
    parts: Sequence[float],
) -> Iterator[Outcome]:  # fmt: skip
    """Inject every fault into every step, one at a time.

    ``costs``: step name -> its cost without a fault. ``memory``: MB with which every step must succeed; None: half of
    the step's peak, with which it may fail. ``parts``: fractions of a step's seconds after which it is killed.
    """
    is_root = os.geteuid() == 0
    if not is_root:
        print("not root: the disk and memory faults are skipped")
    for step in steps:
        if "kill" in faults:
            yield from kill_repeatedly(root, step, costs[step.name]["seconds"], parts)
        if "memory" in faults and is_root:
            limit = PART * costs[step.name]["peak_mb"] * 2**20 if memory is None else memory * 1e6
            yield limit_memory(root, step, int(limit), memory is not None)
        if "disk" in faults and is_root:
            with mirror_to_tmpfs(root, step) as folder:
                yield limit_disk(folder, step)


def find_run(folder: Path, size: float, finished: Path | None) -> tuple[Path, dict[str, Any]]:
    """Find a run's folder and its steps' costs: the project ``finished``, or the scratch folder of scale ``size``.

    InputError if nothing has run in the scratch folder.
    """
    if finished:
        return finished.resolve(), scale.read_finished(finished)["steps"]
    root = folder.resolve() / f"{size:g}"
    if not (root / scale.COSTS).exists():
        raise InputError(f"{root}: no shop has run here; run `python -m benchmarks.scale --scales {size:g}` first")
    return root, scale.read_costs(root)


def format_cells(outcomes: list[Outcome], costs: Mapping[str, Any]) -> list[list[str]]:
    """Format a row per outcome."""
    words = {True: "yes", False: "NO"}
    return [
        [
            *[row.stage, row.fault, row.ended],
            *[words[passed] for passed in (row.expected, row.whole, row.same)],
            f"{row.seconds:.0f} of {costs[row.stage]['seconds']:.0f}",
        ]
        for row in outcomes
    ]


def main() -> None:
    """Inject the faults, print and write the table; exit with code 1 if a stage did not recover."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument(
        "--memory",
        type=int,
        help="MB with which every stage must succeed (default: half of its peak; it may be killed)",
    )
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "scale")
    parser.add_argument("--finished", type=Path, help="a project in which `dvc repro` has run, instead of a scale")
    parser.add_argument("--faults", nargs="+", default=["kill", "disk", "memory"], choices=["kill", "disk", "memory"])
    parser.add_argument(
        "--killed",
        nargs="+",
        type=float,
        default=KILLED,
        help="fractions of a stage's seconds after which it is killed",
    )
    parser.add_argument("--stages", nargs="+", default=LONG, choices=LONG)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    root, costs = find_run(arguments.scratch, arguments.scale, arguments.finished)
    raw, began = scale.read_params(root), time.perf_counter()
    title = "faults_finished" if arguments.finished else "faults"
    steps = [step for step in graph.read_steps(raw) if step.name in arguments.stages]
    outcomes = []
    for outcome in inject_faults(root, steps, costs, set(arguments.faults), arguments.memory, arguments.killed):
        verdict = "good" if outcome.good else "BAD"
        print(f"{outcome.stage}, {outcome.fault}: {verdict}, ended with {outcome.ended}", flush=True)
        outcomes.append(outcome)
    table = Table(*HEADER)
    for line in format_cells(outcomes, costs):
        table.add_row(*line)
    Console(width=200).print(table)
    files = sorted(Path(raw["data"]["folder"]).glob("*.csv"))
    words = ["FOLDER" if word in {str(arguments.finished), str(arguments.out)} else word for word in sys.argv[1:]]
    command = shlex.join(["python", "-m", "benchmarks.faults", *words])
    origin = record.describe_origin(files, [raw["seed"]], command, time.perf_counter() - began)
    record.write_json(title, origin, {"outcomes": [asdict(outcome) for outcome in outcomes]}, arguments.out)
    record.write_markdown(title, origin, record.markdown_table(HEADER, format_cells(outcomes, costs)), arguments.out)
    if not all(outcome.good for outcome in outcomes):
        raise SystemExit(1)


if __name__ == "__main__":
    stage.guarded(main, "faults")
