"""Test the prior features of this project's own CASE: by hand, and independent of the user's own label."""

from dataclasses import replace

import numpy as np
import pytest

from research.case import ours, prior
from research.case.tafeng import Split


def draw_split(users: int, seed: int) -> Split:
    """Draw ``users`` with 3 to 8 of 20 items, each bought on 1 to 3 of 60 days."""
    rng = np.random.default_rng(seed)
    size = rng.integers(3, 9, users)
    times = rng.integers(1, 4, size.sum())
    item = np.concatenate([np.sort(1 + rng.permutation(20)[:n]) for n in size]).astype(np.int32)
    day = np.concatenate([np.sort(rng.permutation(60)[:n]) for n in times]).astype(np.int16)
    label = rng.integers(0, 2, len(item)).astype(np.uint8)
    return Split(np.append(0, size.cumsum()), item, label, np.append(0, times.cumsum()), day, 20)


def test_a_users_own_record_by_hand() -> None:
    # item 1 on days 2 and 9, item 2 on day 9: baskets {1} and {1, 2}
    split = Split(
        np.array([0, 2]), np.array([1, 2], np.int32), np.array([1, 0], np.uint8), np.array([0, 2, 3]),
        np.array([2, 9, 9], np.int16), 2,
    )  # fmt: skip
    first, second = prior.describe_candidates(split)
    # times, last day, first day, gap, phase, baskets since the last and the first purchase, size of the last basket
    logs = np.expm1([first[:8], second[:8]])
    np.testing.assert_allclose(logs[0], [2, 2, 9, 7, 3 / 7, 0, 1, 1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(logs[1], [1, 9, 9, 0, 0, 1, 1, 2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        first[8:11], [1 + 1 / 2, sum(np.exp([-2 / 14, -9 / 14])), sum(np.exp([-2 / 30, -9 / 30]))]
    )
    angle = 6 * np.pi / 7
    np.testing.assert_allclose(first[11:], [np.cos(angle), np.sin(angle), 1, 1, 2 / 2, 2 / 2, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(second[13:], [0, 0, 1 / 2, 1 / 2, 0])


def test_an_items_rate_is_smoothed_towards_that_of_all_items() -> None:
    sums = np.zeros((13, 4))
    sums[0, 1:], sums[4, 1:] = (100, 60, 40), (10, 0, 0)  # users, and those who bought again; of all items 10 / 200
    rate = 1 / (1 + np.exp(-prior.compute_rates(sums)[:, 1]))
    np.testing.assert_allclose(rate[1:], [(10 + 80 * 0.05) / 181, 4 / 141, 4 / 121], rtol=1e-3)


def test_the_counts_of_the_folds_sum_to_those_of_all_users() -> None:
    split = draw_split(12, 1)
    half = np.arange(12) % 2 == 0
    whole = prior.count_by_item(split)
    np.testing.assert_allclose(
        prior.count_by_item(prior.select_users(split, half)) + prior.count_by_item(prior.select_users(split, ~half)),
        whole,
    )
    assert whole[0].sum() == len(split.item) and whole[4].sum() == split.label.sum()


def test_features_do_not_depend_on_the_users_own_label() -> None:
    split = draw_split(30, 2)
    features, rates = prior.build_features_by_fold(split, 10, 3)
    assert features.shape == (len(split.item), ours.FEATURES) and np.isfinite(features).all()
    for user in range(5):
        own = slice(split.ptr[user], split.ptr[user + 1])
        label = split.label.copy()
        label[own] = 1 - label[own]
        changed, other_rates = prior.build_features_by_fold(replace(split, label=label), 10, 3)
        np.testing.assert_array_equal(changed[own], features[own])
        assert not np.array_equal(other_rates, rates)


def test_standardised_scores_have_mean_0_and_deviation_1_and_keep_the_order() -> None:
    split = draw_split(8, 4)
    score = np.random.default_rng(0).normal(3, 7, len(split.item))
    out = ours.standardise(split, score)
    for user in range(8):
        own = slice(split.ptr[user], split.ptr[user + 1])
        assert out[own].mean() == pytest.approx(0, abs=1e-9) and out[own].std() == pytest.approx(1, rel=1e-5)
        assert (np.argsort(out[own]) == np.argsort(score[own])).all()
