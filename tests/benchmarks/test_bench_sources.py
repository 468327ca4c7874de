"""The 11th place's sources on shops that can be seen whole: each rule by hand, lists cut to a number, the union."""

from collections.abc import Sequence

import numpy as np
import pytest
from world import random_world, small

from benchmarks import eleventh_place, sources_table
from retail import weeks
from retail.log import Array
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.lists import Lists

# Label week 2 begins on day 14. Customer 0 bought articles 0 and 1 long ago, customer 1 article 2 and then 3, customer
# 2 articles 0, 3 and 4, customer 3 nothing; in the last 7 days article 3 was sold twice, article 2 and 4 once each.
ROWS = [(0, 0, 1), (0, 1, 2), (1, 2, 8), (1, 3, 9), (2, 0, 3), (2, 3, 10), (2, 4, 11), (3, 1, 14)]
CODES: dict[str, Sequence[int]] = {
    "product_code": [0, 0, 1, 1, 2],
    "department_no": [0, 0, 1, 1, -1],
    "colour_group_code": [0, 1, 1, 0, 0],
}


def shop() -> Shop:
    return small(ROWS, 4, 5, 21, articles=CODES, customers={"age": [20.0, 22.0, 50.0, float("nan")]})


def asked() -> tuple[History, Shop, Array]:
    one = shop()
    return weeks.history(one.log, 2), one, np.arange(4, dtype=np.uint32)


def rows(best: Lists) -> list[list[int]]:
    return [best.target[best.ptr[r] : best.ptr[r + 1]].tolist() for r in range(best.keys)]


def test_popular() -> None:
    assert rows(eleventh_place.popular(*asked())) == [[3, 2, 4]] * 4


def test_best_sellers_of_the_departments_bought_from() -> None:
    """Department 0 sold nothing lately, department 1 articles 3 and 2; article 4 has no department."""
    assert rows(eleventh_place.by_department(*asked())) == [[], [3, 2], [3, 2], []]


def test_what_was_bought_before_the_recent_first() -> None:
    assert rows(eleventh_place.repurchase(*asked())) == [[1, 0], [3, 2], [4, 3, 0], []]


def test_other_articles_of_the_same_product() -> None:
    assert rows(eleventh_place.same_product(*asked())) == [[], [], [2, 1], []]


def test_popular_in_the_age_bin() -> None:
    """Customers 0 and 1 are 20 to 24, customer 2 is 45 to 54; nobody knows of customer 3."""
    assert rows(eleventh_place.by_age(*asked())) == [[2, 3], [2, 3], [3, 4], []]


def test_bought_by_the_same_customers() -> None:
    """Beside 0, which customer 0 has, customer 2 bought 3 and 4; beside 3, which customer 1 has, 0 and 4. Customer 2
    bought 3, beside which there is 2, later than 0, beside which there is 1."""
    assert rows(eleventh_place.together(*asked())) == [[3, 4], [0, 4], [2, 1], []]


def test_nearest_to_the_profile() -> None:
    """Customer 0 has department 0 twice and either colour, the later one, of 1, heavier: both on article 1, then 0."""
    found = rows(eleventh_place.profile(*asked()))
    assert found[0][:2] == [1, 0] and found[3] == []


def test_a_rule_knows_nothing_of_its_label_week() -> None:
    world = random_world(seed=3)
    one, other = world.shop, world.rewritten(weeks.first_day(world.days, 40), 1).shop
    users = np.arange(one.log.users, dtype=np.uint32)
    for their in eleventh_place.SOURCES.values():
        lists = [their.rule(weeks.history(of.log, 40), of, users) for of in (one, other)]
        assert np.array_equal(lists[0].ptr, lists[1].ptr) and np.array_equal(lists[0].target, lists[1].target)


def test_lists_are_cut_to_a_number_of_candidates() -> None:
    """Rows of 4, 1 and 0: at most 1, 2, 3, 4 of each make 2/3, 1, 4/3 and 5/3 a row."""
    lists = Lists(np.array([0, 4, 5, 5]), np.arange(5, dtype=np.uint32), np.ones(5, np.float32))
    assert [rows(sources_table.cut(lists, each)) for each in (1.1, 60)] == [[[0, 1], [4], []], [[0, 1, 2, 3], [4], []]]
    assert sources_table.cut(Lists(np.zeros(3, np.int64), lists.target[:0], lists.weight[:0]), 5).keys == 2


def test_figures_and_union_by_hand() -> None:
    one = Lists(np.array([0, 2, 3]), np.array([7, 8, 7], np.uint32), np.ones(3, np.float32))
    other = Lists(np.array([0, 1, 1]), np.array([8], np.uint32), np.ones(1, np.float32))
    assert rows(sources_table.united([one, other])) == [[7, 8], [7]]
    bought = np.array([7, (1 << 32) + 7, (1 << 32) + 9], np.uint64)  # (0, 7), (1, 7), (1, 9)
    found = sources_table.figures(one, bought, 1)
    assert (found["a buyer"], found["recall"], found["hit ratio"]) == pytest.approx((1.5, 2 / 3, 2 / 3))
    assert found["low"] <= 2 / 3 <= found["high"] <= 1


def test_what_was_published_adds_up() -> None:
    """Recall is hit ratio x rows over pairs, but for rounding."""
    for their in eleventh_place.SOURCES.values():
        assert their.hit_ratio * their.rows / eleventh_place.PAIRS == pytest.approx(
            their.recall, abs=5e-5 * their.rows / 2e5
        )


def test_the_table_of_an_absent_source() -> None:
    ours = {"a buyer": 2.0, "recall": 0.5, "low": 0.4, "high": 0.6, "hit ratio": 0.25}
    theirs = {"a buyer": 2.0, "recall": 0.1, "hit ratio": 0.2}
    table = {"x": {"nearest": "two_tower", "theirs": theirs, "same rule": ours, "ours": None}}
    assert sources_table.cells(table) == [
        ["x (two_tower)", "2.0", "2.0", "", "0.1000", "0.5000 [0.4000, 0.6000]", "", "0.2000", "0.2500", ""]
    ]
    assert len(sources_table.plot(table, {12: {"theirs": 0.1, "ours": 0.2}}).axes) == 2
