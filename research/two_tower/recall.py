"""Recall of the label weeks' purchases, with intervals over customers, paired between methods."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retail import weeks
from retail.log import Array, Log
from retail.metrics import interval

AT = (12, 50, 100, 200)
DRAWS = 1000


@dataclass(frozen=True)
class Hits:
    """One label week: row r is buyer ``user[r]``."""

    user: Array  # (b,)
    bought: Array  # (b,) articles bought in the week
    found: dict[str, Array]  # method -> (b, len(AT)) how many of them are in its first AT articles


def hits(log: Log, week: int, lists: dict[str, Array]) -> Hits:
    """``lists``: method -> (buyers, DEPTH) articles of the week's buyers, ascending, best first."""
    user, item = weeks.truth(log, week)
    users, row = np.unique(user, return_inverse=True)
    found = {}
    for name, ranked in lists.items():
        rank = np.where(ranked[row] == item[:, None], np.arange(ranked.shape[1]), ranked.shape[1]).min(1)
        columns = [np.bincount(row, rank < k, len(users)) for k in AT]
        found[name] = np.column_stack(columns)
    return Hits(users, np.bincount(row).astype(np.float64), found)


def recalls(parts: list[Hits], method: str, seed: int) -> dict[str, Array]:
    """For "pooled" and "customer" (1 + DRAWS, len(AT)): the recall, and the same for customers drawn again.

    pooled: share of all bought pairs, customer: mean over customers of their share; either a mean over weeks. A
    customer is drawn for all weeks at once, and the same seed draws the same customers for every method.
    """
    customers = np.unique(np.concatenate([part.user for part in parts]))
    drawn = np.random.default_rng(seed).poisson(1.0, (DRAWS, len(customers))).astype(np.float64)
    weight = np.concatenate([np.ones((1, len(customers))), drawn])
    out = {"pooled": np.zeros((1 + DRAWS, len(AT))), "customer": np.zeros((1 + DRAWS, len(AT)))}
    for part in parts:
        mine = weight[:, np.searchsorted(customers, part.user)]  # (1 + DRAWS, b)
        found = part.found[method]
        out["pooled"] += mine @ found / np.maximum(mine @ part.bought, 1)[:, None] / len(parts)
        out["customer"] += mine @ (found / part.bought[:, None]) / np.maximum(mine.sum(1), 1)[:, None] / len(parts)
    return out


def table(parts: list[Hits], base: str, seed: int) -> dict[str, dict[str, Any]]:
    """Method -> measure -> figures at each of AT: recall, its 95% interval, and ``base`` minus it with an interval."""
    of_base = recalls(parts, base, seed)
    out: dict[str, dict[str, Any]] = {}
    for method in parts[0].found:
        values = recalls(parts, method, seed)
        out[method] = {
            measure: {
                f"recall@{k}": {
                    "value": values[measure][0, column],
                    "interval": interval(values[measure][1:, column]),
                    "lead": of_base[measure][0, column] - values[measure][0, column],
                    "lead_interval": interval(of_base[measure][1:, column] - values[measure][1:, column]),
                }
                for column, k in enumerate(AT)
            }
            for measure in values
        }
    return out
