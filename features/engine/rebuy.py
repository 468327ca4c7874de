"""Estimate how often an article's owners buy it again, for the groups ``item_rebuy`` and ``own``."""

import numpy as np

from features.engine import kernels
from retail.log import Array
from retail.weeks import History


def estimate_rebuys(history: History, windows: tuple[int, ...], smoothing: float) -> dict[str, Array]:
    """Estimate each article's rebuy rates: column -> (items,) float32.

    hazard_<d>d   owners' rebuys / owners' visits, in the last d days
    rebuy_rate    owners who bought the article again / owners
    rebuy_gap     mean days between a customer's purchases of the article, NaN if no one bought it twice
    owners        customers who bought the article

    An owner's visits count from the one after the first purchase. Rates are smoothed: each article gets ``smoothing``
    additional visits, or owners, at the average rate.
    """
    columns: dict[str, Array] = history.once(
        ("hazards", windows, smoothing), lambda: _estimate_rebuys(history, windows, smoothing)
    )
    return columns


def _estimate_rebuys(history: History, windows: tuple[int, ...], smoothing: float) -> dict[str, Array]:
    log = history.log
    table = kernels.count_rebuys(
        log.start[:-1], history.stop, log.item, log.day, history.cutoff, np.asarray(windows), log.items
    )
    out = {}
    for k, window in enumerate(windows):
        visits, rebuys = table[:, 2 * k], table[:, 2 * k + 1]
        out[f"hazard_{window}d"] = _smooth(rebuys, visits, smoothing)
    owners, repeat_owners, gap_days, gaps = table[:, -4:].T
    out["rebuy_rate"] = _smooth(repeat_owners, owners, smoothing)
    out["rebuy_gap"] = np.where(gaps > 0, gap_days / np.maximum(gaps, 1), np.nan).astype(np.float32)
    out["owners"] = owners.astype(np.float32)
    return out


def _smooth(part: Array, whole: Array, smoothing: float) -> Array:
    """Divide ``part`` by ``whole``, (items,) each, after adding ``smoothing`` counts at the mean rate."""
    mean = part.sum() / max(whole.sum(), 1.0)
    rate: Array = (part + smoothing * mean) / (whole + smoothing)
    return rate.astype(np.float32)
