"""The reason made of words that the article's name or description shares with what the customer bought."""

import numpy as np
import polars as pl

from retail.wording import Wording
from submissions.explain.reasons.chosen import Chosen, entries

FEW = 2  # other articles of the customer that have the word, at the least


def called(of: Chosen) -> pl.Series:
    """like 7 other articles that you bought, it has "retrospot" in its name or description

    (n,) text: of the article's words the one with the largest product of its squared weight and the other articles
    bought; null where no word is shared by ``FEW`` of them.
    """
    texts = _texts(of.shop.wording)
    run, position = entries(of.history, of.pairs.users)
    bought = pl.DataFrame({"run": run, "item": of.history.log.item[position]}).unique()
    count = bought.join(texts, on="item").group_by("run", "word").len("articles")
    rows = pl.DataFrame({"row": np.arange(of.rows), "run": of.pairs.run, "item": of.pairs.items})
    rows = rows.cast({"run": count.schema["run"], "item": pl.UInt32})
    itself = rows.join(bought.with_columns(owned=1), on=["run", "item"], how="left").with_columns(
        pl.col("owned").fill_null(0)
    )
    shared = (
        itself.join(texts, on="item")
        .join(count, on=["run", "word"])
        .with_columns(others=pl.col("articles").cast(pl.Int64) - pl.col("owned"))
        .filter(pl.col("others") >= FEW)
        .sort(pl.col("others") * pl.col("weight") ** 2, "word", descending=[True, False])
        .unique("row", keep="first", maintain_order=True)
    )
    text = shared.select(
        pl.format('like {} other articles that you bought, it has "{}" in its name or description', "others", "word")
    ).to_series()
    return of.filled(shared["row"].to_numpy(), text)


def _texts(wording: Wording) -> pl.DataFrame:
    """item, word, weight: one row for each word of each article."""
    words = pl.Series("word", wording.words, dtype=pl.String).gather(wording.word.astype(np.int64))
    return pl.DataFrame({"item": wording.article.astype(np.uint32), "word": words, "weight": wording.weight})
