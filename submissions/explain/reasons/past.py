"""Describe the customer's own past purchases: of the article, its price, its product and its attributes.

Each function returns (n,) text, null where it has no reason to give.
"""

import numpy as np
import polars as pl

from features.engine import kernels
from retail.log import Array
from submissions.explain.reasons.format_numbers import format_days, format_interval, format_money, format_times
from submissions.explain.reasons.recommendations import Recommendations, list_entries

WEEK = 7  # length of the label week in days
OVERDUE = 2  # mean gaps: after so many without a purchase, the article is no longer due
SAME_PRICE = 0.01  # relative difference up to which two prices count as equal
ATTRIBUTE_NAMES = {
    "product_type_no": "type",
    "department_no": "department",
    "colour_group_code": "colour",
    "graphical_appearance_no": "pattern",
    "section_no": "section",
    "garment_group_no": "garment group",
    "index_code": "range",
}


def describe_own_purchases(recommended: Recommendations) -> pl.Series:
    """Describe the past purchases of the article, as in: you bought it 6 times, every 21 days; due 3 days ago."""
    past = recommended.article_past
    # mean gap = days between the first and the last purchase / number of gaps
    gap = np.rint((past.first - past.last) / np.maximum(past.visits - 1, 1)).astype(np.int64)
    facts = pl.DataFrame({"times": past.visits, "last": past.last, "gap": gap, "due": past.last - gap})
    times, last, due = pl.col("times"), pl.col("last"), pl.col("due")
    regular = pl.format("you bought it {}, {}", format_times(times), format_interval(pl.col("gap")))
    # far from the due day, the last purchase is more informative
    far = (due < -WEEK) | (last > OVERDUE * pl.col("gap"))
    return facts.select(
        pl.when(times == 0)
        .then(pl.lit(None, pl.String))
        .when(times == 1)
        .then(pl.format("you bought it once, {} ago", format_days(last)))
        .when(times == 2)
        .then(
            pl.format(
                "you bought it twice, {} apart, most recently {} ago", format_days(pl.col("gap")), format_days(last)
            )
        )
        .when(far)
        .then(pl.format("{}, most recently {} ago", regular, format_days(last)))
        .when(due > 0)
        .then(pl.format("{}; due {} ago", regular, format_days(due)))
        .when(due == 0)
        .then(pl.format("{}; due now", regular))
        .otherwise(pl.format("{}; due in {}", regular, format_days(-due)))
    ).to_series()


def describe_price_paid(recommended: Recommendations) -> pl.Series:
    """Compare its price with the last one paid, as in: cheaper than when you last bought it: 2.10 now, 2.55 then."""
    log, pairs = recommended.history.log, recommended.pairs
    begin, stop = log.start[pairs.users], recommended.history.stop[pairs.users]
    then = kernels.find_last_paid(begin, stop, log.item, log.price, log.items, pairs.ptr, pairs.items)
    now = recommended.article["price_last"]
    facts = pl.DataFrame({"change": now / np.maximum(then, 1e-9), "now": format_money(now), "then": format_money(then)})
    change = pl.col("change")
    return facts.select(
        pl.when(change.is_nan())
        .then(pl.lit(None, pl.String))
        .when(change < 1 - SAME_PRICE)
        .then(pl.format("cheaper than when you last bought it: {} now, {} then", "now", "then"))
        .when(change <= 1 + SAME_PRICE)
        .then(pl.format("same price as when you last bought it: {}", "then"))
        .otherwise(None)
    ).to_series()


def describe_same_product(recommended: Recommendations) -> pl.Series:
    """Describe the last bought variant of the product, as in: another colour of X, which you bought 12 days ago."""
    log, code = recommended.history.log, recommended.shop.attributes["product_code"]
    pairs = recommended.pairs
    run, position = list_entries(recommended.history, pairs.users)
    item = log.item[position]
    bought = pl.DataFrame({"run": run, "code": code[item], "other": item, "day": log.day[position]})
    rows = pl.DataFrame({"run": pairs.run, "code": code[pairs.items], "item": pairs.items})
    variants = rows.with_row_index("row").join(bought, on=["run", "code"])
    latest = (
        variants.filter(pl.col("item") != pl.col("other"))
        .sort("row", -pl.col("day").cast(pl.Int64), "other")
        .unique("row", keep="first", maintain_order=True)
    )
    other = latest["other"].to_numpy()
    facts = latest.select(
        "row",
        name=recommended.name_articles(other),
        ago=format_days(recommended.history.cutoff - pl.col("day").cast(pl.Int64)),
        variant=pl.Series(
            np.where(_differ_in_colour(recommended, latest["item"].to_numpy(), other), "colour", "variant")
        ),
    )
    text = facts.select("row", text=pl.format("another {} of {}, which you bought {} ago", "variant", "name", "ago"))
    return recommended.scatter(text["row"].to_numpy(), text["text"])


def _differ_in_colour(recommended: Recommendations, item: Array, other: Array) -> Array:
    """Tell whether ``item`` and ``other`` are known to differ in colour: (n,) bool."""
    if "colour_group_code" not in recommended.shop.attributes:
        return np.zeros(len(item), bool)
    colour = recommended.shop.attributes["colour_group_code"]
    differ: Array = (colour[item] != colour[other]) & (colour[item] >= 0) & (colour[other] >= 0)
    if "colour_group_code" in recommended.articles.columns:
        has_name = (recommended.articles["colour_group_code"] != "").to_numpy()
        differ &= has_name[item] & has_name[other]
    return differ


def describe_taste(recommended: Recommendations) -> pl.Series:
    """Describe one attribute, as in: you bought this type (BAG) in 5 of your 20 baskets, most recently 12 days ago.

    It is the attribute with the largest contribution to the score, among those whose value the customer bought before.
    """
    names = [name for name in ATTRIBUTE_NAMES if name in recommended.shop.attributes]
    if not names:
        return pl.Series([None] * recommended.row_count, dtype=pl.String)
    pasts = [recommended.count_past(recommended.shop.attributes[name]) for name in names]
    labels = [recommended.label_attribute(name) for name in names]
    contributions = np.stack([_sum_contributions(recommended, name) for name in names])  # (attributes, n)
    bought = np.stack([(past.visits > 0) & known for past, (_, known) in zip(pasts, labels, strict=True)])
    best = np.argmax(np.where(bought, contributions, -np.inf), axis=0)
    cell = (best, np.arange(recommended.row_count))
    facts = pl.DataFrame(
        {
            "bought": bought[cell],
            "attribute": pl.Series([ATTRIBUTE_NAMES[name] for name in names]).gather(best),
            "label": pl.concat([text.alias("label") for text, _ in labels]).gather(
                best * recommended.row_count + cell[1]
            ),
            "visits": np.stack([past.visits for past in pasts])[cell],
            "last": np.stack([past.last for past in pasts])[cell],
            "baskets": recommended.baskets,
        }
    )
    ago = format_days(pl.col("last"))
    template = "you bought this {}{} in {} of your {} baskets, most recently {} ago"
    text = pl.format(template, "attribute", "label", "visits", "baskets", ago)
    only = pl.format("you bought this {}{} in your only basket, {} ago", "attribute", "label", ago)
    return facts.select(
        pl.when(~pl.col("bought")).then(None).when(pl.col("baskets") == 1).then(only).otherwise(text)
    ).to_series()


def _sum_contributions(recommended: Recommendations, attribute: str) -> Array:
    """Sum the contributions of the attribute's columns of the group ``taste``: (n,)."""
    places = [k for k, name in enumerate(recommended.features.columns) if name.startswith(f"taste__{attribute}_")]
    total: Array = recommended.contributions[:, places].sum(axis=1)
    return total
