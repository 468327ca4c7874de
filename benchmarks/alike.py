"""The same lists however the work is cut: ``python -m benchmarks.alike``, where benchmarks.scale has run.

Proposes, pools and answers anew with one thread and with two, in small shards and in one shard of everybody, and
compares the bytes of each stage's outputs with those of the run at that scale.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML
from tqdm import tqdm

from benchmarks import graph, record, scale, scratch
from benchmarks.faults import files_of
from benchmarks.graph import Step
from benchmarks.scratch import Scratch
from retail import paths, stage
from retail.errors import InputError
from submissions.answering.shards import digest

REDONE = ("source", "pool", "submit")  # the stages that cut their work by customers or spread it over threads
GIVEN = (paths.PREPARED, paths.NETWORKS, paths.MODEL, paths.FINAL_MODEL)
THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
EVERYBODY = 10**9
HEADER = ["cut", "files compared", "files that differ"]


def ways(shard: int) -> dict[str, tuple[dict[str, str], int]]:
    """Its name -> the environment and ``submit.shard``."""
    threads = {f"{n} thread{'s' * (n > 1)}": (dict.fromkeys(THREADS, str(n)), shard) for n in (1, 2)}
    return {**threads, "shards of 500": ({}, 500), "one shard": ({}, EVERYBODY)}


def folder_of(base: Path, name: str, raw: Mapping[str, Any], shard: int) -> Scratch:
    """A scratch folder beside ``base`` that takes over its log, its networks and its rankers."""
    cut = {**raw, "submit": {**raw["submit"], "shard": shard}}
    here = Scratch(base.with_name(f"{base.name}_{name.replace(' ', '_')}"), cut, scratch.models(cut)).written()
    for part in GIVEN:
        link = here.folder / part
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to((base / part).resolve(), target_is_directory=True)
    return here


def run(here: Scratch, step: Step, environment: Mapping[str, str]) -> None:
    """A stage with further environment variables; InputError where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", step.module, *step.arguments],
        cwd=here.folder,
        env={**os.environ, **environment, "PYTHONPATH": str(scratch.ROOT)},
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if done.returncode:
        raise InputError(f"{step.name} in {here.folder} ended with {done.returncode}; run it there to see why")


def differing(here: Path, base: Path, steps: list[Step]) -> Iterator[tuple[str, bool]]:
    """Each output file of ``steps`` below ``here``, and whether the one below ``base`` is another or lacking."""
    for step in steps:
        for file in files_of(base, step):
            name = file.relative_to(base)
            mine = here / name
            yield str(name), not mine.exists() or digest("", [mine]) != digest("", [file])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alike", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "scale")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    base = asked.scratch.resolve() / f"{asked.scale:g}"
    if not (base / scale.COSTS).exists():
        raise InputError(
            f"{base}: no shop has run here; run `python -m benchmarks.scale --scales {asked.scale:g}` first"
        )
    raw = YAML(typ="safe", pure=True).load((base / paths.PARAMS).read_text(encoding="utf-8"))
    steps = [one for one in graph.steps(raw) if one.name.split()[0] in REDONE and scale.wanted(one, raw)]
    rows, began = [], time.perf_counter()
    for name, (environment, shard) in ways(raw["submit"]["shard"]).items():
        here = folder_of(base, name, raw, shard)
        for step in tqdm(steps, desc=name, unit="stage"):
            run(here, step, environment)
        found = list(differing(here.folder, base, steps))
        rows.append([name, str(len(found)), ", ".join(file for file, other in found if other) or "none"])
    table = Table(*HEADER, title=f"scale {asked.scale:g}")
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)
    seconds, files = time.perf_counter() - began, sorted(Path(raw["data"]["folder"]).glob("*.csv"))
    made = record.made_from(files, [raw["seed"]], f"python -m benchmarks.alike --scale {asked.scale:g}", seconds)
    record.write_markdown("alike", made, record.markdown_table(HEADER, rows), asked.out)
    if any(row[2] != "none" for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    stage.guarded(main, "alike")
