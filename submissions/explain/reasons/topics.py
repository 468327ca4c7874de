"""What a reason may be about: every column of the ranker's table belongs to one topic, and its contributions add up."""

from collections.abc import Sequence

import numpy as np

from features.engine import group
from retail.log import Array
from retail.params import Params
from retail.shop import Shop

# Columns that know the same of a pair are one topic: else three reasons would say one thing. The longest prefix counts.
PREFIXES = {
    "own__": "own",
    "repurchase__": "own",
    "case__": "own",
    "paid__": "paid",
    "variants__": "product",
    "taste__product_code_": "product",
    "taste__": "taste",
    "category__": "taste",
    "words__": "words",
    "item_cf__": "together",
    "ease__": "together",
    "next_basket__": "together",
    "tifu_knn__": "neighbours",
    "neighbours_recent__": "neighbours",
    "segment__": "segment",
    "age_rank__": "age",
    "match__age_": "age",
    "item_profile__age_": "age",
    "item_sales__": "sales",
    "popular__": "sales",
    "themes__": "sales",
    "item_sales__year_ago": "season",
    "themes__year_ago": "season",
    "item_rebuy__": "rebuy",
    "item_profile__": "kind",
    "item_profile__price_": "price",
    "match__price_": "price",
    "item_profile__basket_": "baskets",
    "match__basket_": "baskets",
    "item_profile__channel_": "channel",
    "match__channel_": "channel",
    "pool__": "pool",
}


def topics(columns: Sequence[str], params: Params, shop: Shop) -> dict[str, list[int]]:
    """Topic -> the places of its columns in ``columns``, topics ascending by name.

    A group or source that PREFIXES lacks is a topic of its own name. A group whose row is the customer is none: it
    says the same of all the customer's articles.
    """
    of_customers = {name for name in group.switched_on(params) if group.load(name, params)[0].KEY == "user"}
    found: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        name = column.split("__")[0]
        if name not in of_customers:
            found.setdefault(_topic(column, name, shop), []).append(place)
    return dict(sorted(found.items()))


def _topic(column: str, name: str, shop: Shop) -> str:
    fitting = [prefix for prefix in PREFIXES if column.startswith(prefix)]
    topic = PREFIXES[max(fitting, key=len)] if fitting else name
    # in a shop without ages the one age bin is the whole shop
    return "sales" if topic == "age" and shop.age is None else topic


def summed(contributions: Array, of: dict[str, list[int]]) -> Array:
    """(n, topics) float32: the contributions (n, f) of each topic's columns, added up."""
    return np.stack([contributions[:, places].sum(axis=1) for places in of.values()], axis=1)
