"""Compute the figures of the benchmark: means over customers, paired differences with intervals, strata."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from research.trex import protocol
from research.trex.protocol import Task
from retail import metrics
from retail.log import Array
from stage1_candidates.networks.trex.baskets import Splits

DRAWS = 2000  # of the bootstrap over customers
KS = (1, 5, 10, 20)  # cutoffs of the tables
SESSIONS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 10**9))  # Fig. 4: baskets before the last one
LENGTHS = ((1, 1), (2, 3), (4, 6), (7, 10**9))  # Fig. 4: categories in the last basket, which is the target


def measure(ranked: list[Array], splits: Splits) -> tuple[Array, Array]:
    """Measure recall and precision of each customer, each (e, K), averaged over the ``ranked`` lists of the seeds."""
    both = [protocol.compute_recall_precision(lists, splits) for lists in ranked]
    return np.mean([recall for recall, _ in both], axis=0), np.mean([precision for _, precision in both], axis=0)


def average_curves(measured: tuple[Array, Array]) -> dict[str, list[float]]:
    """Average recall and precision over customers for k = 1..K."""
    return {name: values.mean(0).tolist() for name, values in zip(("recall", "precision"), measured, strict=True)}


def bootstrap_difference(
    row: tuple[Array, Array], baseline: tuple[Array, Array], user: Array
) -> dict[str, dict[str, float]]:
    """Estimate ``row`` minus ``baseline`` at k = 10: mean over customers and 95% interval (paired bootstrap)."""
    out = {}
    for name, values, baseline_values in zip(("recall", "precision"), row, baseline, strict=True):
        gap = values[:, 9] - baseline_values[:, 9]
        low, high = metrics.interval(metrics.bootstrap_means([(user, gap)], DRAWS, 1))
        out[name] = {"mean": float(gap.mean()), "low": low, "high": high}
    return out


def stratify(rows: Mapping[str, tuple[Array, Array]], task: Task) -> dict[str, list[dict[str, Any]]]:
    """Compute recall@10 of ``rows`` by the number of baskets before the last one and by the size of the last one."""
    sessions = task.tokens.basket[task.test.stop - 1] + 1
    out: dict[str, list[dict[str, Any]]] = {}
    for criterion, value, bounds in (
        ("previous sessions", sessions, SESSIONS),
        ("length of the last basket", np.diff(task.test.ptr), LENGTHS),
    ):
        out[criterion] = []
        for low, high in bounds:
            inside = (value >= low) & (value <= high)
            if inside.any():
                recall = {name: float(values[0][inside, 9].mean()) for name, values in rows.items()}
                out[criterion].append(
                    {"of": _format_range(low, high), "customers": int(inside.sum()), "recall@10": recall}
                )
    return out


def _format_range(low: int, high: int) -> str:
    if high == 10**9:
        return f"{low}+"
    return str(low) if low == high else f"{low}-{high}"
