"""Test which variants the networks benchmark compares."""

import pytest

from benchmarks import networks
from retail.errors import InputError


def test_variants_use_each_network_alone_as_source_or_feature_and_all_together() -> None:
    assert networks.list_variants(["a", "b"], ["b"]) == {
        "none": ((), ()),
        "a as source": (("a",), ()),
        "a as feature": ((), ("a",)),
        "b as source": (("b",), ()),
        "b as feature": ((), ("b",)),
        "default": (("b",), ("b",)),
        "all": (("a", "b"), ("a", "b")),
    }


def test_params_of_a_variant_name_the_proposing_and_the_scoring_networks() -> None:
    raw = {"seed": 1, "networks": {name: {"use": False, "take": 100} for name in "ab"}}
    assert networks.switch_networks(raw, ("a",), ("a", "b")) == {
        "seed": 1,
        "networks": {
            "a": {"use": True, "take": 100, "source": True, "score": True},
            "b": {"use": True, "take": 100, "source": False, "score": True},
        },
    }


def test_a_network_that_does_not_score_keeps_only_its_rank() -> None:
    columns = ["own__a", "a__rank", "a__score", "a__days_left", "b__place", "b__rank"]
    assert [column for column in columns if networks.is_unscored(column, ("a", "b"), ("b",))] == [
        "a__score",
        "a__days_left",
    ]


def test_only_the_named_networks_are_selected() -> None:
    blocks = {"case": {"take": 1}, "lens": {"take": 2}, "trex": {"take": 3}}
    assert networks.select_networks(blocks, None) == blocks
    assert list(networks.select_networks(blocks, ["trex", "case"])) == ["case", "trex"]
    with pytest.raises(InputError, match=r"--only: unknown \['lans'\]; expected some of: case, lens, parsrec, trex"):
        networks.select_networks(blocks, ["lans"])
