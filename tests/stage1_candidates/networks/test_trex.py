"""Test the T-REX-style network: tokens, splits, times, masks, the scores of articles, and the benchmark."""

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
from stage1_candidates.networks.trex.network import Adaptive, Shape, Trex, encode_days, generate

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
    "answer": {"sales_half_life": 21, "own_half_life": 90, "smoothing": 2},
}

# Customer 0 buys a and b on day 0, b and c on day 3. Articles a, b, c, d have the categories 0, 1, 1, 2; e has none.
TYPES = {"product_type_no": [0, 1, 1, 2, -1]}
SHOP = drawn(("a..b...a", "b..c...d", "......."), ("..d..b.", "..e...."), ".......", items=5, articles=TYPES)


def make_network(categories: int = 5, seed: int = 0, **changes: Any) -> Trex:
    torch.manual_seed(seed)
    network = Trex(categories, Shape(**{**SHAPE, **changes})).eval()
    for value in network.parameters():  # including the bias, so that no two values are equal by chance
        torch.nn.init.normal_(value, std=0.3)
    return network


def build_tokens(shop: Shop, week: int | None = None) -> Tokens:
    history = weeks.history(shop.log, shop.log.weeks if week is None else week)
    return baskets.build_tokens(history, shop.category, int(shop.category.max()) + 1, [2.0], [1.0])


@cache
def world(bare: bool = False) -> Shop:
    whole = random_world(seed=1, users=150, entries=4500)
    return (whole.bare if bare else whole).shop


def draw_rows(count: int = 6) -> tuple[Tokens, Splits]:
    tokens = build_tokens(world())
    every = baskets.build_splits(tokens, tokens.day, tokens.day)
    rng = np.random.default_rng(3)
    return tokens, every.select(np.sort(rng.choice(len(every.user), count, replace=False)))


# Tokens


def test_tokens_by_hand() -> None:
    tokens = build_tokens(SHOP)
    assert tokens.start.tolist() == [0, 5, 7, 7]
    assert tokens.category.tolist() == [0, 1, 1, 0, 2, 2, 1]  # on day 3, b and c have the same category; e has none
    assert tokens.day.tolist() == [0, 0, 3, 7, 7, 2, 5]
    assert tokens.basket.tolist() == [0, 0, 1, 2, 2, 0, 1]
    assert tokens.gap.tolist() == [0, 0, 3, 4, 4, 0, 3]
    assert tokens.categories == 3


def test_rows_by_hand() -> None:
    tokens = build_tokens(SHOP)
    splits = baskets.build_splits(tokens, tokens.day, tokens.day)
    assert (
        splits.user.tolist() == [0, 0, 1] and splits.stop.tolist() == [2, 3, 6] and splits.cutoff.tolist() == [3, 7, 5]
    )
    assert splits.ptr.tolist() == [0, 1, 3, 4] and splits.target.tolist() == [1, 0, 2, 1]
    row = baskets.make_batch(tokens, splits.select(np.array([1])), 8)
    a, b, c = FIRST, FIRST + 1, FIRST + 2
    assert row.token.tolist() == [[PAD, PAD, BOS, a, b, SEP, b, SEP]]
    assert row.distance.tolist() == [[0, 0, 0, 2, 2, 2, 1, 1]]
    assert row.age.tolist() == [[0, 0, 0, 7, 7, 7, 4, 4]]
    assert row.gap.tolist() == [[0, 0, 0, 0, 0, 0, 3, 3]]
    assert (np.diff(row.level[0, 2:]) >= 0).all() and len(set(row.level[0].tolist())) == 6
    assert row.target.tolist() == [[a, c]]
    assert row.own.tolist() == [[b, a, 0, 0, 0, 0, 0, 0]]
    # b: in two of two baskets, last 4 days and 0 baskets ago; a: in one of two, 7 days and 1 basket ago
    of_b: list[float] = [math.log(2), 0, math.log(5), 0, math.log(3), math.log(2**-2 + 2**-3.5)]
    of_a: list[float] = [0, math.log(0.5), math.log(8), math.log(2), math.log(3), math.log(2**-3.5)]
    assert np.allclose(row.habit[0, :2].numpy(), [of_b, of_a]) and not row.habit[0, 2:].any()
    narrow = baskets.make_batch(tokens, splits.select(np.array([1])), 4)
    assert narrow.token.tolist() == [[PAD, BOS, b, SEP]]  # the end of a basket that does not fit is left out, too


def test_the_sales_of_the_shop_by_hand() -> None:
    tokens = build_tokens(SHOP)  # half-life 1 day; day 0: one a, one b or c; day 2: one d; day 3: one b or c
    sold = np.array([1 / 16, 1 / 16 + 1 / 2, 1 / 4]) + baskets.LEAST_SALES
    assert tokens.trend.shape == (9, 3, 1)  # nothing is known of day 8
    assert np.allclose(tokens.trend[0], np.log(1 / 3))
    assert np.allclose(tokens.trend[4, :, 0], np.log(sold / sold.sum()))
    batch = baskets.make_batch(tokens, baskets.build_splits(tokens, tokens.day, tokens.day), 16)
    assert np.array_equal(batch.trend, tokens.trend[[3, 7, 5]])
    net = make_network(3, sales_half_lives=[1.0])
    plain = Trex(3, Shape(**SHAPE)).eval()
    plain.load_state_dict({**net.state_dict(), "trend": torch.zeros(0)})
    assert torch.allclose(net(batch), plain(batch) + net.trend * batch.trend[..., 0])


def test_label_weeks_are_split_at_their_own_first_day() -> None:
    tokens = build_tokens(SHOP)
    params = plugin.Params(**PARAMS)
    train, held = plugin._examples(tokens, 8, params)  # label weeks: days -6..0 | 1..7
    assert len(train.user) == 0
    assert held.user.tolist() == [0] and held.cutoff.tolist() == [1] and held.stop.tolist() == [2]
    assert held.target.tolist() == [0, 1, 2]


@pytest.mark.parametrize("period", ["baskets", "weeks"])
def test_the_context_never_holds_the_target(period: str) -> None:
    tokens = build_tokens(world())
    week = tokens.day // 7
    splits = (
        baskets.build_splits(tokens, tokens.day, tokens.day)
        if period == "baskets"
        else baskets.build_splits(tokens, week, 7 * week)
    )
    assert len(splits.user) > 500
    for k in range(len(splits.user)):
        mine = slice(tokens.start[splits.user[k]], tokens.start[splits.user[k] + 1])
        before = tokens.day[mine] < splits.cutoff[k]
        assert before.any() and tokens.start[splits.user[k]] + before.sum() == splits.stop[k]
        length = 1 if period == "baskets" else 7
        inside = (tokens.day[mine] >= splits.cutoff[k]) & (tokens.day[mine] < splits.cutoff[k] + length)
        assert (
            splits.target[splits.ptr[k] : splits.ptr[k + 1]].tolist()
            == np.unique(tokens.category[mine][inside]).tolist()
        )


def test_each_epoch_draws_other_splits_and_recency_favours_late_ones() -> None:
    tokens = build_tokens(world())
    splits = baskets.build_splits(tokens, tokens.day, tokens.day)
    first, second = (baskets.sample_splits(splits, 2, 0.0, np.random.default_rng([1, epoch])) for epoch in (0, 1))
    assert (np.bincount(splits.user[first]) == np.minimum(np.bincount(splits.user), 2)).all()
    assert not np.array_equal(first, second)
    cutoffs = [
        splits.select(baskets.sample_splits(splits, 1, recency, np.random.default_rng(5))).cutoff.mean()
        for recency in (0, 1, 4)
    ]
    assert cutoffs[0] < cutoffs[1] < cutoffs[2]


def test_batches_hold_every_row_once_and_shuffle_within_baskets() -> None:
    tokens, splits = draw_rows(50)
    batches = list(baskets.iterate_batches(tokens, splits, 32, 8, np.random.default_rng(1)))
    assert sum(len(part.token) for part in batches) == 50 and len({part.token.shape[1] for part in batches}) == 2
    plain = {tuple(sorted(row)) for part in _list_sorted_rows(tokens, splits, batches) for row in part}
    shuffled = {tuple(sorted(row)) for part in batches for row in part.token.tolist()}
    assert shuffled == plain
    first, second = (baskets.make_batch(tokens, splits, 32, np.random.default_rng(seed)) for seed in (1, 2))
    assert not torch.equal(first.token, second.token)
    assert torch.equal((first.token == SEP), (second.token == SEP)) and torch.equal(first.level, second.level)
    assert torch.equal(first.token == PAD, first.level == baskets.PADDED)
    assert torch.equal(first.token == BOS, first.level == baskets.OUTSIDE)


def _list_sorted_rows(tokens: Tokens, splits: Splits, batches: list[Batch]) -> list[list[list[int]]]:
    widths = {part.token.shape[1] for part in batches}
    length = np.minimum(baskets.count_tokens(tokens, splits), 32)
    return [
        baskets.make_batch(
            tokens, splits.select((length <= w) & (length > w // 2 if w > 16 else length > 0)), w
        ).token.tolist()
        for w in sorted(widths)
    ]


# The network


def test_the_time_encoding_by_hand() -> None:
    assert np.allclose(
        encode_days(torch.tensor([7.0]))[0],
        [math.log(8), 0, 1, 1, 0, math.sin(2 * math.pi * 7 / 365), math.cos(2 * math.pi * 7 / 365)],
        atol=1e-6,
    )
    tokens, splits = draw_rows(1)
    batch = baskets.make_batch(tokens, splits, 32)
    time = Adaptive(Shape(**SHAPE))
    torch.nn.init.normal_(time.gate)
    vectors = time(batch, batch.target)
    k = 30  # a category of the last basket
    days = torch.cat([encode_days(batch.gap[0, k]), encode_days(batch.age[0, k])])
    expected = time.distance.weight[1] + torch.sigmoid(time.gate) * (time.days.weight @ days + time.days.bias)
    assert torch.allclose(vectors[0, k], expected, atol=1e-6)
    assert torch.equal(vectors[0, -1], time.distance.weight[0])  # the place of the target has no days


def test_the_time_encoding_does_not_depend_on_the_length_of_the_history() -> None:
    tokens = build_tokens(drawn("ab" + "." * 20 + "a..b.a", "." * 22 + "a..b.a", items=2))
    pair = baskets.make_batch(tokens, baskets.query_cutoff(tokens, np.array([0, 1]), 28), 16)
    vectors = Adaptive(Shape(**SHAPE))(pair, pair.token[:, :0])
    assert torch.equal(vectors[0, -4:], vectors[1, -4:])


@pytest.mark.parametrize("positions", ["adaptive", "sinusoidal", "learned"])
def test_shuffling_later_tokens_leaves_earlier_logits_bit_identical(positions: str) -> None:
    tokens, splits = draw_rows()
    net = make_network(tokens.categories, positions=positions)
    batch = baskets.make_batch(tokens, splits, 32)
    given = torch.tensor([[FIRST, FIRST + 1, FIRST + 2, FIRST + 3]] * 6)
    other = given[:, [0, 1, 3, 2]]
    logits, shuffled = (net.compute_logits(batch, net.encode(batch, order)) for order in (given, other))
    assert logits.shape == (6, 5, 1 + tokens.categories)  # the end of the context and four categories
    assert torch.equal(logits[:, :3], shuffled[:, :3])
    assert not torch.equal(logits[:, 3:], shuffled[:, 3:])
    shorter = net.compute_logits(batch, net.encode(batch, given[:, :1]))
    assert torch.allclose(logits[:, :2], shorter, atol=1e-5)  # later tokens have no effect


def test_a_masked_network_reads_later_tokens() -> None:
    tokens, splits = draw_rows()
    torch.manual_seed(0)
    net = Masked(tokens.categories, Shape(**SHAPE)).eval()
    batch = baskets.make_batch(tokens, splits, 32)
    given = torch.tensor([[masked.BLANK, FIRST + 1]] * 6)
    assert not torch.equal(
        net.predict_places(batch, given)[:, 0], net.predict_places(batch, given * 0 + masked.BLANK)[:, 0]
    )
    assert torch.isfinite(net.loss(batch))


def test_permuting_a_basket_changes_nothing_if_baskets_are_sets() -> None:
    tokens, splits = draw_rows(30)
    batch, other = (baskets.make_batch(tokens, splits, 32, np.random.default_rng(seed)) for seed in (1, 2))
    assert not torch.equal(batch.token, other.token)
    set_based, causal = make_network(tokens.categories, intra_basket="none"), make_network(tokens.categories)
    assert torch.equal(set_based(batch), set_based(other))
    assert torch.equal(batch.sort_baskets().token, baskets.make_batch(tokens, splits, 32).token)
    assert not torch.allclose(causal(batch), causal(other), atol=1e-3)


def test_losses_by_hand() -> None:
    tokens, splits = draw_rows(3)
    batch = baskets.make_batch(tokens, splits, 32)
    for own in (None, 4):
        net = make_network(tokens.categories, intra_basket="none", own=own)
        log_p = net(batch).log_softmax(1).detach()
        each = [-log_p[r, [t - FIRST for t in row if t]].mean() for r, row in enumerate(batch.target.tolist())]
        assert torch.allclose(net.loss(batch), torch.stack(each).mean())
    net = make_network(tokens.categories)  # causal: each category once, one after another, then SEP
    each = []
    for r, row in enumerate(batch.target.tolist()):
        target = [t for t in row if t]
        alone = Batch(*(part[[r]] for part in batch))
        total = torch.tensor(0.0)
        for k, token in enumerate([*target, SEP]):
            given = torch.tensor([target[:k]], dtype=torch.int64)
            scores = net.compute_logits(alone, net.encode(alone, given))[0, -1]
            scores[[t - SEP for t in target[:k]]] = -torch.inf
            total = total - scores.log_softmax(0)[token - SEP]
        each.append(total / (len(target) + 1))
    assert torch.allclose(net.loss(batch), torch.stack(each).mean(), atol=1e-5)


def test_only_own_categories_get_the_bonus() -> None:
    tokens, splits = draw_rows(4)
    batch = baskets.make_batch(tokens, splits, 32)
    net = make_network(tokens.categories, own=4)
    with_bonus = net(batch)
    bonus, net.bonus = net.bonus, None
    gap = (with_bonus - net(batch)).detach()
    assert bonus is not None
    for r in range(4):
        own = sorted(token - FIRST for token in batch.own[r].tolist() if token)
        assert np.flatnonzero(gap[r].abs().numpy() > 1e-5).tolist() == own
        assert own == np.unique(tokens.category[tokens.start[splits.user[r]] : splits.stop[r]]).tolist()


def test_generated_categories_differ_and_stop_at_the_end() -> None:
    tokens, splits = draw_rows(5)
    net = make_network(tokens.categories)
    batch = baskets.make_batch(tokens, splits, 32)
    net.bias.data[0] = -100.0  # SEP is never the best
    generated = generate(net, batch, tokens.categories)
    assert all(sorted(row) == list(range(tokens.categories)) for row in generated.tolist())
    net.bias.data[0] = 100.0
    assert (generate(net, batch, 3) == -1).all()
    assert torch.equal(generated[:, 0], net(batch).argmax(1))


def test_a_row_has_the_same_probabilities_alone_and_in_a_block() -> None:
    tokens, splits = draw_rows(40)
    net = make_network(tokens.categories, own=4)
    whole = trex_answers.tabulate(net, tokens, splits)
    assert np.allclose(whole.sum(1), 1, atol=1e-5)
    for r in (0, 17, 39):
        assert np.array_equal(trex_answers.tabulate(net, tokens, splits.select(np.array([r])))[0], whole[r])


# Scores of articles


def test_scores_of_articles_by_hand() -> None:
    category = np.array([0, 0, 1, 1, -1], np.int32)
    shelf = trex_articles.build_shelf(category, np.array([3.0, 1.0, 0.0, 2.0, 9.0]), 2)
    assert (
        shelf.share.tolist() == [0.75, 0.25, 0, 1, 0]
        and shelf.order.tolist() == [0, 1, 3]
        and shelf.ptr.tolist() == [0, 2, 3]
    )
    # the customer bought article 1 three times, 2 once and 4 once; smoothing 1
    own = lists.gather(np.zeros(3, np.int64), np.array([1, 2, 4]), np.array([3.0, 1.0, 1.0]), 1)
    p = np.array([[0.6, 0.4]], np.float32)
    out = np.zeros(5, np.float32)
    every = np.arange(5, dtype=np.uint32)
    trex_articles.score_into(out, np.array([0]), p, shelf, own, 1.0, np.array([0, 5]), every)
    assert np.allclose(out, [0.6 * 0.75 / 4, 0.6 * 3.25 / 4, 0.4 * 1 / 2, 0.4 * 1 / 2, 0])
    target, weight, count = trex_articles.select_best(np.array([0]), p, shelf, own, 1.0, 3)
    assert target.tolist() == [[1, 2, 3]] and count.tolist() == [3]
    assert np.array_equal(weight[0], out[[1, 2, 3]])


@pytest.mark.parametrize("top", [1, 7, 60])
def test_the_best_articles_are_those_of_a_full_sort(top: int) -> None:
    rng = np.random.default_rng(2)
    category = rng.integers(-1, 6, 50).astype(np.int32)
    shelf = trex_articles.build_shelf(category, rng.integers(0, 5, 50).astype(np.float64), 6)
    own = lists.gather(rng.integers(0, 90, 400), rng.integers(0, 50, 400), np.ones(400), 90)
    p = rng.integers(0, 4, (90, 6)).astype(np.float32)  # with ties and categories of probability 0
    score = np.zeros(90 * 50, np.float32)
    rows = np.arange(90)
    trex_articles.score_into(score, rows, p, shelf, own, 2.0, np.arange(91) * 50, np.tile(np.arange(50), 90))
    target, weight, count = trex_articles.select_best(rows, p, shelf, own, 2.0, top)
    for r, scores in enumerate(score.reshape(90, 50)):
        order = np.lexsort((np.arange(50), -scores))
        order = order[scores[order] > 0][:top]
        assert target[r, : count[r]].tolist() == order.tolist()
        assert np.array_equal(weight[r, : count[r]], scores[order])


# The plug-in


def propose_and_score(
    shop: Shop, week: int, users: Array, weights: dict[str, Array], **changes: Any
) -> tuple[Any, Array]:
    params = plugin.Params(**{**PARAMS, **changes})
    history = weeks.history(shop.log, week)
    state = plugin.fit(history, shop, params, weights)
    ptr = np.arange(len(users) + 1) * shop.log.items
    items = np.tile(np.arange(shop.log.items, dtype=np.uint32), len(users))
    best = plugin.propose(history, shop, state, users, params)
    score = plugin.score(history, shop, state, users, ptr, items, params)
    return best, score.reshape(len(users), shop.log.items)


def train_weights(shop: Shop, week: int, folder: Path) -> dict[str, Array]:
    return plugin.train(weeks.history(shop.log, week), shop, plugin.Params(**PARAMS), 1, folder)


def test_invalid_settings_are_refused_by_name() -> None:
    for changes, message in (
        ({"model": {**SHAPE, "heads": 3}}, r"trex\.model' is .*; .*width must be a multiple of heads"),
        ({"examples": {**PARAMS["examples"], "category": "type"}}, r"category' is 'type'; .*product_type_no"),
    ):
        with pytest.raises(InputError, match=message):
            network_of("trex", **changes)


@pytest.mark.parametrize("bare", [False, True])
def test_a_customers_scores_do_not_depend_on_the_others(bare: bool, tmp_path: Path) -> None:
    shop = world(bare)
    everyone = np.arange(shop.log.users, dtype=np.uint32)
    weights = train_weights(shop, 30, tmp_path)
    best, score = propose_and_score(shop, 56, everyone, weights)
    assert np.isfinite(score).all() and len(best.target) > 500
    assert np.array_equal(score[best.key_of_rows(), best.target], best.weight)
    for user in (0, 7, 31, 148):
        alone, alone_score = propose_and_score(shop, 56, everyone[[user]], weights)
        run = slice(best.ptr[user], best.ptr[user + 1])
        assert np.array_equal(alone.target, best.target[run]) and np.array_equal(alone.weight, best.weight[run])
        assert np.array_equal(alone_score[0], score[user])
    cold = [75, 148, 149]
    assert not score[cold].any() and (np.diff(best.ptr)[cold] == 0).all()
    empty, _ = propose_and_score(shop, 56, everyone[:0], weights)
    assert empty.keys == 0


def test_training_is_deterministic_and_reads_no_future(tmp_path: Path) -> None:
    whole = random_world(seed=1, users=150, entries=4500)
    cutoff = weeks.first_day(whole.days, 30)
    shops = (whole.shop, whole.shop, whole.rewritten(cutoff, 1).shop, whole.until(cutoff).shop)
    first, *others = (train_weights(shop, 30, tmp_path / str(k)) for k, shop in enumerate(shops))
    for other in others:
        assert list(other) == list(first)
        assert all(np.array_equal(other[name], first[name]) for name in other)
    assert any(
        not np.array_equal(value, first[name]) for name, value in train_weights(whole.shop, 40, tmp_path / "x").items()
    )


def test_a_shop_without_examples_gives_no_weights(tmp_path: Path) -> None:
    assert train_weights(world(), 1, tmp_path) == {}
    assert train_weights(drawn("." * 400 + "ab", items=2), 2, tmp_path) == {}


def test_the_weeks_held_out_are_the_last_with_sales(tmp_path: Path) -> None:
    """At week 14 the held-out weeks are 8 and 9, not 12 and 13."""
    shop = closed()
    history = weeks.history(shop.log, 14)
    examples = plugin.Params(**PARAMS).examples.model_copy(update={"hold": 2})
    params = plugin.Params(**PARAMS).model_copy(update={"examples": examples})
    train, held = plugin._examples(plugin._tokens(history, shop, params), history.cutoff, params)
    assert np.unique(held.cutoff).tolist() == [56, 63] and train.cutoff.max() == 49


# The benchmark


def test_frequency_baselines_by_hand() -> None:
    tokens = build_tokens(SHOP)
    splits = baskets.build_splits(tokens, tokens.day, tokens.day)
    assert baselines.score_personal(tokens, splits, None).tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 1]]
    decayed = baselines.score_personal(tokens, splits, 2.0)
    expected = np.array([[2**-1.5, 2**-1.5, 0], [2**-3.5, 2**-3.5 + 2**-2, 0], [0, 0, 2**-1.5]])
    assert np.allclose(decayed, expected)
    shared = baselines.score_global(tokens, 7, 3)
    assert np.allclose(shared[0], [1 / 5, 3 / 5, 1 / 5])
    both = baselines.fill(decayed, shared)
    assert protocol.rank_top(both, 3).tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0]]
    assert protocol.rank_top(decayed, 3).tolist() == [[0, 1, -1], [1, 0, -1], [2, -1, -1]]


def test_recall_and_precision_by_hand() -> None:
    splits = Splits(
        np.arange(2), np.zeros(2, np.int64), np.zeros(2, np.int64), np.array([0, 2, 3]), np.array([0, 3, 1])
    )
    recall, precision = protocol.compute_recall_precision(np.array([[3, 1, 0], [2, -1, -1]]), splits)
    assert recall.tolist() == [[0.5, 0.5, 1], [0, 0, 0]]
    assert np.allclose(precision, [[1.0, 1 / 2, 2 / 3], [0.0, 0.0, 0.0]])


def test_the_task_trains_on_no_day_of_validation_or_test() -> None:
    task = protocol.build_task(world(), 60, 90)
    assert (task.validation_day, task.test_day) == (403 - 150, 403 - 90)
    assert task.train.cutoff.max() < task.validation_day
    for splits, low, high in ((task.validation, 253, 313), (task.test, 313, 403)):
        assert len(np.unique(splits.user)) == len(splits.user) > 30
        assert ((splits.cutoff >= low) & (splits.cutoff < high)).all()
        assert (task.tokens.basket[splits.stop - 1] >= 1).all()  # at least two baskets precede the target
    last = np.array([task.tokens.day[task.tokens.start[u + 1] - 1] for u in task.test.user])
    assert np.array_equal(last, task.test.cutoff)
