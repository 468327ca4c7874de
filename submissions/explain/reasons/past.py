"""Reasons from the customer's own past: with the article, its price, its product, its kind.

Each function gives (n,) text, null where the past holds nothing of the sort.
"""

import numpy as np
import polars as pl

from features.engine import kernels
from retail.log import Array
from submissions.explain.reasons import words
from submissions.explain.reasons.chosen import Chosen, entries

WEEK = 7  # days that the lists are for
OVERDUE = 2  # gaps since the last purchase after which an article is not due, but long ago
SAME_PRICE = 0.01
KINDS = {
    "product_type_no": "type",
    "department_no": "department",
    "colour_group_code": "colour",
    "graphical_appearance_no": "pattern",
    "section_no": "section",
    "garment_group_no": "garment group",
    "index_code": "range",
}


def own(of: Chosen) -> pl.Series:
    """bought 6 times, every 21 days, due 3 days ago"""
    past = of.own
    # the mean of the gaps is the whole span over their number
    gap = np.rint((past.first - past.last) / np.maximum(past.visits - 1, 1)).astype(np.int64)
    facts = pl.DataFrame({"times": past.visits, "last": past.last, "gap": gap, "due": past.last - gap})
    times, last, due = pl.col("times"), pl.col("last"), pl.col("due")
    rhythm = pl.format("bought {}, {}", words.times(times), words.every(pl.col("gap")))
    # far from its day, a purchase speaks by how long ago it was
    far = (due < -WEEK) | (last > OVERDUE * pl.col("gap"))
    return facts.select(
        pl.when(times == 0)
        .then(pl.lit(None, pl.String))
        .when(times == 1)
        .then(pl.format("bought once, {} ago", words.days(last)))
        .when(times == 2)
        .then(pl.format("bought twice, {} apart, last {} ago", words.days(pl.col("gap")), words.days(last)))
        .when(far)
        .then(pl.format("{}, last {} ago", rhythm, words.days(last)))
        .when(due > 0)
        .then(pl.format("{}, due {} ago", rhythm, words.days(due)))
        .when(due == 0)
        .then(pl.format("{}, due now", rhythm))
        .otherwise(pl.format("{}, due in {}", rhythm, words.days(-due)))
    ).to_series()


def paid(of: Chosen) -> pl.Series:
    """cheaper than when you bought it: 2.10, then 2.55"""
    log = of.history.log
    begin, stop = log.start[of.pairs.users], of.history.stop[of.pairs.users]
    then = kernels.last_paid(begin, stop, log.item, log.price, log.items, of.pairs.ptr, of.pairs.items)
    now = of.article["price_last"]
    facts = pl.DataFrame({"change": now / np.maximum(then, 1e-9), "now": words.money(now), "then": words.money(then)})
    change = pl.col("change")
    return facts.select(
        pl.when(change.is_nan())
        .then(pl.lit(None, pl.String))
        .when(change < 1 - SAME_PRICE)
        .then(pl.format("cheaper than when you bought it: {}, then {}", "now", "then"))
        .when(change <= 1 + SAME_PRICE)
        .then(pl.format("still at the price that you paid, {}", "then"))
        .otherwise(None)
    ).to_series()


def product(of: Chosen) -> pl.Series:
    """the same product as X in another colour, bought 12 days ago"""
    log, code = of.history.log, of.shop.attributes["product_code"]
    run, position = entries(of.history, of.pairs.users)
    item = log.item[position]
    bought = pl.DataFrame({"run": run, "code": code[item], "other": item, "day": log.day[position]})
    wanted = pl.DataFrame({"run": of.pairs.run, "code": code[of.pairs.items], "item": of.pairs.items})
    others = wanted.with_row_index("row").join(bought, on=["run", "code"])
    latest = (
        others.filter(pl.col("item") != pl.col("other"))
        .sort("row", -pl.col("day").cast(pl.Int64), "other")
        .unique("row", keep="first", maintain_order=True)
    )
    other = latest["other"].to_numpy()
    facts = latest.select(
        "row",
        name=of.named(other),
        ago=words.days(of.history.cutoff - pl.col("day").cast(pl.Int64)),
        how=pl.Series(np.where(_other_colour(of, latest["item"].to_numpy(), other), " in another colour", "")),
    )
    text = facts.select("row", text=pl.format("the same product as {}{}, bought {} ago", "name", "how", "ago"))
    return of.filled(text["row"].to_numpy(), text["text"])


def _other_colour(of: Chosen, item: Array, other: Array) -> Array:
    """Whether two articles are known to differ in colour."""
    if "colour_group_code" not in of.shop.attributes:
        return np.zeros(len(item), bool)
    colour = of.shop.attributes["colour_group_code"]
    differ: Array = (colour[item] != colour[other]) & (colour[item] >= 0) & (colour[other] >= 0)
    if "colour_group_code" in of.articles.columns:
        named = (of.articles["colour_group_code"] != "").to_numpy()
        differ &= named[item] & named[other]
    return differ


def taste(of: Chosen) -> pl.Series:
    """its type (BAG) is in 5 of your 20 baskets, last 12 days ago: the kind that counted most for the ranker"""
    names = [name for name in KINDS if name in of.shop.attributes]
    if not names:
        return pl.Series([None] * of.rows, dtype=pl.String)
    pasts, labels = [of.past_with(of.shop.attributes[name]) for name in names], [of.label(name) for name in names]
    counted = np.stack([_counted(of, name) for name in names])  # (kinds, n)
    met = np.stack([(past.visits > 0) & says for past, (_, says) in zip(pasts, labels, strict=True)])
    best = np.argmax(np.where(met, counted, -np.inf), axis=0)
    at = (best, np.arange(of.rows))
    facts = pl.DataFrame(
        {
            "met": met[at],
            "kind": pl.Series([KINDS[name] for name in names]).gather(best),
            "label": pl.concat([text.alias("label") for text, _ in labels]).gather(best * of.rows + at[1]),
            "visits": np.stack([past.visits for past in pasts])[at],
            "last": np.stack([past.last for past in pasts])[at],
            "of": of.baskets,
        }
    )
    ago = words.days(pl.col("last"))
    text = pl.format("its {}{} is in {} of your {} baskets, last {} ago", "kind", "label", "visits", "of", ago)
    one = pl.format("its {}{} is in your only basket, {} ago", "kind", "label", ago)
    return facts.select(
        pl.when(~pl.col("met")).then(None).when(pl.col("of") == 1).then(one).otherwise(text)
    ).to_series()


def _counted(of: Chosen, attribute: str) -> Array:
    """(n,) what the attribute's columns of the group ``taste`` contribute."""
    places = [k for k, name in enumerate(of.features.columns) if name.startswith(f"taste__{attribute}_")]
    total: Array = of.contributions[:, places].sum(axis=1)
    return total
