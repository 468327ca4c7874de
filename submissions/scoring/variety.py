"""Measure the variety of lists: coverage, novelty, share of repeat purchases, share of new articles."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from retail.log import Array
from retail.ragged import pair_codes
from retail.weeks import History

RECENT_DAYS = 28  # days before the label week: an article sold earlier is not new


def measure_variety(history: History, entries: Mapping[str, tuple[Array, Array]]) -> pl.DataFrame:
    """Measure each list of ``entries`` (name -> user and item columns).

    Columns: list; entries: their number; coverage: share of the articles sold in the last 28 days that are among the
    entries; novelty: mean of -log2 of the article's share of the sales of these days, in bits; repeat: share of the
    entries that the customer bought before; new: share of the entries whose article was not sold before these days.
    For novelty, every article counts one sale more, so that no share is 0.
    """
    log, known = history.log, history.known
    sold = np.bincount(log.item[known[log.day[known] >= history.cutoff - RECENT_DAYS]], minlength=log.items)
    bits = -np.log2((sold + 1) / (sold.sum() + log.items))
    first = log.item_day[np.minimum(log.item_start[:-1], len(log.item_day) - 1)]
    new = ~((history.item_stop > log.item_start[:-1]) & (first < history.cutoff - RECENT_DAYS))
    in_lists = np.zeros(log.users, bool)
    for user, _ in entries.values():
        in_lists[user] = True
    past = known[in_lists[log.user[known]]]
    before = np.unique(pair_codes(log.user[past], log.item[past]))
    rows = []
    for name, (user, item) in entries.items():
        repeat = np.isin(pair_codes(user, item), before).mean()
        coverage = (sold[np.unique(item)] > 0).sum() / max((sold > 0).sum(), 1)
        rows.append(
            (name, len(item), float(coverage), float(bits[item].mean()), float(repeat), float(new[item].mean()))
        )
    return pl.DataFrame(rows, schema=["list", "entries", "coverage", "novelty", "repeat", "new"], orient="row")
