"""Customers by how long ago they last bought: the segments of every table and figure that parts them so."""

import numpy as np

from retail.log import Array

SEGMENTS = {"7 d": 7, "30 d": 30, "90 d": 90, "older": 10**6}  # days since the last purchase, at most
NEVER = "never"


def segments(days: Array) -> list[str]:
    """Name of the segment of each number of days since the last purchase; negative: there was none."""
    names = np.array([*SEGMENTS, NEVER])
    return list(names[np.where(days < 0, len(SEGMENTS), np.searchsorted(list(SEGMENTS.values()), days))])
