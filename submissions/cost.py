"""Collect the seconds and peak memory of every stage's last run, and print them as a table."""

import json
from typing import Any

from rich.table import Table

from retail import paths
from retail.params import Params

COST = paths.OUTPUTS / "cost.json"
LATER = (  # stages after the networks, in the graph's order
    "propose", "pool", "sample", "build_features", "table", "tune", "train", "train_final", "evaluate", "submit",
    "explain",
)  # fmt: skip


def read_costs(params: Params) -> dict[str, Any]:
    """Read stage -> seconds and peak_mb (MiB), in the graph's order; a stage without a cost file is absent."""
    networks = [f"train_network_{name}" for name in params.networks]
    names = ["synthesize", "prepare", *networks, *LATER]
    files = {name: paths.COSTS / f"{name}.json" for name in names}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def make_cost_table(costs: dict[str, Any]) -> Table:
    """Make a terminal table of ``read_costs``: one row per stage, then the total seconds and the largest memory."""
    table = Table("stage", "seconds", "peak memory, MiB", title="Time and memory of each stage")
    for name, row in costs.items():
        table.add_row(name, f"{row['seconds']:.1f}", f"{row['peak_mb']:,}")
    table.add_section()
    largest = max((row["peak_mb"] for row in costs.values()), default=0)
    table.add_row("all", f"{sum(row['seconds'] for row in costs.values()):.1f}", f"{largest:,}", style="bold")
    table.caption = "Each stage's last run; the last row gives the total time and the largest memory of any stage."
    return table
