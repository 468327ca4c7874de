"""Test LENS: basket sequences, rows and the warm start by hand; encoders; decoder; free running and forced."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from world import closed, drawn, network_of, random_world

from retail import weeks
from retail.shop import Shop
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.lens import answers, basket_sequences, plugin, warm
from stage1_candidates.networks.lens import rows as lens_rows
from stage1_candidates.networks.lens.basket_sequences import BasketSequences, Query
from stage1_candidates.networks.lens.clock import Clock
from stage1_candidates.networks.lens.decoder import END, Lens, list_earlier
from stage1_candidates.networks.lens.encoder import BiLstm, Shape

READING: dict[str, Any] = {"baskets": 4, "articles": 5, "longest": 6, "own": 6, "half_lives": [10.0]}
SHAPE: dict[str, Any] = {
    "item_width": 8, "user_width": 4, "sce": [5], "fbe": [6, 5], "nsd": [7, 6], "dropout": 0.0, "start": "cold",
    "order": "frequent", "stop": "likeliest", "bonus": 4, "sales_half_life": 30.0, "reading": READING,
}  # fmt: skip

# Customer 0 buys a and b on day 0, b and c on day 3, a on day 7; a and b are sold twice, b never on the last day.
SHOP = drawn(("a..b...a", "b..c...."), ("..d.....",), "........", items=5)


def read_shop(shop: Shop, week: int | None = None, half_life: float | None = 1.0) -> BasketSequences:
    history = weeks.history(shop.log, shop.log.weeks if week is None else week)
    vocabulary = basket_sequences.choose_vocabulary(history, shop.log.items)
    return basket_sequences.read_sequences(history, vocabulary, half_life)


@cache
def world() -> Shop:
    return random_world(seed=1, users=40, entries=1200).shop


def make_lens(sequences: BasketSequences, seed: int = 0, **changes: Any) -> Lens:
    torch.manual_seed(seed)
    net = Lens(sequences.articles, sequences.users, Shape(**{**SHAPE, **changes})).eval()
    for value in net.parameters():  # so that no two values are equal by chance
        nn.init.normal_(value, std=0.4)
    net.encoder.known[::2] = True
    return net


# Basket sequences and rows


def test_basket_sequences_by_hand() -> None:
    sequences = read_shop(SHOP)
    assert sequences.start.tolist() == [0, 3, 4, 4] and sequences.user.tolist() == [0, 0, 0, 1]
    assert sequences.day.tolist() == [0, 3, 7, 2] and sequences.gap.tolist() == [0, 3, 4, 0]
    history = weeks.history(SHOP.log, SHOP.log.weeks)
    vocabulary = basket_sequences.choose_vocabulary(history, 4)
    assert vocabulary.tolist() == [0, 1, 2, 3]  # a and b twice, c and d once, ties by id
    assert sequences.ptr.tolist() == [0, 2, 4, 5, 6] and sequences.token.tolist() == [1, 2, 2, 3, 1, 4]
    assert sequences.amount.tolist() == [2, 2, 1, 1]
    sold = (
        np.array([1 / 8, 1 / 8, 0, 1 / 2, 0]) + basket_sequences.LEAST_SALES
    )  # before day 3: a and b three days ago, d one day ago
    assert np.allclose(sequences.trend[3], np.log(sold / sold.sum()), atol=1e-6)
    two = basket_sequences.read_sequences(history, basket_sequences.choose_vocabulary(history, 2), None)
    assert two.token.tolist() == [1, 2, 2, 1] and two.ptr.tolist() == [0, 2, 3, 4, 4] and two.trend.size == 0


def test_examples_by_hand() -> None:
    sequences = read_shop(SHOP)
    every = basket_sequences.list_examples(sequences, 1)
    assert every.user.tolist() == [0, 0] and every.stop.tolist() == [1, 2] and every.day.tolist() == [3, 7]
    assert basket_sequences.mark_latest(every).tolist() == [False, True]
    assert basket_sequences.list_examples(sequences, 2).stop.tolist() == [2]
    assert basket_sequences.list_examples(sequences, 3).stop.tolist() == []
    assert basket_sequences.sample_rows(every, 1, np.random.default_rng(0)).shape == (1,)
    assert basket_sequences.sample_rows(every, 2, np.random.default_rng(0)).tolist() == [0, 1]


def test_rows_by_hand() -> None:
    sequences = read_shop(SHOP)
    reading = lens_rows.Reading(**{**READING, "own": 3, "half_lives": [3.0]})
    batch = lens_rows.make_batch(sequences, Query(np.array([0]), np.array([2]), np.array([7])), 4, reading, True)
    assert batch.baskets.tolist() == [2] and batch.target.tolist() == [[1]] and batch.gap.tolist() == [4]
    assert batch.token[0, :2].tolist() == [[1, 2, 0, 0, 0], [2, 3, 0, 0, 0]] and not batch.token[0, 2:].any()
    week, year = 2 * math.pi * 3 / 7, 2 * math.pi * 3 / 365.25
    waves = [math.sin(week), math.cos(week), math.sin(year), math.cos(year)]
    second = [math.log(4), math.log(4), math.log(3), math.log(3), math.log(3), *waves]
    assert np.allclose(batch.features[0, 1], second, atol=1e-6) and not batch.features[0, 2:].any()
    assert batch.features[0, 0].tolist() == pytest.approx([0, 0, math.log(3), math.log(3), math.log(3), 0, 1, 0, 1])
    # of the last basket, day 3: b and c; then a of day 0. b: both baskets; half-life 3 days
    assert batch.own.tolist() == [[2, 3, 1]]
    of_b = [math.log(2), 0, 0, 0, math.log(3), math.log(1.5)]
    of_c = [0, math.log(0.5), 0, 0, math.log(3), 0]
    of_a = [0, math.log(0.5), math.log(4), math.log(2), math.log(3), math.log(0.5)]
    assert np.allclose(batch.habit[0], [of_b, of_c, of_a], atol=1e-6)
    assert np.array_equal(batch.trend[0], sequences.trend[7])


def test_a_drawn_order_keeps_the_articles_of_a_basket() -> None:
    sequences = read_shop(world())
    every = basket_sequences.list_examples(sequences, 2)
    reading = lens_rows.Reading(**{**READING, "longest": 99})
    plain = lens_rows.make_batch(sequences, every, 4, reading, True)
    mixed = lens_rows.make_batch(sequences, every, 4, reading, True, np.random.default_rng(1))
    assert torch.equal(plain.target.sort(1).values, mixed.target.sort(1).values)
    assert not torch.equal(plain.target, mixed.target) and torch.equal(plain.target > 0, mixed.target > 0)


def test_batches_hold_every_example_once() -> None:
    sequences = read_shop(world())
    every = basket_sequences.list_examples(sequences, 1)
    reading = Shape(**SHAPE).reading
    batches = list(lens_rows.iterate_batches(sequences, every, reading, 16, True, np.random.default_rng(2)))
    assert max(len(batch.user) for batch in batches) == 16
    got = sorted((int(u), float(g)) for batch in batches for u, g in zip(batch.user, batch.gap, strict=True))
    gap = sequences.day[every.stop] - sequences.day[every.stop - 1]
    assert got == sorted(zip(every.user.tolist(), gap.astype(float).tolist(), strict=True))


def test_the_warm_start_by_hand() -> None:
    sequences = read_shop(SHOP)  # pairs: (a, b) and (b, c), each once; four ordered pairs in all
    value = warm.associate_articles(sequences).toarray()
    expected = np.zeros((5, 5))
    expected[0, 1] = expected[1, 0] = expected[1, 2] = expected[2, 1] = math.log(1 * 4 / (1 * 2))
    assert np.allclose(value, expected)
    vectors = warm.compute_vectors(sequences, 8)
    assert vectors.shape == (5, 8) and np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 0, 0], atol=1e-5)
    assert vectors[0] @ vectors[2] == pytest.approx(1, abs=1e-5)  # a and c are bought with the same article


# Encoders


def test_the_bi_lstm_equals_torchs_own_on_packed_rows() -> None:
    torch.manual_seed(1)
    ours, theirs = BiLstm(3, [4, 4]), nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    for layer in range(2):
        for part, suffix in ((ours.ahead, ""), (ours.back, "_reverse")):
            for name, value in part[layer].named_parameters():
                getattr(theirs, name.replace("l0", f"l{layer}") + suffix).data.copy_(value.data)
    x, length = torch.randn(3, 5, 3), torch.tensor([5, 2, 3])
    packed = nn.utils.rnn.pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
    last = theirs(packed)[1][0][-2:]  # (2, B, h) of the last layer
    assert torch.allclose(ours(x, length), torch.cat([last[0], last[1]], dim=1), atol=1e-6)
    assert not ours(x, torch.zeros(3, dtype=torch.int64)).any()


def test_the_layer_sizes_are_those_of_the_paper() -> None:
    from research.lens.trainings import LENS1000, LENS2000

    small, large = (Lens(10, 3, Shape(**row)) for row in (LENS1000, LENS2000))
    assert [cell.hidden_size for cell in (*small.encoder.sce.ahead, *small.encoder.fbe.back, *small.cells)] == [
        64,
        256,
        512,
    ]
    assert [cell.hidden_size for cell in large.encoder.sce.back] == [256]
    assert [cell.hidden_size for cell in large.encoder.fbe.ahead] == [256, 256]
    assert [cell.hidden_size for cell in large.cells] == [512, 128]
    assert small.encoder.width == large.encoder.width == 512


def test_a_customer_that_was_not_trained_on_is_the_unknown_one() -> None:
    sequences = read_shop(world())
    net = make_lens(sequences)
    assert net.encoder.find_rows(torch.tensor([0, 1, 2])).tolist() == [1, 0, 3]


def test_a_frozen_start_stays_and_a_cold_one_is_random() -> None:
    sequences = read_shop(world())
    vectors = torch.from_numpy(warm.compute_vectors(sequences, 8))
    for start, same, learns in (("cold", False, True), ("warm", True, True), ("frozen", True, False)):
        torch.manual_seed(2)
        net = Lens(sequences.articles, sequences.users, Shape(**{**SHAPE, "start": start}))
        net.initialise(vectors, np.array([0]), np.ones(sequences.articles))
        assert torch.equal(net.encoder.embed.weight[1:], vectors) == same
        assert net.encoder.embed.weight.requires_grad == learns


# Decoder


def test_the_loss_by_hand() -> None:
    sequences = read_shop(world())
    net, every = (
        make_lens(sequences, user_width=None),
        basket_sequences.list_examples(sequences, 2).select(np.arange(5)),
    )
    batch = lens_rows.make_batch(sequences, every, 4, net.shape.reading, True)
    funnel = net.encoder(batch)
    expected = []
    for row in range(5):
        states = [(h[:, row : row + 1], c[:, row : row + 1]) for h, c in net._make_states(funnel)]
        fixed, given = net._compute_shared_logits(batch, funnel)[row : row + 1], net._make_start(1)
        before: list[int] = []
        target = [int(t) for t in batch.target[row] if t > 0]
        for k, wanted in enumerate([*target, END]):
            hidden, states = net._run_cells(given, states)
            scores = net._score_articles(hidden[:, 0], fixed)
            scores[0, before] = -torch.inf
            length = (batch.features[row, : int(batch.baskets[row]), 2].mean().exp())[None]
            scores = net._set_end(hidden[:, 0], scores, length, torch.tensor([k]))[0]
            loss = -scores.log_softmax(0)[wanted]
            if wanted != END:
                rate, more = net._predict_pieces(hidden[:, 0], torch.tensor([wanted]))[0], batch.pieces[row, k] - 1
                loss = loss + rate - more * torch.log(rate + 1e-8)
                before.append(wanted)
                given = net.encoder.embed(torch.tensor([[wanted]]))
            expected.append(loss)
    assert float(net.loss(batch).detach()) == pytest.approx(float(torch.stack(expected).mean().detach()), rel=1e-5)


def test_predicted_articles_are_not_repeated() -> None:
    target = torch.tensor([[3, 1], [2, 0]])
    due = torch.tensor([[True, True, True], [True, True, False]])
    place, token = list_earlier(target, due)
    assert sorted(zip(place.tolist(), token.tolist(), strict=True)) == [(1, 3), (2, 1), (2, 3), (4, 2)]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), stop=st.sampled_from(["likeliest", "even"]))
def test_free_running_is_forced_on_its_own_basket(seed: int, stop: str) -> None:
    """Fed with the decoded basket, the forced network predicts the same articles, each once; no basket is empty."""
    sequences = read_shop(world())
    net = make_lens(sequences, seed, stop=stop)
    batch = lens_rows.make_batch(
        sequences, basket_sequences.query_cutoff(sequences, np.arange(8), 403), 4, net.shape.reading, False
    )
    decoded = net.decode(batch)
    lengths = (decoded.token > 0).sum(1)
    past = batch.baskets > 0
    assert (lengths >= 1)[past].all()
    for row in decoded.token.tolist():
        filled = [t for t in row if t]
        assert row == filled + [0] * (len(row) - len(filled)) and len(set(filled)) == len(filled)
    _, due, scores = net.run_forced(batch._replace(target=decoded.token))
    best = torch.zeros(due.shape, dtype=torch.int64)
    best[due] = scores[:, 1:].argmax(1) + 1
    assert torch.equal(torch.where(decoded.token > 0, best[:, :-1], 0), decoded.token)
    if stop == "likeliest":  # the basket ends at the first step where END is the likeliest
        ends = torch.zeros(due.shape)
        ends[due] = scores[:, END] - scores[:, 1:].max(1).values
        for row, length in enumerate(lengths.tolist()):
            assert not (ends[row, 1:length] > 0).any()
            assert length == net.shape.reading.longest or ends[row, length] > 0
    assert torch.allclose(decoded.first.sum(1), torch.ones(8), atol=1e-5)
    assert ((decoded.pieces >= 1) == (decoded.token > 0)).all()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_ranked_basket_has_the_best_expected_f1(seed: int) -> None:
    """Try every length: probabilities are those of the first step, the expected length is that of the forced ends."""
    sequences = read_shop(world())
    net = make_lens(sequences, seed, stop="best", order="drawn")
    longest = net.shape.reading.longest
    batch = lens_rows.make_batch(
        sequences, basket_sequences.query_cutoff(sequences, np.arange(8), 403), 4, net.shape.reading, False
    )
    decoded = net.decode(batch)
    order = np.argsort(-decoded.first.numpy(), axis=1, kind="stable")[:, :longest]
    _, due, scores = net.run_forced(batch._replace(target=torch.from_numpy(order + 1)))
    ends = torch.zeros(due.shape)
    ends[due] = scores.softmax(1)[:, END].detach()
    for row in range(8):
        alive = [math.prod(1 - float(ends[row, k]) for k in range(1, step + 1)) for step in range(longest)]
        length = sum(alive)  # the k-th probability is that of a k-th article; the first is certain
        chance = [min(length * float(decoded.first[row, item]), 1) for item in order[row]]
        promise = [2 * sum(chance[:k]) / (k + length) for k in range(1, longest + 1)]
        named = decoded.token[row][decoded.token[row] > 0]
        assert (order[row, : len(named)] + 1).tolist() == named.tolist()
        assert promise[len(named) - 1] == pytest.approx(max(promise), rel=1e-5)
    assert ((decoded.pieces >= 1) == (decoded.token > 0)).all()


def test_ranked_decoding_needs_random_orders() -> None:
    with pytest.raises(ValueError, match="drawn"):
        Shape(**{**SHAPE, "stop": "best"})


def test_a_basket_that_was_cut_short_does_not_end() -> None:
    """Three articles are bought: with room for three or less no step asks for END, else the fourth does."""
    sequences = read_shop(drawn(*(("aa", "bb", "cc"),) * 2))
    every = basket_sequences.list_examples(sequences, 1)
    for longest, steps in ((2, 2), (3, 3), (4, 4), (6, 4)):
        net = make_lens(sequences, reading={**READING, "longest": longest})
        _, due, _ = net.run_forced(lens_rows.make_batch(sequences, every, 1, net.shape.reading, True))
        assert due.sum(1).tolist() == [steps, steps]


@settings(max_examples=8, deadline=None)
@given(cut=st.integers(100, 400), seed=st.integers(0, 50))
def test_later_baskets_change_no_earlier_prediction(cut: int, seed: int) -> None:
    """Predictions for baskets before day ``cut`` are bit-identical for any later data."""
    whole = random_world(seed=1, users=40, entries=1200)
    vocabulary, history = np.arange(40), weeks.history(whole.shop.log, 58)
    sequences = basket_sequences.read_sequences(history, vocabulary, 30.0)
    changed = whole.rewritten(cut, seed).shop
    other = basket_sequences.read_sequences(weeks.history(changed.log, 58), vocabulary, 30.0)
    net = make_lens(sequences, seed)
    timer = Clock(sequences.articles, sequences.users, net.shape).eval()
    predictions = []
    for log in (sequences, other):
        every = basket_sequences.list_examples(log, 1)
        early = every.select(every.day < cut)
        last = early.select(basket_sequences.mark_latest(early))
        predictions.append((last.user, answers.decode_baskets(net, log, last), answers.forecast_days(timer, log, last)))
    (user, basket, days), (user_, basket_, days_) = predictions
    assert np.array_equal(user, user_) and len(user) > 20 and np.array_equal(days, days_)
    assert np.array_equal(basket.token, basket_.token) and np.array_equal(basket.vector, basket_.vector)


def test_a_basket_of_all_articles_is_trained_and_decoded() -> None:
    shop = drawn(*((line, "b" * 8, "c" * 8) for line in ("a" * 8, "a" * 7 + ".")))
    sequences = read_shop(shop)
    for stop in ("likeliest", "even", "best"):
        net = make_lens(sequences, stop=stop, order="drawn")
        loss = net.loss(
            lens_rows.make_batch(sequences, basket_sequences.list_examples(sequences, 2), 4, net.shape.reading, True)
        )
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(bool(value.grad.isfinite().all()) for value in net.parameters() if value.grad is not None)
        decoded = answers.decode_baskets(net, sequences, basket_sequences.query_cutoff(sequences, np.arange(2), 8))
        assert decoded.token.max() <= 3 and np.isfinite(decoded.pieces).all() and (decoded.token[:, 0] > 0).all()


def test_predictions_do_not_depend_on_the_other_customers() -> None:
    sequences = read_shop(world())
    net = make_lens(sequences)
    every = basket_sequences.query_cutoff(sequences, np.arange(sequences.users), 403)
    whole = answers.decode_baskets(net, sequences, every)
    alone = answers.decode_baskets(net, sequences, every.select(np.array([7])))
    assert np.array_equal(whole.token[7], alone.token[0]) and np.array_equal(whole.pieces[7], alone.pieces[0])
    cold = int(np.flatnonzero(np.diff(sequences.start) == 0)[0])
    assert not whole.token[cold].any() and not whole.vector[cold].any()


def test_a_few_customers_are_memorised() -> None:
    sequences = read_shop(world())
    every = basket_sequences.list_examples(sequences, 2)
    query = every.select(basket_sequences.mark_latest(every)).select(np.arange(8))
    torch.manual_seed(3)
    net = Lens(sequences.articles, sequences.users, Shape(**{**SHAPE, "item_width": 16, "nsd": [32]}))
    batch = lens_rows.make_batch(sequences, query, 4, net.shape.reading, True)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        net.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    net.eval()
    size = batch.target.shape[1]
    assert np.array_equal(answers.decode_baskets(net, sequences, query).token[:, :size], batch.target.numpy())
    assert np.array_equal(answers.force_baskets(net, sequences, query)[:, :size], batch.target.numpy())


def test_the_clock_learns_a_cadence() -> None:
    """Half of the customers come every third day, half every ninth: the last gaps determine the next one."""
    shop = drawn(*("a.." * 4 + "." * 24 if k % 2 else ("a" + "." * 8) * 4 for k in range(8)))
    sequences = read_shop(shop, half_life=None)
    every = basket_sequences.list_examples(sequences, 2)
    torch.manual_seed(4)
    timer = Clock(sequences.articles, sequences.users, Shape(**{**SHAPE, "user_width": None, "sales_half_life": None}))
    timer.initialise(torch.zeros(0), torch.arange(8), 5.0)
    batch = lens_rows.make_batch(sequences, every, 4, timer.shape.reading, True)
    optimiser = torch.optim.Adam(timer.parameters(), lr=0.01)
    for _ in range(120):
        optimiser.zero_grad()
        timer.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    timer.eval()
    true = sequences.day[every.stop] - sequences.day[every.stop - 1]
    assert np.abs(answers.forecast_days(timer, sequences, every) - true).max() < 1
    assert set(true.tolist()) == {3, 9}


def test_customer_columns_by_hand() -> None:
    """The clock always predicts five days; customer 0 came one day before the cutoff, customer 1 seven days before."""
    shop = drawn("a.....b", "a......", ".......")
    history = weeks.history(shop.log, shop.log.weeks)
    module, block = network_of("lens")
    sequences = basket_sequences.read_sequences(history, np.arange(2), block.model.sales_half_life)
    basket, timer = (kind(2, 3, block.model) for kind in (Lens, Clock))
    weights = {"vocabulary": np.arange(2), **{f"basket.{k}": v for k, v in stored.arrays(basket).items()}}
    weights |= {f"clock.{k}": np.zeros_like(v) for k, v in stored.arrays(timer).items()}
    weights |= {"clock.scale": np.ones(1, np.float32), "clock.head.2.bias": np.full(1, 5, np.float32)}
    state = module.fit(history, shop, block, weights)
    columns = module.describe_users(history, shop, state, np.arange(3, dtype=np.uint32), block)
    assert sequences.day.tolist() == [0, 6, 0] and history.cutoff == 7
    assert columns["days_left"].tolist()[:2] == [4, 0] and columns["overdue"].tolist()[:2] == [0, 2]
    assert np.isnan(columns["days_left"][2]) and np.isnan(columns["overdue"][2])


def test_the_weeks_held_out_are_the_last_with_baskets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At week 14 the held-out weeks are 8 and 9, not 12 and 13."""
    shop = closed()
    seen: list[Query] = []
    monkeypatch.setattr(
        plugin, "_train", lambda basket, clock, sequences, train, held, *rest: seen.extend([train, held])
    )
    _, params = network_of("lens")
    examples = params.examples.model_copy(update={"hold": 2})
    plugin.train(weeks.history(shop.log, 14), shop, params.model_copy(update={"examples": examples}), 1, tmp_path)
    train, held = (query.day // 7 for query in seen)
    assert np.unique(held).tolist() == [8, 9] and train.max() == 7
