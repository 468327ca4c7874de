"""Test the H&M report's benchmark: losses, features without leakage, masks, groups and the overlap rule."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from world import World, random_world, small

from research.hm_report import __main__ as runner
from research.hm_report import (
    features,
    groups,
    mlp,
    ranking,
    report,
    rows,
    shops,
    tower_inputs,
    train,
    transfer_features,
)
from research.hm_report.block import Block, build_tables
from research.hm_report.mlp import Mlp
from research.hm_report.sample import draw_sample
from research.hm_report.shops import KIDS, LADIES, MENS, Past, Store
from research.hm_report.tower_inputs import FeatureNames
from research.hm_report.towers import OneHot, TwoTower
from research.hm_report.train import Towers
from retail.shop import Shop


def build_store(shop: Shop, first_day: str = "2020-02-01", section: list[int] | None = None) -> Store:
    """Build a store whose master colour is the colour group."""
    items = shop.log.items
    colour = shop.attributes.get("colour_group_code", np.full(items, -1, np.int32))
    return Store(shop, first_day, colour, np.array(section or np.arange(items) % 5, np.int32), "none")


# Three articles have the colours 0, 1, 1, the garment groups 0, 0, 1, and the sections men, women, kids. Day 0 is
# 2020-02-01, so day 29 and later are spring. Customers 0, 1 and 2 are 20, 60 and 30 years old; 2 bought nothing.
# Columns: user, item, day, price, channel, quantity.
ROWS = [
    (0, 0, 1, 2.0, 1, 1),
    (0, 1, 30, 4.0, 2, 1),
    (0, 1, 40, 4.0, 2, 1),
    (1, 2, 35, 6.0, 0, 1),
    (1, 0, 62, 9.0, 1, 1),
]


def read_small_past() -> Past:
    """Return the past of label week 8, days 56 to 62, in a shop of three customers and three articles."""
    shop = small(
        ROWS, 3, 3, 63, {"colour_group_code": [0, 1, 1], "garment_group_no": [0, 0, 1]}, {"age": [20, 60, 30]}
    )  # fmt: skip
    return shops.read_past(build_store(shop, section=[MENS, LADIES, KIDS]), 8)


def test_features_of_customers_by_hand() -> None:
    past, compute = read_small_past(), features.CUSTOMER_FEATURES
    third = np.float32(1 / 3)
    assert past.cutoff == 56 and len(past.user) == 4  # the purchase of day 62 lies in the label week
    assert compute["channel of the customer"](past).tolist() == [[third, 2 * third], [0, 0], [0, 0]]
    assert compute["favourite colour"](past).tolist() == [1, 1, -1]  # spring; the purchase of day 1 was in winter
    assert compute["garment group"](past).tolist() == [0, 1, -1]
    np.testing.assert_allclose(compute["mean price of the customer"](past), np.array([[10 / 3 / 4], [6 / 4], [0]]))
    np.testing.assert_allclose(compute["recent purchases"](past), np.log1p([[2], [1], [0]]))  # days 25 to 55
    assert compute["sex"](past).tolist() == [[third, 2 * third], [0, 0], [0, 0]]
    assert compute["kids"](past).tolist() == [[0], [1], [0]]


def test_features_of_articles_by_hand() -> None:
    past, compute = read_small_past(), features.ARTICLE_FEATURES
    assert compute["seasonal sales"](past).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    # units sold in spring: 0, 2, 1; in winter: 1, 0, 0
    assert compute["seasonal best seller"](past).tolist() == [[1, 0], [0, 1], [0.5, 1]]
    assert compute["age groups"](past).tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(compute["mean price of the article"](past), [[2 / 4], [4 / 4], [6 / 4]])
    assert compute["channel of the article"](past).tolist() == [[1, 0], [0, 1], [0, 0]]


def test_a_share_of_one_half_prefers_no_garment_group() -> None:
    shop = small([(0, 0, 1), (0, 1, 1)], 1, 2, 14, {"garment_group_no": [0, 1]})
    assert features.find_garment_group(shops.read_past(build_store(shop), 1)).tolist() == [-1]


WORLD = random_world(4)
ALL_FEATURES = {**features.CUSTOMER_FEATURES, **features.ARTICLE_FEATURES}


@pytest.mark.parametrize("name", [*ALL_FEATURES, "groups", "label week"])
def test_features_groups_and_masks_ignore_the_label_week(name: str) -> None:
    """Rewrite all purchases from the cutoff on: features, groups and masks do not change."""
    week = WORLD.shop.log.weeks - 2
    cutoff = shops.read_past(build_store(WORLD.shop), week).cutoff

    def compute(world: World) -> list[np.ndarray]:
        past = shops.read_past(build_store(world.shop), week)
        if name == "groups":
            return [*groups.find_members(past).values()]
        if name == "label week":
            recent = ranking.read_label_week(past.store, week).recent
            count = ranking.count_purchases(past, np.arange(world.shop.log.users), recent, 0)
            return [recent, count, *(groups.select_candidates(past, recent, group) for group in groups.NAMES)]
        return [ALL_FEATURES[name](past)]

    for values, rewritten in zip(compute(WORLD), compute(WORLD.rewritten(cutoff, 1)), strict=True):
        np.testing.assert_array_equal(values, rewritten)


def test_a_training_purchase_gets_the_features_of_its_era() -> None:
    """Era k begins at label week eras[k], uses the features of that week's past, and holds later purchases."""
    block = Block(build_store(WORLD.shop), (54, 55))
    users, items = build_tables(block, rows.ALL_FEATURES, False)
    sample = draw_sample(block, None, 1)
    starts = np.array([shops.read_past(block.store, week).cutoff for week in block.eras])
    past = shops.read_past(block.store, block.cut)
    positives = sample.bought > 0
    assert (past.day >= starts[sample.era[positives]]).all() and (sample.user[positives] == past.user).all()
    assert len(users.numbers) == len(items.numbers) == len(starts) and starts[-1] == past.cutoff - 28
    last = tower_inputs.encode_articles([shops.read_past(block.store, block.eras[-1])], rows.ALL_FEATURES.article)
    np.testing.assert_array_equal(items.numbers[-1], last.numbers[0])


def test_no_negative_pair_was_bought() -> None:
    block = Block(build_store(WORLD.shop), (54,))
    sample = draw_sample(block, None, 1)
    pair, bought = sample.user * 100 + sample.item, sample.bought > 0
    assert not np.isin(pair[~bought], pair[bought]).any() and 0 < (~bought).sum() < bought.sum()


def test_the_one_hot_layer_equals_a_linear_layer() -> None:
    """Attributes with 2 codes each have the rows 0..2 and 3..5, missing first: row 1 + code, and 4 + code."""
    shop = small(ROWS, 3, 3, 63, {"colour_group_code": [0, 1, 1], "garment_group_no": [-1, 0, 1]})
    table = tower_inputs.encode_articles([shops.read_past(build_store(shop), 8)], ["mean price of the article"])
    assert table.rows == 3 + 3 and table.fixed_codes.tolist() == [[0, 4], [1, 5], [2, 5]]
    layer = OneHot(table, 4)
    codes, numbers = table.lookup(np.zeros(3, np.int64), np.arange(3))
    dense = nn.functional.one_hot(codes, table.rows).sum(1).float()
    matrix = torch.cat([layer.codes.weight, layer.numbers])  # (rows + numbers, 4)
    expected = nn.functional.linear(torch.cat([dense, numbers], 1), matrix.T, layer.bias)
    torch.testing.assert_close(layer(codes, numbers), expected)


def test_the_towers_have_the_published_widths() -> None:
    block = Block(build_store(WORLD.shop), (54,))
    users, items = build_tables(block, FeatureNames(), False)

    def list_widths(tower: nn.Module) -> list[int]:
        first = [layer.codes.embedding_dim for layer in tower.modules() if isinstance(layer, OneHot)]
        return first + [layer.out_features for layer in tower.modules() if isinstance(layer, nn.Linear)]

    base, embedding, deep, both = (
        TwoTower(shape, users, items) for shape in ("base", "embedding", "deep", "both deep")
    )
    assert list_widths(base.customer) == list_widths(base.article) == list_widths(embedding.customer) == [5, 3]
    assert list_widths(embedding.article) == [3] and embedding.article.vectors.embedding_dim == 5  # type: ignore[union-attr]
    assert list_widths(deep.customer) == [10]
    assert list_widths(deep.article) == list_widths(both.customer) == list_widths(both.article) == [250, 125, 50, 10]
    codes, numbers = items.lookup(np.zeros(40, np.int64), np.arange(40))
    assert (embedding.article(codes, numbers) >= 0).all()  # only this shape ends in a ReLU


def test_the_published_perceptron_stays_at_ln_2() -> None:
    """Compute the loss of one bought article of four by hand, with and without the second sigmoid.

    The second sigmoid maps a probability of 0 to 1/2: the loss is ln 2, bought or not. From a probability of 1 the loss
    is ln(1 + 1/e) if bought, ln(1 + e) if not. The fixed variant has the usual cross-entropy.
    """
    baskets = mlp.Baskets(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]), torch.tensor([1]))
    for published, logit, expected in (
        (True, -100.0, math.log(2)),
        (True, 100.0, (math.log(1 + 1 / math.e) + 3 * math.log(1 + math.e)) / 4),
        (False, 0.0, math.log(2)),
        (False, -100.0, 100 / 4),
    ):
        network = Mlp(4, (100,), published)
        nn.init.zeros_(network.rest[-1].weight)  # type: ignore[arg-type]
        nn.init.constant_(network.rest[-1].bias, logit)  # type: ignore[arg-type]
        assert network.loss(baskets).item() == pytest.approx(expected, rel=1e-5)


def test_the_perceptron_reads_all_but_the_last_basket() -> None:
    """Customer 0 bought 0 and 1, then 1; customer 1 has one basket before the cutoff, customer 2 none."""
    examples = mlp.build_examples(read_small_past(), np.arange(3))
    assert (examples.ptr.tolist(), examples.before.tolist()) == ([0, 2], [0, 1])
    assert (examples.last_ptr.tolist(), examples.last.tolist()) == ([0, 1], [1])
    inputs = mlp.build_inputs(read_small_past(), np.arange(3), np.array([0, 1, 2]))
    assert (inputs.column.tolist(), inputs.start.tolist()) == ([0, 1, 1, 2], [0, 3, 4])


def test_masks_and_the_repurchase_restriction_by_hand() -> None:
    """Of three articles, 1 was bought twice before and 2 once: 2 x .5 is more than 1 x .9. No other is listed."""
    past = read_small_past()
    label_week = ranking.LabelWeek(
        past, np.array([0]), np.array([0, 1, 2]), np.array([[0.0, 2.0, 1.0]]), np.array([[0.0, 0.0, 1.0]]),
        np.array([0, 1]), np.array([2]),
    )  # fmt: skip
    logit = np.log([[0.99 / 0.01, 0.5 / 0.5, 0.9 / 0.1]])
    ranked = ranking.rank_articles(logit, label_week, "mens")
    assert ranked["recent"].tolist() == [[0, 2, 1] + [-1] * 9]
    assert ranked["bought"].tolist() == [[1, 2] + [-1] * 10]
    assert ranked["month"].tolist() == [[2] + [-1] * 11]
    assert ranked["personal"].tolist() == [[0] + [-1] * 11]  # sold to men
    assert ranked["auc"].tolist() == [0.5]


def test_only_articles_sold_in_the_last_month_are_recommended() -> None:
    """Label week 8 begins on day 56; article 0 was last sold on day 1. Its buyer bought article 2 on day 35."""
    label_week = ranking.read_label_week(read_small_past().store, 8)
    assert label_week.users.tolist() == [1]
    assert label_week.recent.tolist() == [1, 2]
    assert label_week.items.tolist() == [0]
    assert label_week.before.tolist() == label_week.last_month.tolist() == [[0, 1]]
    assert not label_week.hits.any()  # article 0 cannot be recommended


def test_the_group_with_the_higher_precision_wins() -> None:
    """Customer 0 is in groups 0 and 2, customer 1 in 1 and 2, customer 2 in 1. If equal, the later group wins."""
    lists = [np.full((3, 12), g) for g in range(3)]
    member = [np.array([True, False, False]), np.array([False, True, True]), np.array([True, True, False])]
    assert groups.overlay_lists(lists, member, [0.3, 0.1, 0.2])[:, 0].tolist() == [0, 2, 1]
    assert groups.overlay_lists(lists, member, [0.1, 0.2, 0.2])[:, 0].tolist() == [2, 2, 1]


def test_groups_by_hand() -> None:
    """Only customer 0 has the three purchases that a group requires.

    Two of the three are in spring, and each has the median price. The ranks are 1 within (young, winter) and 1, 1
    within (young, spring), so the best-seller index is 1.
    """
    member = groups.find_members(read_small_past())
    assert [name for name, mask in member.items() if mask[0]] == ["young"]
    assert [name for name, mask in member.items() if mask[1]] == ["global"]
    cheaper = replace(read_small_past(), price=np.array([2.0, 3.0, 5.0, 6.0]))  # article 1 in spring: median 4
    assert groups.find_discounted(cheaper).tolist() == [False, True, False, False]


def test_the_whole_benchmark_of_a_small_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row has its figures; a second run loads the kept trainings; other code trains again."""
    one_epoch = train.TRAINING.model_copy(update={"epochs": 1})
    for name, value in {"STEPS": 2, "CUSTOMER_STEPS": 2, "MIN_STEPS": 1, "BATCH": 32, "TRAINING": one_epoch}.items():
        monkeypatch.setattr(train, name, value)
    monkeypatch.setattr(rows, "MIN_CUSTOMERS", 10)  # one group and group REST
    monkeypatch.setattr(rows, "BLOCK", 2)
    store = build_store(WORLD.shop)
    protocol = runner.Protocol(reported=1, seeds=(1,), ablation_seeds=(1,))
    results = runner.run_shop(rows.list_blocks(store, 1), protocol, tmp_path, False)
    assert set(rows.MODELS) | {"personalised", "personalised, bought before", "at random"} <= set(results["rows"])
    assert results["weeks"] == [store.shop.log.weeks - 2, store.shop.log.weeks - 1]
    monkeypatch.setattr(train, "train_towers", None)
    assert runner.run_shop(rows.list_blocks(store, 1), protocol, tmp_path, False) == results
    text = report.render_markdown({"note": "", "shops": {"shop": results}})
    assert "| deep minus base |" in text and report.plot({"shops": {"shop": results}})
    monkeypatch.setattr(train, "CODE", [])
    with pytest.raises(TypeError):
        train.load_or_train(rows.list_blocks(store, 1)[1], Towers("base"), 1, tmp_path)


def test_the_interval_over_trainings_by_hand() -> None:
    """Differences 1 and 3 have deviation sqrt(2), so the mean's error is 1; the rest is Student's quantile."""
    assert transfer_features.compute_half_width(np.array([1.0, 3.0])) == pytest.approx(12.7062, abs=1e-4)
    assert math.isnan(transfer_features.compute_half_width(np.array([1.0])))
