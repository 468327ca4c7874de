"""Test spillover: visits and counts by hand, intervals against a bootstrap, PARSRec visit by visit."""

import numpy as np
import polars as pl
import pytest
import torch
from world import drawn, network_of, random_world

from insights import attention, categories, parsrec, spillover, without
from insights.parsrec import Trained
from insights.visits import Visits, collect_visits
from retail import weeks
from retail.errors import InputError
from retail.log import Array
from retail.shop import Shop
from stage1_candidates.networks.parsrec import label_weeks
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Sessions

BY_HAND = drawn(  # two weeks; a is category 0, b is 1, c is 2
    ("a............", "b..b...b....."),
    ("a......c.....", ".b...........", "..c.........."),
    ("..b..........",),
)


def collect(shop: Shop, item_category: Array, first: int = 0, end: int | None = None) -> Visits:
    """Collect the visits of weeks ``first`` to ``end`` - 1, by default all."""
    history = weeks.history(shop.log, shop.log.weeks)
    count = int(item_category.max()) + 1
    return collect_visits(history, item_category, count, first, shop.log.weeks if end is None else end)


def test_by_hand() -> None:
    """Thirteen days: weeks 0..5 and 6..12. Visits ab, b; abc, c; b: two of five contain a. b is in four, two of them
    with a; c is in two, one of them with a."""
    result = without.compare_without(collect(BY_HAND, np.arange(3)), 0)
    assert (result.visits, result.without) == (5, 3)
    assert result.sold.tolist() == [2, 4, 2] and result.left.tolist() == [0, 2, 1]
    assert result.change.tolist() == pytest.approx([-1, (2 / 3) / (4 / 5) - 1, (1 / 3) / (2 / 5) - 1])
    assert result.together.tolist() == [1, 1 / 2, 1 / 2]
    assert np.isnan(result.low[0]) and result.low[1] < result.change[1] < result.high[1]


def test_a_visit_is_a_week_of_a_customer() -> None:
    world = random_world(4, users=20, items=10, days=60, entries=500)
    log = world.shop.log
    category = np.arange(10) % 3
    visits = collect(world.shop, category, 3, 7)
    week = log.weeks - 1 - (world.days - 1 - world.tx["day"].cast(pl.Int64)) // 7
    rows = (
        world.tx.select("user", "item", week=week).filter(pl.col("week").is_between(3, 6)).unique().sort("user", "week")
    )
    expected: dict[tuple[int, int], list[int]] = {}
    for user, item, visit_week in rows.iter_rows():
        expected.setdefault((user, visit_week), []).append(int(category[item]))
    assert visits.user.tolist() == [user for user, _ in expected]
    for number, entries in enumerate(expected.values()):
        assert sorted(visits.category[visits.visit == number].tolist()) == sorted(entries)
    assert visits.length.tolist() == [len(entries) for entries in expected.values()]
    assert (log.user[visits.first] == visits.user).all()
    day = [weeks.first_day(world.days, visit_week) for _, visit_week in expected]
    before = np.maximum(visits.first, 1) - 1
    assert (log.day[visits.first] >= day).all() and ((log.day[before] < day) | (log.user[before] != visits.user)).all()


def test_intervals_are_as_wide_as_a_bootstrap_over_customers() -> None:
    world = random_world(1, users=150, entries=4500)
    visits = collect(world.shop, np.arange(40) % 6)
    counts = without.compare_without(visits, 0)
    rng, users = np.random.default_rng(1), world.shop.log.users
    free = ~visits.contains(0)

    def count_by_user(mask: Array) -> Array:
        """Count (users, 6 + 1): articles of each category, and visits."""
        out = np.zeros((users, 7))
        entry = mask[visits.visit]
        np.add.at(out, (visits.user[visits.visit[entry]], visits.category[entry]), 1)
        np.add.at(out[:, 6], visits.user[mask], 1)
        return out

    all_counts, left = count_by_user(np.ones(len(free), bool)), count_by_user(free)
    draws = []
    for _ in range(1000):
        draw = np.bincount(rng.integers(users, size=users), minlength=users)
        a, b = draw @ left, draw @ all_counts
        draws.append(np.log(a[1:6] / a[6] * b[6] / b[1:6]))
    width = np.log((1 + counts.high[1:]) / (1 + counts.low[1:]))
    assert width == pytest.approx(2 * 1.96 * np.std(draws, axis=0), rel=0.15)


# PARSRec


def build_untrained(shop: Shop) -> Trained:
    """Build PARSRec with untrained weights and no random order, and the visits of the last 20 weeks."""
    torch.manual_seed(1)
    params = network_of("parsrec")[1]
    log, shape = shop.log, params.model.model_copy(update={"missed": "first", "width": 8})
    network = Parsrec(log.users, log.items, shape).eval()
    with torch.no_grad():
        network.item.weight.mul_(20)
    late = params.examples.model_copy(update={"hold": 20})
    visits = label_weeks.split_sessions(weeks.history(log, log.weeks), late, 1)[1]
    return Trained(network, log.weeks, np.arange(log.items) % 7 > 0, visits)


def test_a_batch_of_visits_gives_the_predictions_of_single_visits() -> None:
    shop = random_world(2).shop
    trained, category = build_untrained(shop), np.arange(40) % 4
    visits = trained.visits.select(np.arange(0, len(trained.visits.user), 5))
    network = trained.network.eval()
    chance = parsrec.predict_categories(trained, visits, category, 4, 2, 1)
    assert chance.sum(axis=1) == pytest.approx(np.ones(len(chance))) and (chance[:, 2] == 0).all()
    for row in range(0, len(chance), 7):
        alone = parsrec.predict_categories(trained, visits.select(np.array([row])), category, 4, 2, 1)
        assert alone[0] == pytest.approx(chance[row], abs=1e-5)
    network.item.weight.data.zero_()  # all articles are equally likely: count those of each category that sell
    level = parsrec.predict_categories(trained, visits, category, 4, 2, 1)
    left = np.bincount(category[trained.sold & (category != 2)], minlength=4)
    assert level[0] == pytest.approx(left / left.sum())


def test_a_network_with_equal_chances_predicts_the_change_of_visit_length() -> None:
    """All articles are equally likely: only the visits' length changes, and the removed share is distributed."""
    shop = random_world(2).shop
    trained, category = build_untrained(shop), np.arange(40) % 4
    trained.network.item.weight.data.zero_()
    kinds = categories.Categories("kind", ["a", "b", "c", "d"], category)
    history = weeks.history(shop.log, shop.log.weeks)
    late = collect_visits(history, category, 4, history.week - 8, history.week)
    late = late.select(shop.log.start[late.user] < late.first)
    change = spillover.predict_change(trained, kinds, late, 2, 1)
    free = ~late.contains(2)
    sold = np.bincount(category[trained.sold], minlength=4)
    longer = late.length[free].mean() / late.length.mean()
    assert change[[0, 1, 3]] == pytest.approx(longer * sold.sum() / (sold.sum() - sold[2]) - 1, rel=1e-4)
    check = spillover.check_estimates(history, kinds, 2, trained, 1)
    assert set(check.missed) == {"counted", "blind", "network"} and check.visits == free.sum()
    # the same change for all categories makes no difference after scaling
    assert check.missed["network"] == pytest.approx(check.missed["blind"], rel=1e-4)


def test_ignored_categories_get_no_attention() -> None:
    end = np.array([2])
    visit = Sessions(0 * end, 0 * end, end, np.array([0, 1]), 0 * end, end, np.array([0, 1]))
    network = build_untrained(BY_HAND).network
    both = attention.measure_attention(network, visit, np.array([0, 1, -1]), 2, np.zeros(3, np.int64))
    assert np.nansum(both.attention) == pytest.approx(1) and np.isnan(both.attention).sum() == 2
    ignored = attention.measure_attention(network, visit, np.array([0, -1, -1]), 2, np.zeros(3, np.int64))
    assert np.isnan(ignored.attention).all()


def test_a_category_is_encoded_by_its_name() -> None:
    kinds = categories.build_categories("kind", pl.Series(["hat", None, "coat", "", "hat"]))
    assert kinds.names == ["(none)", "coat", "hat"] and kinds.item_category.tolist() == [2, 0, 1, 0, 2]
    assert kinds.encode("coat") == 1
    with pytest.raises(InputError, match=r"kind 'cap': no article has it; expected .* such as \(none\), hat, coat; or"):
        kinds.encode("cap")
