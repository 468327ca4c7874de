"""Describe how the candidate sources rank an article, and which feature group raises its score.

Each function returns (n,) text, null where it has no reason to give.
"""

import numpy as np
import polars as pl

from submissions.explain.reasons.recommendations import Recommendations

MEANING = {  # what a high rank means: for a customer with purchases, and for a customer without
    "lens": ("likely in your next basket", "suits a new customer"),
    "parsrec": ("goes with your recent purchases", "suits a new customer"),
    "two_tower": ("matches your taste", "suits a new customer"),
    "trex": ("of a category that you are likely to buy next", "suits a new customer"),
}
HIGH_RANK = 0.25  # a rank is high if it is among the first such share of the customer's candidates


def describe_proposals(recommended: Recommendations) -> pl.Series:
    """Describe how many sources propose the article, as in: proposed by 9 of the 11 candidate sources."""
    columns = [name for name in recommended.features.columns if name.endswith("__rank")]
    ranks = [name for name in columns if name.split("__")[0] in recommended.sources]
    facts = recommended.features.select(count=pl.sum_horizontal(pl.col(name).is_not_nan() for name in ranks))
    text = pl.format("proposed by {} of the {} candidate sources", "count", pl.lit(len(ranks)))
    return facts.select(pl.when(2 * pl.col("count") > len(ranks)).then(text)).to_series()


def describe_rank_or_group(recommended: Recommendations, name: str) -> pl.Series:
    """Describe a source or group that has no describing function of its own.

    Example of a source: matches your taste (two_tower ranks it number 3 of your 120 candidates).
    Example of a feature group: its feature group "weather" raises the score.
    """
    if name not in recommended.sources:
        return pl.Series(
            np.full(recommended.row_count, f'its feature group "{name}" raises the score'), dtype=pl.String
        )
    if f"{name}__place" not in recommended.features.columns:  # the source proposes articles, but does not score
        return pl.Series([None] * recommended.row_count, dtype=pl.String)
    facts = recommended.features.select(
        place=pl.col(f"{name}__place").cast(pl.Int64), score=f"{name}__score"
    ).with_columns(candidates=pl.Series(recommended.candidates), baskets=pl.Series(recommended.baskets))
    text = pl.format("{} ranks it number {} of your {} candidates", pl.lit(name), "place", "candidates")
    if name in MEANING:
        known, new = (pl.format("{} ({})", pl.lit(meaning), text) for meaning in MEANING[name])
        text = pl.when(pl.col("baskets") > 0).then(known).otherwise(new)
    # all candidates of score 0 share a place, which carries no information
    high = (pl.col("score") > 0) & (pl.col("place") <= HIGH_RANK * pl.col("candidates"))
    return facts.select(pl.when(high).then(text)).to_series()
