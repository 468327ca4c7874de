"""Words of names and descriptions: their weights, the kernel against a slow path in polars, features and a reason by
hand."""

from math import log, log1p, sqrt

import numpy as np
import polars as pl
import pytest
from test_features import approximate, compute_columns, make_pairs
from test_reasons import make_recommendations
from world import random_world, small

from features.engine import word_kernels
from features.engine.word_kernels import BEST, COLUMNS, LIFT, MEAN, RARE, SUM
from retail import weeks, wording
from retail.log import Array
from retail.shop import Shop
from retail.wording import Wording
from submissions.explain.reasons.article_words import describe_shared_words

LIVES = [14.0, 365.0]


def texts(*columns: list[str | None]) -> Wording:
    return wording.weigh_words([pl.Series(column, dtype=pl.String) for column in columns], len(columns[0]))


def shop_of(rows: list[tuple[int, int, int]], users: int, names: list[str | None], days: int) -> Shop:
    of = small(rows, users, len(names), days)
    return Shop(of.log, of.attributes, of.traits, of.age, {"prod_name": pl.Series(names, dtype=pl.String)})


def test_a_words_weight_by_hand() -> None:
    # "red" is in 3 of 4 articles, "heart" in 2; "x", numbers and words of one article alone are none
    of = texts(["Red HEART", "red mug 12", "x RED heart-heart", None], ["red", "", None, "lone"])
    assert of.words == ["heart", "red"]
    heart, red = log(4 / 2), log(4 / 3)
    length = sqrt(heart**2 + red**2)
    assert of.ptr.tolist() == [0, 2, 3, 5, 5]
    assert of.word.tolist() == [0, 1, 1, 0, 1]
    assert of.weight == approximate(heart / length, red / length, 1, heart / length, red / length)


def test_accents_and_other_alphabets_are_letters() -> None:
    assert texts(["Étagère ΚΟΎΠΑ", "étagère κούπα"]).words == ["étagère", "κούπα"]


def test_articles_without_a_text_have_no_words() -> None:
    for of in (wording.weigh_words([], 2), texts(["", None]), texts(["only", "different"])):
        assert of.words == [] and of.ptr.tolist() == [0, 0, 0]
        assert of.sum_by_article(np.zeros(0)).tolist() == [0, 0] and of.sum_by_word(np.ones(2)).tolist() == []


def test_sums_over_articles_and_over_words() -> None:
    of = texts(["Red HEART", "red mug 12", "x RED heart-heart", "lone"])
    table = np.zeros((4, 2))
    table[of.article, of.word] = of.weight
    np.testing.assert_allclose(of.sum_by_article(np.array([2.0, 3.0])), table @ [2, 3])
    np.testing.assert_allclose(of.sum_by_word(np.array([1.0, 2, 3, 4])), [1, 2, 3, 4] @ table)


def slow_overlap(shop: Shop, known: pl.DataFrame, usual: Array, user: int, item: int, life: float) -> list[float]:
    """SUM, MEAN, LIFT, BEST of one pair, from dense vectors of words."""
    of = shop.wording
    table = np.zeros((shop.log.items, len(of.words)))
    table[of.article, of.word] = of.weight
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
def test_overlap(seed: int, week: int) -> None:
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
    shop = shop_of([(0, 0, 0), (0, 1, 0), (0, 0, 7), (1, 2, 7)], 3, ["red heart", "red mug", "heart", "12"], 21)
    found = compute_columns("words", shop, 2, make_pairs((0, [0, 1, 2, 3]), (2, [0])), half_lives=[7.0], window=14)
    # a: only b speaks for it, by "red"; b: a's two purchases, by "red"; c: the same two, by "heart"
    half = 1 / sqrt(2)
    assert found["sum_7d"] == approximate(half / 4, half * 3 / 4, half * 3 / 4, 0, 0)
    assert found["mean_7d"] == approximate(half, half, half * 3 / 4, 0, 0)  # b speaks for c, too, and says nothing
    assert found["best_7d"] == approximate(half, half, half * 3 / 4, 0, 0)
    # four sales in 14 days: red in a, a (half each) and b (1); heart in a, a and c
    usual = (2 * half + 1) / 4
    assert found["lift_7d"][0] == pytest.approx(half**2 * log1p(1 / (usual + RARE)), rel=1e-4)
    assert [f"{name}_7d" for name in COLUMNS] == list(found)
    assert (SUM, MEAN, LIFT, BEST) == (0, 1, 2, 3)


def test_a_shop_without_texts_has_zeros() -> None:
    shop = small([(0, 0, 0), (0, 1, 0)], 1, 2, 14)
    found = compute_columns("words", shop, 1, make_pairs((0, [0, 1])))
    assert len(found) > 0 and not any(any(values) for values in found.values())
    assert compute_columns("themes", shop, 1, make_pairs((0, [0, 1])))["7d"] == approximate(0, 0)


def test_themes_by_hand() -> None:
    # "star" a and b, "egg" c and d; in the last week three stars were sold, in the three before one star, four eggs
    rows = [(0, 0, 27), (1, 0, 27), (0, 1, 26), (1, 1, 10)] + [(user, 2 + user % 2, 3 + user) for user in range(4)]
    shop = shop_of(rows, 4, ["Star", "star", "egg", "EGG"], 35)
    found = compute_columns("themes", shop, 4, make_pairs((0, [0, 1, 2, 3])), windows=[7, 28])
    assert found["7d"] == approximate(1, 1, 0, 0)
    assert found["28d"] == approximate(4 / 8, 4 / 8, 4 / 8, 4 / 8)
    floor = 1e-4
    assert found["trend_7d_28d"][0] == pytest.approx((1 + floor) / (0.5 + floor), rel=1e-5)
    assert found["year_ago"] == approximate(0, 0, 0, 0) and found["year_ago_week"] == approximate(1, 1, 1, 1)


def test_themes_of_a_year_ago() -> None:
    # the label week begins on day 371: a year before it are days 7..13; before these eggs, in them stars
    rows = [(0, 0, 8), (0, 2, 3), (1, 3, 4), (0, 1, 20)]
    shop = shop_of(rows, 2, ["star", "star", "egg", "egg"], 378)
    found = compute_columns("themes", shop, 53, make_pairs((0, [0, 2])), windows=[7])
    assert found["year_ago"] == approximate(1, 0)
    floor = 1e-4
    assert found["year_ago_week"] == [pytest.approx((1 + floor) / floor), pytest.approx(floor / (1 + floor))]
    assert found["year_ago_month"] == found["year_ago_week"]  # the star of day 20 is a further star


def test_shared_words() -> None:
    names: list[str | None] = ["red heart", "red mug", "red heart box", "heart", "tin box", "plain mug"]
    bought = [(0, 0, 1), (0, 1, 2), (0, 1, 9), (0, 2, 3), (0, 3, 15), (1, 4, 2)]
    shop = shop_of(bought, 2, names, 21)
    recommended = make_recommendations(shop, 2, [(0, 0), (0, 2), (0, 3), (0, 4), (1, 5)])
    texts = describe_shared_words(recommended).to_list()
    # customer 0 had bought a, b (twice) and c before day 14; c's second word "heart" is of a alone, "red" of a and b
    assert texts[0] == 'its name or description contains "red", as do those of 2 other articles you bought'
    assert texts[1] == 'its name or description contains "red", as do those of 2 other articles you bought'
    assert texts[2] == 'its name or description contains "heart", as do those of 2 other articles you bought'
    assert texts[3] is None and texts[4] is None  # "box" is of one article; customer 1 has bought no mug


def test_no_shared_words_in_a_shop_without_texts() -> None:
    shop = small([(0, 0, 0), (0, 1, 0)], 1, 2, 14)
    assert describe_shared_words(make_recommendations(shop, 1, [(0, 0)])).to_list() == [None]
