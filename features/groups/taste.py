"""Describe the customer's purchases of articles with the same attributes as the article.

For each attribute a in ``attributes`` that the shop has, such as product_code or colour_group_code:

<a>_visits         visits (days with a purchase) with an article that has the article's value of a
<a>_visits_28d     of them in the last 28 days
<a>_days_since     days since the last of them, NaN if there is none
<a>_visits_since   the customer's visits since then, that one included, NaN if there is none
<a>_in_last_5      visits with the value among the customer's last 5 visits
<a>_by_visit       sum over visits with it of 0.8^(later visits)
<a>_decayed        sum over visits with it of 2^(-age / half_life)
<a>_share          <a>_visits / all the customer's visits, 0 to 1
"""

from typing import Literal

import numpy as np
from pydantic import Field

from features.engine import kernels
from features.engine.group import Group
from features.engine.kernels import BY_VISIT, D28, DECAY, LAST_DAY, LAST_VISIT, V5, VISITS
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Days
from retail.shop import Attribute, Shop
from retail.weeks import History

KEY: Literal["pair"] = "pair"
PLAIN = {
    "visits": VISITS, "visits_28d": D28, "days_since": LAST_DAY, "visits_since": LAST_VISIT, "in_last_5": V5,
    "by_visit": BY_VISIT,
}  # fmt: skip


class Params(Group):
    attributes: tuple[Attribute, ...] = Field(min_length=1)  # those that the shop lacks are skipped
    half_life: Days  # of <a>_decayed


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Compute the columns of each pair."""
    out: dict[str, Array] = {}
    log, stop = history.log, history.stop[pairs.users]
    visits = np.where(stop > log.start[pairs.users], log.visit[np.maximum(stop - 1, 0)].astype(np.float32) + 1, 1)
    visits = visits.astype(np.float32)[pairs.run]
    for attribute in params.attributes:
        if attribute not in shop.attributes:
            continue
        code = shop.attributes[attribute]
        t = kernels.summarise_affinity(
            history, code, int(code.max()) + 1, pairs.users, pairs.ptr, code[pairs.items].astype(np.int64),
            [params.half_life], [*PLAIN.values(), DECAY],
        )  # fmt: skip
        columns = dict(zip([*PLAIN, "decayed"], t, strict=True))
        out |= {f"{attribute}_{name}": values for name, values in columns.items()}
        out[f"{attribute}_share"] = columns["visits"] / visits
    return out
