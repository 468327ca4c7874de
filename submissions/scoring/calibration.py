"""Does a better score mean more purchases: the share bought by score, and by place in the list."""

import numpy as np
import polars as pl

from retail.log import Array

PARTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # of the candidates, best scored first


def by_score(score: Array, label: Array) -> pl.DataFrame:
    """One row per part of a week's candidates in the order of their score: upto, candidates, bought, score.

    ``upto``: the part's end as a share of the candidates, of which the best scored stand first; ``bought``: how many of
    the part's ``candidates`` were bought in the week; ``score``: their mean. The parts narrow where the purchases are.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.round(np.array(PARTS) * len(score)).astype(np.int64)
    rows = [
        (upto, len(part), int(label[part].sum()), float(score[part].mean()))
        for upto, part in zip(PARTS, np.split(order, ends[:-1]), strict=True)
        if len(part)
    ]
    return pl.DataFrame(rows, schema=["upto", "candidates", "bought", "score"], orient="row")


def by_place(hit: Array) -> pl.DataFrame:
    """place, customers, bought: how many of the customers bought the article at each place of ``hit`` (users, 12)."""
    places = np.arange(1, hit.shape[1] + 1)
    return pl.DataFrame({"place": places, "customers": np.full(len(places), len(hit)), "bought": hit.sum(axis=0)})
