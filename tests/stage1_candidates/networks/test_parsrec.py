"""Test PARSRec: the cell by hand, set teacher forcing, the inputs of a score, sessions as batches."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from world import drawn, network_of, random_world, small

from retail import weeks
from retail.errors import InputError
from stage1_candidates.networks.parsrec import answers, label_weeks, sessions
from stage1_candidates.networks.parsrec.cell import Arnn
from stage1_candidates.networks.parsrec.label_weeks import Examples
from stage1_candidates.networks.parsrec.network import Parsrec, Shape
from stage1_candidates.networks.parsrec.sessions import NONE, Batch, Sessions

SHAPE = Shape(width=8, heads=2, dropout=0.3, history="mean", missed="first", padding="ignored")
ARTICLES = 12


def make_network(seed: int = 0, **changes: object) -> Parsrec:
    torch.manual_seed(seed)
    network = Parsrec(3, ARTICLES, SHAPE.model_copy(update=changes)).eval()
    with torch.no_grad():  # vectors of a size that tells articles apart
        network.item.weight.normal_()
    return network


def rows(*items: list[int], past: list[list[int]] | None = None) -> Batch:
    """Make one session per customer with the given past."""
    before = past or [[7, 8, 8] for _ in items]
    end, until = np.cumsum([len(row) for row in items]), np.cumsum([len(row) for row in before])
    return sessions.make_batch(
        Sessions(
            np.arange(len(items)), end - [len(row) for row in items], end, np.concatenate(items).astype(np.int64),
            until - [len(row) for row in before], until, np.concatenate(before).astype(np.int64),
        )
    )  # fmt: skip


def test_one_step_of_the_cell_by_hand() -> None:
    """Vectors of size 1: Q = [1, 0], article vectors 0 and sqrt(2) ln 3, logits 0 and ln 3, weights 1/4 and 3/4.

    Attention adds the same value to both numbers of Q, so their difference of 1 is normalised to [1, -1]. The hint is
    2 - 1 = 1. The answer is 1 + 10 * 0 + 100 * 1 = 101. The state is ReLU(-1 + .5 * 1) = 0, or ReLU(1 - .5) = .5.
    """
    cell = Arnn(width=1, heads=1)
    given: dict[str, list[list[float]]] = {
        "query": [[1, 0], [0, 1]], "key": [[1], [0]], "value": [[1], [1]], "out": [[1, 0], [0, 1]],
        "hint": [[2, 1]], "answer": [[1, 10, 100]], "state": [[-1, 0, 0.5]],
    }  # fmt: skip
    for name, weight in given.items():
        layer: nn.Linear = getattr(cell, name)
        layer.weight.data, layer.bias.data = torch.tensor(weight, dtype=torch.float32), torch.zeros(len(weight))
    user, state, chosen = torch.ones(1, 1), torch.zeros(1, 1), torch.tensor([[True, True, False]])
    read = cell.project(torch.tensor([[[0.0], [2**0.5 * math.log(3)], [50.0]]]))
    answer, after, weight = cell(user, state, read, chosen)
    assert weight[0].tolist() == pytest.approx([1 / 4, 3 / 4, 0])
    assert answer.item() == pytest.approx(101, abs=1e-4) and after.item() == 0
    cell.state.weight.data = -cell.state.weight.data
    assert cell(user, state, read, chosen)[1].item() == pytest.approx(0.5, abs=1e-5)


def test_heads_that_do_not_divide_the_query_are_refused_by_name() -> None:
    assert network_of("parsrec", model={**SHAPE.model_dump(), "heads": 16})[1].model.heads == 16  # of 2 x 8 numbers
    with pytest.raises(InputError, match=r"parsrec\.model' is .*; .*twice the width must be a multiple of heads"):
        network_of("parsrec", model={**SHAPE.model_dump(), "heads": 3})


def test_the_cell_does_not_depend_on_the_order_of_articles() -> None:
    torch.manual_seed(1)
    cell, order = Arnn(8, 2), torch.tensor([2, 0, 3, 1])
    user, state, vectors = torch.randn(5, 8), torch.randn(5, 8), torch.randn(5, 4, 8)
    chosen = torch.tensor([True, True, False, True]).expand(5, 4)
    first = cell(user, state, cell.project(vectors), chosen)
    other = cell(user, state, cell.project(vectors[:, order]), chosen[:, order])
    assert torch.allclose(first[0], other[0], atol=1e-5) and torch.allclose(first[1], other[1], atol=1e-5)
    assert torch.allclose(first[2][:, order], other[2], atol=1e-6)


def test_the_target_is_the_predicted_article_if_it_remains() -> None:
    item = torch.tensor([[3, 5, 9], [3, 5, 9], [3, 5, 9], [3, 5, 9]])
    left = torch.tensor([[True, True, True], [True, False, True], [False, False, True], [False, False, False]])
    named = torch.nn.functional.one_hot(torch.tensor([5, 5, 1, 3]), ARTICLES + 2).float()
    targets = make_network().choose_target(named, item, left)
    assert targets.tolist() == [1, 0, 2, 0]  # predicted; taken: the first left; the only one
    drawn = make_network(missed="random")
    places = {tuple(drawn.choose_target(named, item, left).tolist()) for _ in range(60)}
    assert places == {(1, 0, 2, 0), (1, 2, 2, 0)}  # the second row's 3 or 9


def test_the_loss_of_a_network_with_zero_logits() -> None:
    """Each step costs ln 14. Sessions of 3 and 1 have (3 + 1) / 2 steps on average, or 3 with padding counted."""
    batch = rows([1, 2, 3], [4])
    for padding, steps in (("ignored", 2), ("counted", 3)):
        blank = make_network(padding=padding)
        with torch.no_grad():
            blank.item.weight.zero_()
        assert blank.loss(batch).item() == pytest.approx(steps * math.log(ARTICLES + 2), rel=1e-5)


def test_the_loss_does_not_depend_on_the_order_if_the_prediction_remains() -> None:
    for seed in range(5):
        network = make_network(seed)
        first = int(network.score_next(rows([0]), torch.zeros(1, 0, dtype=torch.int64)).argmax())
        other = (first + 4) % ARTICLES
        there, back = network.loss(rows([first, other])), network.loss(rows([other, first]))
        assert there.item() == pytest.approx(back.item(), rel=1e-5)


def test_the_first_logits_do_not_depend_on_the_session() -> None:
    network = make_network()
    logits = [next(network.iterate_steps(rows(session))).logits for session in ([1, 2, 3], [9, 4, 6])]
    assert torch.equal(*logits)


def test_training_and_inference_give_the_same_logits() -> None:
    network, batch = make_network(), rows([1, 2, 3, 10], [4, 6], [11, 0, 5])
    given = torch.zeros(3, 0, dtype=torch.int64)
    for step in network.iterate_steps(batch):
        due = step.due
        assert torch.allclose(network.score_next(batch, given)[due], step.logits[due, :ARTICLES], atol=1e-5)
        taught = batch.item.gather(1, step.place[:, None])
        given = torch.cat([given, taught.clamp(min=0)], dim=1)
        assert step.weight.sum(1).tolist() == pytest.approx([1] * 3, abs=1e-5)
        assert (step.weight[:, 0] > 0).all() == (given.shape[1] == 1)  # the start is a key of the first step alone


def test_a_score_depends_on_no_own_or_later_session() -> None:
    item = np.array([1, 2, 3, 4, 5, 6, 7, 8])
    later = np.array([1, 2, 3, 9, 9, 0, 11, 10])
    given = torch.tensor([[5]])
    logits = []
    for log in (item, later):
        second = Sessions(np.array([0]), np.array([3]), np.array([6]), log, np.array([0]), np.array([3]), log)
        logits.append(make_network().score_next(sessions.make_batch(second), given))
    assert torch.equal(*logits)
    earlier = Sessions(np.array([0]), np.array([3]), np.array([6]), item, np.array([0]), np.array([2]), item)
    assert not torch.equal(
        logits[0], make_network().score_next(sessions.make_batch(earlier), given)
    )  # the past it does know


def test_the_first_state_is_the_mean_or_the_sum_of_the_past() -> None:
    batch = rows([1], [2], past=[[7, 8, 8], []])
    vector: Tensor = make_network().item.weight
    mean = (vector[7] + 2 * vector[8]) / 3
    assert torch.allclose(make_network().make_states(batch)[1], torch.stack([mean, 0 * mean]), atol=1e-6)
    assert torch.allclose(make_network(history="sum").make_states(batch)[1][0], 3 * mean, atol=1e-6)


def test_a_batch_holds_its_sessions_and_their_pasts() -> None:
    batch = rows([1, 2, 3], [4], past=[[], [5, 6]])
    assert batch.item.tolist() == [[1, 2, 3], [4, NONE, NONE]]
    assert batch.past.tolist() == [5, 6] and batch.past_start.tolist() == [0, 0]


def test_an_epoch_holds_each_session_once_in_batches_of_similar_length() -> None:
    rng = np.random.default_rng(1)
    length = rng.integers(1, 7, 50)
    end = np.cumsum(length)
    whole = Sessions(np.arange(50), end - length, end, np.arange(end[-1]), 0 * end, 0 * end, np.zeros(0, np.int64))
    batches = list(sessions.iterate_batches(whole, 8, np.random.default_rng(2)))
    assert sorted(int(user) for batch in batches for user in batch.user) == list(range(50))
    padding = [int((batch.item == NONE).sum()) for batch in batches]
    assert sum(padding) <= 30 and [len(batch.user) for batch in batches].count(8) == 6


# Label weeks as sessions

FEW = Examples(most=100, hold=1, past=3, longest=2, batch=4)


def list_sessions(query: Sessions) -> list[tuple[int, list[int], list[int]]]:
    """List customer, articles and past of each session."""
    batch = sessions.make_batch(query)
    ends = [*batch.past_start.tolist()[1:], len(batch.past)]
    pasts = [batch.past[start:end].tolist() for start, end in zip(batch.past_start.tolist(), ends, strict=True)]
    items = [sorted(row[row != NONE].tolist()) for row in batch.item]
    return list(zip(query.user.tolist(), items, pasts, strict=True))


def test_a_label_week_is_a_session_with_all_earlier_purchases_as_past() -> None:
    """The last of four weeks is the label week. Customer 1 comes once, customer 2 only in the last week.

    Of the four articles of customer 0 in the third week, two are drawn.
    """
    shop = drawn(
        ("ab.....c....a.bbd...e...e...", "...............c............"),
        ".......a....................",
        ".......................a....",
    )
    history = weeks.history(shop.log, 3)
    train, held = label_weeks.split_sessions(history, FEW, 1)
    assert history.cutoff == 21
    assert list_sessions(train) == [(0, [0, 2], [0, 1])]
    (user, items, past), *more = list_sessions(held)
    assert (user, past, more) == (0, [1, 2, 0], []) and len(items) == 2 and set(items) <= {1, 2, 3, 4}
    samples = {tuple(list_sessions(label_weeks.split_sessions(history, FEW, seed)[1])[0][1]) for seed in range(40)}
    assert len(samples) == 6  # any two of the four
    users = np.arange(3, dtype=np.uint32)
    assert list_sessions(label_weeks.query_cutoff(history, users, FEW)) == [
        (0, [], [2, 3, 4]),
        (1, [], [0]),
        (2, [], []),
    ]


def test_the_latest_sessions_are_kept() -> None:
    shop = random_world(seed=2, users=20, days=100, entries=400).shop
    history = weeks.history(shop.log, 14)
    every = label_weeks.split_sessions(history, FEW.model_copy(update={"hold": 3}), 1)
    latest = label_weeks.split_sessions(history, FEW.model_copy(update={"hold": 3, "most": len(every[1].user) + 5}), 1)
    assert list_sessions(latest[1]) == list_sessions(every[1]) and len(latest[0].user) == 5
    assert latest[0].until.max() <= len(shop.log.day)
    assert all(session in list_sessions(every[0]) for session in list_sessions(latest[0]))


def test_the_held_out_week_is_the_last_with_sales() -> None:
    """Both customers buy in weeks 0 to 4, then the shop is closed until week 14."""
    shop = small([(user, week % 3, 7 * week + user) for week in range(5) for user in range(2)], 2, 3, 98)
    train, held = label_weeks.split_sessions(weeks.history(shop.log, 14), FEW, 1)
    assert len(held.user) == 2 and len(train.user) == 6  # weeks 1 to 3: a customer's first is none


def test_the_best_articles_are_those_of_a_full_sort() -> None:
    chance = np.random.default_rng(1).integers(0, 6, (50, 30)).astype(np.float32) / 8
    for top in (1, 7, 30, 40):
        assert np.array_equal(answers.pick_best(chance, top), np.argsort(-chance, axis=1, kind="stable")[:, :top])


def test_recall_counts_the_articles_of_the_sessions() -> None:
    network, past = make_network(), np.array([7, 8])
    item = np.array([1, 2, 3])
    zero = np.array([0])
    query = Sessions(zero, zero, zero + 3, item, zero, zero + 2, past)
    _, chance = next(answers.predict_first(network, query))
    best = set(answers.pick_best(chance, 5)[0].tolist())
    assert answers.measure_recall(network, query, np.ones(ARTICLES, np.float32), 5) == len(best & {1, 2, 3}) / 3
    assert answers.measure_recall(network, query, np.isin(np.arange(ARTICLES), item).astype(np.float32), 3) == 1
