"""T-REX-style network: tokens, splits and times by hand, what reads what, the map to articles, and the benchmark."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from world import closed, drawn, network_of, random_world

from research.trex import baselines, masked, protocol
from research.trex.masked import Masked
from retail import weeks
from retail.errors import InputError
from retail.log import Array
from retail.shop import Shop
from stage1_candidates.engine import lists
from stage1_candidates.networks.trex import answers as trex_answers
from stage1_candidates.networks.trex import articles as trex_articles
from stage1_candidates.networks.trex import baskets, plugin
from stage1_candidates.networks.trex.baskets import BOS, FIRST, PAD, SEP, Batch, Splits, Tokens
from stage1_candidates.networks.trex.network import Adaptive, Shape, Trex, generate, waves

SHAPE: dict[str, Any] = {
    "width": 16,
    "layers": 2,
    "heads": 2,
    "dropout": 0.0,
    "tokens": 32,
    "positions": "adaptive",
    "intra_basket": "causal",
    "objective": "ce",
    "baskets": 8,
    "own": None,
    "half_lives": [10],
    "sales_half_lives": [],
}
PARAMS: dict[str, Any] = {
    "use": True,
    "source": True,
    "score": True,
    "take": 7,
    "retrain_every": 0,
    "training": {
        "epochs": 2,
        "patience": 2,
        "learning_rate": 0.01,
        "weight_decay": 0.0,
        "decoupled": True,
        "warmup": 0.1,
        "clip": 1.0,
        "precision": "32-true",
        "devices": 1,
    },
    "model": {**SHAPE, "own": 4, "sales_half_lives": [7, 30]},
    "examples": {"category": "product_type_no", "most": 2000, "hold": 2, "splits": 2, "recency": 0.0, "batch": 64},
    "sales_half_life": 21,
    "own_half_life": 90,
    "smoothing": 2,
}

# Customer 0 buys a and b on day 0 and b, c on day 3; articles a, b, c, d are of the categories 0, 1, 1, 2, e of none.
TYPES = {"product_type_no": [0, 1, 1, 2, -1]}
SHOP = drawn(("a..b...a", "b..c...d", "......."), ("..d..b.", "..e...."), ".......", items=5, articles=TYPES)


def network(categories: int = 5, seed: int = 0, **changes: Any) -> Trex:
    torch.manual_seed(seed)
    made = Trex(categories, Shape(**{**SHAPE, **changes})).eval()
    for value in made.parameters():  # the bias too, so that nothing is equal by chance
        torch.nn.init.normal_(value, std=0.3)
    return made


def tokens_of(shop: Shop, week: int | None = None) -> Tokens:
    history = weeks.history(shop.log, shop.log.weeks if week is None else week)
    return baskets.tokens(history, shop.category, int(shop.category.max()) + 1, [2.0], [1.0])


@cache
def world(bare: bool = False) -> Shop:
    made = random_world(seed=1, users=150, entries=4500)
    return (made.bare if bare else made).shop


def some_rows(count: int = 6) -> tuple[Tokens, Splits]:
    of = tokens_of(world())
    every = baskets.splits(of, of.day, of.day)
    rng = np.random.default_rng(3)
    return of, every.chosen(np.sort(rng.choice(len(every.user), count, replace=False)))


# Tokens


def test_tokens_by_hand() -> None:
    of = tokens_of(SHOP)
    assert of.start.tolist() == [0, 5, 7, 7]
    assert of.category.tolist() == [0, 1, 1, 0, 2, 2, 1]  # b and c of day 3 are one category, e has none
    assert of.day.tolist() == [0, 0, 3, 7, 7, 2, 5]
    assert of.basket.tolist() == [0, 0, 1, 2, 2, 0, 1]
    assert of.gap.tolist() == [0, 0, 3, 4, 4, 0, 3]
    assert of.categories == 3


def test_rows_by_hand() -> None:
    of = tokens_of(SHOP)
    at = baskets.splits(of, of.day, of.day)
    assert at.user.tolist() == [0, 0, 1] and at.stop.tolist() == [2, 3, 6] and at.cutoff.tolist() == [3, 7, 5]
    assert at.ptr.tolist() == [0, 1, 3, 4] and at.target.tolist() == [1, 0, 2, 1]
    row = baskets.batch(of, at.chosen(np.array([1])), 8)
    a, b, c = FIRST, FIRST + 1, FIRST + 2
    assert row.token.tolist() == [[PAD, PAD, BOS, a, b, SEP, b, SEP]]
    assert row.distance.tolist() == [[0, 0, 0, 2, 2, 2, 1, 1]]
    assert row.age.tolist() == [[0, 0, 0, 7, 7, 7, 4, 4]]
    assert row.gap.tolist() == [[0, 0, 0, 0, 0, 0, 3, 3]]
    assert (np.diff(row.level[0, 2:]) >= 0).all() and len(set(row.level[0].tolist())) == 6
    assert row.target.tolist() == [[a, c]]
    assert row.own.tolist() == [[b, a, 0, 0, 0, 0, 0, 0]]
    # b: two of two baskets, last 4 days and 0 baskets ago; a: one of two, 7 days and 1 basket ago
    of_b: list[float] = [math.log(2), 0, math.log(5), 0, math.log(3), math.log(2**-2 + 2**-3.5)]
    of_a: list[float] = [0, math.log(0.5), math.log(8), math.log(2), math.log(3), math.log(2**-3.5)]
    assert np.allclose(row.habit[0, :2].numpy(), [of_b, of_a]) and not row.habit[0, 2:].any()
    narrow = baskets.batch(of, at.chosen(np.array([1])), 4)
    assert narrow.token.tolist() == [[PAD, BOS, b, SEP]]  # an end without its basket would say nothing


def test_the_shops_sales_by_hand() -> None:
    of = tokens_of(SHOP)  # half-life of a day; on day 0 one a and one b or c, on day 2 a d, on day 3 one b or c
    sold = np.array([1 / 16, 1 / 16 + 1 / 2, 1 / 4]) + baskets.LEAST_SALES
    assert of.trend.shape == (9, 3, 1)  # nothing is known of day 8
    assert np.allclose(of.trend[0], np.log(1 / 3))
    assert np.allclose(of.trend[4, :, 0], np.log(sold / sold.sum()))
    batch = baskets.batch(of, baskets.splits(of, of.day, of.day), 16)
    assert np.array_equal(batch.trend, of.trend[[3, 7, 5]])
    net = network(3, sales_half_lives=[1.0])
    plain = Trex(3, Shape(**SHAPE)).eval()
    plain.load_state_dict({**net.state_dict(), "trend": torch.zeros(0)})
    assert torch.allclose(net(batch), plain(batch) + net.trend * batch.trend[..., 0])


def test_label_weeks_are_cut_at_their_own_first_day() -> None:
    of = tokens_of(SHOP)
    params = plugin.Params(**PARAMS)
    train, held = plugin._examples(of, 8, params)  # label weeks: days -6..0 | 1..7
    assert len(train.user) == 0
    assert held.user.tolist() == [0] and held.cutoff.tolist() == [1] and held.stop.tolist() == [2]
    assert held.target.tolist() == [0, 1, 2]


@pytest.mark.parametrize("period", ["baskets", "weeks"])
def test_no_split_places_the_target_in_the_context(period: str) -> None:
    of = tokens_of(world())
    week = of.day // 7
    at = baskets.splits(of, of.day, of.day) if period == "baskets" else baskets.splits(of, week, 7 * week)
    assert len(at.user) > 500
    for k in range(len(at.user)):
        mine = slice(of.start[at.user[k]], of.start[at.user[k] + 1])
        before = of.day[mine] < at.cutoff[k]
        assert before.any() and of.start[at.user[k]] + before.sum() == at.stop[k]
        length = 1 if period == "baskets" else 7
        inside = (of.day[mine] >= at.cutoff[k]) & (of.day[mine] < at.cutoff[k] + length)
        assert at.target[at.ptr[k] : at.ptr[k + 1]].tolist() == np.unique(of.category[mine][inside]).tolist()


def test_splits_are_drawn_anew_and_the_late_ones_more_often() -> None:
    of = tokens_of(world())
    at = baskets.splits(of, of.day, of.day)
    one, other = (baskets.drawn(at, 2, 0.0, np.random.default_rng([1, epoch])) for epoch in (0, 1))
    assert (np.bincount(at.user[one]) == np.minimum(np.bincount(at.user), 2)).all()
    assert not np.array_equal(one, other)
    many = [at.chosen(baskets.drawn(at, 1, recency, np.random.default_rng(5))).cutoff.mean() for recency in (0, 1, 4)]
    assert many[0] < many[1] < many[2]


def test_batches_hold_every_row_once_and_shuffle_within_baskets() -> None:
    of, at = some_rows(50)
    made = list(baskets.batches(of, at, 32, 8, np.random.default_rng(1)))
    assert sum(len(part.token) for part in made) == 50 and len({part.token.shape[1] for part in made}) == 2
    plain = {tuple(sorted(row)) for part in _plain(of, at, made) for row in part}
    drawn_ = {tuple(sorted(row)) for part in made for row in part.token.tolist()}
    assert drawn_ == plain
    one, two = (baskets.batch(of, at, 32, np.random.default_rng(seed)) for seed in (1, 2))
    assert not torch.equal(one.token, two.token)
    assert torch.equal((one.token == SEP), (two.token == SEP)) and torch.equal(one.level, two.level)
    assert torch.equal(one.token == PAD, one.level == baskets.PADDED)
    assert torch.equal(one.token == BOS, one.level == baskets.OUTSIDE)


def _plain(of: Tokens, at: Splits, made: list[Batch]) -> list[list[list[int]]]:
    found = {part.token.shape[1] for part in made}
    length = np.minimum(baskets.lengths(of, at), 32)
    return [
        baskets.batch(of, at.chosen((length <= w) & (length > w // 2 if w > 16 else length > 0)), w).token.tolist()
        for w in sorted(found)
    ]


# The network


def test_the_time_encoding_by_hand() -> None:
    assert np.allclose(
        waves(torch.tensor([7.0]))[0],
        [math.log(8), 0, 1, 1, 0, math.sin(2 * math.pi * 7 / 365), math.cos(2 * math.pi * 7 / 365)],
        atol=1e-6,
    )
    of, at = some_rows(1)
    batch = baskets.batch(of, at, 32)
    time = Adaptive(Shape(**SHAPE))
    torch.nn.init.normal_(time.gate)
    vectors = time(batch, batch.target)
    k = 30  # a category of the last basket
    days = torch.cat([waves(batch.gap[0, k]), waves(batch.age[0, k])])
    expected = time.distance.weight[1] + torch.sigmoid(time.gate) * (time.days.weight @ days + time.days.bias)
    assert torch.allclose(vectors[0, k], expected, atol=1e-6)
    assert torch.equal(vectors[0, -1], time.distance.weight[0])  # the target's place says nothing of days


def test_only_the_distance_to_the_target_counts_not_the_length_of_the_history() -> None:
    of = tokens_of(drawn("ab" + "." * 20 + "a..b.a", "." * 22 + "a..b.a", items=2))
    pair = baskets.batch(of, baskets.at_cutoff(of, np.array([0, 1]), 28), 16)
    vectors = Adaptive(Shape(**SHAPE))(pair, pair.token[:, :0])
    assert torch.equal(vectors[0, -4:], vectors[1, -4:])


@pytest.mark.parametrize("positions", ["adaptive", "sinusoidal", "learned"])
def test_shuffling_what_comes_later_leaves_earlier_logits_bit_identical(positions: str) -> None:
    of, at = some_rows()
    net = network(of.categories, positions=positions)
    batch = baskets.batch(of, at, 32)
    given = torch.tensor([[FIRST, FIRST + 1, FIRST + 2, FIRST + 3]] * 6)
    other = given[:, [0, 1, 3, 2]]
    one, two = (net.logits(batch, net.states(batch, some)) for some in (given, other))
    assert one.shape == (6, 5, 1 + of.categories)  # the context's end and four categories
    assert torch.equal(one[:, :3], two[:, :3])
    assert not torch.equal(one[:, 3:], two[:, 3:])
    three = net.logits(batch, net.states(batch, given[:, :1]))
    assert torch.allclose(one[:, :2], three, atol=1e-5)  # and what is not there yet changes nothing


def test_a_masked_network_does_read_what_comes_later() -> None:
    of, at = some_rows()
    torch.manual_seed(0)
    net = Masked(of.categories, Shape(**SHAPE)).eval()
    batch = baskets.batch(of, at, 32)
    given = torch.tensor([[masked.BLANK, FIRST + 1]] * 6)
    assert not torch.equal(net.named(batch, given)[:, 0], net.named(batch, given * 0 + masked.BLANK)[:, 0])
    assert torch.isfinite(net.loss(batch))


def test_permuting_a_basket_changes_nothing_where_baskets_are_sets() -> None:
    of, at = some_rows(30)
    batch, other = (baskets.batch(of, at, 32, np.random.default_rng(seed)) for seed in (1, 2))
    assert not torch.equal(batch.token, other.token)
    as_sets, one_by_one = network(of.categories, intra_basket="none"), network(of.categories)
    assert torch.equal(as_sets(batch), as_sets(other))
    assert torch.equal(batch.ascending().token, baskets.batch(of, at, 32).token)
    assert not torch.allclose(one_by_one(batch), one_by_one(other), atol=1e-3)


def test_losses_by_hand() -> None:
    of, at = some_rows(3)
    batch = baskets.batch(of, at, 32)
    for own in (None, 4):
        net = network(of.categories, intra_basket="none", own=own)
        log_p = net(batch).log_softmax(1).detach()
        each = [-log_p[r, [t - FIRST for t in row if t]].mean() for r, row in enumerate(batch.target.tolist())]
        assert torch.allclose(net.loss(batch), torch.stack(each).mean())
    net = network(of.categories)  # causal: one category after another, then the end, none of them twice
    each = []
    for r, row in enumerate(batch.target.tolist()):
        target = [t for t in row if t]
        alone = Batch(*(part[[r]] for part in batch))
        total = torch.tensor(0.0)
        for k, wanted in enumerate([*target, SEP]):
            given = torch.tensor([target[:k]], dtype=torch.int64)
            scores = net.logits(alone, net.states(alone, given))[0, -1]
            scores[[t - SEP for t in target[:k]]] = -torch.inf
            total = total - scores.log_softmax(0)[wanted - SEP]
        each.append(total / (len(target) + 1))
    assert torch.allclose(net.loss(batch), torch.stack(each).mean(), atol=1e-5)


def test_the_bonus_goes_to_own_categories_alone() -> None:
    of, at = some_rows(4)
    batch = baskets.batch(of, at, 32)
    net = network(of.categories, own=4)
    with_it = net(batch)
    bonus, net.bonus = net.bonus, None
    gap = (with_it - net(batch)).detach()
    assert bonus is not None
    for r in range(4):
        own = sorted(token - FIRST for token in batch.own[r].tolist() if token)
        assert np.flatnonzero(gap[r].abs().numpy() > 1e-5).tolist() == own
        assert own == np.unique(of.category[of.start[at.user[r]] : at.stop[r]]).tolist()


def test_generated_categories_differ_and_stop_at_the_end() -> None:
    of, at = some_rows(5)
    net = network(of.categories)
    batch = baskets.batch(of, at, 32)
    net.bias.data[0] = -100.0  # never an end
    named = generate(net, batch, of.categories)
    assert all(sorted(row) == list(range(of.categories)) for row in named.tolist())
    net.bias.data[0] = 100.0
    assert (generate(net, batch, 3) == -1).all()
    assert torch.equal(named[:, 0], net(batch).argmax(1))


def test_blocks_answer_each_row_as_alone() -> None:
    of, at = some_rows(40)
    net = network(of.categories, own=4)
    whole = trex_answers.table(net, of, at)
    assert np.allclose(whole.sum(1), 1, atol=1e-5)
    for r in (0, 17, 39):
        assert np.array_equal(trex_answers.table(net, of, at.chosen(np.array([r])))[0], whole[r])


# From categories to articles


def test_the_map_to_articles_by_hand() -> None:
    category = np.array([0, 0, 1, 1, -1], np.int32)
    of = trex_articles.shelf(category, np.array([3.0, 1.0, 0.0, 2.0, 9.0]), 2)
    assert (
        of.share.tolist() == [0.75, 0.25, 0, 1, 0] and of.order.tolist() == [0, 1, 3] and of.ptr.tolist() == [0, 2, 3]
    )
    # the customer bought article 1 three times, 2 once and 4 once; smoothing 1
    own = lists.gather(np.zeros(3, np.int64), np.array([1, 2, 4]), np.array([3.0, 1.0, 1.0]), 1)
    p = np.array([[0.6, 0.4]], np.float32)
    out = np.zeros(5, np.float32)
    every = np.arange(5, dtype=np.uint32)
    trex_articles.score_into(out, np.array([0]), p, of, own, 1.0, np.array([0, 5]), every)
    assert np.allclose(out, [0.6 * 0.75 / 4, 0.6 * 3.25 / 4, 0.4 * 1 / 2, 0.4 * 1 / 2, 0])
    target, weight, count = trex_articles.best(np.array([0]), p, of, own, 1.0, 3)
    assert target.tolist() == [[1, 2, 3]] and count.tolist() == [3]
    assert np.array_equal(weight[0], out[[1, 2, 3]])


@pytest.mark.parametrize("top", [1, 7, 60])
def test_the_best_articles_are_those_of_all_scores(top: int) -> None:
    rng = np.random.default_rng(2)
    category = rng.integers(-1, 6, 50).astype(np.int32)
    of = trex_articles.shelf(category, rng.integers(0, 5, 50).astype(np.float64), 6)
    own = lists.gather(rng.integers(0, 90, 400), rng.integers(0, 50, 400), np.ones(400), 90)
    p = rng.integers(0, 4, (90, 6)).astype(np.float32)  # ties on purpose, and categories of no chance
    score = np.zeros(90 * 50, np.float32)
    rows = np.arange(90)
    trex_articles.score_into(score, rows, p, of, own, 2.0, np.arange(91) * 50, np.tile(np.arange(50), 90))
    target, weight, count = trex_articles.best(rows, p, of, own, 2.0, top)
    for r, mine in enumerate(score.reshape(90, 50)):
        order = np.lexsort((np.arange(50), -mine))
        order = order[mine[order] > 0][:top]
        assert target[r, : count[r]].tolist() == order.tolist()
        assert np.array_equal(weight[r, : count[r]], mine[order])


# The plug-in


def answered(shop: Shop, week: int, users: Array, weights: dict[str, Array], **changes: Any) -> tuple[Any, Array]:
    params = plugin.Params(**{**PARAMS, **changes})
    history = weeks.history(shop.log, week)
    state = plugin.fit(history, shop, params, weights)
    ptr = np.arange(len(users) + 1) * shop.log.items
    items = np.tile(np.arange(shop.log.items, dtype=np.uint32), len(users))
    best = plugin.propose(history, shop, state, users, params)
    score = plugin.score(history, shop, state, users, ptr, items, params)
    return best, score.reshape(len(users), shop.log.items)


def learned(shop: Shop, week: int, folder: Path) -> dict[str, Array]:
    return plugin.train(weeks.history(shop.log, week), shop, plugin.Params(**PARAMS), 1, folder)


def test_settings_that_do_not_fit_are_refused_by_name() -> None:
    for changes, message in (
        ({"model": {**SHAPE, "heads": 3}}, r"trex\.model' is .*; .*width must be a multiple of heads"),
        ({"examples": {**PARAMS["examples"], "category": "type"}}, r"category' is 'type'; .*product_type_no"),
    ):
        with pytest.raises(InputError, match=message):
            network_of("trex", **changes)


@pytest.mark.parametrize("bare", [False, True])
def test_a_customer_alone_is_answered_as_among_others(bare: bool, tmp_path: Path) -> None:
    shop = world(bare)
    everyone = np.arange(shop.log.users, dtype=np.uint32)
    weights = learned(shop, 30, tmp_path)
    best, score = answered(shop, 56, everyone, weights)
    assert np.isfinite(score).all() and len(best.target) > 500
    assert np.array_equal(score[best.key_of_rows(), best.target], best.weight)
    for user in (0, 7, 31, 148):
        alone, alone_score = answered(shop, 56, everyone[[user]], weights)
        run = slice(best.ptr[user], best.ptr[user + 1])
        assert np.array_equal(alone.target, best.target[run]) and np.array_equal(alone.weight, best.weight[run])
        assert np.array_equal(alone_score[0], score[user])
    cold = [75, 148, 149]
    assert not score[cold].any() and (np.diff(best.ptr)[cold] == 0).all()
    nobody, _ = answered(shop, 56, everyone[:0], weights)
    assert nobody.keys == 0


def test_learning_is_blind_to_the_future_and_says_the_same_twice(tmp_path: Path) -> None:
    made = random_world(seed=1, users=150, entries=4500)
    cutoff = weeks.first_day(made.days, 30)
    shops = (made.shop, made.shop, made.rewritten(cutoff, 1).shop, made.until(cutoff).shop)
    found = [learned(shop, 30, tmp_path / str(k)) for k, shop in enumerate(shops)]
    for other in found[1:]:
        assert list(other) == list(found[0])
        assert all(np.array_equal(other[name], found[0][name]) for name in other)
    assert any(
        not np.array_equal(value, found[0][name]) for name, value in learned(made.shop, 40, tmp_path / "x").items()
    )


def test_a_shop_with_nothing_to_learn_from(tmp_path: Path) -> None:
    assert learned(world(), 1, tmp_path) == {}
    assert learned(drawn("." * 400 + "ab", items=2), 2, tmp_path) == {}


def test_the_weeks_held_out_are_the_last_with_sales(tmp_path: Path) -> None:
    """At week 14 they are 8 and 9, not 12 and 13."""
    shop = closed()
    history = weeks.history(shop.log, 14)
    examples = plugin.Params(**PARAMS).examples.model_copy(update={"hold": 2})
    params = plugin.Params(**PARAMS).model_copy(update={"examples": examples})
    train, held = plugin._examples(plugin._tokens(history, shop, params), history.cutoff, params)
    assert np.unique(held.cutoff).tolist() == [56, 63] and train.cutoff.max() == 49


# The benchmark


def test_personal_frequency_in_closed_form() -> None:
    of = tokens_of(SHOP)
    at = baskets.splits(of, of.day, of.day)
    assert baselines.personal(of, at, None).tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 1]]
    decayed = baselines.personal(of, at, 2.0)
    expected = np.array([[2**-1.5, 2**-1.5, 0], [2**-3.5, 2**-3.5 + 2**-2, 0], [0, 0, 2**-1.5]])
    assert np.allclose(decayed, expected)
    shared = baselines.everyone(of, 7, 3)
    assert np.allclose(shared[0], [1 / 5, 3 / 5, 1 / 5])
    both = baselines.filled(decayed, shared)
    assert protocol.top(both, 3).tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0]]
    assert protocol.top(decayed, 3).tolist() == [[0, 1, -1], [1, 0, -1], [2, -1, -1]]


def test_recall_and_precision_by_hand() -> None:
    of = Splits(np.arange(2), np.zeros(2, np.int64), np.zeros(2, np.int64), np.array([0, 2, 3]), np.array([0, 3, 1]))
    recall, precision = protocol.recall_precision(np.array([[3, 1, 0], [2, -1, -1]]), of)
    assert recall.tolist() == [[0.5, 0.5, 1], [0, 0, 0]]
    assert np.allclose(precision, [[1.0, 1 / 2, 2 / 3], [0.0, 0.0, 0.0]])


def test_the_task_learns_from_no_day_that_is_asked_for() -> None:
    task = protocol.task(world(), 60, 90)
    assert (task.validation_day, task.test_day) == (403 - 150, 403 - 90)
    assert task.train.cutoff.max() < task.validation_day
    for at, low, high in ((task.validation, 253, 313), (task.test, 313, 403)):
        assert len(np.unique(at.user)) == len(at.user) > 30
        assert ((at.cutoff >= low) & (at.cutoff < high)).all()
        assert (task.tokens.basket[at.stop - 1] >= 1).all()  # two baskets before it
    last = np.array([task.tokens.day[task.tokens.start[u + 1] - 1] for u in task.test.user])
    assert np.array_equal(last, task.test.cutoff)
