"""The comparison of two commits over several trainings, on hand-worked evaluations."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import quality
from retail.errors import InputError


def make_ap(values: list[float], weeks: tuple[int, ...] = (7, 7, 8)) -> pl.DataFrame:
    return pl.DataFrame({"week": weeks, "user": [0, 1, 1], "twelve": values})


def test_the_mean_is_over_weeks_and_trainings() -> None:
    first, second = make_ap([0.1, 0.3, 0.6]), make_ap([0.3, 0.5, 0.8])
    assert quality.average([first]) == pytest.approx((0.2 + 0.6) / 2)
    assert quality.average([first, second]) == pytest.approx((0.4 + 0.6) / 2)


def test_a_constant_difference_has_no_interval() -> None:
    base, new = make_ap([0.1, 0.3, 0.6]), make_ap([0.2, 0.4, 0.7])
    minus = quality.compare({"base": [base], "new": [new, new]})["minus"]
    assert minus == pytest.approx({"mean": 0.1, "low": 0.1, "high": 0.1})


def test_trainings_that_differ_widen_the_interval() -> None:
    base = make_ap([0.2, 0.2, 0.2])
    low, high = make_ap([0.1, 0.1, 0.1]), make_ap([0.3, 0.3, 0.3])
    minus = quality.compare({"base": [base], "new": [low, high]})["minus"]
    assert minus == pytest.approx({"mean": 0.0, "low": -0.1, "high": 0.1})


def test_trainings_are_drawn_anew_in_each_draw() -> None:
    means = np.array([[0.0] * 400, [1.0] * 400])
    drawn = quality.draw_trainings(means, 1)
    assert set(drawn) == {0.0, 0.5, 1.0}
    assert drawn.mean() == pytest.approx(0.5, abs=0.1)


def test_other_customers_are_refused() -> None:
    with pytest.raises(InputError, match="other customers"):
        quality.compare({"base": [make_ap([0.1, 0.1, 0.1])], "new": [make_ap([0.1, 0.1, 0.1], (7, 7, 9))]})


def test_the_last_weeks_are_cut(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "articles.csv").write_text("article_id\n")
    (shop / "sample_submission.csv").write_text("customer_id\n")
    days = ["2020-01-01", "2020-01-10", "2020-01-11", "2020-01-17"]
    rows = "".join(f"{day},c,{number:010}\n" for number, day in enumerate(days))
    (shop / "transactions_train.csv").write_text("t_dat,customer_id,article_id\n" + rows)
    assert quality.cut_log(shop, 0, tmp_path / "out") == shop
    out = quality.cut_log(shop, 1, tmp_path / "out")
    assert sorted(file.name for file in out.iterdir()) == ["articles.csv", "transactions_train.csv"]
    text = (out / "transactions_train.csv").read_text().splitlines()
    assert text == ["t_dat,customer_id,article_id", "2020-01-01,c,0000000000", "2020-01-10,c,0000000001"]
