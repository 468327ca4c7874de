"""The two-tower network: bags and corrections by hand, blindness, new articles, single customers; the plug-in."""

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
from retail.params import validated
from retail.shop import Shop
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.two_tower import batches as tower_batches
from stage1_candidates.networks.two_tower import inputs as tower_inputs
from stage1_candidates.networks.two_tower import plugin
from stage1_candidates.networks.two_tower.batches import Batch, Examples
from stage1_candidates.networks.two_tower.inputs import Bag, Customers
from stage1_candidates.networks.two_tower.network import Settings, TwoTower, corrected_softmax

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
EXAMPLES = Examples(weeks=20, hold=2, customers=60, most=10_000, batch=16, negatives=20, power=0.75, basket=0.5)
BLOCK = {
    "use": True, "source": True, "score": True, "take": 7, "retrain_every": 0, "sold_days": 60,
    "search": {"kind": "flat", "effort": 1},
    "model": SETTINGS.model_dump(),
    "examples": EXAMPLES.model_dump(),
    "training": {"epochs": 3, "patience": 3, "learning_rate": 0.01, "weight_decay": 0.0, "decoupled": True,
                 "warmup": 0.0, "clip": 5.0, "precision": "32-true", "devices": 1},
}  # fmt: skip
PARAMS = plugin.Params.model_validate(BLOCK)


def hand_drawn() -> Shop:
    """Days 0..20, so that week 1 begins on day 7. Customer 0 buys article 0 on days 1 and 5, 1 on 5, 2 on the cutoff;
    customer 1 buys article 3 on day 0; customer 2 nothing before day 9."""
    rows = [(0, 0, 1, 2.0), (0, 0, 5, 2.0), (0, 1, 5, 8.0), (0, 2, 7, 1.0), (1, 3, 0, 1.0), (2, 3, 9, 1.0)]
    return small([(*row, 2, 1) for row in rows], 3, 5, 21)


def of_hand(half_lives: tuple[float, ...], mass: float, entries: int = 9) -> tuple[Array, Customers]:
    shop = hand_drawn()
    history = weeks.history(shop.log, 1)
    users = np.arange(3)
    entry = tower_inputs.bought(history, users, entries)
    return entry, tower_inputs.customers(history, shop, users, Bag(entries, half_lives, mass), entry)


# What is read at a cutoff


def test_a_bag_by_hand() -> None:
    """Ages on day 7: 6, 2, 2 and 7 days. Half-life 2: 1/8, 1/2, 1/2, together 9/8; what comes on day 7 is not in."""
    entry, of = of_hand((2.0,), 0.0)
    assert entry.tolist() == [0, 0, 1, 3] and of.start.tolist() == [0, 3, 4]
    assert np.allclose(of.weight, [[1 / 8, 1 / 2, 1 / 2, 2**-3.5]])
    assert np.allclose(of_hand((2.0,), 1.0)[1].weight, [[1 / 9, 4 / 9, 4 / 9, 1]])  # a mean
    halfway = np.array([1 / 8, 1 / 2, 1 / 2, 2**-3.5]) / np.sqrt([9 / 8, 9 / 8, 9 / 8, 2**-3.5])
    assert np.allclose(of_hand((2.0, 4.0), 0.5)[1].weight[0], halfway)
    assert np.allclose(of_hand((2.0, 4.0), 0.0)[1].weight[1], [2**-1.5, 2**-0.5, 2**-0.5, 2**-1.75])


def test_only_the_latest_entries_stand_in_a_bag() -> None:
    entry, of = of_hand((2.0,), 1.0, entries=2)
    assert entry.tolist() == [0, 1, 3] and np.allclose(of.weight, [[1 / 2, 1 / 2, 1]])


def test_numbers_of_customers_by_hand() -> None:
    """Customer 0: last purchase 2 days ago, first 6, two visits, three entries, mean log price log(32) / 3."""
    numbers = of_hand((2.0,), 1.0)[1].numbers
    assert np.allclose(
        numbers[0], [np.log(3) / 4, np.log(7) / 4, np.log(3) / 4, np.log(4) / 4, np.log(32) / 3, 1], atol=1e-6
    )
    never = np.log(2001) / 4
    assert np.allclose(numbers[2], [never, never, 0, 0, 0, 0])


def test_numbers_of_articles_by_hand() -> None:
    """On day 7: article 0 was sold 6 and 2 days ago for 2, article 1 for 8, article 3 for 1: mean log price log(16)/3;
    the mean article sold in the last 7 days was sold 4/3 times."""
    numbers = tower_inputs.article_numbers(weeks.history(hand_drawn().log, 1))
    never, middle, mean = np.log(2001) / 4, np.log(16) / 3, np.log1p(4 / 3)
    assert np.allclose(numbers[0], [np.log(7) / 4, np.log(3) / 4, np.log(2) - middle, 1, *[np.log(3) - mean] * 3])
    assert np.allclose(numbers[2], [never, never, 0, 0, *[-mean] * 3])  # first sold on the cutoff


def test_missing_codes_and_columns_have_rows_of_their_own() -> None:
    codes: dict[str, Sequence[int]] = {"product_code": [0, 0, 1], "colour_group_code": [-1, 0, 1]}
    shop = small([(0, 0, 0)], 2, 3, 7, articles=codes, customers={"FN": [-1, 0], "Active": [1, -1]})
    assert tower_inputs.attribute_codes(shop).tolist() == [[1, 3], [1, 4], [2, 5]]
    assert tower_inputs.trait_rows(shop) == 2 + 3
    bare = small([(0, 0, 0)], 2, 3, 7)
    assert tower_inputs.trait_rows(bare) == 0


def test_nothing_from_the_cutoff_on_is_read_or_learned_as_input() -> None:
    world = random_world(seed=3)
    cutoff = weeks.first_day(world.days, 40)
    one, other = world.shop, world.rewritten(cutoff, 1).shop
    users = np.arange(50)
    for shop in (one, other):
        assert shop.log.days == 403
    histories = [weeks.history(shop.log, 40) for shop in (one, other)]
    bag = SETTINGS.bag
    read = [
        tower_inputs.customers(h, s, users, bag, tower_inputs.bought(h, users, 50))
        for h, s in zip(histories, (one, other), strict=True)
    ]
    assert all(torch.equal(left, right) for left, right in zip(*read, strict=True))
    numbers = [tower_inputs.article_numbers(history) for history in histories]
    assert np.array_equal(numbers[0], numbers[1])


# Batches and loss


def some_batch() -> tuple[Shop, tower_batches.Week, Batch]:
    shop = random_world(seed=3).shop
    week = tower_batches.label_week(shop.log, 40, EXAMPLES, 1)
    batch = tower_batches.batch(
        week, np.arange(len(week.users)), shop, SETTINGS.bag, EXAMPLES, np.random.default_rng(1)
    )
    return shop, week, batch


def test_a_batch_holds_the_purchases_of_its_week() -> None:
    shop, week, batch = some_batch()
    user, item = weeks.truth(shop.log, 40)
    columns = batch.items[batch.column]
    assert week.users[batch.pair_row].tolist() == user.tolist()
    assert columns[batch.pair_column].tolist() == item.tolist()
    assert torch.equal(batch.numbers, torch.from_numpy(week.numbers[columns]))
    size = np.bincount(batch.pair_row)[batch.pair_row]
    assert np.allclose(batch.pair_weight, size**-0.5 / (size**-0.5).sum())
    entry = tower_inputs.bought(week.history, week.users, SETTINGS.entries)
    assert batch.items[batch.customers.entry].tolist() == entry.tolist()


def test_every_customer_of_every_week_is_in_one_batch_and_an_epoch_is_the_same_twice() -> None:
    shop = random_world(seed=3).shop
    parts = [tower_batches.label_week(shop.log, week, EXAMPLES, 1) for week in (39, 40)]
    epochs = [list(tower_batches.batches(parts, shop, SETTINGS.bag, EXAMPLES, [1, e])) for e in (0, 0, 1)]
    assert len(epochs[0]) == tower_batches.count(parts, EXAMPLES)
    assert sum(len(batch.customers.start) for batch in epochs[0]) == sum(len(part.users) for part in parts)
    assert max(len(batch.customers.start) for batch in epochs[0]) <= EXAMPLES.batch
    assert all(torch.equal(a.items, b.items) for a, b in zip(epochs[0], epochs[1], strict=True))
    assert any(not torch.equal(a.items, b.items) for a, b in zip(epochs[0], epochs[2], strict=True))


def test_an_epoch_of_at_most_so_many_customers() -> None:
    """20 customers are two batches of 16, others in the next epoch; the batches are those of an epoch without limit."""
    shop = random_world(seed=3).shop
    parts = [tower_batches.label_week(shop.log, week, EXAMPLES, 1) for week in (39, 40)]
    few = EXAMPLES.model_copy(update={"most": 20})
    whole, first, second = (
        list(tower_batches.batches(parts, shop, SETTINGS.bag, of, [1, epoch]))
        for of, epoch in ((EXAMPLES, 0), (few, 0), (few, 1))
    )
    assert tower_batches.count(parts, few) == 2 == len(first) == len(second) < len(whole)
    assert all(torch.equal(a.items, b.items) for a, b in zip(first, whole, strict=False))
    assert any(not torch.equal(a.customers.traits, b.customers.traits) for a, b in zip(first, second, strict=True))


def test_a_trait_of_few_customers_counts_as_missing() -> None:
    """Of the codes 0, 1, 2, 3 the first has one customer, the second none; two are wanted."""
    shop = small([(0, 0, 0)], 6, 3, 7, customers={"FN": [3, 0, 2, -1, 2, 3], "Active": [0, 1, 0, 1, 0, 1]})
    seen = tower_inputs.with_common_traits(shop, 2)
    assert seen.traits["FN"].tolist() == [1, -1, 0, -1, 0, 1] and seen.traits["Active"].tolist() == [0, 1, 0, 1, 0, 1]
    assert seen.traits["FN"].dtype == np.int32 and tower_inputs.trait_rows(seen) == 3 + 3
    assert tower_inputs.with_common_traits(shop, 0) is shop


def test_the_correction_by_hand() -> None:
    """Three purchases, two of article 7: share 2/3 and 1/3. Popular: article 7 with 1/4, article 9 with 3/4; four
    draws. Expected: article 7 3 * 2/3 + 4 * 1/4 = 3 times, article 8 once, article 9 three times."""
    shop = small([(u, i, d) for u, i, d in ((0, 7, 8), (1, 7, 8), (1, 8, 9), (2, 9, 3))], 3, 10, 14)
    week = tower_batches.label_week(shop.log, 1, EXAMPLES, 1)
    popular = np.zeros(10)
    popular[[7, 9]] = 1 / 4, 3 / 4
    chosen = tower_batches.Week(**{**vars(week), "popular": popular})
    four = EXAMPLES.model_copy(update={"negatives": 4})
    batch = tower_batches.batch(chosen, np.arange(2), shop, SETTINGS.bag, four, np.random.default_rng(1))
    drawn = np.bincount(np.random.default_rng(1).choice(10, 4, p=popular), minlength=10)
    assert 0 < drawn[7] < 4  # both are drawn
    assert batch.items[batch.column].tolist() == [7, 8, 9]
    assert np.allclose(batch.correction, np.log([(2 + drawn[7]) / 3, 1 / 1, drawn[9] / 3]))


def loss_of(scores: list[list[float]], correction: list[float], pairs: list[tuple[int, int]]) -> float:
    row, column = torch.tensor(pairs).T
    nothing: Any = torch.zeros(0)
    weight = torch.full((len(pairs),), 1 / len(pairs))
    batch = Batch(nothing, nothing, nothing, nothing, torch.tensor(correction), row, column, weight)
    return float(corrected_softmax(torch.tensor(scores), batch))


def test_the_loss_by_hand() -> None:
    """Odds 2, 1, 4 of one purchase: 2 / (2 + 1 + 4) without, 2 / (2 + 1 * 3 + 4 / 4) with corrections 3 and 1/4."""
    odds = np.log([2.0, 1.0, 4.0]).tolist()
    assert loss_of([odds], [0, 0, 0], [(0, 0)]) == pytest.approx(-np.log(2 / 7))
    corrections = [float(np.log(5)), float(np.log(3)), float(np.log(1 / 4))]
    assert loss_of([odds], corrections, [(0, 0)]) == pytest.approx(-np.log(2 / 6))  # its own does not matter


def test_accidental_hits_are_masked() -> None:
    """Both purchases stand against the third column only, 2 / (2 + 4) and 1 / (1 + 4); another customer's do not."""
    odds = np.log([2.0, 1.0, 4.0]).tolist()
    one = loss_of([odds], [0, 0, 0], [(0, 0), (0, 1)])
    assert one == pytest.approx(-(np.log(2 / 6) + np.log(1 / 5)) / 2)
    two = loss_of([odds, odds], [0, 0, 0], [(0, 0), (1, 1)])
    assert two == pytest.approx(-(np.log(2 / 7) + np.log(1 / 7)) / 2)


def test_a_customer_who_bought_every_column_costs_nothing_and_spoils_no_gradient() -> None:
    scores = torch.zeros((2, 2), requires_grad=True)
    nothing: Any = torch.zeros(0)
    pairs = torch.tensor([[0, 0], [0, 1], [1, 0]]).T
    batch = Batch(nothing, nothing, nothing, nothing, torch.zeros(2), pairs[0], pairs[1], torch.full((3,), 1 / 3))
    loss = corrected_softmax(scores, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(np.log(2) / 3)
    assert scores.grad is not None and torch.isfinite(scores.grad).all()


def test_the_correction_estimates_the_softmax_over_all() -> None:
    """The mean over many draws of the corrected sum is the sum over all articles that the customer did not buy."""
    rng = np.random.default_rng(1)
    odds, chance = rng.uniform(1, 3, 6), np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    sums = []
    for _ in range(4000):
        column, times = np.unique(rng.choice(6, 5, p=chance), return_counts=True)
        sums.append((odds[column] * times / (5 * chance[column])).sum())
    assert np.mean(sums) == pytest.approx(odds.sum(), rel=0.02)


# The network


def network_of(shop: Shop) -> TwoTower:
    torch.manual_seed(1)
    return TwoTower(tower_inputs.attribute_codes(shop), tower_inputs.trait_rows(shop), SETTINGS)


def test_the_loss_falls_on_one_batch() -> None:
    shop, _, batch = some_batch()
    network = network_of(shop)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = network.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_an_article_that_training_never_saw_lives_on_its_attributes() -> None:
    """Own vectors begin at 0 and those of articles outside the batch stay there, so two such articles of the same
    attributes are the same; own dropout leaves a known article exactly its attributes."""
    shop, _, batch = some_batch()
    network = network_of(shop)
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
        network.train().known(every), network.attributes(torch.from_numpy(tower_inputs.attribute_codes(shop)))
    )
    assert network.known(torch.from_numpy(unseen)).abs().sum(1).min() > 0
    assert not torch.equal(network.eval().known(every), network.train().known(every))


def test_vectors_have_length_one() -> None:
    shop, _, batch = some_batch()
    network = network_of(shop).eval()
    known = network.known(batch.items)
    for vectors in (network.customers(known, batch.customers), network.articles(known[batch.column], batch.numbers)):
        assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)))


# The plug-in (tests/test_contracts.py asks more of every network)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, dict[str, Array]]:
    shop = random_world(seed=3, users=150, entries=4500).shop
    folder = tmp_path_factory.mktemp("two_tower")
    return shop, plugin.train(weeks.history(shop.log, 50), shop, PARAMS, 1, folder)


def test_a_customer_without_a_bag_is_refused_by_name() -> None:
    block = {**BLOCK, "model": {**SETTINGS.model_dump(), "half_lives": []}}
    with pytest.raises(InputError, match=r"two_tower\.model' is .*; .*half_lives must name at least one"):
        validated(plugin.Params, block, "networks.two_tower")


def test_learning_twice_gives_the_same_and_knows_no_later_week(
    learned: tuple[Shop, dict[str, Array]], tmp_path: Path
) -> None:
    _, weights = learned
    world = random_world(seed=3, users=150, entries=4500)
    other = world.rewritten(weeks.first_day(world.days, 50), 1).shop
    again = plugin.train(weeks.history(other.log, 50), other, PARAMS, 1, tmp_path)
    assert list(again) == list(weights)
    assert all(np.array_equal(again[name], weights[name]) for name in weights)


def test_what_is_asked_of_the_network_later_has_no_part_in_its_training(
    learned: tuple[Shop, dict[str, Array]], tmp_path: Path
) -> None:
    """DVC trains nothing again where these three change."""
    shop, weights = learned
    search = ann.Search(kind="ivf", effort=1)
    asked = PARAMS.model_copy(update={"take": 3, "sold_days": 7, "search": search})
    again = plugin.train(weeks.history(shop.log, 50), shop, asked, 1, tmp_path)
    assert all(np.array_equal(again[name], weights[name]) for name in weights)


def test_one_customer_alone_hears_what_it_hears_among_others(learned: tuple[Shop, dict[str, Array]]) -> None:
    """Bit for bit, over more customers than a block has."""
    shop, weights = learned
    history = weeks.history(shop.log, 54)
    fitted = Loaded.fit(plugin, PARAMS, history, shop, weights)
    state = fitted.state
    everyone = np.tile(np.arange(150, dtype=np.uint32), 4)
    best = fitted.propose(history, shop, everyone)
    assert np.array_equal(np.diff(best.ptr), np.full(600, 7))  # customers without a past too
    ptr = np.arange(601) * 40
    scores = plugin.score(history, shop, state, everyone, ptr, np.tile(np.arange(40), 600), PARAMS).reshape(600, 40)
    assert np.array_equal(scores[best.key_of_rows(), best.target], best.weight)
    assert np.array_equal(scores[:150], scores[450:])
    for user in (0, 60, 75, 149):
        alone = np.array([user], np.uint32)
        one = plugin.propose(history, shop, state, alone, PARAMS)
        run = slice(best.ptr[user], best.ptr[user + 1])
        assert np.array_equal(one.target, best.target[run]) and np.array_equal(one.weight, best.weight[run])
        assert np.array_equal(plugin.score(history, shop, state, alone, ptr[:2], np.arange(40), PARAMS), scores[user])


def test_only_articles_sold_lately_are_proposed(learned: tuple[Shop, dict[str, Array]]) -> None:
    shop, weights = learned
    history = weeks.history(shop.log, 54)
    few = PARAMS.model_copy(update={"sold_days": 2, "take": 40})
    state = plugin.fit(history, shop, few, weights)
    best = plugin.propose(history, shop, state, np.arange(9, dtype=np.uint32), few)
    sold = ann.sold_lately(history, 2)
    assert 0 < len(sold) < 30
    assert all(sorted(best.target[best.ptr[r] : best.ptr[r + 1]]) == sold.tolist() for r in range(9))


@pytest.mark.parametrize("week", [0, 1, 2])
def test_a_shop_with_nothing_to_learn_from(week: int, tmp_path: Path) -> None:
    shop = hand_drawn()
    history = weeks.history(shop.log, week)
    assert plugin.train(history, shop, PARAMS, 1, tmp_path) == {}
    weights = stored.arrays(TwoTower(tower_inputs.attribute_codes(shop), tower_inputs.trait_rows(shop), PARAMS.model))
    state = plugin.fit(history, shop, PARAMS, weights)  # of any weights, in a shop as young as this
    best = plugin.propose(history, shop, state, np.arange(3, dtype=np.uint32), PARAMS)
    assert np.diff(best.ptr).tolist() == [[0, 3, 4][week]] * 3
    score = plugin.score(
        history, shop, state, np.arange(3, dtype=np.uint32), np.array([0, 2, 2, 3]), np.arange(3), PARAMS
    )
    assert np.isfinite(score).all() and score.any() == (week > 0)


# The benchmark's figures


def test_recall_by_hand() -> None:
    """Week 2, days 14 to 20: customer 0 buys 0 and 1, customer 1 buys 2. Customer 0's list has 1 at place 1 and 0 at
    place 60, customer 1's has 2 at place 13. At 12: 1 of 3 purchases, (1/2 + 0) / 2 of customers; at 50: 2 of 3."""
    shop = small([(0, 0, 15), (0, 1, 15), (1, 2, 20), (1, 0, 3)], 2, 3, 21)
    ranked = np.full((2, 200), -1)
    ranked[0, [0, 59]], ranked[1, 12] = (1, 0), 2
    part = recall.hits(shop.log, 2, {"it": ranked, "nothing": np.full((2, 200), -1)})
    assert part.bought.tolist() == [2, 1]
    assert part.found["it"].tolist() == [[1, 1, 2, 2], [0, 1, 1, 1]]
    values = recall.recalls([part], "it", 1)
    assert np.allclose(values["pooled"][0], [1 / 3, 2 / 3, 1, 1])
    assert np.allclose(values["customer"][0], [1 / 4, 3 / 4, 1, 1])
