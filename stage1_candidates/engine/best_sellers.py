"""List the best sellers of each group of articles, such as a product_code or a category."""

import numpy as np

from retail.log import Array
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.lists import Lists


def by_group(history: History, group: Array, half_life: float, depth: int) -> Lists:
    """List the ``depth`` best sellers of each group, weighted by their share of the group's decayed sales."""
    log, known = history.log, history.known
    groups = int(group.max()) + 1
    sales = history.decay(half_life)
    group_of = group[log.item[known]].astype(np.int64)
    total = np.bincount(group_of[group_of >= 0], weights=sales[group_of >= 0], minlength=groups)
    share = np.where(group_of >= 0, sales / np.maximum(total[group_of], 1e-12), 0.0)
    return lists.gather(group_of, log.item[known], share, groups, depth)
