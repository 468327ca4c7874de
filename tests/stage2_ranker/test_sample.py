"""Test which rows of the pool the ranker is trained on."""

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


def make_many(positives: int = 1) -> tuple[Pairs, Array]:
    """Make 2,000 customers of 20 candidates; every second customer bought ``positives`` of them, at random places."""
    rng = np.random.default_rng(0)
    label = np.zeros((2000, 20), np.uint8)
    label[::2, :positives] = 1
    return pairs_of(*[list(range(20))] * 2000), rng.permuted(label, axis=1).ravel()


def test_positives_stay_and_customers_without_a_positive_are_left_out() -> None:
    all_pairs, label = make_many()
    keep = sample.sample_rows(all_pairs, label, Shares(1.0, 0.2), week=5, seed=1)
    assert keep[label == 1].all()
    assert not keep[all_pairs.user % 2 == 1].any()


@pytest.mark.parametrize(
    ("negatives", "rows", "expected"),
    [(3, 10**6, 3 * 100 / 900), (100, 10**6, 1.0), (10, 500, 400 / 900), (10, 150, 50 / 900)],
)
def test_the_probability_is_the_same_for_all_weeks(negatives: int, rows: int, expected: float) -> None:
    # week one: 60 positives, 300 negatives; week two: 40 and 600; first case: 3 x 100 of the 900 negatives
    settings = Table(negatives=negatives, rows=rows)
    assert sample.compute_shares([(60, 300), (40, 600)], settings) == pytest.approx((1.0, expected))


def test_positives_that_fill_the_rows_leave_room_for_negatives() -> None:
    # 100 positives and half as many negatives do not fit into 90 rows: .6 of the customers, 60 and 30 of their 540
    assert sample.compute_shares([(60, 300), (40, 600)], Table(negatives=10, rows=90)) == pytest.approx((0.6, 30 / 540))
    # where there are only 20 negatives, all of them: 120 rows, of which 90 are three quarters
    assert sample.compute_shares([(100, 20)], Table(negatives=10, rows=90)) == pytest.approx((0.75, 1.0))
    assert sample.compute_shares([(0, 0)], Table(negatives=10, rows=90)) == (1.0, 0.0)


def test_a_sampled_customer_has_the_same_rows_as_without_sampling_of_customers() -> None:
    all_pairs, label = make_many(positives=2)
    every = sample.sample_rows(all_pairs, label, Shares(1.0, 0.4), week=5, seed=1)
    fewer = sample.sample_rows(all_pairs, label, Shares(0.3, 0.4), week=5, seed=1)
    present = np.bincount(all_pairs.user, weights=fewer) > 0
    assert np.array_equal(fewer, every & present[all_pairs.user])
    assert present[::2].mean() == pytest.approx(0.3, abs=0.05)


def test_the_share_of_negatives_does_not_depend_on_the_size_of_a_week() -> None:
    all_pairs, label = make_many()
    few = pairs_of(*[list(range(20))] * 200)
    for rows, labels in ((all_pairs, label), (few, label[: len(few.items)])):
        negative = sample.mark_useful_rows(rows, labels) & (labels == 0)
        assert sample.sample_rows(rows, labels, Shares(1.0, 0.3), 5, 1)[negative].mean() == pytest.approx(0.3, abs=0.04)


def test_the_share_of_negatives_is_the_same_at_every_place_and_for_every_customer() -> None:
    all_pairs, label = make_many(positives=2)
    keep = sample.sample_rows(all_pairs, label, Shares(1.0, 0.4), week=5, seed=1)
    negative = (label == 0) & (all_pairs.user % 2 == 0)
    place = np.tile(np.arange(20), 2000)
    share = np.bincount(place[negative], weights=keep[negative]) / np.bincount(place[negative])
    assert share == pytest.approx(0.4, abs=0.07)
    halves = [keep[negative & (all_pairs.user < 1000)].mean(), keep[negative & (all_pairs.user >= 1000)].mean()]
    assert halves == pytest.approx([0.4] * 2, abs=0.03)


def test_sampling_is_seeded_by_seed_and_week() -> None:
    def draw(week: int, seed: int) -> Array:
        return sample.sample_rows(*make_many(), Shares(1.0, 0.2), week, seed)

    assert np.array_equal(draw(5, 1), draw(5, 1))
    assert not np.array_equal(draw(5, 1), draw(6, 1)) and not np.array_equal(draw(5, 1), draw(5, 2))


def test_a_week_without_a_positive_has_no_sampled_row() -> None:
    assert not sample.sample_rows(pairs_of([0, 1], [1]), np.zeros(3, np.uint8), Shares(1.0, 1.0), 5, 1).any()
    assert sample.sample_rows(pairs_of(), np.zeros(0, np.uint8), Shares(1.0, 1.0), 5, 1).shape == (0,)
