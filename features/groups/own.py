"""Describe the customer's purchases of the article itself. A visit is a day with a purchase.

times                            visits with the article
times_7d, _14d, _28d, _91d       of them in the last 7, 14, 28, 91 days
year_ago                         of them around the label week a year ago, at the ages ``kernels.YEAR_AGO``
days_since_last, _first          days since the last and the first visit with it, NaN if there is none
visits_since_last, _first        the customer's visits since then, that one included, NaN if there is none
in_last_visit, in_last_3, _5, _10  visits with it among the customer's last 1, 3, 5, 10 visits
by_visit                         sum over visits with it of 0.8^(later visits)
decayed_<h>d                     sum over visits with it of 2^(-age / h), age in days
gap_mean, gap_sd                 mean and standard deviation of the days between visits with it
due_ratio                        days_since_last / gap_mean (at least 1 day)
visit_rate                       share of the customer's visits after the first with it that are with it, 0 to 1
share_of_sales                   times / all sales of the article to all customers
by_visit_x_hazard_<d>d           by_visit times the article's hazard_<d>d (group item_rebuy)
decayed_<h>d_x_hazard_<d>d       decayed_<h>d times the article's hazard_<d>d
times_x_rebuy_rate               times times the article's rebuy_rate
due_by_article                   days_since_last / the article's rebuy_gap (at least 1 day)

Before a second visit with the article, gap_mean and due_ratio are NaN, and gap_sd is 0. For an article that the
customer never bought, counts and products are 0, and due_by_article is NaN.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from features.engine import kernels
from features.engine.group import Group
from features.engine.kernels import (
    BY_VISIT,
    D7,
    D14,
    D28,
    D91,
    DECAY,
    FIRST_DAY,
    FIRST_VISIT,
    GAPS,
    LAST_DAY,
    LAST_VISIT,
    SQUARES,
    V1,
    V3,
    V5,
    V10,
    VISITS,
    YEAR,
)
from features.engine.rebuy import estimate_rebuys
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Days, Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["pair"] = "pair"
PLAIN = {
    "times": VISITS, "times_7d": D7, "times_14d": D14, "times_28d": D28, "times_91d": D91, "year_ago": YEAR,
    "days_since_last": LAST_DAY, "days_since_first": FIRST_DAY, "visits_since_last": LAST_VISIT,
    "visits_since_first": FIRST_VISIT, "in_last_visit": V1, "in_last_3": V3, "in_last_5": V5, "in_last_10": V10,
    "by_visit": BY_VISIT,
}  # fmt: skip


class Params(Group):
    half_lives: tuple[Days, ...] = Field(min_length=1)  # days of the decayed counts
    hazard_windows: tuple[Positive, ...]  # days that the article's hazards cover
    hazard_smoothing: Days  # visits at the average rate that are added to those of each article


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Compute the columns of each pair."""
    items = shop.log.items
    t = kernels.summarise_affinity(
        history, np.arange(items, dtype=np.int32), items, pairs.users, pairs.ptr, pairs.items.astype(np.int64),
        params.half_lives, range(DECAY + len(params.half_lives)),
    )  # fmt: skip
    out: dict[str, Array] = {name: t[column] for name, column in PLAIN.items()}
    for k, life in enumerate(params.half_lives):
        out[f"decayed_{life:g}d"] = t[DECAY + k]
    gaps = np.maximum(t[GAPS], 1)
    gap_mean = np.where(t[GAPS] > 0, (t[FIRST_DAY] - t[LAST_DAY]) / gaps, np.nan)
    out["gap_mean"] = gap_mean
    out["gap_sd"] = np.sqrt(np.maximum(t[SQUARES] / gaps - np.nan_to_num(gap_mean) ** 2, 0))
    out["due_ratio"] = t[LAST_DAY] / np.maximum(gap_mean, 1)
    out["visit_rate"] = np.nan_to_num((t[VISITS] - 1) / np.maximum(t[FIRST_VISIT] - 1, 1))
    sold = np.maximum(history.item_stop - history.log.item_start[:-1], 1).astype(np.float32)
    out["share_of_sales"] = t[VISITS] / sold[pairs.items]
    rebuy = estimate_rebuys(history, params.hazard_windows, params.hazard_smoothing)
    for window in params.hazard_windows:
        hazard = rebuy[f"hazard_{window}d"][pairs.items]
        out[f"by_visit_x_hazard_{window}d"] = t[BY_VISIT] * hazard
        for k, life in enumerate(params.half_lives):
            out[f"decayed_{life:g}d_x_hazard_{window}d"] = t[DECAY + k] * hazard
    out["times_x_rebuy_rate"] = t[VISITS] * rebuy["rebuy_rate"][pairs.items]
    out["due_by_article"] = t[LAST_DAY] / np.maximum(rebuy["rebuy_gap"][pairs.items], 1)
    return out
