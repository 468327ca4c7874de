"""What the CSV files of all invented shops share: the competition's last day, price unit and kinds of column."""

import numpy as np
import polars as pl

from shops.demo.assortment import Array, Random

LAST_DATE = np.datetime64("2020-09-22", "D")  # the competition's last day
CENTS_PER_PRICE = 59_000  # the competition's prices are whole cents divided by this
LISTED = 12  # articles in each prediction of sample_submission.csv
CODES = (100_000, 1_000_000)  # product codes have six digits


def tokens(rng: Random, rows: int) -> pl.Series:
    """(rows,) unique strings of 64 hex characters, ascending; a counter in the last eight keeps them apart."""
    counter = np.arange(rows, dtype=">u4").view(np.uint8).reshape(rows, 4)
    data = np.concatenate([rng.integers(0, 256, (rows, 28), dtype=np.uint8), counter], axis=1)  # (rows, 32)
    text = data.tobytes().hex()
    return pl.Series([text[at : at + 64] for at in range(0, len(text), 64)], dtype=pl.String).sort()


def article_codes(rng: Random, product: Array, variant: Array) -> tuple[Array, pl.Series]:
    """(N,) six-digit product codes, lower for a lower dense ``product``, and (N,) ids: '0' + that + 3 digits of colour.

    Articles of a product must lie side by side, ``variant`` counting them from 0.
    """
    code = np.sort(CODES[0] + rng.choice(CODES[1] - CODES[0], int(product[-1]) + 1, replace=False))[product]
    steps = np.cumsum(rng.integers(1, 5, len(code)))
    first = np.flatnonzero(variant == 0)[product]  # (N,) first colour of the same product
    suffix = 1 + steps - steps[first]  # gaps, as in a shop that keeps only some colours
    ids = pl.DataFrame({"code": code, "suffix": suffix}).select(
        pl.lit("0") + pl.col("code").cast(pl.String) + pl.col("suffix").cast(pl.String).str.zfill(3)
    )
    return code, ids.to_series()


def at(names: list[str] | tuple[str | None, ...], code: Array) -> pl.Series:
    """(rows,) the name of each code."""
    return pl.Series(names, dtype=pl.String).gather(code)


def named(names: list[str]) -> tuple[Array, list[str]]:
    """Code of each name, and the unique names by code."""
    unique, code = np.unique(names, return_inverse=True)
    return code, unique.tolist()


def unless(missing: Array, values: pl.Series) -> pl.Series:
    """``values`` with nulls where ``missing``."""
    return pl.select(pl.when(pl.Series(~missing)).then(values)).to_series()


def customers(
    rng: Random, age: Array, area: Array, news: Array, lapsed: Array, club: Array, frequency: Array, ageless: float
) -> pl.DataFrame:
    """customers.csv: one row per customer, key ``customer_id``, the competition's 7 columns in its order.

    (C,) each: years, dense postal area, who reads the news, who does so though not active, and codes of the club status
    and of how often the news are read; ``ageless``: share of customers without an age.
    """
    rows, areas = len(age), int(area.max()) + 1
    codes = tokens(rng, areas).gather(rng.permutation(areas))
    one = pl.Series(np.ones(rows))
    return pl.DataFrame(
        {
            "customer_id": tokens(rng, rows),
            "FN": unless(~news, one),
            "Active": unless(~news | lapsed, one),
            "club_member_status": at(("ACTIVE", "PRE-CREATE", "LEFT CLUB", None), club),
            "fashion_news_frequency": at(("Regularly", "NONE", "Monthly", "None", None), frequency),
            "age": unless(rng.random(rows) < ageless, pl.Series(age.astype(np.int64))),
            "postal_code": codes.gather(area),
        }
    )
