"""Group the ranker's feature columns into topics; a topic's contribution is the sum over its columns."""

from collections.abc import Sequence

import numpy as np

from features.engine import group
from retail.log import Array
from retail.params import Params
from retail.shop import Shop

# Columns with the same information form one topic; otherwise all three reasons could say the same. The longest
# matching prefix decides.
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


def group_columns(columns: Sequence[str], params: Params, shop: Shop) -> dict[str, list[int]]:
    """Group the columns: topic -> the places of its columns in ``columns``, topics ascending by name.

    A group or source without a prefix in PREFIXES is a topic of its own name. A group with one row per customer has no
    topic: its columns are the same for all articles of the customer.
    """
    customer_groups = {name for name in group.switched_on(params) if group.load(name, params)[0].KEY == "user"}
    places: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        name = column.split("__")[0]
        if name not in customer_groups:
            places.setdefault(_find_topic(column, name, shop), []).append(place)
    return dict(sorted(places.items()))


def _find_topic(column: str, name: str, shop: Shop) -> str:
    matching = [prefix for prefix in PREFIXES if column.startswith(prefix)]
    topic = PREFIXES[max(matching, key=len)] if matching else name
    # without ages, the only age bin is the whole shop
    return "sales" if topic == "age" and shop.age is None else topic


def sum_by_topic(contributions: Array, places: dict[str, list[int]]) -> Array:
    """Sum ``contributions`` (n, f) over each topic's columns: (n, topics) float32."""
    return np.stack([contributions[:, columns].sum(axis=1) for columns in places.values()], axis=1)
