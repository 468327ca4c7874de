"""Test the PARSRec paper's synthetic shop: its planted structure and its CSV files."""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from research.parsrec import parsrec_sales, parsrec_shop
from research.parsrec.parsrec_sales import Sales, Settings
from retail.errors import InputError

SMALL = Settings(customers=64, sessions=60, articles=20, seed=5)


@cache
def make_sales() -> Sales:
    return parsrec_sales.simulate(SMALL, parsrec_sales.make_paper_sigmas())


def test_the_planted_sigmas_are_those_of_the_authors_generator() -> None:
    first, second = parsrec_sales.make_paper_sigmas()
    differ = [(a, b) for a, b in zip(*np.nonzero(np.triu(first - second)), strict=True)]
    assert differ == [(8, 10), (9, 10), (14, 16), (18, 19)]
    assert first[0, 3] == second[2, 1] == -0.25 and first[4, 7] == 0.8 and first[19, 18] == 0.99
    assert (first[17] == np.eye(20)[17]).all() and (np.diag(second) == 1).all()
    for sigma in (first, second):
        assert np.linalg.eigvalsh(sigma).min() > -1e-12


def test_the_root_of_a_covariance_draws_it() -> None:
    roots = parsrec_sales.compute_root(np.stack(parsrec_sales.make_paper_sigmas()))
    for sigma, root in zip(parsrec_sales.make_paper_sigmas(), roots, strict=True):
        assert np.allclose(root @ root.T, sigma, atol=1e-12)  # also for singular ones
        drawn = np.random.default_rng(1).standard_normal((60_000, 20)) @ root.T
        assert np.abs(np.corrcoef(drawn.T) - sigma).max() < 0.02


def test_correlations_of_three_by_hand() -> None:
    """With partial correlations a (0,1), b (0,2), c (1,2 given 0): rho_12 = c sqrt((1 - a^2)(1 - b^2)) + a b."""
    drawn = parsrec_sales.draw_correlations(np.random.default_rng(3), 1, 3)[0]
    partial = np.random.default_rng(3).beta(*parsrec_sales.VINE, (1, 3, 3))[0]
    a, b, c = partial[0, 1], partial[0, 2], partial[1, 2]
    rho = c * np.sqrt((1 - a * a) * (1 - b * b)) + a * b
    assert np.allclose(drawn, [[1, a, b], [a, 1, rho], [b, rho, 1]])


def test_drawn_matrices_are_correlations() -> None:
    drawn = parsrec_sales.draw_correlations(np.random.default_rng(1), 4, 30)
    assert np.linalg.eigvalsh(drawn).min() > -1e-9
    assert np.allclose(drawn, drawn.transpose(0, 2, 1)) and drawn.min() >= 0 and drawn.max() <= 1 + 1e-12


def test_session_lengths_occur_as_in_the_authors_sample() -> None:
    share = np.bincount(parsrec_sales.draw_lengths(np.random.default_rng(1), 100_000), minlength=11) / 100_000
    assert share[3:] == pytest.approx([0.517, 0.205, 0.107, 0.063, 0.037, 0.024, 0.015, 0.031], abs=0.004)
    assert share[:3].sum() == 0


def test_a_session_holds_a_category_at_most_once() -> None:
    sales = make_sales()
    session = np.repeat(np.arange(len(sales.ptr) - 1), np.diff(sales.ptr))
    assert len(sales.ptr) == 64 * 60 + 1 and sales.items == 400
    assert len(np.unique(session * 20 + sales.item // 20)) == len(sales.item)
    assert np.isin(sales.item, np.arange(400)).all() and len(np.unique(sales.item)) > 300
    first = sales.item[sales.ptr[:-1]] // 20
    assert len(np.unique(first)) == 20  # the order of a session is random, not that of the categories


def test_categories_are_correlated_as_planted_in_each_group() -> None:
    sales = make_sales()
    contains = np.zeros((64 * 60, 20))
    contains[np.repeat(np.arange(len(contains)), np.diff(sales.ptr)), sales.item // 20] = 1
    a, b = (np.corrcoef(contains[np.repeat(sales.group, 60) == group].T) for group in (0, 1))
    assert a[18, 19] > 0.5 and b[18, 19] < -0.1 and a[8, 10] > 0 > b[8, 10] and b[14, 16] > 0.5
    assert np.bincount(sales.group).tolist() == [32, 32]


def test_the_same_seed_gives_the_same_shop() -> None:
    sales = make_sales()
    same = parsrec_sales.simulate(SMALL, parsrec_sales.make_paper_sigmas())
    other = parsrec_sales.simulate(Settings(64, 60, 20, 6), parsrec_sales.make_paper_sigmas())
    assert np.array_equal(same.item, sales.item) and not np.array_equal(other.item[:500], sales.item[:500])


def test_an_invalid_covariance_is_an_error() -> None:
    impossible = parsrec_sales.make_covariance(12, {(0, 1): 0.9, (0, 2): 0.9, (1, 2): -0.9})
    with pytest.raises(InputError, match="positive semi-definite"):
        parsrec_sales.simulate(SMALL, [impossible])
    with pytest.raises(InputError, match="at least 10"):
        parsrec_sales.simulate(SMALL, [np.eye(4)])


def test_the_files_hold_the_sales(tmp_path: Path) -> None:
    sales, facts = make_sales(), parsrec_shop.write_settings(tmp_path, SMALL)
    rows = pl.read_csv(tmp_path / "transactions_train.csv", schema_overrides={"article_id": pl.String})
    assert rows.height == len(sales.item) and facts["customers"] == "64"
    assert (
        rows["t_dat"].is_sorted() and rows["t_dat"].str.to_date().max() <= pl.date(2020, 9, 22).pipe(pl.select).item()
    )
    baskets = rows.group_by("customer_id", "t_dat").len()
    assert baskets.height == 64 * 60 and baskets["len"].is_between(3, 10).all()
    articles = pl.read_csv(tmp_path / "articles.csv", schema_overrides={"article_id": pl.String})
    assert (articles["article_id"].str.len_chars() == 10).all() and articles["article_id"].n_unique() == 400
    first = rows.filter(customer_id=rows["customer_id"].min()).join(articles, on="article_id", validate="m:1")
    categories = first.sort("t_dat")["product_type_no"] - 1
    assert categories.sort().to_list() == np.sort(sales.item[: sales.ptr[60]] // 20).tolist()
