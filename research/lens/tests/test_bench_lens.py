"""Test LENS's benchmark: its tasks, metrics and baselines by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from world import drawn

from insights import anomalies
from research.case.tafeng import DAYS
from research.lens import figures, report, rows, tasks, uses
from research.lens.tasks import Task
from retail import weeks
from retail.log import Array
from stage1_candidates.networks.lens import basket_sequences
from stage1_candidates.networks.lens.basket_sequences import Query
from stage1_candidates.networks.lens.plugin import Expected

# Customer 0 buys a twice and b, c once before its last basket of a and d; customer 1 buys b, b and then a.
SHOP = drawn(("a..a...a", "b..c...d"), ("b.b...a.",), items=4)


def make_task(shop: Any = SHOP) -> Task:
    """Make the task to predict the last baskets of customers 0 and 1."""
    history = weeks.history(shop.log, shop.log.weeks)
    sequences = basket_sequences.read_sequences(history, np.arange(shop.log.items), None)
    stop = sequences.start[1:] - 1
    last = Query(np.array([0, 1]), stop, sequences.day[stop])
    return Task("toy", "", sequences, last, last, last, pieces=True, customers=True)


def test_measures_by_hand() -> None:
    task = make_task()
    lists = np.array([[1, 2, 3, 0], [2, 0, 0, 0]])  # a, b, c for {a, d}; b for {a}
    measures = figures.measure_baskets(lists, task, task.test)
    assert measures.tolist() == [[1 / 2, 1 / 3, 2 / 5], [0, 0, 0]]
    mean = figures.summarise(measures)
    assert mean["f1"] == pytest.approx(1 / 5) and mean["f1_of_means"] == pytest.approx(2 / 4 * 1 / 6 / (1 / 4 + 1 / 6))
    repeated = figures.measure_baskets(np.array([[1, 1, 0, 0], [0, 0, 0, 0]]), task, task.test)
    assert repeated.tolist() == [[1 / 2, 1, 2 / 3], [0, 0, 0]]  # an article counts once; an empty list has no hit


def test_lists_are_averaged_over_their_lengths() -> None:
    task = make_task()
    mean = figures.average_lists(np.array([[1, 2], [2, 1]]), task, task.test)  # k = 1, then nine lists of both
    assert mean["recall"] == pytest.approx((1 / 4 + 9 * 3 / 4) / 10)
    assert mean["precision"] == pytest.approx((1 / 2 + 9 / 2) / 10)


def test_personal_lists_by_hand() -> None:
    task = make_task()
    lists = figures.rank_own(task, task.test, None)
    assert lists[:, :4].tolist() == [[1, 3, 2, 0], [2, 0, 0, 0]]  # a twice; c is later than b
    assert figures.average_length(task, task.test).tolist() == [2, 1]
    assert figures.cut_lists(lists, np.array([2, 1]))[:, :3].tolist() == [[1, 3, 0], [2, 0, 0]]
    row, token, weight = tasks.count_own(task, task.test, 4.0)
    assert row.tolist() == [0, 0, 0, 1] and token.tolist() == [1, 2, 3, 2]
    assert np.allclose(weight, [2**-1 + 2 ** (-7 / 4), 2 ** (-7 / 4), 2**-1, 2**-1 + 2**-1.5], atol=1e-5)


def test_gaps_by_hand() -> None:
    """Customer 0: gaps 1, 2, 6 and then 3; customer 1 has a single basket before the last one."""
    task = make_task(drawn("aa.a.....a..a", "a....a......."))
    true, mean, median = figures.compute_gaps(task, task.test)
    assert true.tolist() == [3, 5] and mean[0] == 3 and median[0] == 2 and np.isnan(mean[1]) and np.isnan(median[1])


def make_signal(*days: int) -> list[int]:
    """Mark a purchase on each of ``days``, counted back from the target; 1 is the day before it."""
    return [int(day in [d - 1 for d in days]) for day in range(DAYS)]


def write_tafeng(folder: Path) -> None:
    """User 5: articles 0 and 1 on the tenth day before, 0 and 2 on the fourth, the target holds 0 and 2 again."""
    user = {"cid": [5], "item_id_idx_arr": [[0, 1, 2]], "label_arr": [[1, 0, 1]],
            "member_day_arr": [[make_signal(10, 4), make_signal(10), make_signal(4)]]}  # fmt: skip
    for part in ("train", "validate", "test"):
        pl.DataFrame(user).write_parquet(folder / f"tafeng_{part}.parquet")


def test_tafeng_by_hand(tmp_path: Path) -> None:
    write_tafeng(tmp_path)
    task = tasks.make_tafeng_task(tmp_path)
    sequences = task.sequences
    # training: the repeated part of the fourth day's basket is article 0, that of the target 0 and 2; 0 sells most
    assert sequences.users == 4 and np.diff(sequences.start).tolist() == [2, 3, 3, 3]
    first, last = slice(sequences.start[0], sequences.start[1]), slice(sequences.start[3], sequences.start[4])
    assert sequences.day[first].tolist() == [0, 6] and sequences.day[last].tolist() == [0, 6, 10]
    baskets = [
        set(sequences.token[low:high].tolist()) for low, high in zip(sequences.ptr, sequences.ptr[1:], strict=False)
    ]
    token_0, token_2 = 1, next(iter(baskets[int(sequences.start[3]) + 1] - {1}))  # tokens of articles 0, 2 and 1
    token_1 = next(iter(baskets[0] - {1}))
    assert {token_0, token_1, token_2} == {1, 2, 3}
    assert baskets[first] == [{token_0, token_1}, {token_0}]
    assert baskets[last] == [{token_0, token_1}, {token_0, token_2}, {token_0, token_2}]
    users = [query.user.tolist() for query in (task.train, task.validation, task.test)]
    assert users == [[0, 1], [2], [3]]
    assert task.test.stop.tolist() == [sequences.start[4] - 1]
    assert task.training_baskets.tolist() == [True] * 5 + [False] * 6


def test_training_reads_no_later_days() -> None:
    shop = drawn(*("a......" * 60 for _ in range(3)))
    task = tasks.make_shop_task("toy", shop)
    assert task.train.day.max() < task.validation.day.min() <= task.test.day.min() - 1
    assert task.sequences.day[task.training_baskets].max() < task.validation.day.min()
    assert len(task.test.user) == len(np.unique(task.test.user)) == 3


def test_alerts_of_the_true_baskets_have_precision_and_recall_one() -> None:
    task = make_task(drawn("a......a......a" * 10, "b......b......b" * 10))

    class Oracle:
        sequences, vocabulary = task.sequences, np.arange(2)

        def articles(self) -> Array:
            return np.eye(2, dtype=np.float32)

        def expected(self, query: Query) -> Expected:
            day = self.sequences.day
            days = (day[query.stop] - day[query.stop - 1]).astype(np.float32)
            return Expected(anomalies.collect_baskets(self, query), days, np.eye(2, dtype=np.float32))

    for alerts in uses.measure_alerts(Oracle(), 100).values():
        assert alerts["precision"] == alerts["recall"] == 1 and alerts["true"] > 0


def test_the_report_has_every_part(tmp_path: Path) -> None:
    summary = {"recall": 0.1, "precision": 0.2, "f1": 0.12, "f1_of_means": 0.13}
    gap = {"mean": 0.01, "low": 0.0, "high": 0.02}
    chosen = {name: {"length": 3, "half_life": 30.0} for name in ("personal top", "personal top with decay")}
    task = {
        "about": "toy", "mean length": 3.0, "chosen": chosen,
        "rows": {"personal top, own length": {"free": summary, "lists": summary},
                 rows.OWN: {"free": summary, "lists": summary, "forced": summary, "length": 2.0, "seeds": [1],
                            "seconds": 3.0}},
        "F1 minus": {rows.OWN: dict.fromkeys(rows.PERSONAL, gap)},
    }  # fmt: skip
    head = {"days": 2.0, "minus": {"the mean": gap, "the median": gap}, "seeds": [1], "seconds": 3.0}
    alerts = {"precision": 0.5, "recall": 0.5, "share of all days": 0.3}
    model = {
        "anomalies": {"articles": {"within": 0.9, "alone": 0.8}, "time": {"within": 0.9, "alone": 0.8},
                      "about": {"clusters": 2}},
        "alerts": {"per day": alerts, "cumulative": alerts},
    }  # fmt: skip
    results = {
        "baskets": {"online_retail": task},
        "times": {"online_retail": {"customers": 2, "rows": {"the customer's mean gap": {"days": 3.0}, "head": head}}},
        "by heart": {"LENS1000": {**summary, "seconds": 3.0}},
        "insights": {"online_retail": {"LENS": model}},
    }  # fmt: skip
    origin = {"data": {}, "libraries": {}, "seeds": [1], "command": "make", "seconds": 1.0, "device": "none"}
    report.write(origin, results, tmp_path)
    text = (tmp_path / "lens.md").read_text()
    assert rows.OWN in text and "+0.0100 [+0.0000, +0.0200]" in text and ".3723" in text
    assert (tmp_path / "lens.png").stat().st_size > 1000 and (tmp_path / "lens.json").exists()
