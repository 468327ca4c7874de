"""LENS's benchmark: its tasks, measures and rivals by hand."""

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
from stage1_candidates.networks.lens import funnels
from stage1_candidates.networks.lens.funnels import Asked
from stage1_candidates.networks.lens.plugin import Expected

# Customer 0 buys a twice and b, c once before its last basket of a and d; customer 1 buys b, b and then a.
SHOP = drawn(("a..a...a", "b..c...d"), ("b.b...a.",), items=4)


def task(shop: Any = SHOP) -> Task:
    history = weeks.history(shop.log, shop.log.weeks)
    of = funnels.funnels(history, np.arange(shop.log.items), None)
    last = Asked(np.array([0, 1]), of.start[1:] - 1, of.day[of.start[1:] - 1])
    return Task("toy", "", of, last, last, last, pieces=True, customers=True)


def test_measures_by_hand() -> None:
    one = task()
    named = np.array([[1, 2, 3, 0], [2, 0, 0, 0]])  # a, b, c for {a, d}; b for {a}
    each = figures.measured(named, one, one.test)
    assert each.tolist() == [[1 / 2, 1 / 3, 2 / 5], [0, 0, 0]]
    mean = figures.summary(each)
    assert mean["f1"] == pytest.approx(1 / 5) and mean["f1_of_means"] == pytest.approx(2 / 4 * 1 / 6 / (1 / 4 + 1 / 6))
    repeated = figures.measured(np.array([[1, 1, 0, 0], [0, 0, 0, 0]]), one, one.test)
    assert repeated.tolist() == [[1 / 2, 1, 2 / 3], [0, 0, 0]]  # an article counts once; nothing named is no hit


def test_lists_are_averaged_over_their_lengths() -> None:
    one = task()
    named = np.array([[1, 2], [2, 1]])
    found = figures.averaged_lists(named, one, one.test)  # k = 1, then nine lists of both
    assert found["recall"] == pytest.approx((1 / 4 + 9 * 3 / 4) / 10)
    assert found["precision"] == pytest.approx((1 / 2 + 9 / 2) / 10)


def test_personal_lists_by_hand() -> None:
    one = task()
    listed = figures.personal(one, one.test, None)
    assert listed[:, :4].tolist() == [[1, 3, 2, 0], [2, 0, 0, 0]]  # a twice; c is later than b
    assert figures.own_length(one, one.test).tolist() == [2, 1]
    assert figures.cut(listed, np.array([2, 1]))[:, :3].tolist() == [[1, 3, 0], [2, 0, 0]]
    row, token, worth = tasks.own_counts(one, one.test, 4.0)
    assert row.tolist() == [0, 0, 0, 1] and token.tolist() == [1, 2, 3, 2]
    assert np.allclose(worth, [2**-1 + 2 ** (-7 / 4), 2 ** (-7 / 4), 2**-1, 2**-1 + 2**-1.5], atol=1e-5)


def test_gaps_by_hand() -> None:
    """Customer 0: gaps 1, 2, 6 and then 3; customer 1 has one basket before the one that is asked for."""
    shop = drawn("aa.a.....a..a", "a....a.......")
    history = weeks.history(shop.log, shop.log.weeks)
    of = funnels.funnels(history, np.arange(1), None)
    last = Asked(np.array([0, 1]), of.start[1:] - 1, of.day[of.start[1:] - 1])
    one = Task("toy", "", of, last, last, last, pieces=True, customers=True)
    true, mean, median = figures.gaps(one, last)
    assert true.tolist() == [3, 5] and mean[0] == 3 and median[0] == 2 and np.isnan(mean[1]) and np.isnan(median[1])


def signal(*days: int) -> list[int]:
    """A purchase so many days before the target; 1 is the day before it."""
    return [int(day in [d - 1 for d in days]) for day in range(DAYS)]


def write_tafeng(folder: Path) -> None:
    """User 5: articles 0 and 1 on the tenth day before, 0 and 2 on the fourth, the target holds 0 and 2 again."""
    of_user = {"cid": [5], "item_id_idx_arr": [[0, 1, 2]], "label_arr": [[1, 0, 1]],
               "member_day_arr": [[signal(10, 4), signal(10), signal(4)]]}  # fmt: skip
    for part in ("train", "validate", "test"):
        pl.DataFrame(of_user).write_parquet(folder / f"tafeng_{part}.parquet")


def test_tafeng_by_hand(tmp_path: Path) -> None:
    write_tafeng(tmp_path)
    one = tasks.of_tafeng(tmp_path)
    of = one.funnels
    # training: the fourth day's basket asks for its repeat, article 0; the target for 0 and 2. Article 0 sells most.
    assert of.users == 4 and np.diff(of.start).tolist() == [2, 3, 3, 3]
    first, last = slice(of.start[0], of.start[1]), slice(of.start[3], of.start[4])
    assert of.day[first].tolist() == [0, 6] and of.day[last].tolist() == [0, 6, 10]
    baskets = [set(of.token[low:high].tolist()) for low, high in zip(of.ptr, of.ptr[1:], strict=False)]
    zero, two = 1, next(iter(baskets[int(of.start[3]) + 1] - {1}))
    one_ = next(iter(baskets[0] - {1}))
    assert {zero, one_, two} == {1, 2, 3}
    assert baskets[first] == [{zero, one_}, {zero}]
    assert baskets[last] == [{zero, one_}, {zero, two}, {zero, two}]
    assert one.train.user.tolist() == [0, 1] and one.validation.user.tolist() == [2] and one.test.user.tolist() == [3]
    assert one.test.stop.tolist() == [of.start[4] - 1] and one.seen.tolist() == [True] * 5 + [False] * 6


def test_nothing_is_learned_from_later_days() -> None:
    shop = drawn(*("a......" * 60 for _ in range(3)))
    one = tasks.of_shop("toy", shop)
    assert one.train.day.max() < one.validation.day.min() <= one.test.day.min() - 1
    assert one.funnels.day[one.seen].max() < one.validation.day.min()
    assert len(one.test.user) == len(np.unique(one.test.user)) == 3


def test_alerts_that_came_are_all_found_by_who_knows_them() -> None:
    """A model that knows the next baskets has precision and recall 1."""
    one = task(drawn("a......a......a" * 10, "b......b......b" * 10))

    class Prophet:
        funnels, vocabulary = one.funnels, np.arange(2)

        def articles(self) -> Array:
            return np.eye(2, dtype=np.float32)

        def expected(self, asked: Asked) -> Expected:
            of = self.funnels
            later = Asked(asked.user, asked.stop, asked.day)
            days = (of.day[asked.stop] - of.day[asked.stop - 1]).astype(np.float32)
            return Expected(anomalies.collect_baskets(self, later), days, np.eye(2, dtype=np.float32))

    found = uses.stock(Prophet(), 100)
    for way in ("per day", "cumulative"):
        assert found[way]["precision"] == found[way]["recall"] == 1 and found[way]["true"] > 0


def test_the_report_is_written_whole(tmp_path: Path) -> None:
    summary = {"recall": 0.1, "precision": 0.2, "f1": 0.12, "f1_of_means": 0.13}
    gap = {"mean": 0.01, "low": 0.0, "high": 0.02}
    chosen = {name: {"length": 3, "half_life": 30.0} for name in ("personal top", "personal top with decay")}
    of_task = {
        "about": "toy", "mean length": 3.0, "chosen": chosen,
        "rows": {"personal top, own length": {"free": summary, "lists": summary},
                 rows.OWN: {"free": summary, "lists": summary, "forced": summary, "length": 2.0, "seeds": [1],
                            "seconds": 3.0}},
        "F1 minus": {rows.OWN: dict.fromkeys(rows.PERSONAL, gap)},
    }  # fmt: skip
    head = {"days": 2.0, "minus": {"the mean": gap, "the median": gap}, "seeds": [1], "seconds": 3.0}
    alerts = {"precision": 0.5, "recall": 0.5, "share of all days": 0.3}
    of_model = {
        "anomalies": {"articles": {"within": 0.9, "alone": 0.8}, "time": {"within": 0.9, "alone": 0.8},
                      "about": {"clusters": 2}},
        "alerts": {"per day": alerts, "cumulative": alerts},
    }  # fmt: skip
    found = {
        "baskets": {"online_retail": of_task},
        "times": {"online_retail": {"customers": 2, "rows": {"the customer's mean gap": {"days": 3.0}, "head": head}}},
        "by heart": {"LENS1000": {**summary, "seconds": 3.0}},
        "insights": {"online_retail": {"LENS": of_model}},
    }  # fmt: skip
    made = {"data": {}, "libraries": {}, "seeds": [1], "command": "make", "seconds": 1.0, "device": "none"}
    report.write(made, found, tmp_path)
    text = (tmp_path / "lens.md").read_text()
    assert rows.OWN in text and "+0.0100 [+0.0000, +0.0200]" in text and ".3723" in text
    assert (tmp_path / "lens.png").stat().st_size > 1000 and (tmp_path / "lens.json").exists()
