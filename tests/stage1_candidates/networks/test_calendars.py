"""Test calendars and repurchase rates by hand, on a drawn shop."""

from pathlib import Path

import numpy as np
import pytest
from world import closed, drawn, network_of, random_world, small

from retail import weeks
from retail.log import Array, Log
from stage1_candidates.networks.case import calendars, plugin
from stage1_candidates.networks.case.batches import Candidates

NONE = np.zeros(3, np.float32)
#              week 0 | week 1 | week 2
SHOP = drawn("a.a.b.. ..a.... .c.....".replace(" ", ""), "....c.. c...... c......".replace(" ", ""))


def build_at(week: int, horizon: int = 364, most: int = 99, rate: Array = NONE) -> Candidates:
    users = np.arange(2, dtype=np.uint32)
    return calendars.build_calendars(weeks.history(SHOP.log, week), users, rate, horizon, most)


def list_days(rows: Candidates) -> list[list[int]]:
    return [part.tolist() for part in np.split(rows.day, rows.day_ptr[1:-1])]


def test_articles_and_days_before_the_cutoff() -> None:
    first = build_at(1)
    assert first.ptr.tolist() == [0, 2, 3] and first.item.tolist() == [1, 2, 3]
    assert list_days(first) == [[4, 6], [2], [2]]  # a on days 0 and 2, b and c on day 4; the cutoff is day 7
    second = build_at(2)
    assert second.item.tolist() == [1, 2, 3]
    assert list_days(second) == [[4, 11, 13], [9], [6, 9]]


def test_the_horizon_removes_days_but_no_article() -> None:
    rows = build_at(2, horizon=9)
    assert rows.item.tolist() == [1, 2, 3] and list_days(rows) == [[4], [], [6]]
    assert np.exp(rows.prior[:, 0]).round().tolist() == [3, 1, 2]  # counts ignore the horizon


def test_only_the_articles_bought_last_are_kept() -> None:
    rows = build_at(2, most=1)
    assert rows.ptr.tolist() == [0, 1, 2] and rows.item.tolist() == [1, 3] and list_days(rows) == [[4, 11, 13], [6, 9]]


def test_priors_by_hand() -> None:
    rate = np.array([0.5, 0.25, 0.2], np.float32)
    prior = build_at(2, rate=rate).prior
    sold_a, sold_b = [np.log(2), np.log(4), np.log(4)], [0.0, np.log(2), np.log(2)]  # in 7, 28, 91 days
    a = [np.log(3), np.log(5), np.log(2), np.log(14), np.log(5), np.log(3), 0.0, np.log(1.5), *sold_a]
    b = [0.0, np.log(10), np.log(3), np.log(10), np.log(5), np.log(3), np.log(1 / 3), np.log(0.25), *sold_b]
    assert prior[:2] == pytest.approx(np.array([a, b]), abs=1e-6)  # b was in the third of four baskets


def test_labels_are_the_purchases_of_the_week() -> None:
    users = np.arange(2, dtype=np.uint32)
    labels = [
        calendars.build_labelled(weeks.history(SHOP.log, week), users, NONE, 364, 99).label.tolist() for week in (1, 2)
    ]
    assert labels == [[1, 0, 1], [0, 0, 1]]  # in week 2 customer 0 bought c for the first time


def test_rebuy_rates_by_hand() -> None:
    counts = [calendars.count_rebuys(SHOP.log, week, 99, 0) for week in (1, 2)]
    assert counts[0].tolist() == [[1, 1, 1], [1, 0, 1]] and counts[1].tolist() == [[1, 1, 1], [0, 0, 1]]
    rate = calendars.compute_rebuy_rates(counts, 2.0, 3)  # mean 3 / 6
    assert rate.tolist() == [(1 + 1) / 4, (0 + 1) / 4, (2 + 1) / 4]
    assert calendars.compute_rebuy_rates([], 2.0, 3).tolist() == pytest.approx([0.05] * 3)


def test_rebuy_counts_equal_the_labelled_calendars() -> None:
    log = random_world(seed=3).shop.log
    for week in (1, 20, 57):
        users = calendars.sample_known_buyers(log, week, 9, 0)
        assert 0 < len(users) <= 9
        none = np.zeros(log.items, np.float32)
        rows = calendars.build_labelled(weeks.history(log, week), users, none, 364, log.items)
        slow = np.stack([np.bincount(rows.item - 1, w, log.items) for w in (np.ones(len(rows.item)), rows.label)])
        assert np.array_equal(calendars.count_rebuys(log, week, 9, 0), slow)


def test_joined_calendars_hold_the_customers_of_both() -> None:
    both = calendars.join([build_at(1), build_at(2)])
    assert both.ptr.tolist() == [0, 2, 3, 5, 6] and both.item.tolist() == [1, 2, 3, 1, 2, 3]
    assert (
        list_days(both) == list_days(build_at(1)) + list_days(build_at(2)) and len(both.prior) == len(both.label) == 6
    )


def test_an_article_bought_last_is_kept_beyond_the_horizon() -> None:
    """Ages 899, 409, 509 and 9 days, horizon 364: of the three older articles, the one of age 409 is kept."""
    shop = small([(0, 0, 10), (0, 1, 500), (0, 2, 400), (0, 3, 900)], 1, 4, 910)
    history = weeks.history(shop.log, 130)
    rows = calendars.build_calendars(history, np.zeros(1, np.int64), np.full(4, 0.1, np.float32), 364, 2)
    assert rows.item.tolist() == [2, 4] and rows.day.tolist() == [9] and rows.day_ptr.tolist() == [0, 0, 1]


def test_the_weeks_held_out_are_the_last_with_sales(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At week 14 the held-out weeks are 8 and 9, not 12 and 13."""
    shop = closed()
    examples, join = plugin._examples, calendars.join
    week_of: dict[int, int] = {}
    parts_of: list[list[Candidates]] = []

    def record_week(log: Log, week: int, counts: dict[int, Array], params: plugin.Params) -> Candidates:
        part = examples(log, week, counts, params)
        week_of[id(part)] = week
        return part

    def record_parts(parts: list[Candidates]) -> Candidates:
        parts_of.append(parts)
        return join(parts)

    monkeypatch.setattr(plugin, "_examples", record_week)
    monkeypatch.setattr(calendars, "join", record_parts)
    _, params = network_of("case")
    few = params.model_copy(update={"examples": params.examples.model_copy(update={"hold": 2})})
    assert plugin.train(weeks.history(shop.log, 14), shop, few, 1, tmp_path)
    train, held = ([week_of[id(part)] for part in parts] for parts in parts_of)
    assert held == [8, 9] and train == [*range(1, 8)]
