"""Compare variants of the pipeline with a baseline: means over weeks, paired differences, intervals and p-values."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from retail import metrics
from retail.log import Array

DRAWS = 2000  # bootstrap samples of the customers
Key = TypeVar("Key")


def compare_variants(ap: Mapping[str, pl.DataFrame], base: str) -> dict[str, dict[str, Any]]:
    """Compare each variant's MAP@12 with that of the variant ``base``, paired by customer.

    ``ap``: variant -> rows (week, user, twelve), key (week, user), the same customers in each; twelve is AP@12. Returns
    variant -> {"map12", "minus"}: the mean over weeks, and the mean difference from ``base``. Each holds mean, low and
    high (95% interval) and p, all from a bootstrap over customers. ValueError if the customers differ.
    """
    baseline = ap[base]
    rows = {}
    for name, frame in ap.items():
        if not frame[["week", "user"]].equals(baseline[["week", "user"]]):
            raise ValueError(f"{name} was evaluated on other customers than {base}")
        minus = frame.with_columns(twelve=frame["twelve"] - baseline["twelve"])
        rows[name] = {"map12": _summarise(frame), "minus": _summarise(minus)}
    return rows


def _summarise(frame: pl.DataFrame) -> dict[str, float]:
    """Average the column twelve within each week, then over weeks; add the bootstrap's interval and p."""
    weeks = frame.partition_by("week", maintain_order=True)
    pairs = [(week["user"].to_numpy(), week["twelve"].to_numpy()) for week in weeks]
    means = metrics.bootstrap_means(pairs, DRAWS, 1)
    low, high = metrics.interval(means)
    mean = float(np.mean([value.mean() for _, value in pairs]))
    return {"mean": mean, "low": low, "high": high, "p": compute_two_sided_p(means)}


def compute_two_sided_p(means: Array) -> float:
    """Compute p from bootstrap ``means`` (draws,): twice the share of draws on the rarer side of 0.

    One is added to both counts, as if one more draw lay on the rarer side, so that p is never 0.
    """
    rarer = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(means) + 1))


def adjust_holm(p: Mapping[Key, float]) -> dict[Key, float]:
    """Adjust p-values for multiple comparisons by Holm's step-down method (Holm 1979).

    If no comparison has an effect, the smallest adjusted p falls below .05 with a probability of at most .05. The k-th
    smallest of n values, k from 0, is multiplied by n - k. An adjusted value is at least the one before it.

    >>> adjust_holm({"a": 0.01, "b": 0.4, "c": 0.03})
    {'a': 0.03, 'b': 0.4, 'c': 0.06}
    """
    raised: dict[Key, float] = {}
    last = 0.0
    for k, name in enumerate(sorted(p, key=lambda name: p[name])):
        raised[name] = last = max(last, min(1.0, p[name] * (len(p) - k)))
    return {name: raised[name] for name in p}


def format_cells(name: str, row: Mapping[str, Any]) -> list[str]:
    """Format a row: the variant's name, MAP@12 and the difference, each with its interval."""
    out = [name]
    for figure, sign in ((row["map12"], ""), (row["minus"], "+")):
        out += [f"{figure['mean']:{sign}.4f}", f"[{figure['low']:{sign}.4f}, {figure['high']:{sign}.4f}]"]
    return out


def plot(tables: Mapping[str, Mapping[str, Any]], label: str) -> Figure:
    """Plot a panel per table: each variant's difference with its interval, annotated with its MAP@12."""
    heights = [len(rows) + 1.5 for rows in tables.values()]
    figure = Figure(figsize=(7, 0.35 * sum(heights) + 0.5), layout="constrained")
    panels = figure.subplots(len(tables), sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (title, rows) in zip(panels, tables.items(), strict=True):
        for place, row in enumerate(rows.values()):
            gap = row["minus"]
            axes.plot([gap["low"], gap["high"]], [place, place], color="tab:blue")
            axes.plot(gap["mean"], place, "o", color="tab:blue")
            text = f"{row['map12']['mean']:.4f}"
            axes.annotate(text, (gap["high"], place), xytext=(4, -3), textcoords="offset points")
        axes.axvline(0, color="grey", linewidth=0.8)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.invert_yaxis()
        axes.set_title(title)
        axes.margins(x=0.12)  # the annotations stay inside
    panels[-1].set_xlabel(f"{label}, 95% interval\nannotated: MAP@12")
    return figure
