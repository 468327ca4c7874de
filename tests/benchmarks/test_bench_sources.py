"""Test the 11th place's sources on tiny shops: each rule by hand, truncated lists, the union."""

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
# 2 articles 0, 3 and 4, customer 3 nothing; in the last 7 days article 3 was sold twice, articles 2 and 4 once each.
ROWS = [(0, 0, 1), (0, 1, 2), (1, 2, 8), (1, 3, 9), (2, 0, 3), (2, 3, 10), (2, 4, 11), (3, 1, 14)]
CODES: dict[str, Sequence[int]] = {
    "product_code": [0, 0, 1, 1, 2],
    "department_no": [0, 0, 1, 1, -1],
    "colour_group_code": [0, 1, 1, 0, 0],
}


def make_shop() -> Shop:
    return small(ROWS, 4, 5, 21, articles=CODES, customers={"age": [20.0, 22.0, 50.0, float("nan")]})


def make_query() -> tuple[History, Shop, Array]:
    shop = make_shop()
    return weeks.history(shop.log, 2), shop, np.arange(4, dtype=np.uint32)


def read_rows(best: Lists) -> list[list[int]]:
    return [best.target[best.ptr[r] : best.ptr[r + 1]].tolist() for r in range(best.keys)]


def test_popular() -> None:
    assert read_rows(eleventh_place.list_popular(*make_query())) == [[3, 2, 4]] * 4


def test_best_sellers_of_the_departments_bought_from() -> None:
    """Department 0 sold nothing in the last 7 days, department 1 articles 3 and 2; article 4 has no department."""
    assert read_rows(eleventh_place.list_by_department(*make_query())) == [[], [3, 2], [3, 2], []]


def test_articles_bought_before_with_recent_ones_first() -> None:
    assert read_rows(eleventh_place.list_repurchase(*make_query())) == [[1, 0], [3, 2], [4, 3, 0], []]


def test_other_articles_of_the_same_product() -> None:
    assert read_rows(eleventh_place.list_same_product(*make_query())) == [[], [], [2, 1], []]


def test_popular_in_the_age_bin() -> None:
    """Customers 0 and 1 are 20 to 24, customer 2 is 45 to 54; the age of customer 3 is missing."""
    assert read_rows(eleventh_place.list_by_age(*make_query())) == [[2, 3], [2, 3], [3, 4], []]


def test_bought_by_the_same_customers() -> None:
    """Article 0 (of customer 0) co-occurs with 3 and 4, article 3 (of customer 1) with 0 and 4, by customer 2.

    Customer 2 bought 3, which co-occurs with 2, later than 0, which co-occurs with 1.
    """
    assert read_rows(eleventh_place.list_cooccurring(*make_query())) == [[3, 4], [0, 4], [2, 1], []]


def test_nearest_to_the_profile() -> None:
    """Customer 0 bought department 0 twice and both colours, that of article 1 later: article 1 is nearest, then 0."""
    nearest = read_rows(eleventh_place.list_by_profile(*make_query()))
    assert nearest[0][:2] == [1, 0] and nearest[3] == []


def test_a_rule_does_not_read_its_label_week() -> None:
    world = random_world(seed=3)
    shop, changed = world.shop, world.rewritten(weeks.first_day(world.days, 40), 1).shop
    users = np.arange(shop.log.users, dtype=np.uint32)
    for source in eleventh_place.SOURCES.values():
        lists = [source.rule(weeks.history(data.log, 40), data, users) for data in (shop, changed)]
        assert np.array_equal(lists[0].ptr, lists[1].ptr) and np.array_equal(lists[0].target, lists[1].target)


def test_lists_are_truncated_to_a_number_of_candidates() -> None:
    """Rows of 4, 1 and 0 entries: keeping at most 1, 2, 3 or 4 of each leaves 2/3, 1, 4/3 or 5/3 per row."""
    lists = Lists(np.array([0, 4, 5, 5]), np.arange(5, dtype=np.uint32), np.ones(5, np.float32))
    assert [read_rows(sources_table.truncate(lists, each)) for each in (1.1, 60)] == [
        [[0, 1], [4], []],
        [[0, 1, 2, 3], [4], []],
    ]
    assert sources_table.truncate(Lists(np.zeros(3, np.int64), lists.target[:0], lists.weight[:0]), 5).keys == 2


def test_figures_and_union_by_hand() -> None:
    first = Lists(np.array([0, 2, 3]), np.array([7, 8, 7], np.uint32), np.ones(3, np.float32))
    second = Lists(np.array([0, 1, 1]), np.array([8], np.uint32), np.ones(1, np.float32))
    assert read_rows(sources_table.unite([first, second])) == [[7, 8], [7]]
    bought = np.array([7, (1 << 32) + 7, (1 << 32) + 9], np.uint64)  # (0, 7), (1, 7), (1, 9)
    figures = sources_table.measure(first, bought, 1)
    assert (figures["a buyer"], figures["recall"], figures["hit ratio"]) == pytest.approx((1.5, 2 / 3, 2 / 3))
    assert figures["low"] <= 2 / 3 <= figures["high"] <= 1


def test_published_figures_are_consistent() -> None:
    """Recall is hit ratio times rows over pairs, up to rounding."""
    for source in eleventh_place.SOURCES.values():
        assert source.hit_ratio * source.rows / eleventh_place.PAIRS == pytest.approx(
            source.recall, abs=5e-5 * source.rows / 2e5
        )


def test_the_row_of_a_source_that_is_off() -> None:
    ours = {"a buyer": 2.0, "recall": 0.5, "low": 0.4, "high": 0.6, "hit ratio": 0.25}
    theirs = {"a buyer": 2.0, "recall": 0.1, "hit ratio": 0.2}
    table = {"x": {"nearest": "two_tower", "theirs": theirs, "same rule": ours, "ours": None}}
    assert sources_table.format_cells(table) == [
        ["x (two_tower)", "2.0", "2.0", "", "0.1000", "0.5000 [0.4000, 0.6000]", "", "0.2000", "0.2500", ""]
    ]
    assert len(sources_table.plot(table, {12: {"theirs": 0.1, "ours": 0.2}}).axes) == 2
