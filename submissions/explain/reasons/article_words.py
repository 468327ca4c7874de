"""Describe the words that an article shares with the articles that the customer bought."""

import numpy as np
import polars as pl

from retail.wording import Wording
from submissions.explain.reasons.recommendations import Recommendations, list_entries

LEAST_ARTICLES = 2  # of the customer's other articles that contain the word


def describe_shared_words(recommended: Recommendations) -> pl.Series:
    """Describe one word that the article shares with other articles of the customer.

    Example: its name or description contains "retrospot", as do those of 7 other articles you bought. The word has the
    largest product of two factors: its squared weight, and the number of other articles bought that contain it.

    Returns (n,) text; null if fewer than LEAST_ARTICLES other articles share a word.
    """
    texts = _list_words(recommended.shop.wording)
    pairs = recommended.pairs
    run, position = list_entries(recommended.history, pairs.users)
    bought = pl.DataFrame({"run": run, "item": recommended.history.log.item[position]}).unique()
    count = bought.join(texts, on="item").group_by("run", "word").len("articles")
    rows = pl.DataFrame({"row": np.arange(recommended.row_count), "run": pairs.run, "item": pairs.items})
    rows = rows.cast({"run": count.schema["run"], "item": pl.UInt32})
    owned = rows.join(bought.with_columns(owned=1), on=["run", "item"], how="left").with_columns(
        pl.col("owned").fill_null(0)
    )
    shared = (
        owned.join(texts, on="item")
        .join(count, on=["run", "word"])
        .with_columns(others=pl.col("articles").cast(pl.Int64) - pl.col("owned"))
        .filter(pl.col("others") >= LEAST_ARTICLES)
        .sort(pl.col("others") * pl.col("weight") ** 2, "word", descending=[True, False])
        .unique("row", keep="first", maintain_order=True)
    )
    text = shared.select(
        pl.format(
            'its name or description contains "{}", as do those of {} other articles you bought', "word", "others"
        )
    ).to_series()
    return recommended.scatter(shared["row"].to_numpy(), text)


def _list_words(wording: Wording) -> pl.DataFrame:
    """List the words of each article: columns item, word, weight."""
    words = pl.Series("word", wording.words, dtype=pl.String).gather(wording.word.astype(np.int64))
    return pl.DataFrame({"item": wording.article.astype(np.uint32), "word": words, "weight": wording.weight})
