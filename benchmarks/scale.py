"""What each stage costs as a shop grows: ``python -m benchmarks.scale``.

Makes shops of the hm preset at several scales, runs the graph's own stages on each in a scratch folder, one after
another, and fits how seconds and memory grow with the rows of the log. A stage that has ended is not run again. With
``--finished`` the costs of a project in which `dvc repro` has run are a further, the largest, point of the curve.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML
from tqdm import tqdm

from benchmarks import graph, record, scratch
from benchmarks.graph import Step
from benchmarks.scratch import Scratch
from retail import paths, stage
from retail.errors import InputError
from retail.stage import whole_file

SCALES = (0.01, 0.03, 0.1, 0.3, 1.0)
HEADER = ["stage", "seconds", "peak MB", "disk MB", "exponent of seconds", "of memory", "of disk"]
MEASURES = ("seconds", "peak_mb", "disk_mb")
LEAST_SECONDS = 1.0  # below this a stage is starting up, not working
TOWERS = {  # of the network two_tower, so that a CPU trains it in a time that does not grow with the shop
    "model": {"trait_customers": 100},
    "examples": {"weeks": 26, "batch": 512},
}
COSTS = Path("scale.json")  # in a scratch folder: step -> its cost


def settings(data: Path, networks: bool) -> dict[str, Any]:
    """params.yaml at the settings that README advises for the competition; without ``networks`` none is on.

    The competition fills the fewest label weeks that may be trained on; so that a week is compared with a week, every
    scale trains on as many.
    """
    raw = scratch.asked(data, weeks=1)
    raw["weeks"]["train"]["most"] = raw["weeks"]["train"]["least"]
    raw["weeks"]["stop"], raw["ranker"]["retrain"] = 1, False  # one week has customers enough to stop by
    raw["table"]["rows"] = 2_000_000
    raw["pool"]["take"] = 200
    raw["tuning"]["trials"] = 0
    for block in raw["networks"].values():
        block["use"] = block["use"] and networks
    for part, values in TOWERS.items():
        raw["networks"]["two_tower"][part] |= values
    return raw


def shop(folder: Path, scale: float) -> Path:
    """The CSV files of the shop of that scale, made where they are not there."""
    made = folder / "shops" / f"{scale:g}"
    if not made.exists():
        command = ["shops.synthesize", "--preset", "hm", "--scale", f"{scale:g}", "--out", str(made)]
        if subprocess.run([sys.executable, "-m", *command], cwd=scratch.ROOT, check=False).returncode:
            raise InputError(f"{' '.join(command)} failed; its own line above says why")
    return made


def run(folder: Path, scale: float, networks: bool) -> dict[str, Any]:
    """Costs of every step at ``scale``, and the rows of the log."""
    raw = settings(shop(folder, scale), networks)
    where = f"{scale:g}" + ("_networks" if networks else "")
    here = Scratch(folder.resolve() / where, raw, scratch.models(raw)).written()
    costs = known(here.folder)
    for step in tqdm(graph.steps(raw), desc=f"scale {scale:g}", unit="stage"):
        if step.name in costs or not wanted(step, raw):
            continue
        costs[step.name] = cost(here, step)
        with whole_file(here.folder / COSTS) as part:
            part.write_text(json.dumps(costs))
    calendar = json.loads((here.folder / paths.CALENDAR).read_text())
    return {"rows": calendar["rows_read"], "steps": costs}


def params_of(folder: Path) -> dict[str, Any]:
    """The params.yaml of a project, or of a scratch folder."""
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((folder / paths.PARAMS).read_text(encoding="utf-8"))
    return raw


def known(folder: Path) -> dict[str, Any]:
    """Step -> cost of those that have ended in a scratch folder."""
    costs: dict[str, Any] = json.loads((folder / COSTS).read_text()) if (folder / COSTS).exists() else {}
    return costs


def wanted(step: Step, raw: Mapping[str, Any]) -> bool:
    """Whether a step costs anything: those of networks that are off do not, but the pool looks for their folders."""
    return step.module != "stage1_candidates.train_network" or raw["networks"][step.arguments[0]]["use"]


def cost(here: Scratch, step: Step) -> dict[str, float]:
    """Run a step; its cost as ``told``."""
    here.make(Path("never there"), step.module, *step.arguments)
    return told(here.folder, step)


def told(folder: Path, step: Step) -> dict[str, float]:
    """What a step that has run in ``folder`` says: wall seconds behind its imports, its process tree's peak memory.

    And the size of its outputs.
    """
    file = step.name.replace(" ", "_")
    said = json.loads((folder / paths.COSTS / f"{file}.json").read_text())
    files = [file for out in step.outputs for file in [folder / out, *(folder / out).rglob("*")]]
    disk = sum(file.stat().st_size for file in files if file.is_file())
    return {**said, "disk_mb": disk / 1e6}


def finished(folder: Path) -> dict[str, Any]:
    """As ``run``, of a project in ``folder`` in which `dvc repro` has run with settings of its own."""
    raw = params_of(folder)
    steps = {step.name: told(folder, step) for step in graph.steps(raw) if wanted(step, raw)}
    return {"rows": json.loads((folder / paths.CALENDAR).read_text())["rows_read"], "steps": steps}


def exponent(rows: Sequence[float], values: Sequence[float], least: float) -> float | None:
    """Slope of log(value) over log(rows), least squares over the values above ``least``; None of fewer than two."""
    known = [(row, value) for row, value in zip(rows, values, strict=True) if value > least]
    if len(known) < 2:
        return None
    x, y = np.log(np.array(known)).T
    return float(np.polyfit(x, y, 1)[0])


def exponents(runs: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Step -> the exponent of each measure over the runs."""
    rows = [of["rows"] for of in runs.values()]
    found: dict[str, dict[str, float | None]] = {}
    for name in next(iter(runs.values()))["steps"]:
        found[name] = {
            measure: exponent(
                rows,
                [of["steps"][name][measure] for of in runs.values()],
                LEAST_SECONDS if measure == "seconds" else 0.0,
            )
            for measure in MEASURES
        }
    return found


def lines(runs: Mapping[str, dict[str, Any]], slopes: Mapping[str, dict[str, float | None]]) -> list[list[str]]:
    """The table's cells: each step's costs at the largest scale, the dearest first, then all of them together."""
    steps = list(runs.values())[-1]["steps"]
    out = []
    for name in sorted(steps, key=lambda one: -steps[one]["seconds"]):
        slope = [slopes[name][measure] for measure in MEASURES]
        shown = ["" if one is None else f"{one:.2f}" for one in slope]
        out.append([name, *[f"{steps[name][measure]:,.0f}" for measure in MEASURES], *shown])
    total = [sum(of["seconds"] for of in steps.values()), max(of["peak_mb"] for of in steps.values())]
    disk = sum(of["disk_mb"] for of in steps.values())
    return [*out, ["all", *[f"{value:,.0f}" for value in (*total, disk)], "", "", ""]]


def plot(runs: Mapping[str, dict[str, Any]]) -> Figure:
    """Seconds and memory of each step over the rows of the log, both axes logarithmic."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    rows = [of["rows"] for of in runs.values()]
    last = list(runs.values())[-1]["steps"]
    dear = sorted(last, key=lambda name: -last[name]["seconds"])[:12]
    for at, (measure, label) in enumerate((("seconds", "seconds"), ("peak_mb", "peak memory in MB"))):
        axes = figure.add_subplot(1, 2, at + 1)
        axes.set_prop_cycle(color=colormaps["tab20"](range(len(dear))))  # twelve lines, each of its own colour
        for name in dear:
            axes.plot(rows, [of["steps"][name][measure] for of in runs.values()], marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel="transactions", ylabel=label)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--scales", type=float, nargs="+", default=SCALES, help="parts of the competition's customers")
    parser.add_argument("--finished", type=Path, help="a project of a larger shop in which `dvc repro` has run")
    parser.add_argument("--networks", action="store_true", help="with the networks that params.yaml uses")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "scale")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    asked = parser.parse_args()
    runs = {f"{scale:g}": run(asked.scratch, scale, asked.networks) for scale in sorted(asked.scales)}
    largest, command = shop(asked.scratch, max(asked.scales)), f"python -m benchmarks.scale --scales {' '.join(runs)}"
    if asked.finished:
        runs["finished"] = finished(asked.finished)
        largest, command = asked.finished / paths.PREPARED, f"{command} --finished FOLDER"
    slopes = exponents(runs)
    cells = lines(runs, slopes)
    table = Table(*HEADER, title=f"scale {list(runs)[-1]}, exponents over {', '.join(runs)}")
    for line in cells:
        table.add_row(*line)
    Console(width=120).print(table)
    seconds = sum(of["seconds"] for one in runs.values() for of in one["steps"].values())
    files = sorted(file for file in largest.iterdir() if file.suffix in (".csv", ".parquet"))
    made = record.made_from(files, [1], command, seconds)
    record.write_json("scale", made, {"runs": runs, "exponents": slopes}, asked.out)
    record.write_markdown("scale", made, record.markdown_table(HEADER, cells), asked.out)
    record.write_plot("scale", plot(runs), asked.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-scale")
