"""Build the section about the cost of the run: seconds and memory of every stage."""

from typing import Any

from submissions.report.figure import PLAIN, Figure, Section, plot_bars


def build_cost_section(costs: dict[str, Any]) -> Section:
    """Build the section; ``costs``: stage -> seconds and peak_mb (MiB), in the graph's order."""
    names = list(costs)
    seconds = [row["seconds"] for row in costs.values()]
    memory = [row["peak_mb"] for row in costs.values()]
    runs = "Each stage's last run that was not restored from the cache"
    figures = [
        Figure(
            "seconds", "Seconds of each stage",
            plot_bars(names, seconds, PLAIN, "seconds", [f"{s:,.1f}" for s in seconds]),
            f"Wall time; shorter is better. {runs}. Other work on the same machine can lengthen it.", half=True,
        ),
        Figure(
            "memory", "Peak memory of each stage", plot_bars(names, memory, PLAIN, "MiB", [f"{mb:,}" for mb in memory]),
            f"Peak resident memory of the stage's process and its child processes. {runs}.", half=True,
        ),
    ]  # fmt: skip
    text = (
        f"All stages together took {sum(seconds) / 60:,.1f} minutes. "
        f"The stage with the most memory needed {max(memory, default=0):,} MiB."
    )
    return Section("cost", "Time and memory", text, figures=figures)
