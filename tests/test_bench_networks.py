"""The pipeline's benchmark of its networks: which variants there are, and how they are compared."""

import polars as pl
import pytest

from benchmarks import networks


def test_each_network_stands_alone_in_either_use_and_all_stand_together() -> None:
    assert networks.variants(["a", "b"], ["b"]) == {
        "none": ((), ()),
        "a as source": (("a",), ()),
        "a as feature": ((), ("a",)),
        "b as source": (("b",), ()),
        "b as feature": ((), ("b",)),
        "default": (("b",), ("b",)),
        "all": (("a", "b"), ("a", "b")),
    }


def test_differences_are_paired_by_customer_and_weeks_weigh_alike() -> None:
    # 60 buyers in week 8, half of them at .1 and half at .3; 30 in week 9, all at .4
    keys = {"week": [8] * 60 + [9] * 30, "user": [*range(60), *range(30)]}
    none = pl.DataFrame({**keys, "twelve": [0.1, 0.3] * 30 + [0.4] * 30})
    better = none.with_columns(twelve=pl.col("twelve") + 0.05)
    rows = networks.compared({"none": none, "all": better})
    assert rows["none"]["map12"]["mean"] == pytest.approx((0.2 + 0.4) / 2)
    gap = rows["all"]["minus_none"]
    assert [gap[key] for key in ("mean", "low", "high")] == pytest.approx([0.05] * 3)
    assert rows["none"]["minus_none"] == {"mean": 0, "low": 0, "high": 0}
    assert rows["all"]["map12"]["low"] < rows["all"]["map12"]["mean"] < rows["all"]["map12"]["high"]
