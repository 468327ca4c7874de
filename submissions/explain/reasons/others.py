"""Describe what other customers buy: buyers of the last basket's articles, similar customers, age groups, segments.

Each function returns (n,) text, null where it has no reason to give. "In the last 7 days" means before the cutoff.
"""

from itertools import pairwise

import numpy as np
import polars as pl

from retail.log import Array
from retail.ragged import pair_codes, pairs_of_codes
from retail.shop import AGE_BINS
from retail.weeks import History
from stage1_candidates.engine import lists, sparse_product, user_neighbours
from stage1_candidates.engine.lists import Lists
from submissions.explain.reasons.recommendations import Recommendations, list_entries

NEIGHBOUR_DAYS = 28  # days of the neighbours' purchases that count
BUYER_DAYS = 91  # days of purchases over which common buyers are counted
LEAST_BUYERS = 2  # fewer buyers may be chance and give no reason
BEST_RANK = 20  # largest rank that gives a reason
NEIGHBOUR_SOURCES = ("tifu_knn", "neighbours_recent")  # sources that store each customer's nearest customers
AGE_DIFFERENCE = 5  # largest difference in years at which buyers are about the customer's age


def describe_bought_together(recommended: Recommendations) -> pl.Series:
    """Describe common buyers of the article and the customer's last basket.

    Example: 12 of 40 other recent buyers of X, an article in your last basket, also bought it.
    """
    shared = _count_common_buyers(recommended)
    best = (
        shared.filter(pl.col("both") >= LEAST_BUYERS)
        .sort("row", -pl.col("both"), "buyers", "other")
        .unique("row", keep="first", maintain_order=True)
    )
    names = recommended.name_articles(best["other"].to_numpy())
    template = "{} of {} other recent buyers of {}, an article in your last basket, also bought it"
    text = best.select(pl.format(template, "both", "buyers", names)).to_series()
    return recommended.scatter(best["row"].to_numpy(), text)


def describe_neighbours(recommended: Recommendations) -> pl.Series:
    """Describe similar customers, as in: 7 of the 50 customers most similar to you bought it in the last 28 days."""
    source = next(recommended.sources[name] for name in NEIGHBOUR_SOURCES if name in recommended.sources)
    history, settings = recommended.history, source.settings
    users = recommended.pairs.users
    own = user_neighbours.unit(user_neighbours.vectors(history, users, settings.decay))
    near = user_neighbours.nearest(own, source.state, users, settings.neighbours)
    neighbours = Lists(near.ptr, near.target, np.ones(len(near.target), np.float32))
    bought = _list_purchases(history, source.state["reference"], NEIGHBOUR_DAYS)
    count = sparse_product.scores_at(
        neighbours, bought, history.log.items, recommended.pairs.ptr, recommended.pairs.items
    )
    facts = pl.DataFrame({"count": np.rint(count).astype(np.int64), "near": np.diff(near.ptr)[recommended.pairs.run]})
    days = pl.lit(NEIGHBOUR_DAYS)
    text = pl.format("{} of the {} customers most similar to you bought it in the last {} days", "count", "near", days)
    return facts.select(pl.when(pl.col("count") >= LEAST_BUYERS).then(text)).to_series()


def describe_age_group(recommended: Recommendations) -> pl.Series:
    """Describe the customer's age group, as in: popular in your age group, 25 to 29, in the last 7 days (rank 3)."""
    bins = recommended.shop.age_bin
    if bins is None:
        return pl.Series([None] * recommended.row_count, dtype=pl.String)
    facts = _rank_in_segment(recommended, "age", bins).with_columns(
        bin=bins[recommended.pairs.user],
        yours=pl.Series(recommended.customer["age"]).fill_nan(None),
        its=pl.Series(recommended.article["age_mean"]).fill_nan(None),
    )
    years = pl.col("bin").replace_strict(
        range(len(AGE_BINS) + 1), _name_age_bins(), default=None, return_dtype=pl.String
    )
    near = (pl.col("yours") - pl.col("its")).abs() <= AGE_DIFFERENCE
    mean_age = pl.col("its").round().cast(pl.Int64)
    return facts.select(
        pl.when(pl.col("bin") < 0)
        .then(pl.lit(None, pl.String))
        .when((pl.col("rank") <= BEST_RANK) & (pl.col("sold") >= LEAST_BUYERS))
        .then(pl.format("popular in your age group, {}, in the last 7 days (rank {})", years, "rank"))
        .when(near)
        .then(pl.format("its buyers are about your age: {} years on average", mean_age))
        .when(pl.col("sold") >= LEAST_BUYERS)
        .then(pl.format("sold {} times in your age group, {}, in the last 7 days", "sold", years))
        .otherwise(None)
    ).to_series()


def describe_segment(recommended: Recommendations) -> pl.Series:
    """Describe the customer's segment, as in: a best seller of the last 7 days in your postal code area (rank 2).

    The segment is the postal code, or else the product type that the customer buys most often.
    """
    text = pl.Series([None] * recommended.row_count, dtype=pl.String)
    if "postal_code" in recommended.shop.traits:
        ranks = _rank_in_segment(recommended, "postal_code", recommended.shop.traits["postal_code"])
        text = _describe_rank(ranks, pl.lit("in your postal code area"))
    if "product_type_no" not in recommended.shop.attributes:
        return text
    code = recommended.shop.attributes["product_type_no"]
    favourite = recommended.history.once(
        "reasons: favourites",
        lambda: lists.favourites(recommended.history, code, np.ones(len(recommended.history.known))),
    )
    ranks = _rank_in_segment(recommended, "favourite", favourite)
    if "product_type_no" not in recommended.articles.columns:
        by_type = _describe_rank(ranks, pl.lit("among customers with the same favourite type as you"))
        return pl.select(pl.coalesce(text, by_type)).to_series()
    types = recommended.articles["product_type_no"].gather(_find_examples(code)[favourite[recommended.pairs.user]])
    by_type = _describe_rank(ranks, pl.format("among customers who, like you, buy {} most often", types))
    return pl.select(pl.coalesce(text, pl.when(types != "").then(by_type))).to_series()


def _describe_rank(ranks: pl.DataFrame, segment: pl.Expr) -> pl.Series:
    best = (pl.col("rank") <= BEST_RANK) & (pl.col("sold") >= LEAST_BUYERS)
    return ranks.select(
        pl.when(best).then(pl.format("a best seller of the last 7 days {} (rank {})", segment, "rank"))
    ).to_series()


def _rank_in_segment(recommended: Recommendations, division: str, segment: Array) -> pl.DataFrame:
    """Rank the articles by sales of the last 7 days within the customer's segment.

    Columns: sold: the article's sales in the segment; rank: its rank there. Both are null without sales. ``segment``
    (users,): each customer's segment, -1 for none; ``division``: the name under which the ranks are cached.
    """

    def count() -> pl.DataFrame:
        log, known = recommended.history.log, recommended.history.known
        week = known[log.day[known] >= recommended.history.cutoff - 7]
        sales = pl.DataFrame({"segment": segment[log.user[week]].astype(np.int64), "item": log.item[week]})
        return (
            sales.filter(pl.col("segment") >= 0)
            .group_by("segment", "item")
            .agg(sold=pl.len().cast(pl.Int64))
            .with_columns(rank=pl.col("sold").rank("min", descending=True).over("segment"))
        )

    table = recommended.history.once(("reasons: ranks", division), count)
    rows = pl.DataFrame({"segment": segment[recommended.pairs.user].astype(np.int64), "item": recommended.pairs.items})
    return rows.join(table, on=["segment", "item"], how="left", validate="m:1", maintain_order="left")


def _count_common_buyers(recommended: Recommendations) -> pl.DataFrame:
    """Count the buyers that each recommended article has in common with each article of the customer's last basket.

    Columns: row; other: article of the last basket; buyers: its buyers of the last 91 days; both: how many of them also
    bought the recommended article. The customer is not counted.
    """
    history, items = recommended.history, recommended.shop.log.items
    run, other = _list_last_baskets(history, recommended.pairs.users)
    basket = pl.DataFrame({"run": run, "other": other})
    rows = pl.DataFrame({"run": recommended.pairs.run, "item": recommended.pairs.items}).with_row_index("row")
    pairs = rows.join(basket, on="run").filter(pl.col("item") != pl.col("other"))
    bought = _list_purchases(history, np.arange(history.log.users), BUYER_DAYS)
    buyers = lists.transposed(bought, items)
    item, other = pairs["item"].to_numpy(), pairs["other"].to_numpy()
    code, place = np.unique(pair_codes(item, other), return_inverse=True)
    left, right = pairs_of_codes(code)
    ptr = np.searchsorted(left, np.arange(items + 1))
    needed = np.isin(buyers.key_of_rows(), left)
    buyers_of_left = lists.gather(buyers.key_of_rows()[needed], buyers.target[needed], np.ones(needed.sum()), items)
    # article -> its buyers -> their articles: the product counts the common buyers
    both = np.rint(sparse_product.scores_at(buyers_of_left, bought, items, ptr, right)).astype(np.int64)[place]
    user = recommended.pairs.users[pairs["run"].to_numpy()]
    has_other, has_item = _has_bought(bought, user, other), _has_bought(bought, user, item)
    return pairs.select("row", "other").with_columns(
        buyers=pl.Series(np.diff(buyers.ptr)[other] - has_other),
        both=pl.Series(both - (has_other & has_item)),
    )


def _has_bought(bought: Lists, user: Array, item: Array) -> Array:
    """Tell whether each customer bought the article: (n,) bool."""
    code, pair = pair_codes(bought.key_of_rows(), bought.target), pair_codes(user, item)
    place = np.minimum(np.searchsorted(code, pair), max(len(code) - 1, 0))
    return code[place] == pair if len(code) else np.zeros(len(pair), bool)


def _list_purchases(history: History, users: Array, days: int) -> Lists:
    """List the articles that each of ``users`` (ascending) bought in the last ``days`` days, weight 1 each."""

    def collect() -> Lists:
        row, position = list_entries(history, users)
        recent = history.log.day[position] >= history.cutoff - days
        buyer, target = pairs_of_codes(np.unique(pair_codes(row[recent], history.log.item[position[recent]])))
        ptr = np.searchsorted(buyer, np.arange(len(users) + 1))
        return Lists(ptr, target, np.ones(len(target), np.float32))

    purchases: Lists = history.once(("reasons: bought", days, len(users)), collect)
    return purchases


def _list_last_baskets(history: History, users: Array) -> tuple[Array, Array]:
    """List the articles of every customer's last basket before the cutoff: (k,) row in ``users`` and (k,) article."""
    row, position = list_entries(history, users)
    last = history.log.visit[np.maximum(history.stop[users] - 1, 0)]
    inside = history.log.visit[position] == last[row]
    return row[inside], history.log.item[position[inside]]


def _find_examples(category: Array) -> Array:
    """Find one article (categories,) of each category, from which its name can be read."""
    example = np.zeros(int(category.max(initial=0)) + 1, np.int64)
    known = np.flatnonzero(category >= 0)
    example[category[known]] = known
    return example


def _name_age_bins() -> list[str]:
    """Name the age range of each code of ``Shop.age_bin``."""
    inner = [f"{low} to {high - 1}" for low, high in pairwise(AGE_BINS)]
    return [f"under {AGE_BINS[0]}", *inner, f"{AGE_BINS[-1]} or older"]
