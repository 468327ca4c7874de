"""Compute the statistics of a shop's CSV files that ``benchmarks.shop_statistics`` compares with the competition's."""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

WEEKS = 4  # weekly figures are means over the last weeks of the log: one week of a small shop is noise
BEST, TOP, ARTICLES = 60, 20_000, 105_542  # lengths of two best-seller lists in the competition, and its articles
SAMPLE = 20_000  # customers sampled for the statistics that compare pairs of rows
LAGS = (1, 8, 32)  # weeks between two rows of the same article
Figures = dict[str, float]  # statistic -> value


@dataclass(frozen=True)
class Shop:
    """The columns that are read of the CSV files."""

    # row = transaction: user, item (UInt32), ago (Int16, days before the log's last day), channel, price
    log: pl.DataFrame
    articles: pl.DataFrame  # row = item
    customers: pl.DataFrame  # row = user
    days: int  # length of the log


def read(folder: Path) -> Shop:
    """Read the three files in ``folder``; ids become row numbers of the dictionaries."""
    text = {"article_id": pl.String, "customer_id": pl.String}
    articles = pl.read_csv(folder / "articles.csv", schema_overrides=text).drop("detail_desc", strict=False)
    customers = pl.read_csv(
        folder / "customers.csv", schema_overrides=text, columns=["customer_id", "age", "FN", "Active"]
    )
    users = customers.lazy().select("customer_id").with_row_index("user")
    items = articles.lazy().select("article_id").with_row_index("item")
    log = (
        pl.scan_csv(folder / "transactions_train.csv", schema_overrides={**text, "price": pl.Float32})
        .join(users, on="customer_id", how="inner")
        .join(items, on="article_id", how="inner")
        .select(
            "user",
            "item",
            pl.col("t_dat").str.to_date().to_physical().alias("date"),
            pl.col("sales_channel_id").cast(pl.UInt8).alias("channel"),
            "price",
        )
        .collect(engine="streaming")
    )
    last, first = log.select(pl.col("date").max().alias("last"), pl.col("date").min().alias("first")).row(0)
    log = log.with_columns((last - pl.col("date")).cast(pl.Int16).alias("ago")).drop("date")
    return Shop(log, articles, customers.drop("customer_id"), last - first + 1)


def describe_customers(shop: Shop) -> Figures:
    """Describe the customers: number, ages, missing values."""
    age, customers = shop.customers["age"].drop_nulls(), shop.customers.height
    return {
        "customers": customers,
        "customers who never bought, share": 1 - shop.log["user"].n_unique() / customers,
        "age: 25%": _compute_quantile(age, 0.25),
        "age: median": _compute_quantile(age, 0.5),
        "age: 75%": _compute_quantile(age, 0.75),
        "age missing, share": shop.customers["age"].null_count() / customers,
        "FN missing, share": shop.customers["FN"].null_count() / customers,
        "Active missing, share": shop.customers["Active"].null_count() / customers,
    }


def describe_articles(shop: Shop) -> Figures:
    """Describe the articles: numbers of codes, and how often two rows share a code, within and across customers."""
    articles = shop.articles
    counts = {
        "product codes": "product_code",
        "product types": "product_type_no",
        "product groups": "product_group_name",
        "graphical appearances": "graphical_appearance_no",
        "colour groups": "colour_group_code",
        "perceived colour values": "perceived_colour_value_id",
        "perceived colour masters": "perceived_colour_master_id",
        "departments": "department_no",
        "indexes": "index_code",
        "index groups": "index_group_no",
        "sections": "section_no",
        "garment groups": "garment_group_no",
    }
    colours = articles.group_by("product_code").len()["len"]
    sample = _sample_customers(shop)
    figures: Figures = {name: articles[column].n_unique() for name, column in counts.items()}
    for name, column in (
        ("product type", "product_type_no"),
        ("section", "section_no"),
        ("department", "department_no"),
    ):
        own, any_two = _compute_same_code_chance(sample, column)
        figures[f"two rows of a customer, same {name}"] = own
        figures[f"two rows of anybody, same {name}"] = any_two
    return figures | {
        "articles": articles.height,
        "articles never sold, share": 1 - shop.log["item"].n_unique() / articles.height,
        "articles per product code: one, share": float((colours == 1).mean()),  # type: ignore[arg-type]
    }


def describe_histories(shop: Shop) -> Figures:
    """Describe how much and how often customers buy."""
    baskets = shop.log.lazy().group_by("user", "ago").agg(pl.len().alias("rows")).collect(engine="streaming")
    histories = baskets.group_by("user").agg(
        pl.col("rows").sum(),
        pl.len().alias("baskets"),
        pl.col("ago").min().alias("last"),
        pl.col("ago").max().alias("first"),
    )
    gaps = baskets.sort("user", "ago").select((pl.col("ago") - pl.col("ago").shift(1)).over("user"))["ago"].drop_nulls()
    shares = {"25%": 0.25, "median": 0.5, "90%": 0.9, "99%": 0.99}
    figures: Figures = {"transactions": shop.log.height, "days": shop.days}
    columns = {
        "rows per customer": histories["rows"],
        "baskets per customer": histories["baskets"],
        "rows per basket": baskets["rows"],
        "days between baskets": gaps,
    }
    for name, column in columns.items():
        figures |= {f"{name}: {label}": _compute_quantile(column, share) for label, share in shares.items()}
        figures[f"{name}: mean"] = _compute_mean(column)
    return figures | {
        "one basket only, share": _compute_mean(histories["baskets"] == 1),
        "baskets of one row, share": _compute_mean(baskets["rows"] == 1),
        "no purchase in the last 91 days, share": 1 - _count(histories["last"] < 91) / shop.customers.height,
        "first purchase in the first 91 days, share": _compute_mean(histories["first"] >= shop.days - 91),
    }


def describe_weeks(shop: Shop) -> Figures:
    """Describe a week's sales relative to the log before it: means over the last ``WEEKS`` weeks."""
    weeks = pl.DataFrame([_describe_week(shop, week) for week in range(WEEKS)])
    return weeks.mean().row(0, named=True) | _describe_decay(_sample_customers(shop))


def describe_prices(shop: Shop) -> Figures:
    """Describe prices and sales channels."""
    price = shop.log["price"]
    return {
        "price: 25%": _compute_quantile(price, 0.25),
        "price: median": _compute_quantile(price, 0.5),
        "price: mean": _compute_mean(price),
        "price: 99%": _compute_quantile(price, 0.99),
        "sales channel 2, share of rows": _compute_mean(shop.log["channel"] == 2),
    }


def _describe_week(shop: Shop, week: int) -> Figures:
    """Describe a single week; ``week`` counts back from the log's last, 0. Pairs are distinct (customer, article)."""
    log, end = shop.log.lazy(), 7 * week
    rows = log.filter(pl.col("ago").is_between(end, end + 6)).select("user", "item").collect()
    before = log.filter(pl.col("ago") > end + 6)
    pairs, buyers, sold = rows.unique(), rows.select("user").unique(), rows.select("item").unique()
    own = before.join(buyers.lazy(), on="user", how="semi").select("user", "item").unique().collect(engine="streaming")
    last_sold = before.group_by("item").agg(pl.col("ago").min()).collect(engine="streaming")
    known = sold.join(last_sold, on="item")
    recent = log.filter(pl.col("ago").is_between(end + 7, end + 13)).select("user", "item").collect()
    ranks = _rank_articles(recent)
    ranked = pairs.join(ranks, on="item")
    sellers = _rank_articles(log.filter(pl.col("ago").is_between(end + 7, end + 34)).select("item").collect())
    month, tenth = pairs.join(sellers, on="item"), sellers.height / 10
    best, top = (max(1, round(n * shop.articles.height / ARTICLES)) for n in (BEST, TOP))
    twelve, earlier = _rank_articles(rows)["item"].head(12), ranks["item"].head(12)
    return {
        "buyers in a week, share of customers": buyers.height / shop.customers.height,
        "pairs per buyer and week": pairs.height / buyers.height,
        "repeat rows in a week, share": 1 - pairs.height / rows.height,
        "cold buyers, share": 1 - own["user"].n_unique() / buyers.height,
        "bought before, share of pairs: article": pairs.join(own, on=["user", "item"], how="semi").height
        / pairs.height,
        "bought before, share of pairs: product code": _compute_repeat_share(shop, pairs, own, "product_code"),
        "bought before, share of pairs: product type": _compute_repeat_share(shop, pairs, own, "product_type_no"),
        "new articles, share of the week's articles": 1 - known.height / sold.height,
        "new articles, share of pairs": pairs.join(known, on="item", how="anti").height / pairs.height,
        "sold in the 30 days before, share of the week's articles": _count(known["ago"] <= end + 36) / sold.height,
        "top decile of the articles of the 4 weeks before, share of pairs": _count(month["rank"] <= tenth)
        / pairs.height,
        "top 20,000 of the week before, share of pairs": _count(ranked["rank"] <= top) / pairs.height,
        "top 60 of the week before, share of pairs": _count(ranked["rank"] <= best) / pairs.height,
        "Jaccard of the top 12 with the week before": len(set(twelve) & set(earlier)) / len(set(twelve) | set(earlier)),
    }


def _rank_articles(rows: pl.DataFrame) -> pl.DataFrame:
    """Rank the articles of ``rows`` by number of rows, ties by item: rows (item, rank), rank from 1."""
    counts = rows.group_by("item").len().sort(["len", "item"], descending=[True, False])
    return counts.select("item").with_row_index("rank", offset=1)


def _compute_repeat_share(shop: Shop, pairs: pl.DataFrame, own: pl.DataFrame, column: str) -> float:
    """Compute the share of ``pairs`` whose customer bought an article with the same ``column`` before (``own``)."""
    group = shop.articles[column]
    now, before = (rows.select("user", group=group.gather(rows["item"])) for rows in (pairs, own))
    return now.join(before.unique(), on=["user", "group"], how="semi").height / pairs.height


def _describe_decay(sample: Shop) -> Figures:
    """Describe how the chance that two customers' rows hold the same article decays with the weeks between them."""
    rows = sample.log.select("user", "item", (pl.col("ago") // 7).alias("week")).unique()
    counts = rows.group_by("week", "item").agg(pl.len().cast(pl.Float64).alias("rows"))
    totals = counts.group_by("week").agg(pl.col("rows").sum())
    same = {}
    for lag in (0, *LAGS):
        later = pl.col("week") - lag
        own = rows.join(rows.with_columns(later), on=["user", "item", "week"]).height
        both = _sum_products(counts.join(counts.with_columns(later), on=["week", "item"]))
        same[lag] = (both - own) / _sum_products(totals.join(totals.with_columns(later), on="week"))
    figures = {"same article in a week, two customers' rows (x articles)": same[0] * sample.articles.height}
    for lag in LAGS:
        weeks = "1 week" if lag == 1 else f"{lag} weeks"
        figures[f"the same, {weeks} apart, ratio"] = same[lag] / same[0]
    return figures


def _sum_products(both: pl.DataFrame) -> float:
    """Sum the products of the columns rows and rows_right of a join."""
    return float((both["rows"] * both["rows_right"]).sum())


def _sample_customers(shop: Shop) -> Shop:
    """Sample about ``SAMPLE`` customers with all their rows; every n-th customer."""
    step = max(1, shop.customers.height // SAMPLE)
    return replace(shop, log=shop.log.filter(pl.col("user") % step == 0), customers=shop.customers.gather_every(step))


def _compute_same_code_chance(sample: Shop, column: str) -> tuple[float, float]:
    """Compute the chance that two rows share ``column``: a customer's rows on two days, and any two rows."""
    group = sample.articles[column].rank("dense").cast(pl.UInt32)
    rows = sample.log.select("user", "ago", group=group.gather(sample.log["item"]))
    share = rows.group_by("group").len()["len"] / rows.height

    def count_pairs(*keys: str) -> int:
        """Count ordered pairs of rows with equal ``keys``."""
        return int((rows.group_by(*keys).len()["len"].cast(pl.Int64) ** 2).sum())

    same = count_pairs("user", "group") - count_pairs("user", "ago", "group")
    return same / (count_pairs("user") - count_pairs("user", "ago")), float((share**2).sum())


def _compute_quantile(column: pl.Series, share: float) -> float:
    value = column.quantile(share)
    return float("nan") if value is None else float(value)


def _compute_mean(column: pl.Series) -> float:
    value = column.mean()
    return value if isinstance(value, float) else float("nan")


def _count(condition: pl.Series) -> int:
    return int(condition.sum())
