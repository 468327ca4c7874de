"""Choose the three strongest reasons of each recommendation: the topics that contribute most to its score."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from retail.log import Array
from submissions.explain.explanation_table import REASONS
from submissions.explain.reasons import article, others, past, votes
from submissions.explain.reasons.article_words import describe_shared_words
from submissions.explain.reasons.recommendations import Recommendations

DESCRIBE_TOPIC: Mapping[str, Callable[[Recommendations], pl.Series]] = {
    "own": past.describe_own_purchases,
    "paid": past.describe_price_paid,
    "product": past.describe_same_product,
    "taste": past.describe_taste,
    "words": describe_shared_words,
    "together": others.describe_bought_together,
    "neighbours": others.describe_neighbours,
    "age": others.describe_age_group,
    "segment": others.describe_segment,
    "sales": article.describe_sales,
    "season": article.describe_season,
    "rebuy": article.describe_repurchases,
    "kind": article.describe_type_share,
    "price": article.describe_price,
    "baskets": article.describe_basket_size,
    "channel": article.describe_channel,
    "pool": votes.describe_proposals,
}


def choose_strongest(recommended: Recommendations, topics: Mapping[str, Array]) -> pl.DataFrame:
    """Choose the strongest reasons: columns reason_1..reason_3 (n rows), the strongest first; "" where there are fewer.

    ``topics``: name -> (n,) contribution, names ascending. A topic gives a reason if its contribution is positive and
    its text is not null. Equal contributions are ordered by name.
    """
    no_text = pl.Series("text", [None] * recommended.row_count, dtype=pl.String)
    texts = [_describe(recommended, topic).alias("text") for topic in topics]
    text = pl.concat([*texts, *[no_text] * REASONS])  # ((topics + 3) * n,)
    is_null = text.is_null().to_numpy().reshape(len(texts) + REASONS, recommended.row_count)
    weight = np.zeros(is_null.shape)
    weight[: len(texts)] = np.stack(list(topics.values()))
    weight[is_null] = 0
    order = np.argsort(-weight, axis=0, kind="stable")[:REASONS]  # (3, n)
    positive = np.take_along_axis(weight, order, axis=0) > 0
    cell = order * recommended.row_count + np.arange(recommended.row_count)
    return pl.select(
        pl.when(pl.Series(positive[k])).then(text.gather(cell[k])).otherwise(pl.lit("")).alias(f"reason_{k + 1}")
        for k in range(REASONS)
    )


def _describe(recommended: Recommendations, topic: str) -> pl.Series:
    if topic in DESCRIBE_TOPIC:
        return DESCRIBE_TOPIC[topic](recommended)
    return votes.describe_rank_or_group(recommended, topic)
