"""Test the calendar: where weeks begin, what a history holds, the customers of a week, and the plan of weeks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import BOARD, drawn, log_table, small

from retail import log, weeks
from retail.errors import InputError
from retail.log import Log
from retail.params import Train, Weeks


def plan_of(validation: int = 4, most: int = 3, least: int = 1, customers: int = 10**6, stop: int = 1) -> Weeks:
    train = Train(most=most, least=least, customers=customers)
    return Weeks(validation=validation, stop=stop, stop_customers=100, train=train)


def busy(weeks_of_data: int, buyers: int = 1) -> Log:
    """``buyers`` customers who each buy article 0 in the middle of every week."""
    rows = [(user, 0, 7 * week + 3) for week in range(weeks_of_data) for user in range(buyers)]
    return log.build(log_table(rows), buyers, 1, 7 * weeks_of_data)


def test_the_log_is_sorted_by_customer_and_by_article() -> None:
    # customer 0: a on day 2 and b, a on day 0; customer 1: a on day 1
    log_ = log.build(log_table([(0, 0, 2), (1, 0, 1), (0, 1, 0), (0, 0, 0)]), 3, 3, 3)
    assert log_.user.tolist() == [0, 0, 0, 1]
    assert log_.day.tolist() == [0, 0, 2, 1]
    assert log_.item.tolist() == [0, 1, 0, 0]
    assert log_.visit.tolist() == [0, 0, 1, 0]
    assert log_.start.tolist() == [0, 3, 4, 4]
    assert log_.by_item.tolist() == [0, 3, 2, 1] and log_.item_day.tolist() == [0, 1, 2, 0]
    assert log_.item_start.tolist() == [0, 3, 4, 4]
    assert (log_.users, log_.items, log_.days, log_.weeks) == (3, 3, 3, 1)


def test_weeks_end_with_the_data_and_the_first_may_be_partial() -> None:
    assert [weeks.first_day(14, week) for week in (0, 1, 2)] == [0, 7, 14]
    # 16 days are three weeks: days 0-1, 2-8 and 9-15
    assert [weeks.first_day(16, week) for week in (0, 1, 2, 3)] == [-5, 2, 9, 16]
    assert log.build(log_table([(0, 0, 15)]), 1, 1, 16).weeks == 3


def test_the_day_before_the_cutoff_is_known_and_the_cutoff_day_is_not() -> None:
    shop = drawn("a.....bcd.....", ".......a......", "......b.......")  # week 1: days 7-13
    history = weeks.history(shop.log, 1)
    assert history.cutoff == 7
    assert history.log.item[history.known].tolist() == [0, 1, 1]  # a (day 0), b (day 6); then customer 2's b (day 6)
    assert (history.stop - shop.log.start[:-1]).tolist() == [2, 0, 1]
    assert (history.item_stop - shop.log.item_start[:-1]).tolist() == [1, 2, 0, 0]


def test_a_known_entry_loses_half_its_weight_in_a_half_life() -> None:
    # cutoff day 7: a on day 3 (4 days before), b on day 6 (1 day before); c on day 7 is not known
    history = weeks.history(drawn("...a..bc......", "b.............").log, 1)
    assert history.decay(half_life=2.0).tolist() == [2**-2.0, 2**-0.5, 2**-3.5]
    assert history.decay(half_life=np.inf).tolist() == [1.0, 1.0, 1.0]


@settings(deadline=None, max_examples=40)
@given(
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 24)), min_size=1, max_size=50),
    st.integers(1, 4),
)
def test_a_history_holds_exactly_the_days_before_the_cutoff(rows: set[tuple[int, int, int]], week: int) -> None:
    log_ = log.build(log_table(sorted(rows)), 5, 5, 25)
    history = weeks.history(log_, week)
    past = sorted((u, d, i) for u, i, d in rows if d < history.cutoff)
    known = history.known
    assert (
        list(zip(log_.user[known].tolist(), log_.day[known].tolist(), log_.item[known].tolist(), strict=True)) == past
    )
    entries = [log_.by_item[a:b] for a, b in zip(log_.item_start[:-1], history.item_stop, strict=True)]
    assert sorted(np.concatenate(entries).tolist()) == known.tolist()


def test_the_truth_is_a_set() -> None:
    shop = drawn("bab.a..", BOARD[1], ".......")
    user, item = weeks.truth(shop.log, 0)
    assert list(zip(user.tolist(), item.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1), (1, 3)]
    assert user.dtype == item.dtype == np.uint32


def test_the_truth_is_one_week() -> None:
    shop = drawn("a......b.....cd", "..............a")  # 15 days: week 0 is day 0, week 1 days 1-7, week 2 days 8-14
    assert [weeks.truth(shop.log, week)[1].tolist() for week in range(4)] == [[0], [1], [2, 3, 0], []]


def test_buyers_of_a_week_and_a_week_without_any() -> None:
    shop = drawn("a.............", ".......a......", "aa.....a.a....")
    assert weeks.buyers(shop.log, 0).tolist() == [0, 2]
    assert weeks.buyers(shop.log, 1).tolist() == [1, 2]
    with pytest.raises(InputError, match=r"no customer bought in label week 2 \(days 14\.\.20 of the data\)"):
        weeks.buyers(shop.log, 2)


@settings(deadline=None, max_examples=40)
@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 24)), min_size=1, max_size=50))
def test_buyers_per_week_counts_a_customer_once_a_week(rows: set[tuple[int, int, int]]) -> None:
    log_ = log.build(log_table(sorted(rows)), 5, 5, 25)
    slow = [len(set(weeks.truth(log_, week)[0].tolist())) for week in range(log_.weeks)]
    assert weeks.count_buyers(log_) == slow


def test_the_plan_of_ten_weeks() -> None:
    plan = weeks.plan(busy(10), plan_of(validation=4, most=3))
    assert plan.train == [2, 3, 4] and plan.stop == [5] and plan.validation == [6, 7, 8, 9]
    assert plan.final == [6, 7, 8, 9] and plan.submission == 10
    assert plan.labelled == [2, 3, 4, 5, 6, 7, 8, 9] and plan.all == [*plan.labelled, 10]


def test_the_plan_with_several_stopping_weeks() -> None:
    plan = weeks.plan(busy(20), plan_of(validation=4, most=3, stop=3))
    assert plan.train == [10, 11, 12] and plan.stop == [13, 14, 15] and plan.validation == [16, 17, 18, 19]
    assert plan.final == [14, 15, 16, 17, 18, 19] and plan.labelled == list(range(10, 20))


@pytest.mark.parametrize(("before", "stop"), [(2, [2]), (7, [7]), (8, [7, 8]), (12, [10, 11, 12]), (30, [28, 29, 30])])
def test_no_more_than_a_quarter_of_the_weeks_stop_the_training(before: int, stop: list[int]) -> None:
    plan = weeks.plan(busy(before + 3), plan_of(validation=2, most=99, stop=3))
    assert plan.stop == stop and plan.train == list(range(1, stop[0]))


def test_a_closed_week_neither_trains_nor_stops() -> None:
    rows = [(0, 0, 7 * week) for week in range(20) if week not in (9, 14)]
    plan = weeks.plan(log.build(log_table(rows), 1, 1, 140), plan_of(validation=4, most=3, stop=3))
    assert plan.stop == [12, 13, 15] and plan.train == [8, 10, 11]


def test_the_plan_leaves_the_first_week_to_the_past() -> None:
    plan = weeks.plan(busy(7), plan_of(validation=4, most=99))
    assert plan.train == [1] and plan.stop == [2] and plan.validation == [3, 4, 5, 6] and plan.final == [5, 6]


def test_the_plan_takes_as_many_weeks_as_the_customers_fill() -> None:
    log_ = busy(12, buyers=5)
    assert weeks.plan(log_, plan_of(validation=2, most=9, customers=15)).train == [6, 7, 8]  # 3 weeks x 5 buyers
    assert weeks.plan(log_, plan_of(validation=2, most=9, customers=14)).train == [7, 8]
    assert weeks.plan(log_, plan_of(validation=2, most=9, customers=1, least=4)).train == [5, 6, 7, 8]
    assert weeks.plan(log_, plan_of(validation=2, most=2, customers=10**6)).train == [7, 8]


def test_tuning_weeks_are_the_last_training_weeks_and_at_most_half_of_them() -> None:
    plan = weeks.plan(busy(12), plan_of(validation=4, most=5))
    assert plan.train == [2, 3, 4, 5, 6] and plan.stop == [7]
    assert plan.tuning(1) == [6] and plan.tuning(2) == [5, 6] and plan.tuning(9) == [5, 6]
    assert weeks.plan(busy(7), plan_of(validation=4, most=99)).tuning(3) == []


def test_the_customers_of_a_tuning_week_are_among_those_of_training() -> None:
    log_, settings_ = busy(10, buyers=60), plan_of(validation=4, most=3, customers=90)
    plan = weeks.plan(log_, settings_)
    trained = weeks.customers(log_, plan, plan.train[-1], settings_, seed=1)
    tuning = weeks.tuning_customers(log_, plan, plan.train[-1], settings_, most=20, seed=1)
    assert len(tuning) == 20 < len(trained) and np.isin(tuning, trained).all()


def test_no_week_is_trained_on_and_reported() -> None:
    for n in range(7, 30):
        plan = weeks.plan(busy(n), plan_of(most=6))
        assert not {*plan.train, *plan.stop} & {*plan.validation} and not {*plan.train} & {*plan.stop}
        assert max(plan.train) < plan.stop[0] <= plan.stop[-1] < min(plan.validation) and max(plan.final) == n - 1
        assert min(plan.train) >= 1 and len(plan.final) == len(plan.train) + 1


@pytest.mark.parametrize(("validation", "needed"), [(4, 7), (1, 4)])
def test_too_few_weeks(validation: int, needed: int) -> None:
    assert weeks.plan(busy(needed), plan_of(validation)).train == [1]
    with pytest.raises(InputError, match=rf"{needed - 1} week\(s\) of history, expected at least {needed} for"):
        weeks.plan(busy(needed - 1), plan_of(validation))


def test_a_sample_of_customers_is_seeded_and_its_size_kept() -> None:
    users = np.arange(0, 300, 3, dtype=np.uint32)
    sample = weeks.sample_users(users, 20, week=5, seed=1)
    assert len(np.unique(sample)) == 20 and np.isin(sample, users).all() and (np.diff(sample.astype(int)) > 0).all()
    assert np.array_equal(sample, weeks.sample_users(users, 20, week=5, seed=1))
    assert not np.array_equal(sample, weeks.sample_users(users, 20, week=6, seed=1))
    assert not np.array_equal(sample, weeks.sample_users(users, 20, week=5, seed=2))
    assert np.array_equal(weeks.sample_users(users, 100, week=5, seed=1), users)


def test_all_buyers_of_a_validation_week_and_a_share_of_the_others() -> None:
    log_ = busy(10, buyers=60)
    settings_ = plan_of(validation=4, most=3, customers=30).model_copy(update={"stop_customers": 7})
    plan = weeks.plan(log_, settings_)
    assert len(plan.train) == 1  # 60 buyers a week fill 30 customers at once
    counts = {week: len(weeks.customers(log_, plan, week, settings_, seed=1)) for week in plan.labelled}
    assert counts == {4: 30, 5: 7, 6: 60, 7: 60, 8: 60, 9: 60}
    log_, settings_ = busy(20, buyers=60), settings_.model_copy(update={"stop": 3})
    plan = weeks.plan(log_, settings_)
    assert [len(weeks.customers(log_, plan, week, settings_, seed=1)) for week in plan.stop] == [3, 3, 3]  # of 7


def test_a_history_caches_values_for_its_week_only() -> None:
    shop = small([(0, 0, 3)], 1, 1, 14)
    history, numbers = weeks.history(shop.log, 1), iter((7, 8, 9))
    assert [history.once(key, lambda: next(numbers)) for key in ("x", "x", "y", "x")] == [7, 7, 8, 7]
    assert weeks.history(shop.log, 1).once("x", lambda: 0) == 0
