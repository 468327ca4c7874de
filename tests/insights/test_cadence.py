"""Test cadence: gaps, medians and due customers by hand; the whole table against a loop; a backtest."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import drawn, random_world

from insights import cadence
from retail import weeks
from retail.shop import Shop


def count_by_article(shop: Shop, least: int = 1) -> pl.DataFrame:
    """Count the gaps of all articles in the whole log."""
    log = shop.log
    return cadence.count_by_article(cadence.collect_pairs(weeks.history(log, log.weeks)), log.items, log.days, least)


def test_by_hand() -> None:
    """a: customer 0 has gaps of 4, 4 and 6 days, customer 1 of 4, customer 2 bought once; b: one customer, one gap.

    The median of 4, 4, 4, 6 is 4, so three of four gaps are steady. The log ends with day 20. Customer 0 was expected
    on day 16 + 4 = 20 and is late until day 24. Customer 1 is due on day 18 + 4 = 22, in the coming week. The customer
    of b was expected on day 1 + 2 = 3 and counts as gone since day 5.
    """
    rows = count_by_article(
        drawn(
            ("..a...a...a.....a....", ".b.b................."),
            "..............a...a..",
            "a....................",
        )
    )
    a, b = rows.iter_rows(named=True)
    low = (3 / 4 + 1.96**2 / 8 - 1.96 * (3 / 4 * 1 / 4 / 4 + 1.96**2 / 64) ** 0.5) / (1 + 1.96**2 / 4)
    assert a == {
        "item": 0, "buyers": 3, "repeat_buyers": 2, "gaps": 4, "median_gap": 4, "steady": 3 / 4,
        "steady_low": pytest.approx(low), "due": 1, "late": 1,
    }  # fmt: skip
    assert b == {
        "item": 1, "buyers": 1, "repeat_buyers": 1, "gaps": 1, "median_gap": 2, "steady": 1,
        "steady_low": pytest.approx(1 / (1 + 1.96**2)), "due": 0, "late": 0,
    }  # fmt: skip


def test_the_median_of_an_even_number_of_gaps_is_the_mean_of_two() -> None:
    assert count_by_article(drawn("a.a...a.............."))["median_gap"].to_list() == [(2 + 4) / 2]


def test_articles_with_few_repeat_buyers_are_left_out() -> None:
    shop = drawn("a..a..b..b", "a..a......")
    assert count_by_article(shop, 2)["item"].to_list() == [0]
    assert count_by_article(shop, 3).height == 0


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000))
def test_the_table_equals_a_loop_over_articles(seed: int) -> None:
    world = random_world(seed, users=12, items=8, days=60, entries=400)
    days: dict[int, dict[int, set[int]]] = {}
    for user, item, day in world.tx.select("user", "item", "day").iter_rows():
        days.setdefault(item, {}).setdefault(user, set()).add(day)
    rows = {row["item"]: row for row in count_by_article(world.shop).iter_rows(named=True)}
    for item, by_user in days.items():
        gaps = [np.diff(sorted(when)) for when in by_user.values()]
        all_gaps = np.concatenate(gaps)
        if not len(all_gaps):
            assert item not in rows
            continue
        row, median = rows[item], np.median(all_gaps)
        assert (row["buyers"], row["repeat_buyers"]) == (len(by_user), sum(len(gap) > 0 for gap in gaps))
        assert (row["gaps"], row["median_gap"]) == (len(all_gaps), median)
        assert row["steady"] == np.mean([0.75 * median <= gap <= 1.25 * median for gap in all_gaps])
        when = [max(by_user[user]) + np.median(gap) for user, gap in zip(by_user, gaps, strict=True) if len(gap)]
        assert row["due"] == sum(world.days <= day < world.days + 7 for day in when)


def test_purchases_at_random_times_have_the_stated_share_of_steady_gaps() -> None:
    gaps = np.random.default_rng(1).exponential(40, 200_000)
    median = np.median(gaps)
    assert np.mean(np.abs(gaps / median - 1) <= cadence.STEADY) == pytest.approx(cadence.STEADY_AT_RANDOM, abs=0.005)


def test_backtest_by_hand() -> None:
    """Of three pairs with a gap before day 14, those of customers 0 and 1 are due in days 14..20; customer 0 bought."""
    shop = drawn("..a.....a.....a......", "...b.....b...........", "c.c.................c")
    backtest = cadence.backtest_due(weeks.history(shop.log, 2), 1)
    assert backtest == cadence.Backtest(due=2, share=1 / 2, usual=2 / 3)


def test_pairs_are_blind_to_the_label_week() -> None:
    world = random_world(3)
    week = world.shop.log.weeks - 3
    later = world.rewritten(weeks.first_day(world.days, week), 1)
    before, after = (cadence.collect_pairs(weeks.history(each.shop.log, week)) for each in (world, later))
    for name in ("item", "user", "last", "ptr", "gap"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
