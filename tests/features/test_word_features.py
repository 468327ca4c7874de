"""Test the features of words: the kernel against a slow path in polars, and groups by hand."""

from math import log1p, sqrt

import numpy as np
import polars as pl
import pytest
from test_features import approximate, compute_columns, make_pairs
from world import make_named_shop, random_world, small

from features.engine import word_kernels
from features.engine.word_kernels import BEST, COLUMNS, LIFT, MEAN, RARE, SUM
from retail import weeks
from retail.log import Array
from retail.shop import Shop

LIVES = [14.0, 365.0]


def slow_overlap(shop: Shop, known: pl.DataFrame, usual: Array, user: int, item: int, life: float) -> list[float]:
    """Compute SUM, MEAN, LIFT, BEST of a pair from dense vectors of words."""
    wording = shop.wording
    table = np.zeros((shop.log.items, len(wording.words)))
    table[wording.article, wording.word] = wording.weight
    others = known.filter((pl.col("user") == user) & (pl.col("item") != item))
    if others.height == 0:
        return [0, 0, 0, 0]
    weight = 2.0 ** (-others["age"].to_numpy() / life)
    own = table[item]
    bought = weight @ table[others["item"].to_numpy()]
    lift = own**2 * np.log1p(bought / weight.sum() / (usual + RARE))
    return [own @ bought, own @ bought / weight.sum(), lift.sum(), (own * bought).max() / weight.sum()]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("week", [4, 52, 58])
def test_compare_words(seed: int, week: int) -> None:
    world = random_world(seed)
    shop = world.shop
    history = weeks.history(shop.log, week)
    known = world.tx.filter(pl.col("day") < history.cutoff)
    known = known.with_columns(age=history.cutoff - pl.col("day").cast(pl.Int64))
    usual = word_kernels.average_words(history, shop, 28)
    users = np.arange(shop.log.users, dtype=np.uint32)[::-1].copy()  # shards come in any order
    wanted = np.tile(np.arange(shop.log.items, dtype=np.uint32), len(users))
    ptr = np.arange(len(users) + 1) * shop.log.items
    fast = word_kernels.compare_words(history, shop.wording, usual, users, ptr, wanted, LIVES)
    assert fast.shape == (2, 4, len(wanted)) and fast.dtype == np.float32
    sample = np.random.default_rng(seed).choice(len(wanted), 300, replace=False)
    slow = np.array(
        [
            [slow_overlap(shop, known, usual, int(users[k // shop.log.items]), int(wanted[k]), life) for life in LIVES]
            for k in sample
        ]
    )  # (sample, lives, 4)
    np.testing.assert_allclose(fast[:, :, sample].transpose(2, 0, 1), slow, rtol=1e-3, atol=1e-5)
    assert (slow > 0).any()


def test_words_by_hand() -> None:
    # a "red heart", b "red mug", c "heart", d without words that count; red in 2, heart in 2, mug in 1 of 4
    shop = make_named_shop([(0, 0, 0), (0, 1, 0), (0, 0, 7), (1, 2, 7)], 3, ["red heart", "red mug", "heart", "12"], 21)
    columns = compute_columns("words", shop, 2, make_pairs((0, [0, 1, 2, 3]), (2, [0])), half_lives=[7.0], window=14)
    # a: only the purchase of b counts, by "red"; b: the two of a, by "red"; c: the same two, by "heart"
    half = 1 / sqrt(2)
    assert columns["sum_7d"] == approximate(half / 4, half * 3 / 4, half * 3 / 4, 0, 0)
    assert columns["mean_7d"] == approximate(half, half, half * 3 / 4, 0, 0)  # b counts for c, too, and shares no word
    assert columns["best_7d"] == approximate(half, half, half * 3 / 4, 0, 0)
    # four sales in 14 days: red in a, a (half each) and b (1); heart in a, a and c
    usual = (2 * half + 1) / 4
    assert columns["lift_7d"][0] == pytest.approx(half**2 * log1p(1 / (usual + RARE)), rel=1e-4)
    assert [f"{name}_7d" for name in COLUMNS] == list(columns)
    assert (SUM, MEAN, LIFT, BEST) == (0, 1, 2, 3)


def test_a_shop_without_texts_has_zeros() -> None:
    shop = small([(0, 0, 0), (0, 1, 0)], 1, 2, 14)
    columns = compute_columns("words", shop, 1, make_pairs((0, [0, 1])))
    assert len(columns) > 0 and not any(any(values) for values in columns.values())
    assert compute_columns("themes", shop, 1, make_pairs((0, [0, 1])))["7d"] == approximate(0, 0)


def test_themes_by_hand() -> None:
    # "star" a and b, "egg" c and d; last week three stars were sold, in the three weeks before a star and four eggs
    rows = [(0, 0, 27), (1, 0, 27), (0, 1, 26), (1, 1, 10)] + [(user, 2 + user % 2, 3 + user) for user in range(4)]
    shop = make_named_shop(rows, 4, ["Star", "star", "egg", "EGG"], 35)
    columns = compute_columns("themes", shop, 4, make_pairs((0, [0, 1, 2, 3])), windows=[7, 28])
    assert columns["7d"] == approximate(1, 1, 0, 0)
    assert columns["28d"] == approximate(4 / 8, 4 / 8, 4 / 8, 4 / 8)
    floor = 1e-4
    assert columns["trend_7d_28d"][0] == pytest.approx((1 + floor) / (0.5 + floor), rel=1e-5)
    assert columns["year_ago"] == approximate(0, 0, 0, 0) and columns["year_ago_week"] == approximate(1, 1, 1, 1)


def test_themes_of_a_year_ago() -> None:
    # the label week begins on day 371: a year before it are days 7..13; before these eggs, in them stars
    rows = [(0, 0, 8), (0, 2, 3), (1, 3, 4), (0, 1, 20)]
    shop = make_named_shop(rows, 2, ["star", "star", "egg", "egg"], 378)
    columns = compute_columns("themes", shop, 53, make_pairs((0, [0, 2])), windows=[7])
    assert columns["year_ago"] == approximate(1, 0)
    floor = 1e-4
    assert columns["year_ago_week"] == [pytest.approx((1 + floor) / floor), pytest.approx(floor / (1 + floor))]
    assert columns["year_ago_month"] == columns["year_ago_week"]  # the star of day 20 is a further star
