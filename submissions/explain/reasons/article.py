"""Reasons from the article's sales to everybody: this week's, last year's, to owners again, its type, price,
baskets, channel.

Each function gives (n,) text, null where there is nothing to say.
"""

import numpy as np
import polars as pl

from features.engine import kernels
from retail.log import Array
from retail.weeks import History
from submissions.explain.reasons import words
from submissions.explain.reasons.chosen import Chosen

BEST = 50  # ranks that make a best seller, and the largest share of the week's articles
BEST_SHARE = 0.1
NEW = 28  # days since the first sale
RISING = 1.5  # sales over those of the week before
FEW = 3  # below it a count is chance, not a reason
HALF = 0.5
NEAR = 0.25  # a price or a basket this near to the usual one is like it


def sales(of: Chosen) -> pl.Series:
    """one of the week's best sellers (rank 4)"""
    facts = _sales(of.history)[of.pairs.items]
    week, before, month, rank = (pl.col(name) for name in ("week", "before", "month", "rank"))
    # a log that has just begun cannot tell what is new
    new = pl.col("first").is_between(1, NEW) & (pl.lit(of.history.cutoff) - pl.col("first") > NEW)
    return facts.select(
        pl.when((week > 0) & (rank <= BEST) & (rank <= BEST_SHARE * pl.col("sold")))
        .then(pl.format("one of the week's best sellers (rank {})", rank))
        .when(new)
        .then(pl.format("new: first sold {} ago, {} since", words.days(pl.col("first")), words.times(pl.col("ever"))))
        .when((week >= FEW) & (week >= RISING * before))
        .then(pl.format("selling faster: {} in the last 7 days, {} in the 7 before", week, before))
        .when(week > 0)
        .then(pl.format("sold {} in the last 7 days", words.times(week)))
        .when(month > 0)
        .then(pl.format("sold {} in the last 28 days", words.times(month)))
        .when(pl.col("ever") > 0)
        .then(pl.format("sold {} so far, last {} ago", words.times(pl.col("ever")), words.days(pl.col("last"))))
        .otherwise(None)
    ).to_series()


def season(of: Chosen) -> pl.Series:
    """sold 14 times in this week a year ago"""
    facts, year_ago = _sales(of.history)[of.pairs.items], pl.col("year_ago")
    text = pl.format("sold {} in this week a year ago", words.times(year_ago))
    return facts.select(pl.when(year_ago >= FEW).then(text)).to_series()


def rebuy(of: Chosen) -> pl.Series:
    """12 of its 40 buyers bought it again, after 35 days on average"""
    table: pl.DataFrame = of.history.once("reasons: rebuys", lambda: _rebuys(of.history))
    facts = table[of.pairs.items]
    gap = (pl.col("gap_days") / pl.col("gaps")).round().cast(pl.Int64)
    text = pl.format(
        "{} of its {} buyers bought it again, after {} on average", "again", "owners", words.days(gap)
    )  # fmt: skip
    return facts.select(pl.when(pl.col("again") >= FEW).then(text)).to_series()


def kind(of: Chosen) -> pl.Series:
    """its type (BAG) makes 12% of the last four weeks' sales"""
    if "product_type_no" not in of.shop.attributes:
        return pl.Series([None] * of.rows, dtype=pl.String)
    code = of.shop.attributes["product_type_no"]
    share = of.history.once("reasons: kinds", lambda: _kind_shares(of.history, code))
    label, says = of.label("product_type_no")
    percent = np.where(says, np.rint(100 * share[code[of.pairs.items]]), 0).astype(np.int64)
    facts = pl.DataFrame({"percent": percent, "label": label})
    text = pl.format("its type{} makes {}% of the last four weeks' sales", "label", "percent")
    return facts.select(pl.when(pl.col("percent") >= 1).then(text)).to_series()


def price(of: Chosen) -> pl.Series:
    """its price, 2.95, is near what you usually pay (3.10)"""
    usual = of.customer["price_mean"]
    now = of.article["price_last"]
    facts = pl.DataFrame({"ratio": now / np.maximum(usual, 1e-9), "now": words.money(now), "usual": words.money(usual)})
    ratio = pl.col("ratio")
    middle = of.history.once("reasons: middle price", lambda: _middle_price(of.history))
    return facts.select(
        pl.when(pl.Series(np.isnan(now)))
        .then(pl.lit(None, pl.String))
        .when(ratio.is_nan() & (pl.Series(now) < middle))
        .then(pl.format("costs {}, less than most of what the shop sold this week", "now"))
        .when(ratio.is_between(1 - NEAR, 1 + NEAR))
        .then(pl.format("its price, {}, is near what you usually pay ({})", "now", "usual"))
        .when(ratio < 1)
        .then(pl.format("costs {}, less than you usually pay ({})", "now", "usual"))
        .otherwise(None)
    ).to_series()


def baskets(of: Chosen) -> pl.Series:
    """bought in baskets as large as yours, about 20 articles"""
    yours = of.customer["basket_mean"]
    facts = pl.DataFrame({"yours": yours, "its": of.article["basket_mean"]}).fill_nan(None)
    like = (pl.col("its") / pl.col("yours")).is_between(1 - NEAR, 1 + NEAR)
    size = pl.col("its").round().cast(pl.Int64)
    text = pl.format("bought in baskets about as large as yours, of {} articles on average", size)
    return facts.select(pl.when(like & (size > 1)).then(text)).to_series()


def channel(of: Chosen) -> pl.Series:
    """mostly sold online, as most of what you buy"""
    online = (of.article["channel_mean"] > HALF) & (of.customer["online_share"] > HALF)
    text = pl.when(pl.Series(online)).then(pl.lit("mostly sold online, as most of what you buy"))
    return pl.select(text).to_series()


def _middle_price(history: History) -> float:
    """The median price of the sales of the last 7 days, NaN where there are none."""
    log, known = history.log, history.known
    week = log.price[known[log.day[known] >= history.cutoff - 7]]
    return float(np.median(week)) if len(week) else float("nan")


def _sales(history: History) -> pl.DataFrame:
    """Per article: sales (a customer's purchase on a day) of the last 7 days, the 7 before, 28 days, the label week a
    year ago and ever; days since the first and the last; rank of the week, ties alike; articles sold in the week."""

    def count() -> pl.DataFrame:
        log, none = history.log, np.zeros(0)
        windows = np.array([7, 14, 28])
        table = kernels.item_sales(log.item_start, history.item_stop, log.item_day, history.cutoff, windows, none)
        columns = np.nan_to_num(table).astype(np.int64).T
        week, fortnight, month, first, last, year_ago = columns[:6]
        return pl.DataFrame(
            {
                "week": week,
                "before": fortnight - week,
                "month": month,
                "year_ago": year_ago,
                "ever": history.item_stop - log.item_start[:-1],
                "first": first,
                "last": last,
                "sold": np.full(log.items, (week > 0).sum()),
            }
        ).with_columns(rank=pl.col("week").rank("min", descending=True))

    found: pl.DataFrame = history.once("reasons: sales", count)
    return found


def _rebuys(history: History) -> pl.DataFrame:
    """Per article: owners, owners who bought it again, and the gaps in days between their purchases."""
    log = history.log
    table = kernels.rebuys(
        log.start[:-1], history.stop, log.item, log.day, history.cutoff, np.zeros(0, np.int64), log.items
    )
    return pl.DataFrame(table, schema=["owners", "again", "gap_days", "gaps"]).cast(pl.Int64)


def _kind_shares(history: History, category: Array) -> Array:
    """(kinds + 1,) share of the sales of the last 28 days; the last place is for articles of no kind."""
    log, known = history.log, history.known
    late = known[log.day[known] >= history.cutoff - 28]
    sold = np.bincount(category[log.item[late]] + 1, minlength=int(category.max(initial=-1)) + 2)
    shares: Array = np.roll(sold / max(len(late), 1), -1)
    return shares
