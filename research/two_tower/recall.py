"""Compute the recall of the label weeks' purchases with bootstrap intervals over customers, paired between methods."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retail import weeks
from retail.log import Array, Log
from retail.metrics import interval

AT = (12, 50, 100, 200)  # cutoffs: length of the list
DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Hits:
    """The hits of one label week: row r is buyer ``user[r]``."""

    user: Array  # (b,)
    bought: Array  # (b,) number of articles bought in the week
    found: dict[str, Array]  # method -> (b, len(AT)) number of them among its first AT articles


def hits(log: Log, week: int, lists: dict[str, Array]) -> Hits:
    """Count the hits of each method.

    ``lists``: method -> (buyers, DEPTH) articles, best first; row r is the r-th buyer of the week by ascending id.
    """
    user, item = weeks.truth(log, week)
    users, row = np.unique(user, return_inverse=True)
    counts = {}
    for name, ranked in lists.items():
        rank = np.where(ranked[row] == item[:, None], np.arange(ranked.shape[1]), ranked.shape[1]).min(1)
        columns = [np.bincount(row, rank < k, len(users)) for k in AT]
        counts[name] = np.column_stack(columns)
    return Hits(users, np.bincount(row).astype(np.float64), counts)


def recalls(parts: list[Hits], method: str, seed: int) -> dict[str, Array]:
    """Compute recall and its bootstrap draws, "pooled" and "customer", each (1 + DRAWS, len(AT)), the recall first.

    "pooled" is the share of all bought pairs. "customer" is the mean over customers of their share. Both are means over
    weeks. A draw holds a customer's weeks together, and the same seed draws the same customers for every method.
    """
    customers = np.unique(np.concatenate([part.user for part in parts]))
    drawn = np.random.default_rng(seed).poisson(1.0, (DRAWS, len(customers))).astype(np.float64)
    weight = np.concatenate([np.ones((1, len(customers))), drawn])
    out = {"pooled": np.zeros((1 + DRAWS, len(AT))), "customer": np.zeros((1 + DRAWS, len(AT)))}
    for part in parts:
        draw = weight[:, np.searchsorted(customers, part.user)]  # (1 + DRAWS, b)
        counts = part.found[method]
        out["pooled"] += draw @ counts / np.maximum(draw @ part.bought, 1)[:, None] / len(parts)
        out["customer"] += draw @ (counts / part.bought[:, None]) / np.maximum(draw.sum(1), 1)[:, None] / len(parts)
    return out


def tabulate(parts: list[Hits], base: str, seed: int) -> dict[str, dict[str, Any]]:
    """Tabulate by method, measure and cutoff: recall, ``base`` minus the method ("lead"), and their 95% intervals."""
    base_values = recalls(parts, base, seed)
    out: dict[str, dict[str, Any]] = {}
    for method in parts[0].found:
        values = recalls(parts, method, seed)
        out[method] = {
            measure: {
                f"recall@{k}": {
                    "value": values[measure][0, column],
                    "interval": interval(values[measure][1:, column]),
                    "lead": base_values[measure][0, column] - values[measure][0, column],
                    "lead_interval": interval(base_values[measure][1:, column] - values[measure][1:, column]),
                }
                for column, k in enumerate(AT)
            }
            for measure in values
        }
    return out
