"""The Ta-Feng table: figures by row beside the published ones, the paired differences, the check, the plot."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.record import markdown_table
from research.case.tafeng import CUTOFFS, LETTERS, Figures, Letter, difference, standard_error, together

DRAWS, SEED = 2000, 1  # of the bootstrap
Cells = dict[int, dict[Letter, float]]


def _published(line: str) -> Cells:
    """P R N at 1 | 3 | 5 | 10."""
    groups = [[float(number) for number in group.split()] for group in line.split("|")]
    return {k: dict(zip(LETTERS, group, strict=True)) for k, group in zip(CUTOFFS, groups, strict=True)}


# CASE (arXiv 2604.06718v1), Table 1, Ta-Feng; named as the rows here
PUBLISHED = {
    "TIFU-KNN, stock": _published(
        ".2146 .1201 .2146 | .1639 .2646 .2503 | .1332 .3443 .2769 | .0995 .5007 .3228"),
    "DNNTSP": _published(".2387 .1632 .2387 | .1675 .3196 .2869 | .1406 .4255 .3275 | .1086 .5809 .3739"),
    "BERT4NBR": _published(".2316 .1527 .2316 | .1662 .3035 .2783 | .1399 .3986 .3120 | .1079 .5753 .3638"),
    "PIETSP": _published(".2507 .1752 .2507 | .1670 .3165 .2903 | .1421 .4223 .3317 | .1094 .5853 .3801"),
    "CASE": _published(".2897 .1877 .2897 | .1944 .3471 .3260 | .1539 .4361 .3559 | .1157 .5953 .4021"),
}  # fmt: skip


def summary(figures: list[Figures]) -> dict[str, Any]:
    """Mean and spread over the seeds of every figure; the spread is 0 for a row without a seed."""
    means = [one.mean for one in figures]
    out: dict[str, Any] = {"mean": {}, "sd": {}}
    for k in CUTOFFS:
        values = {letter: [mean[k][letter] for mean in means] for letter in LETTERS}
        out["mean"][k] = {letter: float(np.mean(value)) for letter, value in values.items()}
        out["sd"][k] = {letter: float(np.std(value, ddof=min(len(value) - 1, 1))) for letter, value in values.items()}
    return out


def differences(figures: dict[str, list[Figures]], pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Paired bootstrap over users, a user's figure being its mean over seeds; pairs that lack a row are left out."""
    judged: tuple[tuple[Letter, int], ...] = (("P", 1), ("P", 5), ("P", 10), ("R", 10), ("N", 5), ("N", 10))
    return [
        {"row": one, "minus": other, "figure": f"{letter}@{k}",
         **difference(together(figures[one]), together(figures[other]), letter, k, DRAWS, SEED)}
        for one, other in pairs
        if one in figures and other in figures
        for letter, k in judged
    ]  # fmt: skip


def check(name: str, figures: list[Figures]) -> dict[str, Any]:
    """In which of the twelve cells the mean over seeds reaches the published row less one standard error."""
    mean, cells = summary(figures)["mean"], []
    for k in CUTOFFS:
        for letter in LETTERS:
            error = standard_error(together(figures), letter, k, DRAWS, SEED)
            least = PUBLISHED[name][k][letter] - error
            cells.append({"figure": f"{letter}@{k}", "mean": mean[k][letter], "published": PUBLISHED[name][k][letter],
                          "standard error": error, "reached": mean[k][letter] >= least})  # fmt: skip
    return {"row": name, "seeds": len(figures), "reached": sum(cell["reached"] for cell in cells), "cells": cells}


def check_line(checked: dict[str, Any]) -> str:
    missed = [
        f"{cell['figure']} {cell['mean']:.4f} < {cell['published'] - cell['standard error']:.4f}"
        for cell in checked["cells"]
        if not cell["reached"]
    ]
    tail = f"; missed: {', '.join(missed)}" if missed else ""
    return (
        f"{checked['row']}, mean of {checked['seeds']} seeds: {checked['reached']} of 12 figures reach the published "
        f"row less one standard error{tail}"
    )


def difference_line(row: dict[str, Any]) -> str:
    interval = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
    return f"{row['row']} minus {row['minus']}, {row['figure']}: {row['mean']:+.4f} {interval}"


def table(rows: dict[str, dict[str, Any]]) -> Table:
    """For the terminal: each row, and below it the published one."""
    out = Table("row", "seeds", "seconds", *(f"P R N @{k}" for k in CUTOFFS), title="CASE's Ta-Feng table, test users")
    for name, row in rows.items():
        seeds = "" if row["deterministic"] else str(row["seeds"])
        out.add_row(name, seeds, f"{row['seconds']:.1f}", *_cells(row["mean"]))
        if name in PUBLISHED:
            out.add_row("  published", "", "", *_cells(PUBLISHED[name]), style="dim")
    return out


def markdown(rows: dict[str, dict[str, Any]], checked: list[str], compared: list[str]) -> str:
    lines = []
    for name, row in rows.items():
        seeds = "-" if row["deterministic"] else str(row["seeds"])
        lines.append([name, seeds, f"{row['seconds']:.1f}", *_cells(row["mean"])])
        if not row["deterministic"]:
            lines.append(["(spread over seeds)", "", "", *_cells(row["sd"])])
        if name in PUBLISHED:
            lines.append(["*published*", "", "", *(f"*{cell}*" for cell in _cells(PUBLISHED[name]))])
    head = ["row", "seeds", "seconds each", *(f"P R N @{k}" for k in CUTOFFS)]
    text = (
        "# CASE's Ta-Feng table\n\n"
        "Precision, recall and NDCG of repurchase candidates on the test users with at least k of them. "
        "Published: CASE, arXiv 2604.06718v1, Table 1. The days of a history count back from the date of the basket "
        "that is predicted, as in the released files.\n\n"
    )
    return text + markdown_table(head, lines) + "".join(f"\n\n{line}" for line in (*checked, *compared))


def plot(rows: dict[str, dict[str, Any]]) -> Figure:
    """NDCG@k and P@k by row, the published ones hollow."""
    names = list(rows)
    figure = Figure(figsize=(11, 1.2 + 0.42 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    panels: tuple[tuple[Any, Letter, str], ...] = ((left, "N", "NDCG@k"), (right, "P", "precision@k"))
    for axes, letter, title in panels:
        for colour, k in enumerate(CUTOFFS):
            mean = [rows[name]["mean"][k][letter] for name in names]
            spread = [rows[name]["sd"][k][letter] for name in names]
            places = np.arange(len(names))
            axes.errorbar(mean, places, xerr=spread, fmt="o", color=f"C{colour}", markersize=5, label=f"k = {k}")
            known = [place for place in places if names[place] in PUBLISHED]
            values = [PUBLISHED[names[place]][k][letter] for place in known]
            axes.plot(values, known, "D", color=f"C{colour}", markerfacecolor="none", markersize=8)
        axes.set_title(title)
        axes.grid(axis="x", alpha=0.3)
    left.set_yticks(np.arange(len(names)), names)
    left.invert_yaxis()
    left.plot([], [], "D", color="grey", markerfacecolor="none", markersize=8, label="published")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(CUTOFFS) + 1)
    return figure


def _cells(cells: Cells) -> list[str]:
    return [" ".join(f"{cells[k][letter]:.4f}"[1:] for letter in LETTERS) for k in CUTOFFS]
