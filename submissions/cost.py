"""Collect the seconds and peak memory of every stage's last run, and print them as a table."""

import itertools
from collections.abc import Mapping

from rich.table import Table

from retail import clock, paths
from retail.clock import Cost, Run

COST = paths.OUTPUTS / "cost.json"


def read_costs() -> dict[str, Cost]:
    """Read the costs of the stages before ``summary``, in the graph's order; a stage without a cost file is absent."""
    return clock.read_costs(itertools.takewhile(lambda name: name != "summary", clock.list_stages()))


def to_rows(costs: Mapping[str, Cost]) -> dict[str, dict[str, float]]:
    """Return the name of each cost file -> seconds and peak_mb (MiB)."""
    return {name.replace("@", "_"): {"seconds": cost.seconds, "peak_mb": cost.peak_mb} for name, cost in costs.items()}


def make_cost_table(costs: Mapping[str, Cost]) -> Table:
    """Make a terminal table of ``read_costs``: one row per stage, then the total seconds and the largest memory."""
    table = Table("stage", "seconds", "peak memory, MiB", title="Time and memory of each stage")
    for name, cost in costs.items():
        table.add_row(name, f"{cost.seconds:.1f}", f"{cost.peak_mb:,}")
    table.add_section()
    largest = max((cost.peak_mb for cost in costs.values()), default=0)
    table.add_row("all", f"{sum(cost.seconds for cost in costs.values()):.1f}", f"{largest:,}", style="bold")
    table.caption = "Each stage's last run; the last row gives the total time and the largest memory of any stage."
    if ran := clock.select_run(costs.values(), Run.find()):
        time = clock.describe_time(ran)
        table.caption += f" Seconds count neither Python's start nor DVC. With both, this run took until here: {time}."
    return table
