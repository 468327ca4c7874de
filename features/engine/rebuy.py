"""Rebuy figures of articles, used by the article's group and by the customer's cadence alike."""

import numpy as np

from features.engine import kernels
from retail.log import Array
from retail.weeks import History


def hazards(history: History, windows: tuple[int, ...], smoothing: float) -> dict[str, Array]:
    """Per article (items,) float32.

    ``hazard_<d>d``: owners' rebuys / owners' visits in the last d days, smoothed by ``smoothing`` visits of the
    average article; ``rebuy_rate``: owners who bought again / owners, smoothed alike; ``rebuy_gap``: mean days
    between two purchases of one customer, NaN where there are none; ``owners``.
    """
    found: dict[str, Array] = history.once(
        ("hazards", windows, smoothing), lambda: _hazards(history, windows, smoothing)
    )
    return found


def _hazards(history: History, windows: tuple[int, ...], smoothing: float) -> dict[str, Array]:
    log = history.log
    table = kernels.rebuys(
        log.start[:-1], history.stop, log.item, log.day, history.cutoff, np.asarray(windows), log.items
    )
    out = {}
    for k, window in enumerate(windows):
        visits, again = table[:, 2 * k], table[:, 2 * k + 1]
        out[f"hazard_{window}d"] = _smoothed(again, visits, smoothing)
    owners, rebought, gap_days, gaps = table[:, -4:].T
    out["rebuy_rate"] = _smoothed(rebought, owners, smoothing)
    out["rebuy_gap"] = np.where(gaps > 0, gap_days / np.maximum(gaps, 1), np.nan).astype(np.float32)
    out["owners"] = owners.astype(np.float32)
    return out


def _smoothed(part: Array, whole: Array, smoothing: float) -> Array:
    mean = part.sum() / max(whole.sum(), 1.0)
    rate: Array = (part + smoothing * mean) / (whole + smoothing)
    return rate.astype(np.float32)
