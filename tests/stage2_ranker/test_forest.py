"""Test that scores by masks equal LightGBM's to the last bit, or that LightGBM computes them."""

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retail.log import Array
from stage2_ranker.fast_trees.forest import BLOCK, Forest, _round_down, score_raw


def make_rows(seed: int, n: int, missing: float) -> tuple[Array, Array]:
    """Make features (n, 4) float32, the last constant, a share of the first two missing, and labels (n,)."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 4)).astype(np.float32)
    features[:, 3] = 1
    label = (features[:, 0] * features[:, 1] + features[:, 2] > rng.normal(size=n)).astype(np.int8)
    features[:, :2][rng.random((n, 2)) < missing] = np.nan
    return features, label


def fit(features: Array, label: Array, leaves: int, rounds: int = 12, **more: Any) -> lgb.Booster:
    usual = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 3, "verbosity": -1, "num_threads": 1}
    return lgb.train({**usual, **more}, lgb.Dataset(features, label), rounds)


def make_forest(model: lgb.Booster) -> Forest:
    forest = Forest.from_model(model)
    assert forest is not None
    return forest


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    n=st.sampled_from([1, BLOCK - 1, BLOCK, 2 * BLOCK + 7]),
    leaves=st.sampled_from([2, 15, 32, 33, 64]),
    missing=st.sampled_from([0.0, 0.3]),
)
def test_scores_equal_lightgbms_to_the_last_bit(seed: int, n: int, leaves: int, missing: float) -> None:
    model = fit(*make_rows(seed, 900, missing), leaves, max_bin=63)
    features = make_rows(seed + 1, n, 0.2)[0]  # values are missing even where none was in training
    np.testing.assert_array_equal(make_forest(model).score(features), model.predict(features, raw_score=True))


def test_a_truncated_model_and_a_model_read_from_text_score_what_they_predict() -> None:
    features, label = make_rows(1, 900, 0.1)
    model = fit(features, label, 15)
    model.best_iteration = 5
    expected = np.asarray(model.predict(features, raw_score=True))
    np.testing.assert_array_equal(make_forest(model).score(features), expected)
    np.testing.assert_array_equal(score_raw(model, features), expected)
    part = np.asarray(model.predict(features, start_iteration=3, num_iteration=4, raw_score=True))
    np.testing.assert_array_equal(score_raw(model, features, 3, 4), part)
    read = lgb.Booster(model_str=model.model_to_string())
    np.testing.assert_array_equal(make_forest(read).score(features), expected)


def test_a_tree_without_a_split_has_a_single_score() -> None:
    features, label = make_rows(2, 60, 0.0)
    model = fit(features, label, 15, min_data_in_leaf=60)
    assert np.ptp(make_forest(model).score(features)) == 0
    np.testing.assert_array_equal(make_forest(model).score(features), model.predict(features, raw_score=True))


def test_no_rows_and_both_memory_orders_of_rows() -> None:
    features, label = make_rows(3, 500, 0.1)
    forest = make_forest(fit(features, label, 31))
    assert forest.score(features[:0]).shape == (0,)
    np.testing.assert_array_equal(forest.score(np.asfortranarray(features)), forest.score(features))


@pytest.mark.parametrize(
    ("leaves", "more"),
    [(65, {}), (31, {"max_bin": 1000}), (31, {"zero_as_missing": True}), (31, {"categorical_feature": [3]})],
)
def test_lightgbm_scores_a_model_that_does_not_fit_into_masks(leaves: int, more: dict[str, Any]) -> None:
    features, label = make_rows(4, 5000, 0.0)
    features[:, 3] = np.arange(5000) % 7
    label = (label + (features[:, 3] == 3) > 0).astype(np.int8)
    size = {"leaves": leaves, "rounds": 300, "learning_rate": 0.3} if "max_bin" in more else {"leaves": leaves}
    model = fit(features, label, **size, **more)
    assert Forest.from_model(model) is None
    np.testing.assert_array_equal(score_raw(model, features[:50]), model.predict(features[:50], raw_score=True))


def test_thresholds_of_two_precisions_split_the_same_values() -> None:
    """.1 lies between two float32 numbers: the lower one goes left of it, the upper one right."""
    upper = np.float32(0.1)  # .100000001
    lower = np.nextafter(upper, np.float32(0))
    rounded = _round_down(np.array([0.1, float(upper), 1e300]))
    assert rounded.tolist() == [float(lower), float(upper), float(np.finfo(np.float32).max)]
