"""Which rows of the pool the ranker is trained on."""

import numpy as np
import pytest

from retail.log import Array
from retail.pairs import Pairs
from retail.params import Table
from stage2_ranker import sample
from stage2_ranker.sample import Shares


def pairs_of(*rows: list[int]) -> Pairs:
    """Customer r with the articles ``rows[r]``."""
    ptr = np.cumsum([0, *map(len, rows)])
    return Pairs(np.arange(len(rows), dtype=np.uint32), ptr, np.array([i for row in rows for i in row], np.uint32))


def many(positives: int = 1) -> tuple[Pairs, Array]:
    """2,000 customers of 20 candidates; every second customer bought ``positives`` of them, anywhere in the list."""
    rng = np.random.default_rng(0)
    label = np.zeros((2000, 20), np.uint8)
    label[::2, :positives] = 1
    return pairs_of(*[list(range(20))] * 2000), rng.permuted(label, axis=1).ravel()


def test_positives_stay_and_customers_without_one_leave() -> None:
    of_all, label = many()
    keep = sample.sample_rows(of_all, label, Shares(1.0, 0.2), week=5, seed=1)
    assert keep[label == 1].all()
    assert not keep[of_all.user % 2 == 1].any()


@pytest.mark.parametrize(
    ("negatives", "rows", "expected"),
    [(3, 10**6, 3 * 100 / 900), (100, 10**6, 1.0), (10, 500, 400 / 900), (10, 150, 50 / 900)],
)
def test_one_probability_for_all_weeks(negatives: int, rows: int, expected: float) -> None:
    # week one: 60 positives, 300 negatives; week two: 40 and 600. Of 900 negatives 3 x 100 are asked for, say.
    settings = Table(negatives=negatives, rows=rows)
    assert sample.shares([(60, 300), (40, 600)], settings) == pytest.approx((1.0, expected))


def test_positives_that_fill_the_rows_leave_room_for_negatives() -> None:
    # 100 positives and half as many negatives do not fit into 90 rows: .6 of the customers, 60 and 30 of their 540
    assert sample.shares([(60, 300), (40, 600)], Table(negatives=10, rows=90)) == pytest.approx((0.6, 30 / 540))
    # where there are but 20 negatives, all of them: 120 rows, of which 90 are three quarters
    assert sample.shares([(100, 20)], Table(negatives=10, rows=90)) == pytest.approx((0.75, 1.0))
    assert sample.shares([(0, 0)], Table(negatives=10, rows=90)) == (1.0, 0.0)


def test_fewer_customers_are_whole_customers() -> None:
    of_all, label = many(positives=2)
    every = sample.sample_rows(of_all, label, Shares(1.0, 0.4), week=5, seed=1)
    fewer = sample.sample_rows(of_all, label, Shares(0.3, 0.4), week=5, seed=1)
    there = np.bincount(of_all.user, weights=fewer) > 0
    assert np.array_equal(fewer, every & there[of_all.user])  # a customer who stays has the rows it would have had
    assert there[::2].mean() == pytest.approx(0.3, abs=0.05)


def test_weeks_of_unlike_size_are_thinned_alike() -> None:
    of_all, label = many()
    few = pairs_of(*[list(range(20))] * 200)
    for rows, labels in ((of_all, label), (few, label[: len(few.items)])):
        negative = sample.useful_rows(rows, labels) & (labels == 0)
        assert sample.sample_rows(rows, labels, Shares(1.0, 0.3), 5, 1)[negative].mean() == pytest.approx(0.3, abs=0.04)


def test_negatives_are_thinned_alike_at_every_place_and_for_every_customer() -> None:
    of_all, label = many(positives=2)
    keep = sample.sample_rows(of_all, label, Shares(1.0, 0.4), week=5, seed=1)
    negative = (label == 0) & (of_all.user % 2 == 0)
    place = np.tile(np.arange(20), 2000)
    share = np.bincount(place[negative], weights=keep[negative]) / np.bincount(place[negative])
    assert share == pytest.approx(0.4, abs=0.07)
    halves = [keep[negative & (of_all.user < 1000)].mean(), keep[negative & (of_all.user >= 1000)].mean()]
    assert halves == pytest.approx([0.4] * 2, abs=0.03)


def test_sampling_is_seeded_by_seed_and_week() -> None:
    def drawn(week: int, seed: int) -> Array:
        return sample.sample_rows(*many(), Shares(1.0, 0.2), week, seed)

    assert np.array_equal(drawn(5, 1), drawn(5, 1))
    assert not np.array_equal(drawn(5, 1), drawn(6, 1)) and not np.array_equal(drawn(5, 1), drawn(5, 2))


def test_a_week_without_a_positive_keeps_nothing() -> None:
    assert not sample.sample_rows(pairs_of([0, 1], [1]), np.zeros(3, np.uint8), Shares(1.0, 1.0), 5, 1).any()
    assert sample.sample_rows(pairs_of(), np.zeros(0, np.uint8), Shares(1.0, 1.0), 5, 1).shape == (0,)
