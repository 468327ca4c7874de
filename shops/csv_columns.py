"""Build the CSV columns that all synthetic shops share: ids, codes, names, and the table of customers."""

import numpy as np
import polars as pl
from numpy.random import Generator

from retail.log import Array

LAST_DATE = np.datetime64("2020-09-22", "D")  # the competition's last day
CENTS_PER_PRICE = 59_000  # the competition's prices are whole cents divided by this
LISTED = 12  # articles in each prediction of sample_submission.csv
CODES = (100_000, 1_000_000)  # range of product codes: six digits


def draw_tokens(rng: Generator, rows: int) -> pl.Series:
    """Draw (rows,) unique strings of 64 hex characters, ascending; the last eight are a counter."""
    counter = np.arange(rows, dtype=">u4").view(np.uint8).reshape(rows, 4)
    data = np.concatenate([rng.integers(0, 256, (rows, 28), dtype=np.uint8), counter], axis=1)  # (rows, 32)
    text = data.tobytes().hex()
    return pl.Series([text[at : at + 64] for at in range(0, len(text), 64)], dtype=pl.String).sort()


def draw_article_codes(rng: Generator, product: Array, variant: Array) -> tuple[Array, pl.Series]:
    """Draw (N,) six-digit product codes, in the order of ``product``, and (N,) ids: '0', code, 3 digits of colour.

    Articles of a product must be adjacent; ``variant`` counts them from 0.
    """
    code = np.sort(CODES[0] + rng.choice(CODES[1] - CODES[0], int(product[-1]) + 1, replace=False))[product]
    steps = np.cumsum(rng.integers(1, 5, len(code)))
    first = np.flatnonzero(variant == 0)[product]  # (N,) first colour of the same product
    suffix = 1 + steps - steps[first]  # with gaps, as if some colours were not in the files
    ids = pl.DataFrame({"code": code, "suffix": suffix}).select(
        pl.lit("0") + pl.col("code").cast(pl.String) + pl.col("suffix").cast(pl.String).str.zfill(3)
    )
    return code, ids.to_series()


def look_up(names: list[str] | tuple[str | None, ...], code: Array) -> pl.Series:
    """Return (rows,) the name of each code."""
    return pl.Series(names, dtype=pl.String).gather(code)


def encode_names(names: list[str]) -> tuple[Array, list[str]]:
    """Return (the code of each name, the unique names by code)."""
    unique, code = np.unique(names, return_inverse=True)
    return code, unique.tolist()


def set_null(missing: Array, values: pl.Series) -> pl.Series:
    """Return ``values`` with nulls where ``missing`` is true."""
    return pl.select(pl.when(pl.Series(~missing)).then(values)).to_series()


def build_customers(
    rng: Generator, age: Array, area: Array, news: Array, lapsed: Array, club: Array, frequency: Array, ageless: float
) -> pl.DataFrame:
    """Build customers.csv: one row per customer, key ``customer_id``, the competition's 7 columns in its order.

    (C,) each: ``age`` in years, dense postal ``area``, ``news``: reads the newsletter, ``lapsed``: reads it but is not
    active, codes of the ``club`` status and of the newsletter ``frequency``. ``ageless``: share without an age.
    """
    rows, areas = len(age), int(area.max()) + 1
    codes = draw_tokens(rng, areas).gather(rng.permutation(areas))
    ones = pl.Series(np.ones(rows))
    return pl.DataFrame(
        {
            "customer_id": draw_tokens(rng, rows),
            "FN": set_null(~news, ones),
            "Active": set_null(~news | lapsed, ones),
            "club_member_status": look_up(("ACTIVE", "PRE-CREATE", "LEFT CLUB", None), club),
            "fashion_news_frequency": look_up(("Regularly", "NONE", "Monthly", "None", None), frequency),
            "age": set_null(rng.random(rows) < ageless, pl.Series(age.astype(np.int64))),
            "postal_code": codes.gather(area),
        }
    )
