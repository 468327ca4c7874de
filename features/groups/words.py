"""The customer's past with the words of an article's name and description, the article itself left out."""

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
    half_lives: tuple[Days, ...] = Field(min_length=1)  # of the customer's purchases
    window: Positive  # days of the shop's sales that tell which words sell anyway


def compute(history: History, shop: Shop, pairs: Pairs, params: Params) -> dict[str, Array]:
    """Per pair and half-life the columns of ``word_kernels.overlap``; 0 where the article has no words."""
    usual = history.once(("words of the shop", params.window), lambda: word_kernels.usual(history, shop, params.window))
    found = word_kernels.overlap(history, shop.wording, usual, pairs.users, pairs.ptr, pairs.items, params.half_lives)
    return {
        f"{name}_{life:g}d": found[h, c] for h, life in enumerate(params.half_lives) for c, name in enumerate(COLUMNS)
    }
