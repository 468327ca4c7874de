"""What the log holds, counted: customers, baskets and repeat purchases by week, basket sizes, last purchases."""

import polars as pl

BASKETS = (1, 2, 3, 4, 5, 10, 20, 50)  # entries, upper ends
DAYS = (7, 14, 28, 56, 91, 182, 364)  # since the last purchase, upper ends


def by_week(log: pl.DataFrame, days: int) -> pl.DataFrame:
    """One row per week, ascending: week, buyers, baskets, entries, repurchase, cold.

    ``log``: user, item, day, unique; ``days``: length of the data. A basket is a customer's day; repurchase: share of
    the week's (customer, article) pairs that the customer bought in an earlier week; cold: share of the week's buyers
    who bought in no earlier week. Both shares are null in a week without purchases.
    """
    weeks = -(-days // 7)
    dated = log.select("user", "item", "day", week=(weeks - 1 - (days - 1 - pl.col("day").cast(pl.Int32)) // 7))
    pairs = dated.select("user", "item", "week").unique()
    buyers = dated.select("user", "week").unique()
    counts = [
        _per_week(dated, "entries"),
        _per_week(dated.select("user", "day", "week").unique(), "baskets"),
        _per_week(buyers, "buyers"),
        _per_week(pairs, "pairs"),
        _per_week(pairs.group_by("user", "item").agg(pl.col("week").min()), "first_pairs"),
        _per_week(buyers.group_by("user").agg(pl.col("week").min()), "first_buyers"),
    ]
    out = pl.DataFrame({"week": pl.Series(range(weeks), dtype=pl.Int32)})
    for count in counts:
        out = out.join(count, on="week", how="left", validate="1:1", maintain_order="left")
    out = out.with_columns(pl.exclude("week").fill_null(0).cast(pl.Int64))
    bought = pl.col("buyers") > 0
    return out.select(
        "week", "buyers", "baskets", "entries",
        pl.when(bought).then(1 - pl.col("first_pairs") / pl.col("pairs")).alias("repurchase"),
        pl.when(bought).then(pl.col("first_buyers") / pl.col("buyers")).alias("cold"),
    )  # fmt: skip


def basket_sizes(log: pl.DataFrame) -> pl.DataFrame:
    """entries, baskets: how many baskets hold so many entries, in the parts of BASKETS."""
    sizes = log.group_by("user", "day").len().select(pl.col("len").alias("value"))
    return _parts(sizes, BASKETS).rename({"part": "entries", "len": "baskets"})


def last_purchases(log: pl.DataFrame, days: int, customers: int) -> pl.DataFrame:
    """days, customers: how many of all customers bought last so many days before the answered week, or never."""
    last = log.group_by("user").agg((days - pl.col("day").max().cast(pl.Int32)).alias("value"))
    never = pl.DataFrame({"part": ["never"], "len": [customers - last.height]}, schema_overrides={"len": pl.Int64})
    return pl.concat([_parts(last, DAYS), never]).rename({"part": "days", "len": "customers"})


def _per_week(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.group_by("week").agg(pl.len().alias(name))


def _parts(values: pl.DataFrame, ends: tuple[int, ...]) -> pl.DataFrame:
    """part, len: how many of ``value`` (at least 1) lie in 1..ends[0], ..., above the last end; empty parts are 0."""
    starts = [1, *(end + 1 for end in ends[:-1])]
    names = [str(end) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]
    names.append(f"over {ends[-1]}")
    place = values.select(pl.lit(pl.Series(ends)).search_sorted(pl.col("value")).alias("place"))
    count = place.group_by("place").len()
    whole = pl.DataFrame({"place": range(len(names)), "part": names}, schema_overrides={"place": pl.UInt32})
    joined = whole.join(count, on="place", how="left", validate="1:1", maintain_order="left")
    return joined.select("part", pl.col("len").fill_null(0).cast(pl.Int64))
