"""Report the Ta-Feng table: the metrics of each row and the published ones, paired differences and a plot."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.record import markdown_table
from research.case.tafeng import (
    CUTOFFS,
    METRICS,
    Figures,
    Metric,
    average_runs,
    bootstrap_difference,
    bootstrap_standard_error,
)

DRAWS, SEED = 2000, 1  # of the bootstrap over users
Cells = dict[int, dict[Metric, float]]


def _parse_published(line: str) -> Cells:
    """Parse a row of the form "P R N | P R N | ...", one group for each cutoff."""
    groups = [[float(number) for number in group.split()] for group in line.split("|")]
    return {k: dict(zip(METRICS, group, strict=True)) for k, group in zip(CUTOFFS, groups, strict=True)}


# CASE (arXiv 2604.06718v1), Table 1, Ta-Feng; the names are those of the rows
PUBLISHED = {
    "TIFU-KNN, stock": _parse_published(
        ".2146 .1201 .2146 | .1639 .2646 .2503 | .1332 .3443 .2769 | .0995 .5007 .3228"),
    "DNNTSP": _parse_published(".2387 .1632 .2387 | .1675 .3196 .2869 | .1406 .4255 .3275 | .1086 .5809 .3739"),
    "BERT4NBR": _parse_published(".2316 .1527 .2316 | .1662 .3035 .2783 | .1399 .3986 .3120 | .1079 .5753 .3638"),
    "PIETSP": _parse_published(".2507 .1752 .2507 | .1670 .3165 .2903 | .1421 .4223 .3317 | .1094 .5853 .3801"),
    "CASE": _parse_published(".2897 .1877 .2897 | .1944 .3471 .3260 | .1539 .4361 .3559 | .1157 .5953 .4021"),
}  # fmt: skip


def summarise(figures: list[Figures]) -> dict[str, Any]:
    """Compute the mean and standard deviation over seeds; the deviation is 0 for a row with one run."""
    means = [run.mean for run in figures]
    out: dict[str, Any] = {"mean": {}, "sd": {}}
    for k in CUTOFFS:
        values = {metric: [mean[k][metric] for mean in means] for metric in METRICS}
        out["mean"][k] = {metric: float(np.mean(value)) for metric, value in values.items()}
        out["sd"][k] = {metric: float(np.std(value, ddof=min(len(value) - 1, 1))) for metric, value in values.items()}
    return out


def compare_pairs(figures: dict[str, list[Figures]], pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Compare pairs of rows by a paired bootstrap over users; a pair with an absent row is left out.

    A user's value is the mean over the seeds.
    """
    reported: tuple[tuple[Metric, int], ...] = (("P", 1), ("P", 5), ("P", 10), ("R", 10), ("N", 5), ("N", 10))
    return [
        {"row": row, "minus": baseline, "figure": f"{metric}@{k}",
         **bootstrap_difference(average_runs(figures[row]), average_runs(figures[baseline]), metric, k, DRAWS, SEED)}
        for row, baseline in pairs
        if row in figures and baseline in figures
        for metric, k in reported
    ]  # fmt: skip


def check_published(name: str, figures: list[Figures]) -> dict[str, Any]:
    """Check in which cells the mean over seeds is at least the published value minus one standard error."""
    mean, cells = summarise(figures)["mean"], []
    for k in CUTOFFS:
        for metric in METRICS:
            error = bootstrap_standard_error(average_runs(figures), metric, k, DRAWS, SEED)
            threshold = PUBLISHED[name][k][metric] - error
            cells.append({"figure": f"{metric}@{k}", "mean": mean[k][metric], "published": PUBLISHED[name][k][metric],
                          "standard error": error, "reached": mean[k][metric] >= threshold})  # fmt: skip
    return {"row": name, "seeds": len(figures), "reached": sum(cell["reached"] for cell in cells), "cells": cells}


def format_check(checked: dict[str, Any]) -> str:
    """Format the result of ``check_published`` as one line."""
    missed = [
        f"{cell['figure']} {cell['mean']:.4f} < {cell['published'] - cell['standard error']:.4f}"
        for cell in checked["cells"]
        if not cell["reached"]
    ]
    suffix = f"; missed: {', '.join(missed)}" if missed else ""
    return (
        f"{checked['row']}, mean of {checked['seeds']} seeds: {checked['reached']} of 12 figures reach the published "
        f"value minus one standard error{suffix}"
    )


def format_difference(row: dict[str, Any]) -> str:
    """Format one difference of ``compare_pairs`` as one line."""
    interval = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
    return f"{row['row']} minus {row['minus']}, {row['figure']}: {row['mean']:+.4f} {interval}"


def build_table(rows: dict[str, dict[str, Any]]) -> Table:
    """Build the table for the terminal: each row, followed by the published one."""
    out = Table(
        "row", "seeds", "seconds", *(f"P R N @{k}" for k in CUTOFFS), title="The Ta-Feng table of CASE, test users"
    )
    for name, row in rows.items():
        seeds = "" if row["deterministic"] else str(row["seeds"])
        out.add_row(name, seeds, f"{row['seconds']:.1f}", *_format_cells(row["mean"]))
        if name in PUBLISHED:
            out.add_row("  published", "", "", *_format_cells(PUBLISHED[name]), style="dim")
    return out


def render_markdown(rows: dict[str, dict[str, Any]], checked: list[str], compared: list[str]) -> str:
    """Render the table as Markdown, followed by the lines of the check and the comparisons."""
    lines = []
    for name, row in rows.items():
        seeds = "-" if row["deterministic"] else str(row["seeds"])
        lines.append([name, seeds, f"{row['seconds']:.1f}", *_format_cells(row["mean"])])
        if not row["deterministic"]:
            lines.append(["(standard deviation over seeds)", "", "", *_format_cells(row["sd"])])
        if name in PUBLISHED:
            lines.append(["*published*", "", "", *(f"*{cell}*" for cell in _format_cells(PUBLISHED[name]))])
    head = ["row", "seeds", "seconds per run", *(f"P R N @{k}" for k in CUTOFFS)]
    text = (
        "# The Ta-Feng table of CASE\n\n"
        "Precision (P), recall (R) and NDCG (N) at k over the test users with at least k candidates. "
        "Published: CASE, arXiv 2604.06718v1, Table 1. The days of a history count back from the date of the target "
        "basket, as in the released files.\n\n"
    )
    return text + markdown_table(head, lines) + "".join(f"\n\n{line}" for line in (*checked, *compared))


def plot(rows: dict[str, dict[str, Any]]) -> Figure:
    """Plot NDCG@k and precision@k of each row; hollow markers show the published values."""
    names = list(rows)
    figure = Figure(figsize=(11, 1.2 + 0.42 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    panels: tuple[tuple[Any, Metric, str], ...] = ((left, "N", "NDCG@k"), (right, "P", "precision@k"))
    for axes, metric, title in panels:
        for colour, k in enumerate(CUTOFFS):
            mean = [rows[name]["mean"][k][metric] for name in names]
            spread = [rows[name]["sd"][k][metric] for name in names]
            heights = np.arange(len(names))
            axes.errorbar(mean, heights, xerr=spread, fmt="o", color=f"C{colour}", markersize=5, label=f"k = {k}")
            published = [height for height in heights if names[height] in PUBLISHED]
            values = [PUBLISHED[names[height]][k][metric] for height in published]
            axes.plot(values, published, "D", color=f"C{colour}", markerfacecolor="none", markersize=8)
        axes.set_title(title)
        axes.grid(axis="x", alpha=0.3)
    left.set_yticks(np.arange(len(names)), names)
    left.invert_yaxis()
    left.plot([], [], "D", color="grey", markerfacecolor="none", markersize=8, label="published")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(CUTOFFS) + 1)
    return figure


def _format_cells(cells: Cells) -> list[str]:
    return [" ".join(f"{cells[k][metric]:.4f}"[1:] for metric in METRICS) for k in CUTOFFS]
