"""Seconds and peak memory of every stage's last run: who reads them together, and the file that tells them."""

import json
from typing import Any

from rich.table import Table

from retail import paths
from retail.params import Params

COST = paths.OUTPUTS / "cost.json"


def of_stages(params: Params) -> dict[str, Any]:
    """Stage -> seconds and peak_mb (MiB), in the graph's order; a stage that left no figure is absent."""
    networks, groups = (
        [f"train_network_{name}" for name in params.networks],
        [f"build_features_{name}" for name in params.features],
    )
    sources = [f"propose_{name}" for name in params.sources] + [f"propose_network_{name}" for name in params.networks]
    last = ("table", "tune", "train", "train_final", "evaluate", "submit", "explain")
    names = ["synthesize", "prepare", *networks, *sources, "pool", "sample", *groups, *last]
    files = {name: paths.COSTS / f"{name}.json" for name in names}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def table(spent: dict[str, Any]) -> Table:
    """What ``of_stages`` gives, a row per stage, and all together."""
    shown = Table("stage", "seconds", "peak MB", title="cost")
    for name, row in spent.items():
        shown.add_row(name, f"{row['seconds']:.1f}", f"{row['peak_mb']:,}")
    shown.add_section()
    most = max((row["peak_mb"] for row in spent.values()), default=0)
    shown.add_row("all", f"{sum(row['seconds'] for row in spent.values()):.1f}", f"{most:,}", style="bold")
    return shown
