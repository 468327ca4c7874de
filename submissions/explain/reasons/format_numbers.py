"""Write numbers in words, as polars expressions or columns of text."""

import numpy as np
import polars as pl

from retail.log import Array

ROUNDING = 1e-3  # relative error up to which two decimals count as exact


def format_times(n: pl.Expr) -> pl.Expr:
    """Write a count: once, twice, 3 times."""
    return pl.when(n == 1).then(pl.lit("once")).when(n == 2).then(pl.lit("twice")).otherwise(pl.format("{} times", n))


def format_days(n: pl.Expr) -> pl.Expr:
    """Write a number of days: 1 day, 2 days."""
    return pl.when(n == 1).then(pl.lit("1 day")).otherwise(pl.format("{} days", n))


def format_interval(n: pl.Expr) -> pl.Expr:
    """Write an interval in days: every day, every 2 days."""
    return pl.when(n <= 1).then(pl.lit("every day")).otherwise(pl.format("every {} days", n))


def format_money(amount: Array) -> pl.Series:
    """Write prices with two decimals.

    Small prices that two decimals would round, such as the competition's scaled prices, get three significant digits.
    """
    exact = np.abs(np.round(amount, 2) - amount) <= ROUNDING * np.abs(amount)
    text = np.where((amount >= 1) | exact, np.char.mod("%.2f", amount), np.char.mod("%.3g", amount))
    return pl.Series(text.astype(str), dtype=pl.String)
