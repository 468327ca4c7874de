"""Describe the article by its sales: recent ones, season, repurchases, type, price, basket size, channel.

Each function returns (n,) text, null where it has no reason to give. "In the last 7 days" means before the cutoff.
"""

import numpy as np
import polars as pl

from features.engine import kernels
from retail.log import Array
from retail.weeks import History
from submissions.explain.reasons.format_numbers import format_days, format_money, format_times
from submissions.explain.reasons.recommendations import Recommendations

BEST_RANK = 50  # a best seller has at most this rank ...
BEST_SHARE = 0.1  # ... and is among this share of the articles sold in the last 7 days
NEW_DAYS = 28  # an article is new for so many days after its first sale
RISING = 1.5  # sales of the last 7 days, as a multiple of the 7 days before
LEAST_COUNT = 3  # a smaller count may be chance and gives no reason
HALF = 0.5
NEAR = 0.25  # relative difference up to which a price or a basket size is close to the usual one


def describe_sales(recommended: Recommendations) -> pl.Series:
    """Describe the recent sales, as in: one of the best sellers of the last 7 days (rank 4)."""
    facts = _count_sales(recommended.history)[recommended.pairs.items]
    week, before, month, rank = (pl.col(name) for name in ("week", "before", "month", "rank"))
    # an article is known to be new only if the log begins more than NEW_DAYS before its first sale
    age = pl.col("first")
    new = age.is_between(1, NEW_DAYS) & (pl.lit(recommended.history.cutoff) - age > NEW_DAYS)
    return facts.select(
        pl.when((week > 0) & (rank <= BEST_RANK) & (rank <= BEST_SHARE * pl.col("sold")))
        .then(pl.format("one of the best sellers of the last 7 days (rank {})", rank))
        .when(new)
        .then(pl.format("new: first sold {} ago, sold {} so far", format_days(age), format_times(pl.col("ever"))))
        .when((week >= LEAST_COUNT) & (week >= RISING * before))
        .then(pl.format("sales are rising: {} in the last 7 days, {} in the 7 days before", week, before))
        .when(week > 0)
        .then(pl.format("sold {} in the last 7 days", format_times(week)))
        .when(month > 0)
        .then(pl.format("sold {} in the last 28 days", format_times(month)))
        .when(pl.col("ever") > 0)
        .then(
            pl.format("sold {} so far, most recently {} ago", format_times(pl.col("ever")), format_days(pl.col("last")))
        )
        .otherwise(None)
    ).to_series()


def describe_season(recommended: Recommendations) -> pl.Series:
    """Describe the sales a year ago, as in: sold 14 times in the same week a year ago."""
    facts, year_ago = _count_sales(recommended.history)[recommended.pairs.items], pl.col("year_ago")
    text = pl.format("sold {} in the same week a year ago", format_times(year_ago))
    return facts.select(pl.when(year_ago >= LEAST_COUNT).then(text)).to_series()


def describe_repurchases(recommended: Recommendations) -> pl.Series:
    """Describe how often it is bought again, as in: 12 of its 40 buyers bought it again, after 35 days on average."""
    counts: pl.DataFrame = recommended.history.once("reasons: rebuys", lambda: _count_repurchases(recommended.history))
    facts = counts[recommended.pairs.items]
    gap = (pl.col("gap_days") / pl.col("gaps")).round().cast(pl.Int64)
    text = pl.format("{} of its {} buyers bought it again, after {} on average", "again", "owners", format_days(gap))
    return facts.select(pl.when(pl.col("again") >= LEAST_COUNT).then(text)).to_series()


def describe_type_share(recommended: Recommendations) -> pl.Series:
    """Describe its type's sales, as in: its type (BAG) accounts for 12% of the sales of the last 28 days."""
    if "product_type_no" not in recommended.shop.attributes:
        return pl.Series([None] * recommended.row_count, dtype=pl.String)
    code = recommended.shop.attributes["product_type_no"]
    share = recommended.history.once("reasons: kinds", lambda: _compute_type_shares(recommended.history, code))
    label, informative = recommended.label_attribute("product_type_no")
    percent = np.where(informative, np.rint(100 * share[code[recommended.pairs.items]]), 0).astype(np.int64)
    facts = pl.DataFrame({"percent": percent, "label": label})
    text = pl.format("its type{} accounts for {}% of the sales of the last 28 days", "label", "percent")
    return facts.select(pl.when(pl.col("percent") >= 1).then(text)).to_series()


def describe_price(recommended: Recommendations) -> pl.Series:
    """Compare its price with the customer's, as in: costs 2.95, close to the 3.10 you pay on average."""
    usual = recommended.customer["price_mean"]
    now = recommended.article["price_last"]
    facts = pl.DataFrame(
        {"ratio": now / np.maximum(usual, 1e-9), "now": format_money(now), "usual": format_money(usual)}
    )
    ratio = pl.col("ratio")
    median = recommended.history.once("reasons: median price", lambda: _compute_median_price(recommended.history))
    return facts.select(
        pl.when(pl.Series(np.isnan(now)))
        .then(pl.lit(None, pl.String))
        .when(ratio.is_nan() & (pl.Series(now) < median))
        .then(pl.format("costs {}, less than most purchases of the last 7 days", "now"))
        .when(ratio.is_between(1 - NEAR, 1 + NEAR))
        .then(pl.format("costs {}, close to the {} you pay on average", "now", "usual"))
        .when(ratio < 1)
        .then(pl.format("costs {}, less than the {} you pay on average", "now", "usual"))
        .otherwise(None)
    ).to_series()


def describe_basket_size(recommended: Recommendations) -> pl.Series:
    """Compare basket sizes, as in: usually bought in baskets about as large as yours: 20 articles on average."""
    yours = recommended.customer["basket_mean"]
    facts = pl.DataFrame({"yours": yours, "its": recommended.article["basket_mean"]}).fill_nan(None)
    similar = (pl.col("its") / pl.col("yours")).is_between(1 - NEAR, 1 + NEAR)
    size = pl.col("its").round().cast(pl.Int64)
    text = pl.format("usually bought in baskets about as large as yours: {} articles on average", size)
    return facts.select(pl.when(similar & (size > 1)).then(text)).to_series()


def describe_channel(recommended: Recommendations) -> pl.Series:
    """Compare sales channels, as in: mostly sold online, like most of what you buy."""
    online = (recommended.article["channel_mean"] > HALF) & (recommended.customer["online_share"] > HALF)
    text = pl.when(pl.Series(online)).then(pl.lit("mostly sold online, like most of what you buy"))
    return pl.select(text).to_series()


def _compute_median_price(history: History) -> float:
    """Compute the median price of the sales of the last 7 days, NaN if there are none."""
    log, known = history.log, history.known
    week = log.price[known[log.day[known] >= history.cutoff - 7]]
    return float(np.median(week)) if len(week) else float("nan")


def _count_sales(history: History) -> pl.DataFrame:
    """Count each article's sales, a sale being a customer's purchase on a day.

    Columns week, before, month, year_ago, ever: sales of the last 7 days, of the 7 days before, of the last 28 days, of
    the label week a year ago, and of all time. Columns first, last: days since the first and the last sale. Column
    sold: number of articles sold in the last 7 days. Column rank: by sales of the last 7 days; equal sales, equal rank.
    """

    def count() -> pl.DataFrame:
        log, no_decay = history.log, np.zeros(0)
        windows = np.array([7, 14, 28])
        table = kernels.count_item_sales(
            log.item_start, history.item_stop, log.item_day, history.cutoff, windows, no_decay
        )
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

    counts: pl.DataFrame = history.once("reasons: sales", count)
    return counts


def _count_repurchases(history: History) -> pl.DataFrame:
    """Count each article's owners, those who bought it again, and the days between their purchases."""
    log = history.log
    table = kernels.count_rebuys(
        log.start[:-1], history.stop, log.item, log.day, history.cutoff, np.zeros(0, np.int64), log.items
    )
    return pl.DataFrame(table, schema=["owners", "again", "gap_days", "gaps"]).cast(pl.Int64)


def _compute_type_shares(history: History, category: Array) -> Array:
    """Compute each type's share (types + 1,) of the sales of the last 28 days; the last: articles without a type."""
    log, known = history.log, history.known
    recent = known[log.day[known] >= history.cutoff - 28]
    sold = np.bincount(category[log.item[recent]] + 1, minlength=int(category.max(initial=-1)) + 2)
    shares: Array = np.roll(sold / max(len(recent), 1), -1)
    return shares
