"""Count the purchases by score and by place in the list."""

import numpy as np
import polars as pl

from retail.log import Array

# Ends of the parts, as shares of the candidates, best first.
SCORE_PARTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def count_by_score(score: Array, label: Array) -> pl.DataFrame:
    """Count the purchases in each part of a week's candidates, ordered by descending score.

    Columns: ``upto``: the part's end, as a share of all candidates; ``candidates``: the part's number of candidates;
    ``bought``: how many of them were bought in the week; ``score``: their mean score. The first parts are small,
    because most purchases have high scores.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.round(np.array(SCORE_PARTS) * len(score)).astype(np.int64)
    rows = [
        (upto, len(part), int(label[part].sum()), float(score[part].mean()))
        for upto, part in zip(SCORE_PARTS, np.split(order, ends[:-1]), strict=True)
        if len(part)
    ]
    return pl.DataFrame(rows, schema=["upto", "candidates", "bought", "score"], orient="row")


def count_by_place(hit: Array) -> pl.DataFrame:
    """Count the customers who bought the article at each place of their list.

    ``hit`` (users, 12) bool: the customer bought the article at this place. Columns: place, customers, bought.
    """
    places = np.arange(1, hit.shape[1] + 1)
    return pl.DataFrame({"place": places, "customers": np.full(len(places), len(hit)), "bought": hit.sum(axis=0)})
