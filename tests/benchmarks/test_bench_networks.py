"""The pipeline's benchmark of its networks: which variants there are."""

import pytest

from benchmarks import networks
from retail.errors import InputError


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


def test_params_of_a_variant_say_who_proposes_and_who_scores() -> None:
    raw = {"seed": 1, "networks": {name: {"use": False, "take": 100} for name in "ab"}}
    assert networks.with_networks(raw, ("a",), ("a", "b")) == {
        "seed": 1,
        "networks": {
            "a": {"use": True, "take": 100, "source": True, "score": True},
            "b": {"use": True, "take": 100, "source": False, "score": True},
        },
    }


def test_a_network_that_does_not_score_keeps_its_rank_alone() -> None:
    columns = ["own__a", "a__rank", "a__score", "a__days_left", "b__place", "b__rank"]
    assert [column for column in columns if networks.unscored(column, ("a", "b"), ("b",))] == [
        "a__score",
        "a__days_left",
    ]


def test_only_those_that_are_asked_for() -> None:
    blocks = {"case": {"take": 1}, "lens": {"take": 2}, "trex": {"take": 3}}
    assert networks.chosen(blocks, None) == blocks
    assert list(networks.chosen(blocks, ["trex", "case"])) == ["case", "trex"]
    with pytest.raises(InputError, match=r"--only: unknown \['lans'\]; expected some of: case, lens, trex"):
        networks.chosen(blocks, ["lans"])
