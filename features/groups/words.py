"""Compare the article's words with those of the customer's other purchases.

A word of a name or description has a TF-IDF weight; a purchase weighs 2^(-age / h), for each half-life h in days.

sum_<h>d    weighted sum over the purchases of the cosine with the article's words
mean_<h>d   weighted mean of these cosines, 0 to 1
lift_<h>d   mean over the article's words of log(1 + the word's weight in these purchases / in the shop's sales)
best_<h>d   the largest part of mean_<h>d that comes from a single word, 0 to 1

``word_kernels.compare_words`` has the formulas. All columns are 0 if the article has no words.
"""

from typing import Literal

from pydantic import Field

from features.engine import word_kernels
from features.engine.group import Group
from features.engine.word_kernels import COLUMNS
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Days, Positive
from retail.shop import Shop
from retail.weeks import History

KEY: Literal["pair"] = "pair"


class Params(Group):
    half_lives: tuple[Days, ...] = Field(min_length=1)  # days, of the customer's purchases
    window: Positive  # days of the shop's sales with which lift compares


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Compute the columns of each pair."""
    average = history.once(
        ("words of the shop", params.window), lambda: word_kernels.average_words(history, shop, params.window)
    )
    table = word_kernels.compare_words(
        history, shop.wording, average, pairs.users, pairs.ptr, pairs.items, params.half_lives
    )
    return {
        f"{name}_{life:g}d": table[h, c] for h, life in enumerate(params.half_lives) for c, name in enumerate(COLUMNS)
    }
