"""Test MAP@12 by hand and against plain Python, and bootstrap intervals on data with a known mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retail import metrics

TWELVE = list(range(100, 112))


def compute_ap(bought: list[int], predicted: list[int]) -> float:
    """Compute AP@12 of a customer whose truth is the set of ``bought``."""
    items = np.unique(bought)
    lists = np.full((1, metrics.K), -1)
    lists[0, : len(predicted)] = predicted
    return float(metrics.average_precision(np.array([0, len(items)]), items, lists)[0])


def compute_ap_slowly(bought: set[int], predicted: list[int]) -> float:
    """Compute AP@12 in plain Python, as it is defined."""
    hits, total = 0, 0.0
    for rank, item in enumerate(predicted[:12], 1):
        if item in bought and item not in predicted[: rank - 1]:
            hits += 1
            total += hits / rank
    return total / min(len(bought), 12)


def test_the_example_on_which_public_codes_differ() -> None:
    assert compute_ap([1, 2, 1], [1, 9, 2]) == (1 / 1 + 2 / 3) / 2


@pytest.mark.parametrize(
    ("bought", "predicted", "expected"),
    [
        ([1], [1], 1 / 1),
        ([1], [9, 1], 1 / 2),
        ([1], [9, 8], 0),
        ([1, 2], [1, 1, 2], (1 / 1 + 2 / 3) / 2),  # a repeat counts once but still takes a place
        ([1, 2], [1, 1], (1 / 1) / 2),
        ([1, 2, 3], [9, 2, 8, 3], (1 / 2 + 2 / 4) / 3),
        ([1], [*TWELVE[:11], 1], 1 / 12),
        ([*TWELVE, 1, 2, 3], TWELVE, 12 / 12),  # fifteen bought, twelve can be named
        ([*TWELVE, 1], TWELVE[:6], 6 / 12),
        ([1], [], 0),
    ],
)
def test_average_precision_by_hand(bought: list[int], predicted: list[int], expected: float) -> None:
    assert compute_ap(bought, predicted) == pytest.approx(expected, abs=1e-15)


def test_places_after_the_twelfth_are_ignored() -> None:
    lists = np.array([[*TWELVE, 1]])
    assert metrics.average_precision(np.array([0, 1]), np.array([1]), lists)[0] == 0


def test_a_missing_place_counts_as_a_place() -> None:
    lists = np.array([[-1, 1, -1]])
    assert metrics.average_precision(np.array([0, 1]), np.array([1]), lists)[0] == 1 / 2


def test_a_customer_without_a_purchase_is_refused() -> None:
    with pytest.raises(ValueError, match="a customer without a purchase; leave such customers out"):
        metrics.average_precision(np.array([0, 1, 1]), np.array([1]), np.array([[1], [2]]))


def test_runs_of_chosen_customers() -> None:
    user, item = np.array([2, 2, 5, 7], np.uint32), np.array([4, 6, 1, 9], np.uint32)
    start, items = metrics.truth_runs(user, item, np.array([2, 7], np.uint32))
    assert start.tolist() == [0, 2, 3] and items.tolist() == [4, 6, 9]


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 20), min_size=1), st.lists(st.integers(0, 20), max_size=14)),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_average_precision_is_its_definition(customers: list[tuple[set[int], list[int]]]) -> None:
    start = np.cumsum([0, *[len(bought) for bought, _ in customers]])
    items = np.concatenate([sorted(bought) for bought, _ in customers])
    lists = np.full((len(customers), 14), -1)
    for row, (_, predicted) in enumerate(customers):
        lists[row, : len(predicted)] = predicted
    expected = [compute_ap_slowly(bought, predicted) for bought, predicted in customers]
    assert metrics.average_precision(start, items, lists).tolist() == pytest.approx(expected, abs=1e-12)


def simulate(seed: int, customers: int = 150) -> list[tuple[np.ndarray, np.ndarray]]:
    """Make two weeks that share half of their customers, with values of mean 0.3."""
    rng = np.random.default_rng(seed)
    first, second = np.arange(customers), np.arange(customers // 2, 2 * customers)
    return [(user, (rng.random(len(user)) < 0.3).astype(float)) for user in (first, second)]


def test_the_interval_covers_a_known_mean_about_as_often_as_it_should() -> None:
    covered = 0
    for seed in range(200):
        low, high = metrics.interval(metrics.bootstrap_means(simulate(seed), 200, seed))
        covered += low <= 0.3 <= high
    assert 0.9 <= covered / 200 <= 0.99


def test_the_interval_narrows_with_the_root_of_the_customers() -> None:
    few, many = (metrics.interval(metrics.bootstrap_means(simulate(1, n), 400, 1)) for n in (100, 1600))
    assert (few[1] - few[0]) / (many[1] - many[0]) == pytest.approx(4, rel=0.25)


def test_bootstrap_is_seeded() -> None:
    weeks = simulate(1)
    assert np.array_equal(metrics.bootstrap_means(weeks, 20, 3), metrics.bootstrap_means(weeks, 20, 3))
    assert not np.array_equal(metrics.bootstrap_means(weeks, 20, 3), metrics.bootstrap_means(weeks, 20, 4))


def test_a_draw_without_customers_keeps_the_mean() -> None:
    means = metrics.bootstrap_means([(np.array([7]), np.array([0.5]))], 40, 1)
    drawn = np.random.default_rng(1).poisson(1.0, 40)
    assert (drawn == 0).sum() > 5 and means.tolist() == [1 / 2] * 40


def test_draws_of_two_buyers_by_hand() -> None:
    """Customer 3 has AP 0 and customer 7 AP 1; drawn a and b times, they have b / (a + b); if neither is drawn: 1/2."""
    means = metrics.bootstrap_means([(np.array([3, 7]), np.array([0.0, 1.0]))], 40, 1)
    times = np.random.default_rng(1).poisson(1.0, (40, 2)).tolist()
    assert [0, 0] in times and [2, 1] in times
    assert means.tolist() == [b / (a + b) if a + b else 1 / 2 for a, b in times]


def test_a_week_without_a_drawn_customer_does_not_change_the_other_week() -> None:
    """Customer 3 buys in the first week, AP 0, customer 7 in the second, AP 1/2: the mean is 1/4 in every draw."""
    weeks = [(np.array([3]), np.array([0.0])), (np.array([7]), np.array([0.5]))]
    assert metrics.bootstrap_means(weeks, 40, 1).tolist() == [(0 + 1 / 2) / 2] * 40


def test_the_difference_of_a_list_with_itself_is_exactly_zero() -> None:
    weeks = [(user, value - value) for user, value in simulate(1)]
    assert metrics.interval(metrics.bootstrap_means(weeks, 50, 1)) == (0.0, 0.0)


def test_differences_are_paired() -> None:
    weeks = simulate(1)
    better = [(user, value + 0.01) for user, value in weeks]  # better by 0.01 for every customer
    a, b = (metrics.bootstrap_means(values, 100, 5) for values in (better, weeks))
    assert a - b == pytest.approx(0.01, abs=1e-12)
    assert np.ptp(b) > 0.02  # although the mean of each list varies by more than that


def test_a_customer_is_drawn_for_all_weeks_at_once() -> None:
    # What a customer gains in one week it loses in the other: drawn together, the mean of the weeks is constant.
    user, value = np.arange(40), np.arange(40) / 40
    together = metrics.bootstrap_means([(user, value), (user, 1 - value)], 50, 1)
    assert together == pytest.approx(0.5, abs=1e-12)
    separate = metrics.bootstrap_means([(user, value), (user + 40, 1 - value)], 50, 1)
    assert np.ptp(separate) > 0.01


def test_the_interval_is_the_central_95_percent() -> None:
    assert metrics.interval(np.arange(1001) / 1000) == (0.025, 0.975)
