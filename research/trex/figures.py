"""Figures of the benchmark: means over customers, paired differences with their intervals, strata."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from research.trex import protocol
from research.trex.protocol import Task
from retail import metrics
from retail.log import Array

DRAWS = 2000
KS = (1, 5, 10, 20)
SESSIONS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 10**9))  # Fig. 4: baskets before the last one
LENGTHS = ((1, 1), (2, 3), (4, 6), (7, 10**9))  # Fig. 4: categories in the last basket, the one that is asked for


def measured(ranked: list[Array], at: Any) -> tuple[Array, Array]:
    """Each (e, K): recall and precision of each customer, mean over the ``ranked`` lists of several seeds."""
    both = [protocol.recall_precision(one, at) for one in ranked]
    return np.mean([recall for recall, _ in both], axis=0), np.mean([precision for _, precision in both], axis=0)


def curves(of: tuple[Array, Array]) -> dict[str, list[float]]:
    """Means over customers for k = 1..K."""
    return {name: values.mean(0).tolist() for name, values in zip(("recall", "precision"), of, strict=True)}


def difference(ours: tuple[Array, Array], theirs: tuple[Array, Array], user: Array) -> dict[str, dict[str, float]]:
    """Ours minus theirs at k = 10, mean over customers and its 95% interval (bootstrap of customers, paired)."""
    out = {}
    for name, mine, other in zip(("recall", "precision"), ours, theirs, strict=True):
        gap = mine[:, 9] - other[:, 9]
        low, high = metrics.interval(metrics.bootstrap_means([(user, gap)], DRAWS, 1))
        out[name] = {"mean": float(gap.mean()), "low": low, "high": high}
    return out


def strata(rows: Mapping[str, tuple[Array, Array]], task: Task) -> dict[str, list[dict[str, Any]]]:
    """Recall@10 of ``rows`` by number of baskets before the last one, and by the last one's length."""
    sessions = task.tokens.basket[task.test.stop - 1] + 1
    out: dict[str, list[dict[str, Any]]] = {}
    for what, value, bounds in (
        ("previous sessions", sessions, SESSIONS),
        ("length of the last basket", np.diff(task.test.ptr), LENGTHS),
    ):
        out[what] = []
        for low, high in bounds:
            inside = (value >= low) & (value <= high)
            if inside.any():
                recall = {name: float(of[0][inside, 9].mean()) for name, of in rows.items()}
                out[what].append({"of": _label(low, high), "customers": int(inside.sum()), "recall@10": recall})
    return out


def _label(low: int, high: int) -> str:
    if high == 10**9:
        return f"{low}+"
    return str(low) if low == high else f"{low}-{high}"
