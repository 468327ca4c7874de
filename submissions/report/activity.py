"""Count buyers, baskets and repeat purchases by week, basket sizes, and days since the last purchase."""

import polars as pl

SIZE_ENDS = (1, 2, 3, 4, 5, 10, 20, 50)  # upper ends of the classes of basket size, in articles
DAY_ENDS = (7, 14, 28, 56, 91, 182, 364)  # upper ends of the classes of days since the last purchase


def count_by_week(log: pl.DataFrame, days: int) -> pl.DataFrame:
    """Count the activity of each week, ascending: week, buyers, baskets, entries, repurchase, cold.

    ``log``: unique rows user, item, day; ``days``: length of the data. A basket is one customer's purchases of a day.
    entries: rows of ``log``. repurchase: share of the week's (customer, article) pairs that the customer bought in an
    earlier week. cold: share of the week's buyers without a purchase in an earlier week. Both shares are null in a week
    without purchases.
    """
    weeks = -(-days // 7)
    dated = log.select("user", "item", "day", week=(weeks - 1 - (days - 1 - pl.col("day").cast(pl.Int32)) // 7))
    pairs = dated.select("user", "item", "week").unique()
    buyers = dated.select("user", "week").unique()
    counts = [
        _count_per_week(dated, "entries"),
        _count_per_week(dated.select("user", "day", "week").unique(), "baskets"),
        _count_per_week(buyers, "buyers"),
        _count_per_week(pairs, "pairs"),
        _count_per_week(pairs.group_by("user", "item").agg(pl.col("week").min()), "first_pairs"),
        _count_per_week(buyers.group_by("user").agg(pl.col("week").min()), "first_buyers"),
    ]
    weekly = pl.DataFrame({"week": pl.Series(range(weeks), dtype=pl.Int32)})
    for count in counts:
        weekly = weekly.join(count, on="week", how="left", validate="1:1", maintain_order="left")
    weekly = weekly.with_columns(pl.exclude("week").fill_null(0).cast(pl.Int64))
    has_buyers = pl.col("buyers") > 0
    return weekly.select(
        "week", "buyers", "baskets", "entries",
        pl.when(has_buyers).then(1 - pl.col("first_pairs") / pl.col("pairs")).alias("repurchase"),
        pl.when(has_buyers).then(pl.col("first_buyers") / pl.col("buyers")).alias("cold"),
    )  # fmt: skip


def count_basket_sizes(log: pl.DataFrame) -> pl.DataFrame:
    """Count the baskets of each size: columns entries (a class of SIZE_ENDS), baskets."""
    sizes = log.group_by("user", "day").len().select(pl.col("len").alias("value"))
    return _count_classes(sizes, SIZE_ENDS).rename({"part": "entries", "len": "baskets"})


def count_last_purchases(log: pl.DataFrame, days: int, customers: int) -> pl.DataFrame:
    """Count customers by days from the last purchase to the forecast week.

    Columns: days (a class of DAY_ENDS, or never), customers.
    """
    last = log.group_by("user").agg((days - pl.col("day").max().cast(pl.Int32)).alias("value"))
    never = pl.DataFrame({"part": ["never"], "len": [customers - last.height]}, schema_overrides={"len": pl.Int64})
    return pl.concat([_count_classes(last, DAY_ENDS), never]).rename({"part": "days", "len": "customers"})


def _count_per_week(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.group_by("week").agg(pl.len().alias(name))


def _count_classes(values: pl.DataFrame, ends: tuple[int, ...]) -> pl.DataFrame:
    """Count the numbers of ``value`` (at least 1) in the classes 1..ends[0], ..., above the last: columns part, len."""
    starts = [1, *(end + 1 for end in ends[:-1])]
    names = [str(end) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]
    names.append(f"over {ends[-1]}")
    place = values.select(pl.lit(pl.Series(ends)).search_sorted(pl.col("value")).alias("place"))
    count = place.group_by("place").len()
    classes = pl.DataFrame({"place": range(len(names)), "part": names}, schema_overrides={"place": pl.UInt32})
    joined = classes.join(count, on="place", how="left", validate="1:1", maintain_order="left")
    return joined.select("part", pl.col("len").fill_null(0).cast(pl.Int64))
