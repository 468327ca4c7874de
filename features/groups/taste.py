"""The customer's past with the article's kind: its product_code, type, department, colour and the like."""

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
    attributes: tuple[Attribute, ...] = Field(min_length=1)  # those that the shop's files lack are left out
    half_life: Days


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Per pair and attribute: visits with the article's value, their decayed sum, the share of all visits."""
    out: dict[str, Array] = {}
    log, stop = history.log, history.stop[pairs.users]
    visits = np.where(stop > log.start[pairs.users], log.visit[np.maximum(stop - 1, 0)].astype(np.float32) + 1, 1)
    visits = visits.astype(np.float32)[pairs.run]
    for attribute in params.attributes:
        if attribute not in shop.attributes:
            continue
        code = shop.attributes[attribute]
        t = kernels.affinity(
            history, code, int(code.max()) + 1, pairs.users, pairs.ptr, code[pairs.items].astype(np.int64),
            [params.half_life], [*PLAIN.values(), DECAY],
        )  # fmt: skip
        named = dict(zip([*PLAIN, "decayed"], t, strict=True))
        out |= {f"{attribute}_{name}": values for name, values in named.items()}
        out[f"{attribute}_share"] = named["visits"] / visits
    return out
