"""Measure what DVC itself adds to a stage: ``python -m benchmarks.dvc_share FOLDER STAGE ...``.

FOLDER is a project in which `dvc repro` has run. Each STAGE, such as ``build_features@match``, runs twice in turn: its
command alone, and `dvc repro --single-item --force STAGE`. The difference is DVC's own time: it reads the graph, hashes
dependencies and outputs, and writes dvc.lock. The last line multiplies the mean difference by the number of
stages in dvc.lock.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from retail import stage
from retail.errors import InputError


def build_command(name: str, stages: dict[str, Any]) -> list[str]:
    """Build the command that runs stage ``name`` with this interpreter; the key of ``name`` is filled in.

    >>> build_command("f@own", {"f": {"foreach": "x", "do": {"cmd": "python -m f ${key}"}}})[1:]
    ['-m', 'f', 'own']
    """
    base, _, key = name.partition("@")
    if base not in stages:
        raise InputError(f"dvc.yaml: no stage '{base}'; expected one of: {', '.join(stages)}")
    command: str = stages[base].get("do", stages[base])["cmd"]
    return [sys.executable, *command.replace("${key}", key).split()[1:]]


def time_command(command: list[str], folder: Path) -> float:
    """Time a command in ``folder`` in wall seconds; InputError if it fails."""
    began = time.perf_counter()
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise InputError(f"{' '.join(command)} ended with {ended.returncode}: {(ended.stderr or ended.stdout)[-300:]}")
    return time.perf_counter() - began


def main() -> None:
    """Time each stage with and without DVC and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dvc_share", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("stages", nargs="+", metavar="STAGE")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    yaml = YAML(typ="safe", pure=True)
    stages = yaml.load((arguments.folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    locked = yaml.load((arguments.folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    table = Table("stage", "command, s", "by dvc, s", "dvc's own, s", title=f"{arguments.folder}: median of each")
    own = []
    for name in arguments.stages:
        alone, whole = [], []
        for _ in range(arguments.repeats):
            alone.append(time_command(build_command(name, stages), arguments.folder))
            repro = [sys.executable, "-m", "dvc", "repro", "--single-item", "--force", name]
            whole.append(time_command(repro, arguments.folder))
        own.append(statistics.median(whole) - statistics.median(alone))
        table.add_row(name, f"{statistics.median(alone):.2f}", f"{statistics.median(whole):.2f}", f"{own[-1]:.2f}")
    Console(width=110).print(table)
    lines = len((arguments.folder / "dvc.lock").read_text(encoding="utf-8").splitlines())
    mean = statistics.mean(own)
    print(f"dvc.lock: {lines:,} lines, {len(locked)} stages; {mean:.2f} s a stage, {mean * len(locked):.0f} s in all")


if __name__ == "__main__":
    stage.guarded(main, "dvc_share")
