"""Define what both synthetic shops share: the sales of one day, and articles grouped for weighted draws."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from retail.log import Array


@dataclass(frozen=True)
class DaySales:
    """Rows of one day, (rows,) each, sorted by customer; a quantity of two is two equal rows."""

    day: int
    user: Array
    item: Array
    cents: Array
    channel: Array


class Grouping(NamedTuple):
    """Articles by group: group g has the articles ``order[start[g]:start[g + 1]]``."""

    order: Array  # (N,)
    start: Array  # (groups + 1,)


def group_articles(group: Array, groups: int) -> Grouping:
    """Group the articles by their ``group`` (N,)."""
    return Grouping(np.argsort(group, kind="stable"), np.searchsorted(np.sort(group), np.arange(groups + 1)))
