"""Variants of the pipeline beside one of them: means over weeks, paired differences, and how sure they are."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from retail import metrics
from retail.log import Array

DRAWS = 2000
Key = TypeVar("Key")


def compared(ap: Mapping[str, pl.DataFrame], base: str) -> dict[str, dict[str, Any]]:
    """Mean over weeks of each variant's MAP@12 and its difference from ``base``, paired by customer.

    ``ap``: variant -> rows (week, user, twelve), the same customers in each. Both figures have a mean, a 95% interval
    (low, high) and p, all of the bootstrap over customers; that of the difference is the one to look at.
    """
    of_base = ap[base]
    rows = {}
    for name, frame in ap.items():
        if not frame[["week", "user"]].equals(of_base[["week", "user"]]):
            raise ValueError(f"{name} was evaluated on other customers than {base}")
        minus = frame.with_columns(twelve=frame["twelve"] - of_base["twelve"])
        rows[name] = {"map12": _figure(frame), "minus": _figure(minus)}
    return rows


def _figure(frame: pl.DataFrame) -> dict[str, float]:
    weeks = frame.partition_by("week", maintain_order=True)
    pairs = [(week["user"].to_numpy(), week["twelve"].to_numpy()) for week in weeks]
    means = metrics.bootstrap_means(pairs, DRAWS, 1)
    low, high = metrics.interval(means)
    mean = float(np.mean([value.mean() for _, value in pairs]))
    return {"mean": mean, "low": low, "high": high, "p": two_sided(means)}


def two_sided(means: Array) -> float:
    """Twice the share of bootstrap means on the rarer side of 0; never 0, for one draw more might lie there."""
    rarer = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(means) + 1))


def holm(p: Mapping[Key, float]) -> dict[Key, float]:
    """p of several comparisons, each raised so that by chance alone the smallest is below .05 once in twenty times.

    Holm (1979): the k-th smallest of n, k from 0, times n - k, and no less than the one before it.

    >>> holm({"a": 0.01, "b": 0.4, "c": 0.03})
    {'a': 0.03, 'b': 0.4, 'c': 0.06}
    """
    raised: dict[Key, float] = {}
    last = 0.0
    for k, name in enumerate(sorted(p, key=lambda one: p[one])):
        raised[name] = last = max(last, min(1.0, p[name] * (len(p) - k)))
    return {name: raised[name] for name in p}


def cells(name: str, row: Mapping[str, Any]) -> list[str]:
    """Text of a variant: MAP@12 and the difference, each with its interval."""
    out = [name]
    for figure, sign in ((row["map12"], ""), (row["minus"], "+")):
        out += [f"{figure['mean']:{sign}.4f}", f"[{figure['low']:{sign}.4f}, {figure['high']:{sign}.4f}]"]
    return out


def plot(tables: Mapping[str, Mapping[str, Any]], label: str) -> Figure:
    """A panel for each table: the difference of each of its variants with the interval, at the right its MAP@12."""
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
    panels[-1].set_xlabel(f"{label}, 95% interval\nat the right the MAP@12 itself")
    return figure
