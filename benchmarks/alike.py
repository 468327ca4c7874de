"""Check that outputs have the same bytes however the work is split: ``python -m benchmarks.alike``.

Run it where ``python -m benchmarks.scale`` has run at the same scale. It reruns the stages that propose, pool and
submit: with one thread and with two, in small shards and in a single shard. It compares the bytes of each output with
those of the run at that scale.
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
from tqdm import tqdm

from benchmarks import graph, record, scale, scratch
from benchmarks.faults import list_files
from benchmarks.graph import Step
from benchmarks.scratch import Scratch
from retail import paths, stage
from retail.errors import InputError
from retail.kept import digest

RERUN = ("propose", "pool", "submit")  # stages that split their work by customers or over threads
SHARED = (paths.PREPARED, paths.NETWORKS, paths.MODEL, paths.FINAL_MODEL)
THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
EVERYBODY = 10**9  # customers in a shard: more than any shop has
HEADER = ["split", "files compared", "files that differ"]


def list_splits(shard: int) -> dict[str, tuple[dict[str, str], int]]:
    """List the ways to split the work: name -> (environment variables, ``submit.shard``)."""
    threads = {f"{n} thread{'s' * (n > 1)}": (dict.fromkeys(THREADS, str(n)), shard) for n in (1, 2)}
    return {**threads, "shards of 500": ({}, 500), "one shard": ({}, EVERYBODY)}


def make_folder(base: Path, name: str, raw: Mapping[str, Any], shard: int) -> Scratch:
    """Make a scratch folder next to ``base`` that links to its log, networks and rankers."""
    settings = {**raw, "submit": {**raw["submit"], "shard": shard}}
    folder = base.with_name(f"{base.name}_{name.replace(' ', '_')}")
    variant = Scratch(folder, settings, scratch.read_models(settings)).write()
    for part in SHARED:
        link = variant.folder / part
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to((base / part).resolve(), target_is_directory=True)
    return variant


def run_step(variant: Scratch, step: Step, environment: Mapping[str, str]) -> None:
    """Run a step with additional environment variables; InputError if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", step.module, *step.arguments],
        cwd=variant.folder,
        env={**os.environ, **environment, "PYTHONPATH": str(scratch.ROOT)},
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if done.returncode:
        raise InputError(f"{step.name} in {variant.folder} ended with {done.returncode}; run it there to see why")


def compare_outputs(here: Path, base: Path, steps: list[Step]) -> Iterator[tuple[str, bool]]:
    """Compare each output file of ``steps`` in ``base`` with that in ``here``: (name, whether they differ)."""
    for step in steps:
        for file in list_files(base, step):
            name = file.relative_to(base)
            mine = here / name
            yield str(name), not mine.exists() or digest([mine]) != digest([file])


def main() -> None:
    """Rerun the stages under every split of the work; exit with code 1 if a file differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alike", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "scale")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    base = arguments.scratch.resolve() / f"{arguments.scale:g}"
    if not (base / scale.COSTS).exists():
        raise InputError(
            f"{base}: no shop has run here; run `python -m benchmarks.scale --scales {arguments.scale:g}` first"
        )
    raw = scale.read_params(base)
    steps = [step for step in graph.read_steps(raw) if step.name.split()[0] in RERUN and scale.has_cost(step, raw)]
    rows, began = [], time.perf_counter()
    for name, (environment, shard) in list_splits(raw["submit"]["shard"]).items():
        variant = make_folder(base, name, raw, shard)
        for step in tqdm(steps, desc=name, unit="stage"):
            run_step(variant, step, environment)
        compared = list(compare_outputs(variant.folder, base, steps))
        rows.append([name, str(len(compared)), ", ".join(file for file, differs in compared if differs) or "none"])
    table = Table(*HEADER, title=f"scale {arguments.scale:g}")
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)
    seconds, files = time.perf_counter() - began, sorted(Path(raw["data"]["folder"]).glob("*.csv"))
    origin = record.describe_origin(
        files, [raw["seed"]], f"python -m benchmarks.alike --scale {arguments.scale:g}", seconds
    )
    record.write_markdown("alike", origin, record.markdown_table(HEADER, rows), arguments.out)
    if any(row[2] != "none" for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    stage.guarded(main, "alike")
