"""The H&M report's benchmark: its two losses, features that know no label week, masks, groups and the overlap rule."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from world import World, random_world, small

from research.hm_report import __main__ as runner
from research.hm_report import answers, features, groups, inputs, mlp, moved, report, rows, shops, trained
from research.hm_report.block import Block, tables
from research.hm_report.inputs import Wanted
from research.hm_report.mlp import Mlp
from research.hm_report.sample import Sample
from research.hm_report.shops import KIDS, LADIES, MENS, Past, Store
from research.hm_report.towers import OneHot, TwoTower
from research.hm_report.trained import Towers
from retail.shop import Shop


def store_of(shop: Shop, first_day: str = "2020-02-01", section: list[int] | None = None) -> Store:
    """The colour group stands in for the master colour."""
    items = shop.log.items
    colour = shop.attributes.get("colour_group_code", np.full(items, -1, np.int32))
    return Store(shop, first_day, colour, np.array(section or np.arange(items) % 5, np.int32), "none")


# Three articles: 0 of colour 0, 1 and 2 of colour 1; garment groups 0, 0, 1; sold to men, women, kids. Day 0 is
# February 1 2020, so that 29 and later are spring. Customer 0 is 20, customer 1 is 60, customer 2 bought nothing.
# Rows: user, item, day, price, channel, quantity.
ROWS = [
    (0, 0, 1, 2.0, 1, 1),
    (0, 1, 30, 4.0, 2, 1),
    (0, 1, 40, 4.0, 2, 1),
    (1, 2, 35, 6.0, 0, 1),
    (1, 0, 62, 9.0, 1, 1),
]


def three() -> Past:
    """The past of label week 8, days 56 to 62."""
    shop = small(
        ROWS, 3, 3, 63, {"colour_group_code": [0, 1, 1], "garment_group_no": [0, 0, 1]}, {"age": [20, 60, 30]}
    )  # fmt: skip
    return shops.past(store_of(shop, section=[MENS, LADIES, KIDS]), 8)


def test_features_of_customers_by_hand() -> None:
    past, of = three(), features.CUSTOMER
    third = np.float32(1 / 3)
    assert past.cutoff == 56 and len(past.user) == 4  # the purchase of day 62 is of the label week
    assert of["channel of the customer"](past).tolist() == [[third, 2 * third], [0, 0], [0, 0]]
    assert of["favourite colour"](past).tolist() == [1, 1, -1]  # spring: day 1 does not count
    assert of["garment group"](past).tolist() == [0, 1, -1]
    np.testing.assert_allclose(of["mean price of the customer"](past), np.array([[10 / 3 / 4], [6 / 4], [0]]))
    np.testing.assert_allclose(of["recent purchases"](past), np.log1p([[2], [1], [0]]))  # days 25 to 55
    assert of["sex"](past).tolist() == [[third, 2 * third], [0, 0], [0, 0]]
    assert of["kids"](past).tolist() == [[0], [1], [0]]


def test_features_of_articles_by_hand() -> None:
    past, of = three(), features.ARTICLE
    assert of["seasonal sales"](past).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert of["seasonal best seller"](past).tolist() == [
        [1, 0],
        [0, 1],
        [0.5, 1],
    ]  # spring: 0, 2, 1 sold; winter: 1, 0, 0
    assert of["age groups"](past).tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(of["mean price of the article"](past), [[2 / 4], [4 / 4], [6 / 4]])
    assert of["channel of the article"](past).tolist() == [[1, 0], [0, 1], [0, 0]]


def test_no_garment_group_is_preferred_by_half() -> None:
    shop = small([(0, 0, 1), (0, 1, 1)], 1, 2, 14, {"garment_group_no": [0, 1]})
    assert features.garment_group(shops.past(store_of(shop), 1)).tolist() == [-1]


WORLD = random_world(4)


@pytest.mark.parametrize("name", [*features.CUSTOMER, *features.ARTICLE, "groups", "asked"])
def test_nothing_knows_the_label_week(name: str) -> None:
    """Whatever happens on or after the cutoff, features, groups and masks stay as they are."""
    week = WORLD.shop.log.weeks - 2
    cutoff = shops.past(store_of(WORLD.shop), week).cutoff

    def known(world: World) -> list[np.ndarray]:
        past = shops.past(store_of(world.shop), week)
        if name == "groups":
            return [*groups.members(past).values()]
        if name == "asked":
            of = answers.asked(past.store, week)
            every = np.arange(world.shop.log.users)
            times = answers.times(past, every, of.recent, 0)
            return [of.recent, times, *(groups.candidates(past, of.recent, group) for group in groups.NAMES)]
        return [({**features.CUSTOMER, **features.ARTICLE})[name](past)]

    for one, other in zip(known(WORLD), known(WORLD.rewritten(cutoff, 1)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_purchase_sees_the_features_of_its_era() -> None:
    """Era k begins at label week eras[k] and its features are those of that week's past; the purchase is later."""
    block = Block(store_of(WORLD.shop), (54, 55))
    users, items = tables(block, rows.EVERY, False)
    sample = Sample.drawn(block, None, 1)
    starts = np.array([shops.past(block.store, week).cutoff for week in block.eras])
    past = shops.past(block.store, block.cut)
    positives = sample.bought > 0
    assert (past.day >= starts[sample.era[positives]]).all() and (sample.user[positives] == past.user).all()
    assert len(users.numbers) == len(items.numbers) == len(starts) and starts[-1] == past.cutoff - 28
    last = inputs.articles([shops.past(block.store, block.eras[-1])], rows.EVERY.article)
    np.testing.assert_array_equal(items.numbers[-1], last.numbers[0])


def test_no_drawn_pair_was_bought() -> None:
    block = Block(store_of(WORLD.shop), (54,))
    sample = Sample.drawn(block, None, 1)
    pair, bought = sample.user * 100 + sample.item, sample.bought > 0
    assert not np.isin(pair[~bought], pair[bought]).any() and 0 < (~bought).sum() < bought.sum()


def test_the_one_hot_layer_is_the_plain_one() -> None:
    """Two attributes of 3 and 2 codes, the second's first missing: rows 1 + code and 4 + 1 + code."""
    shop = small(ROWS, 3, 3, 63, {"colour_group_code": [0, 1, 1], "garment_group_no": [-1, 0, 1]})
    table = inputs.articles([shops.past(store_of(shop), 8)], ["mean price of the article"])
    assert table.rows == 3 + 3 and table.codes.tolist() == [[0, 4], [1, 5], [2, 5]]
    layer = OneHot(table, 4)
    codes, numbers = table.at(np.zeros(3, np.int64), np.arange(3))
    dense = nn.functional.one_hot(codes, table.rows).sum(1).float()
    matrix = torch.cat([layer.codes.weight, layer.numbers])  # (rows + numbers, 4)
    plain = nn.functional.linear(torch.cat([dense, numbers], 1), matrix.T, layer.bias)
    torch.testing.assert_close(layer(codes, numbers), plain)


def test_the_towers_have_the_published_widths() -> None:
    block = Block(store_of(WORLD.shop), (54,))
    users, items = tables(block, Wanted(), False)

    def widths(tower: nn.Module) -> list[int]:
        first = [layer.codes.embedding_dim for layer in tower.modules() if isinstance(layer, OneHot)]
        return first + [layer.out_features for layer in tower.modules() if isinstance(layer, nn.Linear)]

    base, embedding, deep, both = (
        TwoTower(shape, users, items) for shape in ("base", "embedding", "deep", "both deep")
    )
    assert widths(base.customer) == widths(base.article) == widths(embedding.customer) == [5, 3]
    assert widths(embedding.article) == [3] and embedding.article.vectors.embedding_dim == 5  # type: ignore[union-attr]
    assert widths(deep.customer) == [10]
    assert widths(deep.article) == widths(both.customer) == widths(both.article) == [250, 125, 50, 10]
    codes, numbers = items.at(np.zeros(40, np.int64), np.arange(40))
    assert (embedding.article(codes, numbers) >= 0).all()  # which no other variant's vectors are


def test_the_published_perceptron_sits_at_ln_2() -> None:
    """A probability of 0 goes through a second sigmoid: 1/2, whose loss is ln 2 for what is bought or not. At 1, what
    is bought costs ln(1 + 1/e) = .3133, what is not ln(1 + e) = 1.3133. The mended one has the plain cross-entropy."""
    one = mlp.Baskets(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]), torch.tensor([1]))
    for published, far, expected in (
        (True, -100.0, math.log(2)),
        (True, 100.0, (math.log(1 + 1 / math.e) + 3 * math.log(1 + math.e)) / 4),
        (False, 0.0, math.log(2)),
        (False, -100.0, 100 / 4),
    ):
        network = Mlp(4, (100,), published)
        nn.init.zeros_(network.rest[-1].weight)  # type: ignore[arg-type]
        nn.init.constant_(network.rest[-1].bias, far)  # type: ignore[arg-type]
        assert network.loss(one).item() == pytest.approx(expected, rel=1e-5)


def test_the_perceptron_reads_all_but_the_last_basket() -> None:
    """Customer 0 bought 0 and 1, then 1; customer 1 has one basket before the cutoff, customer 2 none."""
    of = mlp.examples(three(), np.arange(3))
    assert (of.ptr.tolist(), of.before.tolist()) == ([0, 2], [0, 1])
    assert (of.last_ptr.tolist(), of.last.tolist()) == ([0, 1], [1])
    asked = mlp.inputs(three(), np.arange(3), np.array([0, 1, 2]))
    assert (asked.column.tolist(), asked.start.tolist()) == ([0, 1, 1, 2], [0, 3, 4])


def test_masks_and_the_repurchase_restriction_by_hand() -> None:
    """Three articles that sell; 1 was bought twice before, 2 once: 2 x .5 outdoes 1 x .9. Nothing else may be named."""
    past = three()
    of = answers.Asked(
        past, np.array([0]), np.array([0, 1, 2]), np.array([[0.0, 2.0, 1.0]]), np.array([[0.0, 0.0, 1.0]]),
        np.array([0, 1]), np.array([2]),
    )  # fmt: skip
    logit = np.log([[0.99 / 0.01, 0.5 / 0.5, 0.9 / 0.1]])
    found = answers.answered(logit, of, "mens")
    assert found["recent"].tolist() == [[0, 2, 1] + [-1] * 9]
    assert found["bought"].tolist() == [[1, 2] + [-1] * 10]
    assert found["month"].tolist() == [[2] + [-1] * 11]
    assert found["personal"].tolist() == [[0] + [-1] * 11]  # sold to men
    assert found["auc"].tolist() == [0.5]


def test_only_what_sold_in_the_last_month_is_named() -> None:
    """Label week 8 begins on day 56; article 0 was last sold on day 1. Its buyer bought 2 before, on day 35."""
    of = answers.asked(three().store, 8)
    assert (of.users.tolist(), of.recent.tolist(), of.items.tolist()) == ([1], [1, 2], [0])
    assert of.before.tolist() == of.lately.tolist() == [[0, 1]]
    assert not of.hits.any()  # what was bought cannot be named


def test_the_better_group_overwrites() -> None:
    """Customer 0 is in groups 0 and 2, customer 1 in 1 and 2, customer 2 in 1 alone; equals: the later one."""
    lists = [np.full((3, 12), g) for g in range(3)]
    member = [np.array([True, False, False]), np.array([False, True, True]), np.array([True, True, False])]
    assert groups.overlaid(lists, member, [0.3, 0.1, 0.2])[:, 0].tolist() == [0, 2, 1]
    assert groups.overlaid(lists, member, [0.1, 0.2, 0.2])[:, 0].tolist() == [2, 2, 1]


def test_groups_by_hand() -> None:
    """Customer 0 has three purchases in the past, the others are too few for any group. Two of three are in spring;
    prices are the medians; ranks within (young, winter) 1 and (young, spring) 1, 1: a follower of best sellers."""
    member = groups.members(three())
    assert [name for name, who in member.items() if who[0]] == ["young"]
    assert [name for name, who in member.items() if who[1]] == ["global"]
    half = replace(three(), price=np.array([2.0, 3.0, 5.0, 6.0]))  # article 1 in spring: median 4
    assert groups.discounted(half).tolist() == [False, True, False, False]


def test_the_whole_benchmark_of_a_small_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row has its figures; what is kept is not trained again, other code would be."""
    few = trained.TRAINING.model_copy(update={"epochs": 1})
    for name, value in {"STEPS": 2, "CUSTOMER_STEPS": 2, "FEWEST": 1, "BATCH": 32, "TRAINING": few}.items():
        monkeypatch.setattr(trained, name, value)
    monkeypatch.setattr(rows, "RARE", 10)  # one group, and the rest
    monkeypatch.setattr(rows, "BLOCK", 2)
    store = store_of(WORLD.shop)
    protocol = runner.Protocol(reported=1, seeds=(1,), ablated=(1,))
    found = runner.of_shop(rows.blocks(store, 1), protocol, tmp_path, False)
    assert set(rows.MODELS) | {"personalised", "personalised, bought before", "at random"} <= set(found["rows"])
    assert found["weeks"] == [store.shop.log.weeks - 2, store.shop.log.weeks - 1]
    monkeypatch.setattr(trained, "of_towers", None)
    assert runner.of_shop(rows.blocks(store, 1), protocol, tmp_path, False) == found
    text = report.markdown({"note": "", "shops": {"it": found}})
    assert "| deep minus base |" in text and report.drawn({"shops": {"it": found}})
    monkeypatch.setattr(trained, "CODE", [])
    with pytest.raises(TypeError):
        trained.answers(rows.blocks(store, 1)[1], Towers("base"), 1, tmp_path)


def test_the_interval_over_trainings_by_hand() -> None:
    """Two trainings, differences 1 and 3: deviation sqrt(2), error of the mean 1, Student's quantile for one degree."""
    assert moved.over_trainings(np.array([1.0, 3.0])) == pytest.approx(12.7062, abs=1e-4)
    assert math.isnan(moved.over_trainings(np.array([1.0])))
