"""Divide customers into segments by days since their last purchase."""

import numpy as np

from retail.log import Array

SEGMENTS = {"7 d": 7, "30 d": 30, "90 d": 90, "older": 10**6}  # days since the last purchase, at most
NEVER = "never"


def name_segments(days: Array) -> list[str]:
    """Name the segment of each number of days since the last purchase; a negative number means no purchase."""
    names = np.array([*SEGMENTS, NEVER])
    return list(names[np.where(days < 0, len(SEGMENTS), np.searchsorted(list(SEGMENTS.values()), days))])
