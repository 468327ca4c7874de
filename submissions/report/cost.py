"""What the run cost: seconds and memory of every stage."""

from typing import Any

from submissions.report.figure import PLAIN, Figure, Section, bars


def cost(spent: dict[str, Any]) -> Section:
    """``spent``: stage -> seconds and peak_mb, in the graph's order."""
    names = list(spent)
    seconds = [row["seconds"] for row in spent.values()]
    memory = [row["peak_mb"] for row in spent.values()]
    how = "Each stage's last run that was not taken from the cache, on the machine that ran it"
    figures = [
        Figure(
            "seconds", "Seconds of each stage", bars(names, seconds, PLAIN, "seconds", [f"{s:,.1f}" for s in seconds]),
            f"Wall time. {how}; other work on it counts in.", half=True,
        ),
        Figure(
            "memory", "Peak memory of each stage", bars(names, memory, PLAIN, "MB", [f"{mb:,}" for mb in memory]),
            f"Most resident memory of the stage's process and its children, in MiB. {how}.", half=True,
        ),
    ]  # fmt: skip
    text = f"{sum(seconds) / 60:,.1f} minutes of stages in all; the largest held {max(memory, default=0):,} MiB."
    return Section("cost", "What it cost", text, figures=figures)
