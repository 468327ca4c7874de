"""Reasons from what other customers buy: with the last basket, of a like taste, of the same age, of the same segment.

Each function gives (n,) text, null where there is nothing to say.
"""

from itertools import pairwise

import numpy as np
import polars as pl

from retail.log import Array
from retail.shop import AGE_BINS
from retail.weeks import History
from stage1_candidates.engine import lists, sparse_product, user_neighbours
from stage1_candidates.engine.lists import Lists
from stage1_candidates.pooling.pool import codes
from submissions.explain.reasons.chosen import Chosen, entries

LATELY = 28  # days
SOLD_TOGETHER = 91  # days over which buyers in common count
FEW = 2  # customers below whom it is chance, not a reason
BEST = 20  # ranks that are worth a word
NEIGHBOURS = ("tifu_knn", "neighbours_recent")  # sources that know a customer's nearest customers
AGE_NEAR = 5  # years


def together(of: Chosen) -> pl.Series:
    """sold with articles in your last basket: 12 of 40 other recent buyers of X bought it too"""
    shared = _shared(of)
    best = (
        shared.filter(pl.col("both") >= FEW)
        .sort("row", -pl.col("both"), "buyers", "other")
        .unique("row", keep="first", maintain_order=True)
    )
    words = "sold with articles in your last basket: {} of {} other recent buyers of {} bought it too"
    text = best.select(pl.format(words, "both", "buyers", of.named(best["other"].to_numpy()))).to_series()
    return of.filled(best["row"].to_numpy(), text)


def neighbours(of: Chosen) -> pl.Series:
    """customers with a taste like yours bought it lately: 7 of the 50 nearest"""
    source = next(of.sources[name] for name in NEIGHBOURS if name in of.sources)
    history, settings = of.history, source.settings
    users = of.pairs.users
    mine = user_neighbours.unit(user_neighbours.vectors(history, users, settings.decay))
    near = user_neighbours.nearest(mine, source.state, users, settings.neighbours)
    alike = Lists(near.ptr, near.target, np.ones(len(near.target), np.float32))
    lately = _bought(history, source.state["reference"], LATELY)
    count = sparse_product.scores_at(alike, lately, history.log.items, of.pairs.ptr, of.pairs.items)
    facts = pl.DataFrame({"count": np.rint(count).astype(np.int64), "of": np.diff(near.ptr)[of.pairs.run]})
    text = pl.format("customers with a taste like yours bought it lately: {} of the {} nearest", "count", "of")
    return facts.select(pl.when(pl.col("count") >= FEW).then(text)).to_series()


def age(of: Chosen) -> pl.Series:
    """popular with customers of your age this week (rank 3 among those of 25 to 29)"""
    bins = of.shop.age_bin
    if bins is None:
        return pl.Series([None] * of.rows, dtype=pl.String)
    facts = _ranks(of, "age", bins).with_columns(
        bin=bins[of.pairs.user],
        yours=pl.Series(of.customer["age"]).fill_nan(None),
        its=pl.Series(of.article["age_mean"]).fill_nan(None),
    )
    years = pl.col("bin").replace_strict(range(len(AGE_BINS) + 1), _bins(), default=None, return_dtype=pl.String)
    near = (pl.col("yours") - pl.col("its")).abs() <= AGE_NEAR
    round_years = pl.col("its").round().cast(pl.Int64)
    return facts.select(
        pl.when(pl.col("bin") < 0)
        .then(pl.lit(None, pl.String))
        .when((pl.col("rank") <= BEST) & (pl.col("sold") >= FEW))
        .then(pl.format("popular with customers of your age this week (rank {} among those {})", "rank", years))
        .when(near)
        .then(pl.format("bought by customers of about your age, {} on average", round_years))
        .when(pl.col("sold") >= FEW)
        .then(pl.format("bought by {} customers of your age ({}) this week", "sold", years))
        .otherwise(None)
    ).to_series()


def segment(of: Chosen) -> pl.Series:
    """a best seller of the week at your postal code (rank 2)"""
    text = pl.Series([None] * of.rows, dtype=pl.String)
    if "postal_code" in of.shop.traits:
        text = _popular(_ranks(of, "postal_code", of.shop.traits["postal_code"]), pl.lit("at your postal code"))
    if "product_type_no" not in of.shop.attributes:
        return text
    code = of.shop.attributes["product_type_no"]
    favourite = of.history.once("reasons: favourites", lambda: _favourites(of.history, code))
    ranks = _ranks(of, "favourite", favourite)
    if "product_type_no" not in of.articles.columns:
        return pl.select(
            pl.coalesce(text, _popular(ranks, pl.lit("with customers of your favourite type")))
        ).to_series()
    types = of.articles["product_type_no"].gather(_an_article_of_each(code)[favourite[of.pairs.user]])
    like = _popular(ranks, pl.format("with customers who, like you, buy {} most", types))
    return pl.select(pl.coalesce(text, pl.when(types != "").then(like))).to_series()


def _popular(ranks: pl.DataFrame, where: pl.Expr) -> pl.Series:
    best = (pl.col("rank") <= BEST) & (pl.col("sold") >= FEW)
    return ranks.select(
        pl.when(best).then(pl.format("a best seller of the week {} (rank {})", where, "rank"))
    ).to_series()


def _ranks(of: Chosen, kind: str, member: Array) -> pl.DataFrame:
    """Per row: ``sold``, the last 7 days' sales of the article in the segment of its customer, and ``rank`` there;
    null where there are none. ``member`` (users,): each customer's segment, -1 for none."""

    def count() -> pl.DataFrame:
        log, known = of.history.log, of.history.known
        week = known[log.day[known] >= of.history.cutoff - 7]
        sales = pl.DataFrame({"segment": member[log.user[week]].astype(np.int64), "item": log.item[week]})
        return (
            sales.filter(pl.col("segment") >= 0)
            .group_by("segment", "item")
            .agg(sold=pl.len().cast(pl.Int64))
            .with_columns(rank=pl.col("sold").rank("min", descending=True).over("segment"))
        )

    table = of.history.once(("reasons: ranks", kind), count)
    wanted = pl.DataFrame({"segment": member[of.pairs.user].astype(np.int64), "item": of.pairs.items})
    return wanted.join(table, on=["segment", "item"], how="left", validate="m:1", maintain_order="left")


def _shared(of: Chosen) -> pl.DataFrame:
    """Row, ``other`` article of the customer's last basket, its ``buyers`` of the last 91 days and how many of them
    bought ``both``, the customer left out."""
    history, items = of.history, of.shop.log.items
    run, other = _last_baskets(history, of.pairs.users)
    basket = pl.DataFrame({"run": run, "other": other})
    wanted = pl.DataFrame({"run": of.pairs.run, "item": of.pairs.items}).with_row_index("row")
    pairs = wanted.join(basket, on="run").filter(pl.col("item") != pl.col("other"))
    bought = _bought(history, np.arange(history.log.users), SOLD_TOGETHER)
    buyers = lists.transposed(bought, items)
    item, other = pairs["item"].to_numpy(), pairs["other"].to_numpy()
    code, place = np.unique(codes(item, other), return_inverse=True)
    left, right = (code >> np.uint64(32)).astype(np.int64), (code & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    ptr = np.searchsorted(left, np.arange(items + 1))
    asked = np.isin(buyers.key_of_rows(), left)
    only = lists.gather(buyers.key_of_rows()[asked], buyers.target[asked], np.ones(asked.sum()), items)
    # article -> its buyers -> what they bought: each buyer in common counts 1
    both = np.rint(sparse_product.scores_at(only, bought, items, ptr, right)).astype(np.int64)[place]
    user = of.pairs.users[pairs["run"].to_numpy()]
    has_other, has_item = _has(bought, user, other), _has(bought, user, item)
    return pairs.select("row", "other").with_columns(
        buyers=pl.Series(np.diff(buyers.ptr)[other] - has_other),
        both=pl.Series(both - (has_other & has_item)),
    )


def _has(bought: Lists, user: Array, item: Array) -> Array:
    """(n,) bool: whether the customer is among the buyers."""
    code, wanted = codes(bought.key_of_rows(), bought.target), codes(user, item)
    place = np.minimum(np.searchsorted(code, wanted), max(len(code) - 1, 0))
    return code[place] == wanted if len(code) else np.zeros(len(wanted), bool)


def _bought(history: History, users: Array, days: int) -> Lists:
    """Row: a customer of ``users``, ascending; targets: the articles of its last ``days`` days, weight 1 each."""

    def find() -> Lists:
        row, position = entries(history, users)
        late = history.log.day[position] >= history.cutoff - days
        code = np.unique(codes(row[late], history.log.item[position[late]]))
        ptr = np.searchsorted(code >> np.uint64(32), np.arange(len(users) + 1))
        target = (code & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        return Lists(ptr, target, np.ones(len(code), np.float32))

    found: Lists = history.once(("reasons: bought", days, len(users)), find)
    return found


def _last_baskets(history: History, users: Array) -> tuple[Array, Array]:
    """(k,) row in ``users`` and article of every customer's latest known basket."""
    row, position = entries(history, users)
    last = history.log.visit[np.maximum(history.stop[users] - 1, 0)]
    inside = history.log.visit[position] == last[row]
    return row[inside], history.log.item[position[inside]]


def _favourites(history: History, category: Array) -> Array:
    """(users,) int64 the type of most entries, ties by code; -1 for a customer without a past."""
    log, known = history.log, history.known
    kind = category[log.item[known]].astype(np.int64)
    seen = kind >= 0
    best = lists.gather(log.user[known][seen].astype(np.int64), kind[seen], np.ones(seen.sum()), log.users, 1)
    favourite = np.full(log.users, -1, np.int64)
    favourite[np.diff(best.ptr) > 0] = best.target
    return favourite


def _an_article_of_each(category: Array) -> Array:
    """(categories,) an article of each, to read the category's name off."""
    example = np.zeros(int(category.max(initial=0)) + 1, np.int64)
    known = np.flatnonzero(category >= 0)
    example[category[known]] = known
    return example


def _bins() -> list[str]:
    """Of each code of ``Shop.age_bin``, the years in words."""
    inner = [f"of {low} to {high - 1}" for low, high in pairwise(AGE_BINS)]
    return [f"under {AGE_BINS[0]}", *inner, f"of {AGE_BINS[-1]} or more"]
