"""Weigh the words of the articles' names and descriptions by TF-IDF, in a sparse table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from retail.log import Array
from retail.ragged import offsets, row_of

WORD = r"\p{L}{2,}"  # at least two letters; numbers, sizes and product codes carry little meaning


@dataclass(frozen=True)
class Wording:
    """Hold the words ``word[ptr[i]:ptr[i + 1]]`` of article i, ascending, and their TF-IDF ``weight``.

    The squares of an article's weights sum to 1. An article that shares no word with another has an empty run.
    """

    ptr: Array  # (items + 1,) int64
    word: Array  # (n,) int32 codes, in the order of ``words``
    weight: Array  # (n,) float32
    words: list[str]  # ascending; each occurs in at least two articles

    @property
    def article(self) -> Array:
        """Return the article (n,) int64 of each entry."""
        return row_of(self.ptr)

    def sum_by_article(self, per_word: Array) -> Array:
        """Sum ``per_word`` (words,) over each article's words, weighted: (items,) float64."""
        return np.bincount(self.article, self.weight * per_word[self.word], len(self.ptr) - 1)

    def sum_by_word(self, per_article: Array) -> Array:
        """Sum ``per_article`` (items,) over the articles with each word, weighted: (words,) float64."""
        return np.bincount(self.word, self.weight * per_article[self.article], len(self.words))


def weigh_words(texts: Sequence[pl.Series], items: int) -> Wording:
    """Weigh the words of ``items`` articles; each of ``texts`` is a column (items,), null where empty.

    A word counts once for an article, because names repeat what descriptions say. Its weight is log(articles / articles
    with the word), scaled so that the squares of an article's weights sum to 1.
    """
    article = pl.Series("article", np.arange(items, dtype=np.uint32))
    words_of_columns = [
        pl.DataFrame({"article": article, "word": text.cast(pl.String).str.to_lowercase().str.extract_all(WORD)})
        .explode("word")
        .drop_nulls()
        for text in texts
    ]
    pairs = pl.concat([pl.DataFrame(schema={"article": pl.UInt32, "word": pl.String}), *words_of_columns]).unique()
    common = pairs.group_by("word").len("articles").filter(pl.col("articles") > 1).sort("word")
    common = common.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("code"))
    rows = pairs.join(common, on="word").sort("article", "code")
    rare = np.log(items / rows["articles"].to_numpy())  # 0 where every article has the word
    row_article = rows["article"].to_numpy().astype(np.int64)
    length = np.sqrt(np.bincount(row_article, rare**2, items))
    weight = (rare / np.maximum(length[row_article], 1e-12)).astype(np.float32)
    ptr = offsets(np.bincount(row_article, minlength=items))
    return Wording(ptr, rows["code"].to_numpy(), weight, common["word"].to_list())
