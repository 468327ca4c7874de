"""Measure how each stage's cost grows with the shop: ``python -m benchmarks.scale``.

Makes shops of the hm preset at several scales and runs the graph's stages on each in a scratch folder, one at a time.
Then fits how seconds, memory and disk grow with the rows of the log. A finished stage does not run again.
``--finished`` adds a project in which `dvc repro` has run, as the largest point of the curve.
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
LEAST_SECONDS = 1.0  # seconds below this are mostly startup, so the fit leaves them out
TOWERS = {  # settings of the network two_tower that keep its training time on a CPU constant as the shop grows
    "model": {"trait_customers": 100},
    "examples": {"weeks": 26, "batch": 512},
}
COSTS = Path("scale.json")  # in a scratch folder: step name -> its cost


def make_settings(data: Path, networks: bool) -> dict[str, Any]:
    """Make params.yaml with the settings for the competition's size; all networks are off unless ``networks``.

    At that size training uses the minimum number of label weeks, so every scale uses that number.
    """
    raw = scratch.read_settings(data, weeks=1)
    raw["weeks"]["train"]["most"] = raw["weeks"]["train"]["least"]
    raw["weeks"]["stop"], raw["ranker"]["retrain"] = 1, False  # a single week has enough customers for early stopping
    raw["table"]["rows"] = 2_000_000
    raw["pool"]["take"] = 200
    raw["tuning"]["trials"] = 0
    for block in raw["networks"].values():
        block["use"] = block["use"] and networks
    for part, values in TOWERS.items():
        raw["networks"]["two_tower"][part] |= values
    return raw


def make_shop(folder: Path, scale: float) -> Path:
    """Make the CSV files of the shop of ``scale`` unless they exist; return their folder."""
    csvs = folder / "shops" / f"{scale:g}"
    if not csvs.exists():
        command = ["shops.synthesize", "--preset", "hm", "--scale", f"{scale:g}", "--out", str(csvs)]
        if subprocess.run([sys.executable, "-m", *command], cwd=scratch.ROOT, check=False).returncode:
            raise InputError(f"{' '.join(command)} failed; its message above says why")
    return csvs


def run_scale(folder: Path, scale: float, networks: bool) -> dict[str, Any]:
    """Run every step at ``scale``: {"rows": rows of the log, "steps": step name -> cost}."""
    raw = make_settings(make_shop(folder, scale), networks)
    name = f"{scale:g}" + ("_networks" if networks else "")
    run = Scratch(folder.resolve() / name, raw, scratch.read_models(raw)).write()
    costs = read_costs(run.folder)
    for step in tqdm(graph.read_steps(raw), desc=f"scale {scale:g}", unit="stage"):
        if step.name in costs or not has_cost(step, raw):
            continue
        costs[step.name] = run_step(run, step)
        with whole_file(run.folder / COSTS) as part:
            part.write_text(json.dumps(costs))
    calendar = json.loads((run.folder / paths.CALENDAR).read_text())
    return {"rows": calendar["rows_read"], "steps": costs}


def read_params(folder: Path) -> dict[str, Any]:
    """Read the params.yaml of a project or of a scratch folder."""
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((folder / paths.PARAMS).read_text(encoding="utf-8"))
    return raw


def read_costs(folder: Path) -> dict[str, Any]:
    """Read the costs of the steps finished in a scratch folder: step name -> cost."""
    costs: dict[str, Any] = json.loads((folder / COSTS).read_text()) if (folder / COSTS).exists() else {}
    return costs


def has_cost(step: Step, raw: Mapping[str, Any]) -> bool:
    """Tell whether a step costs anything; training a network that is off does not."""
    return step.module != "stage1_candidates.networks.base.train_network" or raw["networks"][step.arguments[0]]["use"]


def run_step(run: Scratch, step: Step) -> dict[str, float]:
    """Run a step; return its cost, as ``read_cost`` does."""
    run.run_stage(Path("no such output"), step.module, *step.arguments)
    return read_cost(run.folder, step)


def read_cost(folder: Path, step: Step) -> dict[str, float]:
    """Read the cost of a step that has run in ``folder``.

    seconds: wall time after imports; peak_mb: peak memory of the process tree; disk_mb: size of the outputs.
    """
    file = step.name.replace(" ", "_")
    cost = json.loads((folder / paths.COSTS / f"{file}.json").read_text())
    files = [file for out in step.outputs for file in [folder / out, *(folder / out).rglob("*")]]
    disk = sum(file.stat().st_size for file in files if file.is_file())
    return {"seconds": cost["seconds"], "peak_mb": cost["peak_mb"], "disk_mb": disk / 1e6}


def read_finished(folder: Path) -> dict[str, Any]:
    """Read the costs of a project in which `dvc repro` has run, in the form of ``run_scale``."""
    raw = read_params(folder)
    steps = {step.name: read_cost(folder, step) for step in graph.read_steps(raw) if has_cost(step, raw)}
    return {"rows": json.loads((folder / paths.CALENDAR).read_text())["rows_read"], "steps": steps}


def fit_exponent(rows: Sequence[float], values: Sequence[float], least: float) -> float | None:
    """Fit the slope of log(value) over log(rows) by least squares over the values above ``least``.

    None if fewer than two values are above it.
    """
    points = [(row, value) for row, value in zip(rows, values, strict=True) if value > least]
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])


def fit_exponents(runs: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Fit the exponent of each measure over the runs: step -> measure -> exponent."""
    rows = [run["rows"] for run in runs.values()]
    exponents: dict[str, dict[str, float | None]] = {}
    for name in next(iter(runs.values()))["steps"]:
        exponents[name] = {
            measure: fit_exponent(
                rows,
                [run["steps"][name][measure] for run in runs.values()],
                LEAST_SECONDS if measure == "seconds" else 0.0,
            )
            for measure in MEASURES
        }
    return exponents


def format_cells(
    runs: Mapping[str, dict[str, Any]], exponents: Mapping[str, dict[str, float | None]]
) -> list[list[str]]:
    """Format each step's costs in the last run and its exponents, most seconds first; the last row totals them."""
    steps = list(runs.values())[-1]["steps"]
    rows = []
    for name in sorted(steps, key=lambda name: -steps[name]["seconds"]):
        slopes = [exponents[name][measure] for measure in MEASURES]
        slope_cells = ["" if slope is None else f"{slope:.2f}" for slope in slopes]
        rows.append([name, *[f"{steps[name][measure]:,.0f}" for measure in MEASURES], *slope_cells])
    total = [sum(step["seconds"] for step in steps.values()), max(step["peak_mb"] for step in steps.values())]
    disk = sum(step["disk_mb"] for step in steps.values())
    return [*rows, ["all", *[f"{value:,.0f}" for value in (*total, disk)], "", "", ""]]


def plot(runs: Mapping[str, dict[str, Any]]) -> Figure:
    """Plot seconds and memory of the twelve costliest steps over the rows of the log, both axes logarithmic."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    rows = [run["rows"] for run in runs.values()]
    last = list(runs.values())[-1]["steps"]
    costliest = sorted(last, key=lambda name: -last[name]["seconds"])[:12]
    for panel, (measure, label) in enumerate((("seconds", "seconds"), ("peak_mb", "peak memory in MB"))):
        axes = figure.add_subplot(1, 2, panel + 1)
        axes.set_prop_cycle(color=colormaps["tab20"](range(len(costliest))))  # a colour per line
        for name in costliest:
            axes.plot(rows, [run["steps"][name][measure] for run in runs.values()], marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel="transactions", ylabel=label)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    return figure


def main() -> None:
    """Run the graph at every scale; print and write the costs and exponents."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--scales", type=float, nargs="+", default=SCALES, help="sizes, as fractions of the competition's customers"
    )
    parser.add_argument("--finished", type=Path, help="a project of a larger shop in which `dvc repro` has run")
    parser.add_argument("--networks", action="store_true", help="run the networks that params.yaml switches on")
    parser.add_argument("--scratch", type=Path, default=paths.DATA / "bench" / "scale")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    arguments = parser.parse_args()
    runs = {f"{scale:g}": run_scale(arguments.scratch, scale, arguments.networks) for scale in sorted(arguments.scales)}
    largest = make_shop(arguments.scratch, max(arguments.scales))
    command = f"python -m benchmarks.scale --scales {' '.join(runs)}"
    if arguments.finished:
        runs["finished"] = read_finished(arguments.finished)
        largest, command = arguments.finished / paths.PREPARED, f"{command} --finished FOLDER"
    exponents = fit_exponents(runs)
    cells = format_cells(runs, exponents)
    table = Table(*HEADER, title=f"scale {list(runs)[-1]}, exponents over {', '.join(runs)}")
    for line in cells:
        table.add_row(*line)
    Console(width=120).print(table)
    seconds = sum(step["seconds"] for run in runs.values() for step in run["steps"].values())
    files = sorted(file for file in largest.iterdir() if file.suffix in (".csv", ".parquet"))
    origin = record.describe_origin(files, [1], command, seconds)
    record.write_json("scale", origin, {"runs": runs, "exponents": exponents}, arguments.out)
    record.write_markdown("scale", origin, record.markdown_table(HEADER, cells), arguments.out)
    record.write_plot("scale", plot(runs), arguments.out)


if __name__ == "__main__":
    stage.guarded(main, "bench-scale")
