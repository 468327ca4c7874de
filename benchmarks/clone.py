"""Open a clone of the repository to measure its commit: check it, clean it, and run commands in it."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from retail import paths
from retail.errors import InputError

GROUP, WIDER = ("features", "match", "window"), 7  # the setting that `widen_window` changes, and by how many days
KEPT_BY_CLEAN = ("-e", ".venv", "-e", "*.egg-info", "-e", ".dvc/config.local")
# Variables of another make or Python, such as `make bench-speed DATA=...`, would change the runs. So would a cache of
# kernels outside of the clone.
DROPPED_PREFIXES = ("MAKE", "MFLAGS", "PYTHON", "NUMBA_CACHE")
DROPPED = {"BASE", "DATA", "DROP", "EXTRAS", "NEW", "REPEATS", "ROWS", "TRAININGS", "WEEKS"}
PROGRAMS = ("dvc", "make", "python")


@dataclass(frozen=True)
class Clone:
    """A clone of the repository at the commit to measure."""

    name: str  # base or new
    folder: Path  # absolute
    commit: str
    stages: Mapping[str, Any]  # of its dvc.yaml


def open_clone(name: str, folder: Path) -> Clone:
    """Check that ``folder`` is a clean clone with a finished environment, in which nothing runs; InputError if not."""
    folder = folder.resolve()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a clone of the repository")
    if not (folder / ".git").exists() or not (folder / "dvc.yaml").is_file():
        raise InputError(f"{folder}: not a clone of the repository; give the folder that holds dvc.yaml and .git")
    stages = load_yaml((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    clone = Clone(name, folder, git(folder, "rev-parse", "HEAD").strip(), stages)
    for line in git(folder, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all").split("\0"):
        file = line[3:]
        if file and not is_made_by_run(clone, file):
            raise InputError(f"{folder}: {file} has changes; commit them, or restore or remove the file")
    done = subprocess.run(["make", "-q", ".venv/ready"], cwd=folder, env=make_environment(clone), capture_output=True)
    if done.returncode:
        raise InputError(
            f"{folder}: .venv/ready is missing or older than pyproject.toml; run `make .venv/ready` there, or touch it "
            "if .venv links to a finished environment with the same dependencies"
        )
    for process in psutil.process_iter(["name", "cwd"]):
        cwd, program = process.info["cwd"], process.info["name"] or ""
        if cwd and program.startswith(PROGRAMS) and Path(cwd).is_relative_to(folder):
            raise InputError(f"{folder}: process {process.pid} ({program}) still runs there; wait for it, or end it")
    return clone


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder`` and return its output; InputError if it fails."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{folder}: git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def load_yaml(text: str) -> dict[str, Any]:
    """Load YAML into dicts."""
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return raw


def is_made_by_run(clone: Clone, file: str) -> bool:
    """Tell whether a run, or this benchmark before it was killed, may have changed ``file``."""
    if file == paths.PARAMS.as_posix():
        new = clone.folder / file
        old = git(clone.folder, "show", f"HEAD:{file}")
        return new.is_file() and is_own_change(old, new.read_text(encoding="utf-8"))
    return file in (".venv", "dvc.lock") or file in {out for _, out in list_outputs(clone.stages)}


def is_own_change(old: str, new: str) -> bool:
    """Tell whether params.yaml ``new`` equals ``old`` but for what a run of a shop or `widen_window` sets.

    >>> old = "data: {folder: a}\\nfeatures: {match: {window: 91}}"
    >>> [is_own_change(old, old.replace(*change)) for change in (("a}", "b}"), ("91", "98"), ("91", "92"))]
    [True, True, False]
    """
    try:
        before, after = load_yaml(old), load_yaml(new)
        before["data"]["folder"] = after["data"]["folder"]
        group, name, key = GROUP
        if after[group][name][key] == before[group][name][key] + WIDER:
            before[group][name][key] += WIDER
    except (KeyError, TypeError, YAMLError):
        return False
    return before == after


def list_outputs(
    stages: Mapping[str, Any], kinds: Sequence[str] = ("outs", "metrics", "plots")
) -> list[tuple[str, str]]:
    """List (stage, output) of dvc.yaml; an output with options is a dict of one key.

    >>> list_outputs({"a": {"outs": ["x", {"y": {"cache": False}}]}, "b": {"do": {"metrics": ["z"]}}})
    [('a', 'x'), ('a', 'y'), ('b', 'z')]
    """
    return [
        (name, next(iter(out)) if isinstance(out, dict) else out)
        for name, block in stages.items()
        for kind in kinds
        for out in block.get("do", block).get(kind, [])
    ]


def make_environment(clone: Clone) -> dict[str, str]:
    """Make the environment variables of a run in ``clone``."""
    old = {
        name: value
        for name, value in os.environ.items()
        if name not in DROPPED and not name.startswith(DROPPED_PREFIXES)
    }
    path = os.pathsep.join([str(clone.folder / ".venv" / "bin"), old.get("PATH", os.defpath)])
    return {**old, "PATH": path, "OMP_WAIT_POLICY": "passive"}  # the variable as in the Makefile


def time_command(command: Sequence[str], clone: Clone, log: Path) -> tuple[float, float]:
    """Run a command in ``clone``: wall seconds, and CPU seconds of it and of all descendants that were waited for.

    Its output goes to ``log``. InputError if it fails. An interrupt ends the whole process group.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=clone.folder, env=make_environment(clone), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            _, status, usage = os.wait4(process.pid, 0)  # of this child alone, unlike RUSAGE_CHILDREN
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise InputError(f"{clone.folder}: `{shlex.join(command)}` ended with {process.returncode}; {log} says why")
    return wall, usage.ru_utime + usage.ru_stime


def reset(clone: Clone) -> None:
    """Restore the committed files; remove all outputs, DVC's cache and all compiled code."""
    git(clone.folder, "checkout", "HEAD", "--", ".")
    git(clone.folder, "clean", "-fdxq", *KEPT_BY_CLEAN)


def widen_window(file: Path) -> None:
    """Change the block of one feature group in a params.yaml."""
    yaml = YAML()
    yaml.width = 10_000  # do not wrap long flow mappings
    raw = yaml.load(file)
    raw[GROUP[0]][GROUP[1]][GROUP[2]] += WIDER
    yaml.dump(raw, file)
