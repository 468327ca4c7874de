"""Test the two-tower network: inputs, batches, loss, new articles, independent customers, the plug-in, recall."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from world import random_world, small

from research.two_tower import recall
from retail import weeks
from retail.errors import InputError
from retail.log import Array
from retail.params import validate_block
from retail.shop import Shop
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.two_tower import batches as tower_batches
from stage1_candidates.networks.two_tower import inputs as tower_inputs
from stage1_candidates.networks.two_tower import plugin
from stage1_candidates.networks.two_tower.batches import Batch, Examples
from stage1_candidates.networks.two_tower.inputs import Bag, Customers
from stage1_candidates.networks.two_tower.network import Settings, TwoTower, compute_corrected_softmax

SETTINGS = Settings(
    width=8,
    hidden=12,
    entries=50,
    half_lives=(30, 180),
    mass=0.5,
    own_dropout=0.2,
    dropout=0.1,
    trait_customers=0,
    temperature=0.1,
)
EXAMPLES = Examples(
    weeks=20, warm_weeks=4, hold=2, customers=60, most=10_000, per_customer=20, batch=16, negatives=20, power=0.75,
    basket=0.5,
)  # fmt: skip
BLOCK = {
    "use": True, "source": True, "score": True, "take": 7, "retrain_every": 0,
    "answer": {"sold_days": 60, "search": {"kind": "flat", "effort": 1}},
    "model": SETTINGS.model_dump(),
    "examples": EXAMPLES.model_dump(),
    "training": {"epochs": 3, "warm_epochs": 2, "patience": 3, "learning_rate": 0.01, "weight_decay": 0.0,
                 "decoupled": True, "warmup": 0.0, "clip": 5.0, "precision": "32-true", "devices": 1},
}  # fmt: skip
PARAMS = plugin.Params.model_validate(BLOCK)


def draw_shop() -> Shop:
    """Draw a shop of days 0..20, whose week 1 begins on day 7.

    Customer 0 buys article 0 on days 1 and 5, article 1 on day 5, and article 2 on day 7. Customer 1 buys article 3 on
    day 0. Customer 2 buys nothing before day 9.
    """
    rows = [(0, 0, 1, 2.0), (0, 0, 5, 2.0), (0, 1, 5, 8.0), (0, 2, 7, 1.0), (1, 3, 0, 1.0), (2, 3, 9, 1.0)]
    return small([(*row, 2, 1) for row in rows], 3, 5, 21)


def read_customers(half_lives: tuple[float, ...], mass: float, entries: int = 9) -> tuple[Array, Customers]:
    shop = draw_shop()
    history = weeks.history(shop.log, 1)
    users = np.arange(3)
    entry = tower_inputs.list_bought(history, users, entries)
    return entry, tower_inputs.build_customers(history, shop, users, Bag(entries, half_lives, mass), entry)


# Inputs at a cutoff


def test_a_bag_by_hand() -> None:
    """Ages on day 7: 6, 2, 2 and 7 days. Half-life 2: 1/8, 1/2, 1/2, in sum 9/8. Day 7 itself does not count."""
    entry, inputs = read_customers((2.0,), 0.0)
    assert entry.tolist() == [0, 0, 1, 3] and inputs.start.tolist() == [0, 3, 4]
    assert np.allclose(inputs.weight, [[1 / 8, 1 / 2, 1 / 2, 2**-3.5]])
    assert np.allclose(read_customers((2.0,), 1.0)[1].weight, [[1 / 9, 4 / 9, 4 / 9, 1]])  # a mean
    halfway = np.array([1 / 8, 1 / 2, 1 / 2, 2**-3.5]) / np.sqrt([9 / 8, 9 / 8, 9 / 8, 2**-3.5])
    assert np.allclose(read_customers((2.0, 4.0), 0.5)[1].weight[0], halfway)
    assert np.allclose(read_customers((2.0, 4.0), 0.0)[1].weight[1], [2**-1.5, 2**-0.5, 2**-0.5, 2**-1.75])


def test_a_bag_holds_only_the_latest_entries() -> None:
    entry, inputs = read_customers((2.0,), 1.0, entries=2)
    assert entry.tolist() == [0, 1, 3] and np.allclose(inputs.weight, [[1 / 2, 1 / 2, 1]])


def test_numbers_of_customers_by_hand() -> None:
    """Customer 0: last purchase 2 days ago, first 6, two visits, three entries, mean log price log(32) / 3."""
    numbers = read_customers((2.0,), 1.0)[1].numbers
    assert np.allclose(
        numbers[0], [np.log(3) / 4, np.log(7) / 4, np.log(3) / 4, np.log(4) / 4, np.log(32) / 3, 1], atol=1e-6
    )
    never = np.log(2001) / 4
    assert np.allclose(numbers[2], [never, never, 0, 0, 0, 0])


def test_numbers_of_articles_by_hand() -> None:
    """On day 7: article 0 sold 6 and 2 days ago for 2, article 1 for 8, article 3 for 1.

    The mean log price is log(16) / 3. The mean of sales over the articles sold in the last 7 days is 4/3.
    """
    numbers = tower_inputs.compute_article_numbers(weeks.history(draw_shop().log, 1))
    never, mean_price, mean = np.log(2001) / 4, np.log(16) / 3, np.log1p(4 / 3)
    assert np.allclose(numbers[0], [np.log(7) / 4, np.log(3) / 4, np.log(2) - mean_price, 1, *[np.log(3) - mean] * 3])
    assert np.allclose(numbers[2], [never, never, 0, 0, *[-mean] * 3])  # first sold on the cutoff


def test_missing_codes_have_their_own_rows() -> None:
    codes: dict[str, Sequence[int]] = {"product_code": [0, 0, 1], "colour_group_code": [-1, 0, 1]}
    shop = small([(0, 0, 0)], 2, 3, 7, articles=codes, customers={"FN": [-1, 0], "Active": [1, -1]})
    assert tower_inputs.encode_attributes(shop).tolist() == [[1, 3], [1, 4], [2, 5]]
    assert tower_inputs.count_trait_rows(shop) == 2 + 3
    bare = small([(0, 0, 0)], 2, 3, 7)
    assert tower_inputs.count_trait_rows(bare) == 0


def test_inputs_do_not_depend_on_days_from_the_cutoff_on() -> None:
    world = random_world(seed=3)
    cutoff = weeks.first_day(world.days, 40)
    shops = world.shop, world.rewritten(cutoff, 1).shop
    users = np.arange(50)
    for shop in shops:
        assert shop.log.days == 403
    histories = [weeks.history(shop.log, 40) for shop in shops]
    bag = SETTINGS.bag
    inputs = [
        tower_inputs.build_customers(h, s, users, bag, tower_inputs.list_bought(h, users, 50))
        for h, s in zip(histories, shops, strict=True)
    ]
    assert all(torch.equal(left, right) for left, right in zip(*inputs, strict=True))
    numbers = [tower_inputs.compute_article_numbers(history) for history in histories]
    assert np.array_equal(numbers[0], numbers[1])


# Batches and loss


def make_batch() -> tuple[Shop, tower_batches.Week, Batch]:
    shop = random_world(seed=3).shop
    week = tower_batches.prepare_week(shop.log, 40, EXAMPLES, 1)
    batch = tower_batches.make_batch(
        week, np.arange(len(week.users)), shop, SETTINGS.bag, EXAMPLES, np.random.default_rng(1)
    )
    return shop, week, batch


def test_a_batch_holds_the_purchases_of_its_week() -> None:
    shop, week, batch = make_batch()
    user, item = weeks.truth(shop.log, 40)
    columns = batch.items[batch.column]
    assert week.users[batch.pair_row].tolist() == user.tolist()
    assert columns[batch.pair_column].tolist() == item.tolist()
    assert torch.equal(batch.numbers, torch.from_numpy(week.numbers[columns]))
    size = np.bincount(batch.pair_row)[batch.pair_row]
    assert np.allclose(batch.pair_weight, size**-0.5 / (size**-0.5).sum())
    entry = tower_inputs.list_bought(week.history, week.users, SETTINGS.entries)
    assert batch.items[batch.customers.entry].tolist() == entry.tolist()


def test_an_epoch_holds_every_customer_of_every_week_once_and_is_deterministic() -> None:
    shop = random_world(seed=3).shop
    parts = [tower_batches.prepare_week(shop.log, week, EXAMPLES, 1) for week in (39, 40)]
    epochs = [list(tower_batches.iterate_batches(parts, shop, SETTINGS.bag, EXAMPLES, [1, e])) for e in (0, 0, 1)]
    assert len(epochs[0]) == tower_batches.count_batches(parts, EXAMPLES)
    assert sum(len(batch.customers.start) for batch in epochs[0]) == sum(len(part.users) for part in parts)
    assert max(len(batch.customers.start) for batch in epochs[0]) <= EXAMPLES.batch
    assert all(torch.equal(a.items, b.items) for a, b in zip(epochs[0], epochs[1], strict=True))
    assert any(not torch.equal(a.items, b.items) for a, b in zip(epochs[0], epochs[2], strict=True))


def test_an_epoch_of_at_most_20_customers() -> None:
    """20 customers fill two batches of 16; the next epoch has others; the batches are those of an unlimited epoch."""
    shop = random_world(seed=3).shop
    parts = [tower_batches.prepare_week(shop.log, week, EXAMPLES, 1) for week in (39, 40)]
    few = EXAMPLES.model_copy(update={"most": 20})
    whole, first, second = (
        list(tower_batches.iterate_batches(parts, shop, SETTINGS.bag, examples, [1, epoch]))
        for examples, epoch in ((EXAMPLES, 0), (few, 0), (few, 1))
    )
    assert tower_batches.count_batches(parts, few) == 2 == len(first) == len(second) < len(whole)
    assert all(torch.equal(a.items, b.items) for a, b in zip(first, whole, strict=False))
    assert any(not torch.equal(a.customers.traits, b.customers.traits) for a, b in zip(first, second, strict=True))


def test_a_trait_of_few_customers_counts_as_missing() -> None:
    """A code needs two customers; of the codes 0, 1, 2, 3 the first has one and the second none."""
    shop = small([(0, 0, 0)], 6, 3, 7, customers={"FN": [3, 0, 2, -1, 2, 3], "Active": [0, 1, 0, 1, 0, 1]})
    common = tower_inputs.drop_rare_traits(shop, 2)
    assert common.traits["FN"].tolist() == [1, -1, 0, -1, 0, 1] and common.traits["Active"].tolist() == [
        0,
        1,
        0,
        1,
        0,
        1,
    ]
    assert common.traits["FN"].dtype == np.int32 and tower_inputs.count_trait_rows(common) == 3 + 3
    assert tower_inputs.drop_rare_traits(shop, 0) is shop


def test_the_correction_by_hand() -> None:
    """Three purchases, two of article 7: shares 2/3 and 1/3. Four draws: article 7 with 1/4, article 9 with 3/4.

    Expected times: article 7 has 3 * 2/3 + 4 * 1/4 = 3, article 8 has 1, article 9 has 3.
    """
    shop = small([(u, i, d) for u, i, d in ((0, 7, 8), (1, 7, 8), (1, 8, 9), (2, 9, 3))], 3, 10, 14)
    week = tower_batches.prepare_week(shop.log, 1, EXAMPLES, 1)
    popular = np.zeros(10)
    popular[[7, 9]] = 1 / 4, 3 / 4
    changed = tower_batches.Week(**{**vars(week), "popular": popular})
    four = EXAMPLES.model_copy(update={"negatives": 4})
    batch = tower_batches.make_batch(changed, np.arange(2), shop, SETTINGS.bag, four, np.random.default_rng(1))
    drawn = np.bincount(np.random.default_rng(1).choice(10, 4, p=popular), minlength=10)
    assert 0 < drawn[7] < 4  # both articles are drawn
    assert batch.items[batch.column].tolist() == [7, 8, 9]
    assert np.allclose(batch.correction, np.log([(2 + drawn[7]) / 3, 1 / 1, drawn[9] / 3]))


def compute_loss(scores: list[list[float]], correction: list[float], pairs: list[tuple[int, int]]) -> float:
    row, column = torch.tensor(pairs).T
    empty: Any = torch.zeros(0)
    weight = torch.full((len(pairs),), 1 / len(pairs))
    batch = Batch(empty, empty, empty, empty, torch.tensor(correction), row, column, weight)
    return float(compute_corrected_softmax(torch.tensor(scores), batch))


def test_the_loss_by_hand() -> None:
    """Odds 2, 1, 4, the first is bought: 2 / (2 + 1 + 4), or 2 / (2 + 1 * 3 + 4 / 4) with corrections 3 and 1/4."""
    odds = np.log([2.0, 1.0, 4.0]).tolist()
    assert compute_loss([odds], [0, 0, 0], [(0, 0)]) == pytest.approx(-np.log(2 / 7))
    corrections = [float(np.log(5)), float(np.log(3)), float(np.log(1 / 4))]
    assert compute_loss([odds], corrections, [(0, 0)]) == pytest.approx(
        -np.log(2 / 6)
    )  # the correction of the purchase itself has no effect


def test_other_purchases_of_the_customer_are_masked() -> None:
    """Two purchases compete with the third column only, 2 / (2 + 4) and 1 / (1 + 4); with two customers, with all."""
    odds = np.log([2.0, 1.0, 4.0]).tolist()
    same_customer = compute_loss([odds], [0, 0, 0], [(0, 0), (0, 1)])
    assert same_customer == pytest.approx(-(np.log(2 / 6) + np.log(1 / 5)) / 2)
    two_customers = compute_loss([odds, odds], [0, 0, 0], [(0, 0), (1, 1)])
    assert two_customers == pytest.approx(-(np.log(2 / 7) + np.log(1 / 7)) / 2)


def test_a_customer_who_bought_every_column_has_no_loss_and_finite_gradients() -> None:
    scores = torch.zeros((2, 2), requires_grad=True)
    empty: Any = torch.zeros(0)
    pairs = torch.tensor([[0, 0], [0, 1], [1, 0]]).T
    batch = Batch(empty, empty, empty, empty, torch.zeros(2), pairs[0], pairs[1], torch.full((3,), 1 / 3))
    loss = compute_corrected_softmax(scores, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(np.log(2) / 3)
    assert scores.grad is not None and torch.isfinite(scores.grad).all()


def test_the_corrected_sum_is_an_unbiased_estimate() -> None:
    """The mean of the corrected sum over many draws is the sum over all articles."""
    rng = np.random.default_rng(1)
    odds, probability = rng.uniform(1, 3, 6), np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    sums = []
    for _ in range(4000):
        column, times = np.unique(rng.choice(6, 5, p=probability), return_counts=True)
        sums.append((odds[column] * times / (5 * probability[column])).sum())
    assert np.mean(sums) == pytest.approx(odds.sum(), rel=0.02)


# The network


def make_network(shop: Shop) -> TwoTower:
    torch.manual_seed(1)
    return TwoTower(tower_inputs.encode_attributes(shop), tower_inputs.count_trait_rows(shop), SETTINGS)


def test_the_loss_falls_on_one_batch() -> None:
    shop, _, batch = make_batch()
    network = make_network(shop)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = network.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_an_article_without_training_data_is_described_by_its_attributes() -> None:
    """Own vectors start at zero, and those of articles outside the batches stay zero.

    With own dropout 1, every article is exactly the sum of its attributes.
    """
    shop, _, batch = make_batch()
    network = make_network(shop)
    optimiser = torch.optim.AdamW(network.parameters(), 0.01)
    for _ in range(3):
        optimiser.zero_grad()
        network.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    unseen = np.setdiff1d(np.arange(40), batch.items)
    assert len(unseen) > 1
    assert not network.own.weight[unseen].any() and network.own.weight[batch.items].any(1).all()
    network.own_dropout = 1.0
    every = torch.arange(40)
    assert torch.equal(
        network.train().embed_articles(every),
        network.attributes(torch.from_numpy(tower_inputs.encode_attributes(shop))),
    )
    assert network.embed_articles(torch.from_numpy(unseen)).abs().sum(1).min() > 0
    assert not torch.equal(network.eval().embed_articles(every), network.train().embed_articles(every))


def test_vectors_have_length_one() -> None:
    shop, _, batch = make_batch()
    network = make_network(shop).eval()
    known = network.embed_articles(batch.items)
    for vectors in (
        network.encode_customers(known, batch.customers),
        network.encode_articles(known[batch.column], batch.numbers),
    ):
        assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)))


# The plug-in (tests/test_contracts.py checks more for every network)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, dict[str, Array]]:
    shop = random_world(seed=3, users=150, entries=4500).shop
    folder = tmp_path_factory.mktemp("two_tower")
    return shop, plugin.train(weeks.history(shop.log, 50), shop, PARAMS, 1, folder)


def test_settings_without_a_half_life_are_refused_by_name() -> None:
    block = {**BLOCK, "model": {**SETTINGS.model_dump(), "half_lives": []}}
    with pytest.raises(InputError, match=r"two_tower\.model' is .*; .*half_lives must name at least one"):
        validate_block(plugin.Params, block, "networks.two_tower")


def test_training_is_deterministic_and_reads_no_later_week(
    trained: tuple[Shop, dict[str, Array]], tmp_path: Path
) -> None:
    _, weights = trained
    world = random_world(seed=3, users=150, entries=4500)
    other = world.rewritten(weeks.first_day(world.days, 50), 1).shop
    repeated = plugin.train(weeks.history(other.log, 50), other, PARAMS, 1, tmp_path)
    assert list(repeated) == list(weights)
    assert all(np.array_equal(repeated[name], weights[name]) for name in weights)


def test_an_epoch_is_bounded_by_the_shops_customers() -> None:
    """Before week 1, customers 0 and 1 bought; before week 2, customer 2 did, too."""
    few = EXAMPLES.model_copy(update={"most": 5, "per_customer": 2})
    shop = draw_shop()
    assert [few.bounded(weeks.history(shop.log, week)).most for week in (0, 1, 2)] == [1, 4, 5]


def test_a_warm_training_reads_the_newest_weeks_and_keeps_what_it_does_not_see(
    trained: tuple[Shop, dict[str, Array]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, start = trained
    read: list[int] = []
    prepare = tower_batches.prepare_week

    def note(log: Any, week: int, *rest: Any) -> tower_batches.Week:
        read.append(week)
        return prepare(log, week, *rest)

    monkeypatch.setattr(plugin, "prepare_week", note)
    history = weeks.history(shop.log, 54)
    warm = plugin.train(history, shop, PARAMS, 1, tmp_path / "warm", start)
    assert read == [50, 51, 52, 53]  # four weeks, none of them held out
    again = plugin.train(history, shop, PARAMS, 1, tmp_path / "again", start)
    cold = plugin.train(history, shop, PARAMS, 1, tmp_path / "cold")
    assert read[8] == 32 and list(warm) == list(start) == list(cold)
    assert all(np.array_equal(warm[name], again[name]) for name in warm)

    def distance(left: dict[str, Array], right: dict[str, Array]) -> float:
        return float(sum(np.square(left[name] - right[name]).sum() for name in left))

    assert 0 < distance(warm, start) < distance(cold, start)
    unsold = np.flatnonzero(np.bincount(shop.log.item[weeks.history(shop.log, 53).known], minlength=40) == 0)
    assert not warm["own.weight"][unsold].any()


def test_a_warm_training_without_label_weeks_keeps_its_start(tmp_path: Path) -> None:
    shop = draw_shop()
    start = {"gain": np.ones(1, np.float32)}
    assert plugin.train(weeks.history(shop.log, 1), shop, PARAMS, 1, tmp_path, start) is start


def test_settings_of_the_search_do_not_affect_training(trained: tuple[Shop, dict[str, Array]], tmp_path: Path) -> None:
    """DVC therefore does not retrain if one of these three changes."""
    shop, weights = trained
    search = ann.Search(kind="ivf", effort=1)
    changed = PARAMS.model_copy(update={"take": 3, "answer": plugin.Answer(sold_days=7, search=search)})
    repeated = plugin.train(weeks.history(shop.log, 50), shop, changed, 1, tmp_path)
    assert all(np.array_equal(repeated[name], weights[name]) for name in weights)


def test_a_customers_scores_do_not_depend_on_the_others(trained: tuple[Shop, dict[str, Array]]) -> None:
    """They are equal bit for bit, also for more customers than a block has."""
    shop, weights = trained
    history = weeks.history(shop.log, 54)
    fitted = Loaded.fit(plugin, PARAMS, history, shop, weights)
    state = fitted.state
    everyone = np.tile(np.arange(150, dtype=np.uint32), 4)
    best = fitted.propose(history, shop, everyone)
    assert np.array_equal(np.diff(best.ptr), np.full(600, 7))  # including customers without a past
    ptr = np.arange(601) * 40
    scores = plugin.score(history, shop, state, everyone, ptr, np.tile(np.arange(40), 600), PARAMS).reshape(600, 40)
    assert np.array_equal(scores[best.key_of_rows(), best.target], best.weight)
    assert np.array_equal(scores[:150], scores[450:])
    for user in (0, 60, 75, 149):
        alone = np.array([user], np.uint32)
        single = plugin.propose(history, shop, state, alone, PARAMS)
        run = slice(best.ptr[user], best.ptr[user + 1])
        assert np.array_equal(single.target, best.target[run]) and np.array_equal(single.weight, best.weight[run])
        assert np.array_equal(plugin.score(history, shop, state, alone, ptr[:2], np.arange(40), PARAMS), scores[user])


def test_only_recently_sold_articles_are_proposed(trained: tuple[Shop, dict[str, Array]]) -> None:
    shop, weights = trained
    history = weeks.history(shop.log, 54)
    few = PARAMS.model_copy(update={"answer": PARAMS.answer.model_copy(update={"sold_days": 2}), "take": 40})
    state = plugin.fit(history, shop, few, weights)
    best = plugin.propose(history, shop, state, np.arange(9, dtype=np.uint32), few)
    sold = ann.sold_lately(history, 2)
    assert 0 < len(sold) < 30
    assert all(sorted(best.target[best.ptr[r] : best.ptr[r + 1]]) == sold.tolist() for r in range(9))


@pytest.mark.parametrize("week", [0, 1, 2])
def test_a_shop_without_examples_gives_no_weights(week: int, tmp_path: Path) -> None:
    shop = draw_shop()
    history = weeks.history(shop.log, week)
    assert plugin.train(history, shop, PARAMS, 1, tmp_path) == {}
    weights = stored.arrays(
        TwoTower(tower_inputs.encode_attributes(shop), tower_inputs.count_trait_rows(shop), PARAMS.model)
    )
    state = plugin.fit(history, shop, PARAMS, weights)  # with random weights
    best = plugin.propose(history, shop, state, np.arange(3, dtype=np.uint32), PARAMS)
    assert np.diff(best.ptr).tolist() == [[0, 3, 4][week]] * 3
    score = plugin.score(
        history, shop, state, np.arange(3, dtype=np.uint32), np.array([0, 2, 2, 3]), np.arange(3), PARAMS
    )
    assert np.isfinite(score).all() and score.any() == (week > 0)


# The figures of the benchmark


def test_recall_by_hand() -> None:
    """In week 2 (days 14 to 20), customer 0 buys articles 0 and 1, and customer 1 buys article 2.

    The list of customer 0 has article 1 at rank 1 and article 0 at rank 60. That of customer 1 has article 2 at rank
    13. At 12, pooled recall is 1/3 and recall by customer (1/2 + 0) / 2. At 50, pooled recall is 2/3.
    """
    shop = small([(0, 0, 15), (0, 1, 15), (1, 2, 20), (1, 0, 3)], 2, 3, 21)
    ranked = np.full((2, 200), -1)
    ranked[0, [0, 59]], ranked[1, 12] = (1, 0), 2
    part = recall.count_hits(shop.log, 2, {"ranked": ranked, "nothing": np.full((2, 200), -1)})
    assert part.bought.tolist() == [2, 1]
    assert part.counts["ranked"].tolist() == [[1, 1, 2, 2], [0, 1, 1, 1]]
    values = recall.compute_recalls([part], "ranked", 1)
    assert np.allclose(values["pooled"][0], [1 / 3, 2 / 3, 1, 1])
    assert np.allclose(values["customer"][0], [1 / 4, 3 / 4, 1, 1])
