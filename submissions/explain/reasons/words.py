"""Numbers as a shopkeeper reads them, as polars expressions and columns of text."""

import numpy as np
import polars as pl

from retail.log import Array

ROUNDING = 1e-3


def times(n: pl.Expr) -> pl.Expr:
    """once, twice, 3 times ..."""
    return pl.when(n == 1).then(pl.lit("once")).when(n == 2).then(pl.lit("twice")).otherwise(pl.format("{} times", n))


def days(n: pl.Expr) -> pl.Expr:
    """1 day, 2 days ..."""
    return pl.when(n == 1).then(pl.lit("1 day")).otherwise(pl.format("{} days", n))


def every(n: pl.Expr) -> pl.Expr:
    """every day, every 2 days ..."""
    return pl.when(n <= 1).then(pl.lit("every day")).otherwise(pl.format("every {} days", n))


def money(amount: Array) -> pl.Series:
    """Prices: two decimals, or three digits where those would lose some, as of the competition's scaled prices."""
    exact = np.abs(np.round(amount, 2) - amount) <= ROUNDING * np.abs(amount)
    text = np.where((amount >= 1) | exact, np.char.mod("%.2f", amount), np.char.mod("%.3g", amount))
    return pl.Series(text.astype(str), dtype=pl.String)
