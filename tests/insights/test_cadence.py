"""Cadence: gaps, medians and who is due by hand; each article as a loop would count it; as a program."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from world import drawn, random_world

from insights import cadence
from retail import weeks
from retail.shop import Shop


def found(shop: Shop, least: int = 1) -> pl.DataFrame:
    log = shop.log
    return cadence.articles(cadence.pairs(weeks.history(log, log.weeks)), log.items, log.days, least)


def test_by_hand() -> None:
    """a: customer 0 has gaps of 4, 4 and 6 days, customer 1 of 4, customer 2 bought once; b: one customer, one gap.

    The median of 4, 4, 4, 6 is 4, so three of four gaps are steady. The log ends with day 20. Customer 0 is due on day
    16 + 4 = 20, which is past, and late until day 24; customer 1 on day 18 + 4 = 22, in the coming week. b is due on
    day 1 + 2 = 3 and was no longer late on day 5.
    """
    rows = found(
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


def test_the_median_of_an_even_number_lies_between() -> None:
    assert found(drawn("a.a...a.............."))["median_gap"].to_list() == [(2 + 4) / 2]


def test_articles_with_few_who_came_back_are_left_out() -> None:
    shop = drawn("a..a..b..b", "a..a......")
    assert found(shop, 2)["item"].to_list() == [0]
    assert found(shop, 3).height == 0


@settings(deadline=None, max_examples=15)
@given(seed=some.integers(0, 1000))
def test_all_articles_at_once_are_each_one_alone(seed: int) -> None:
    world = random_world(seed, users=12, items=8, days=60, entries=400)
    days: dict[int, dict[int, set[int]]] = {}
    for user, item, day in world.tx.select("user", "item", "day").iter_rows():
        days.setdefault(item, {}).setdefault(user, set()).add(day)
    rows = {row["item"]: row for row in found(world.shop).iter_rows(named=True)}
    for item, of_user in days.items():
        gaps = [np.diff(sorted(when)) for when in of_user.values()]
        every = np.concatenate(gaps)
        if not len(every):
            assert item not in rows
            continue
        row, median = rows[item], np.median(every)
        assert (row["buyers"], row["repeat_buyers"]) == (len(of_user), sum(len(gap) > 0 for gap in gaps))
        assert (row["gaps"], row["median_gap"]) == (len(every), median)
        assert row["steady"] == np.mean([0.75 * median <= gap <= 1.25 * median for gap in every])
        when = [max(of_user[user]) + np.median(gap) for user, gap in zip(of_user, gaps, strict=True) if len(gap)]
        assert row["due"] == sum(world.days <= day < world.days + 7 for day in when)


def test_purchases_at_random_moments_are_as_steady_as_is_said() -> None:
    gaps = np.random.default_rng(1).exponential(40, 200_000)
    median = np.median(gaps)
    assert np.mean(np.abs(gaps / median - 1) <= cadence.AROUND) == pytest.approx(cadence.AT_RANDOM, abs=0.005)


def test_what_being_due_was_worth() -> None:
    """Of three pairs with a gap before day 14, those of customers 0 and 1 are due in days 14..20; customer 0 bought."""
    shop = drawn("..a.....a.....a......", "...b.....b...........", "c.c.................c")
    worth = cadence.kept(weeks.history(shop.log, 2), 1)
    assert worth == cadence.Kept(due=2, share=1 / 2, usual=2 / 3)


def test_being_due_is_blind_to_the_week_it_is_asked_about() -> None:
    world = random_world(3)
    week = world.shop.log.weeks - 3
    later = world.rewritten(weeks.first_day(world.days, week), 1)
    one, two = (cadence.pairs(weeks.history(of.shop.log, week)) for of in (world, later))
    for name in ("item", "user", "last", "ptr", "gap"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
