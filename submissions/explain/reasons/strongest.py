"""The three strongest reasons of each recommended pair: the topics that contribute most and have something to say."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from retail.log import Array
from submissions.explain.explanation_table import REASONS
from submissions.explain.reasons import article, others, past, votes
from submissions.explain.reasons.called import called
from submissions.explain.reasons.chosen import Chosen

SAID_BY: Mapping[str, Callable[[Chosen], pl.Series]] = {
    "own": past.own,
    "paid": past.paid,
    "product": past.product,
    "taste": past.taste,
    "words": called,
    "together": others.together,
    "neighbours": others.neighbours,
    "age": others.age,
    "segment": others.segment,
    "sales": article.sales,
    "season": article.season,
    "rebuy": article.rebuy,
    "kind": article.kind,
    "price": article.price,
    "baskets": article.baskets,
    "channel": article.channel,
    "pool": votes.pool,
}


def strongest(of: Chosen, topics: Mapping[str, Array]) -> pl.DataFrame:
    """(n rows) reason_1..reason_3, the strongest first; "" where fewer topics speak for the pair.

    ``topics``: name -> (n,) contribution, names ascending. A topic is a reason where its contribution is positive and
    its words are not null; equal contributions go by name.
    """
    nothing = pl.Series("text", [None] * of.rows, dtype=pl.String)
    said = [_said(of, topic).alias("text") for topic in topics]
    text = pl.concat([*said, *[nothing] * REASONS])  # (topics * n,), the last of them silent
    silent = text.is_null().to_numpy().reshape(len(said) + REASONS, of.rows)
    weight = np.zeros(silent.shape)
    weight[: len(said)] = np.stack(list(topics.values()))
    weight[silent] = 0
    order = np.argsort(-weight, axis=0, kind="stable")[:REASONS]  # (3, n)
    good = np.take_along_axis(weight, order, axis=0) > 0
    at = order * of.rows + np.arange(of.rows)
    return pl.select(
        pl.when(pl.Series(good[k])).then(text.gather(at[k])).otherwise(pl.lit("")).alias(f"reason_{k + 1}")
        for k in range(REASONS)
    )


def _said(of: Chosen, topic: str) -> pl.Series:
    return SAID_BY[topic](of) if topic in SAID_BY else votes.by_name(of, topic)
