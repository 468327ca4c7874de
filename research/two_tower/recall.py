"""Compute the recall of the label weeks' purchases with bootstrap intervals over customers, paired between methods."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retail import weeks
from retail.log import Array, Log
from retail.metrics import interval

CUTOFFS = (12, 50, 100, 200)  # lengths k of the lists
DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Hits:
    """The hits of one label week: row r is buyer ``user[r]``."""

    user: Array  # (b,)
    bought: Array  # (b,) number of articles bought in the week
    counts: dict[str, Array]  # method -> (b, len(CUTOFFS)) number of them in the first k of its list


def count_hits(log: Log, week: int, lists: dict[str, Array]) -> Hits:
    """Count the hits of each method.

    ``lists``: method -> (buyers, DEPTH) articles, best first; row r is the r-th buyer of the week by ascending id.
    """
    user, item = weeks.truth(log, week)
    users, row = np.unique(user, return_inverse=True)
    counts = {}
    for name, ranked in lists.items():
        rank = np.where(ranked[row] == item[:, None], np.arange(ranked.shape[1]), ranked.shape[1]).min(1)
        columns = [np.bincount(row, rank < k, len(users)) for k in CUTOFFS]
        counts[name] = np.column_stack(columns)
    return Hits(users, np.bincount(row).astype(np.float64), counts)


def compute_recalls(parts: list[Hits], method: str, seed: int) -> dict[str, Array]:
    """Compute "pooled" and "customer" recall, each (1 + DRAWS, len(CUTOFFS)): the recall, then its bootstrap draws.

    "pooled" is the share of all bought pairs. "customer" is the mean over customers of their share. Both are means over
    weeks. A draw holds a customer's weeks together, and the same seed draws the same customers for every method.
    """
    customers = np.unique(np.concatenate([part.user for part in parts]))
    drawn = np.random.default_rng(seed).poisson(1.0, (DRAWS, len(customers))).astype(np.float64)
    weight = np.concatenate([np.ones((1, len(customers))), drawn])
    out = {"pooled": np.zeros((1 + DRAWS, len(CUTOFFS))), "customer": np.zeros((1 + DRAWS, len(CUTOFFS)))}
    for part in parts:
        draw = weight[:, np.searchsorted(customers, part.user)]  # (1 + DRAWS, b)
        counts = part.counts[method]
        out["pooled"] += draw @ counts / np.maximum(draw @ part.bought, 1)[:, None] / len(parts)
        out["customer"] += draw @ (counts / part.bought[:, None]) / np.maximum(draw.sum(1), 1)[:, None] / len(parts)
    return out


def tabulate(parts: list[Hits], base: str, seed: int) -> dict[str, dict[str, Any]]:
    """Tabulate by method, measure and cutoff: recall, ``base`` minus the method ("lead"), and their 95% intervals."""
    base_values = compute_recalls(parts, base, seed)
    out: dict[str, dict[str, Any]] = {}
    for method in parts[0].counts:
        values = compute_recalls(parts, method, seed)
        out[method] = {
            measure: {
                f"recall@{k}": {
                    "value": values[measure][0, column],
                    "interval": interval(values[measure][1:, column]),
                    "lead": base_values[measure][0, column] - values[measure][0, column],
                    "lead_interval": interval(base_values[measure][1:, column] - values[measure][1:, column]),
                }
                for column, k in enumerate(CUTOFFS)
            }
            for measure in values
        }
    return out
