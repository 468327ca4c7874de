"""Reasons that rest on the word of a source or group: how many propose the article, at which place it stands.

Each function gives (n,) text, null where there is nothing to say.
"""

import numpy as np
import polars as pl

from submissions.explain.reasons.chosen import Chosen

MEANING = {  # of a high score, for a customer with a past and for one without
    "lens": ("in the basket that is expected of you next", "right for a new customer"),
    "parsrec": ("goes with what you bought lately", "right for a new customer"),
    "two_tower": ("close to your taste", "right for a new customer"),
    "trex": ("of a kind that you are likely to buy next", "right for a new customer"),
}
HIGH = 0.25  # share of a customer's candidates that makes a high place


def pool(of: Chosen) -> pl.Series:
    """proposed by 9 of the 11 sources"""
    ranks = [name for name in of.features.columns if name.endswith("__rank") and name.split("__")[0] in of.sources]
    facts = of.features.select(count=pl.sum_horizontal(pl.col(name).is_not_nan() for name in ranks))
    text = pl.format("proposed by {} of the {} sources", "count", pl.lit(len(ranks)))
    return facts.select(pl.when(2 * pl.col("count") > len(ranks)).then(text)).to_series()


def by_name(of: Chosen, name: str) -> pl.Series:
    """Of a source without words of its own, no. 3 of your 120 candidates by two_tower; of a group, its name."""
    if name not in of.sources:
        return pl.Series(np.full(of.rows, f"its {name.replace('_', ' ')} speaks for it"), dtype=pl.String)
    if f"{name}__place" not in of.features.columns:  # it proposes, but scores nothing
        return pl.Series([None] * of.rows, dtype=pl.String)
    facts = of.features.select(place=pl.col(f"{name}__place").cast(pl.Int64), score=f"{name}__score").with_columns(
        of=pl.Series(of.candidates), baskets=pl.Series(of.baskets)
    )
    text = pl.format("no. {} of your {} candidates by {}", "place", "of", pl.lit(name))
    if name in MEANING:
        known, new = (pl.format("{} ({})", pl.lit(words), text) for words in MEANING[name])
        text = pl.when(pl.col("baskets") > 0).then(known).otherwise(new)
    # candidates of score 0 share a place that says nothing
    high = (pl.col("score") > 0) & (pl.col("place") <= HIGH * pl.col("of"))
    return facts.select(pl.when(high).then(text)).to_series()
