"""A category that leaves: visits and counts by hand, intervals beside a bootstrap, PARSRec one visit after another."""

import numpy as np
import polars as pl
import pytest
import torch
from world import drawn, network_of, random_world

from insights import attention, categories, parsrec, spillover, without
from insights import visits as baskets
from insights.parsrec import Trained
from insights.visits import Visits
from retail import weeks
from retail.errors import InputError
from retail.log import Array
from retail.shop import Shop
from stage1_candidates.networks.parsrec import label_weeks
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Sessions

BY_HAND = drawn(  # two weeks; a is category 0, b is 1, c is 2
    ("a............", "b..b...b......"[:13]),
    ("a......c.....", ".b...........", "..c.........."),
    ("..b..........",),
)


def of(shop: Shop, of_item: Array, since: int = 0, until: int | None = None) -> Visits:
    history = weeks.history(shop.log, shop.log.weeks)
    count = int(of_item.max()) + 1
    return baskets.visits(history, of_item, count, since, shop.log.weeks if until is None else until)


def test_by_hand() -> None:
    """Thirteen days: weeks 0..5 and 6..12. Visits ab, b; abc, c; b: two of five hold a. b stands in four, twice beside
    a; c in two, once beside a."""
    found = without.counted(of(BY_HAND, np.arange(3)), 0)
    assert (found.visits, found.without) == (5, 3)
    assert found.sold.tolist() == [2, 4, 2] and found.left.tolist() == [0, 2, 1]
    assert found.change.tolist() == pytest.approx([-1, (2 / 3) / (4 / 5) - 1, (1 / 3) / (2 / 5) - 1])
    assert found.together.tolist() == [1, 1 / 2, 1 / 2]
    assert np.isnan(found.low[0]) and found.low[1] < found.change[1] < found.high[1]


def test_visits_are_customers_weeks() -> None:
    world = random_world(4, users=20, items=10, days=60, entries=500)
    log = world.shop.log
    category = np.arange(10) % 3
    found = of(world.shop, category, 3, 7)
    week = log.weeks - 1 - (world.days - 1 - world.tx["day"].cast(pl.Int64)) // 7
    rows = (
        world.tx.select("user", "item", week=week).filter(pl.col("week").is_between(3, 6)).unique().sort("user", "week")
    )
    expected: dict[tuple[int, int], list[int]] = {}
    for user, item, of_week in rows.iter_rows():
        expected.setdefault((user, of_week), []).append(int(category[item]))
    assert found.user.tolist() == [user for user, _ in expected]
    for number, entries in enumerate(expected.values()):
        assert sorted(found.category[found.visit == number].tolist()) == sorted(entries)
    assert found.length.tolist() == [len(entries) for entries in expected.values()]
    assert (log.user[found.first] == found.user).all()
    day = [weeks.first_day(world.days, of_week) for _, of_week in expected]
    before = np.maximum(found.first, 1) - 1
    assert (log.day[found.first] >= day).all() and ((log.day[before] < day) | (log.user[before] != found.user)).all()


def test_intervals_are_as_wide_as_a_bootstrap_over_customers() -> None:
    world = random_world(1, users=150, entries=4500)
    found = of(world.shop, np.arange(40) % 6)
    counts = without.counted(found, 0)
    rng, users = np.random.default_rng(1), world.shop.log.users
    free = ~found.holding(0)

    def sums(which: Array) -> Array:
        """(users, 6 + 1): articles of each category, and visits."""
        out = np.zeros((users, 7))
        entry = which[found.visit]
        np.add.at(out, (found.user[found.visit[entry]], found.category[entry]), 1)
        np.add.at(out[:, 6], found.user[which], 1)
        return out

    every, left = sums(np.ones(len(free), bool)), sums(free)
    draws = []
    for _ in range(1000):
        some = np.bincount(rng.integers(users, size=users), minlength=users)
        a, b = some @ left, some @ every
        draws.append(np.log(a[1:6] / a[6] * b[6] / b[1:6]))
    width = np.log((1 + counts.high[1:]) / (1 + counts.low[1:]))
    assert width == pytest.approx(2 * 1.96 * np.std(draws, axis=0), rel=0.15)


# PARSRec


def network(shop: Shop) -> Trained:
    """Untrained weights, in whose order nothing is drawn, and the visits of the last 20 weeks."""
    torch.manual_seed(1)
    params = network_of("parsrec")[1]
    log, shape = shop.log, params.model.model_copy(update={"missed": "first", "width": 8})
    made = Parsrec(log.users, log.items, shape).eval()
    with torch.no_grad():
        made.item.weight.mul_(20)
    late = params.examples.model_copy(update={"hold": 20})
    asked = label_weeks.split_sessions(weeks.history(log, log.weeks), late, 1)[1]
    return Trained(made, log.weeks, np.arange(log.items) % 7 > 0, asked)


def test_chances_of_all_visits_are_those_of_each_alone() -> None:
    shop = random_world(2).shop
    trained, category = network(shop), np.arange(40) % 4
    some = trained.visits.select(np.arange(0, len(trained.visits.user), 5))
    free = trained.network.eval()
    found = parsrec.by_category(trained, some, category, 4, 2, 1)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(found))) and (found[:, 2] == 0).all()
    for row in range(0, len(found), 7):
        alone = parsrec.by_category(trained, some.select(np.array([row])), category, 4, 2, 1)
        assert alone[0] == pytest.approx(found[row], abs=1e-5)
    free.item.weight.data.zero_()  # every article is as likely: what is left of each category, of those that sell
    level = parsrec.by_category(trained, some, category, 4, 2, 1)
    left = np.bincount(category[trained.sold & (category != 2)], minlength=4)
    assert level[0] == pytest.approx(left / left.sum())


def test_a_network_that_expects_the_same_of_everyone_expects_what_counting_gives() -> None:
    """Equal chances of all articles: the change is that of the visits' length, the leaving one's share dealt out."""
    shop = random_world(2).shop
    trained, category = network(shop), np.arange(40) % 4
    trained.network.item.weight.data.zero_()
    by = categories.Categories("kind", ["a", "b", "c", "d"], category)
    history = weeks.history(shop.log, shop.log.weeks)
    late = baskets.visits(history, category, 4, history.week - 8, history.week)
    late = late.chosen(shop.log.start[late.user] < late.first)
    change = spillover.expected(trained, by, late, 2, 1)
    free = ~late.holding(2)
    sold = np.bincount(category[trained.sold], minlength=4)
    longer = late.length[free].mean() / late.length.mean()
    assert change[[0, 1, 3]] == pytest.approx(longer * sold.sum() / (sold.sum() - sold[2]) - 1, rel=1e-4)
    check = spillover.checked(history, by, 2, trained, 1)
    assert set(check.missed) == {"counted", "blind", "network"} and check.visits == free.sum()
    assert check.missed["network"] == pytest.approx(check.missed["blind"], rel=1e-4)  # one change for all is none


def test_categories_that_are_passed_over_get_no_attention() -> None:
    end = np.array([2])
    visit = Sessions(0 * end, 0 * end, end, np.array([0, 1]), 0 * end, end, np.array([0, 1]))
    made = network(BY_HAND).network
    both = attention.heat(made, visit, np.array([0, 1, -1]), 2, np.zeros(3, np.int64))
    assert np.nansum(both.attention) == pytest.approx(1) and np.isnan(both.attention).sum() == 2
    one = attention.heat(made, visit, np.array([0, -1, -1]), 2, np.zeros(3, np.int64))
    assert np.isnan(one.attention).all()


def test_a_category_is_found_by_its_name() -> None:
    by = categories.of_values("kind", pl.Series(["hat", None, "coat", "", "hat"]))
    assert by.names == ["(none)", "coat", "hat"] and by.of_item.tolist() == [2, 0, 1, 0, 2]
    assert by.code("coat") == 1
    with pytest.raises(InputError, match=r"kind 'cap': no article has it; expected .* such as \(none\), hat, coat; or"):
        by.code("cap")
