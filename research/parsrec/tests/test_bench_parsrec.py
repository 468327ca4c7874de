"""Test PARSRec's benchmark: the metric by hand, random scores, attention against a planted Sigma, the what-if."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from insights.attention import Heat
from research.parsrec import attention, baselines, closed_form, parsrec_sales, protocol, rows, spillover
from research.parsrec.parsrec_sales import Sales, Settings
from research.parsrec.protocol import Task
from retail.log import Array
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Sessions, make_batch


@cache
def make_sales() -> Sales:
    settings = Settings(customers=40, sessions=12, articles=10, seed=3)
    return parsrec_sales.simulate(settings, parsrec_sales.make_paper_sigmas())


@cache
def make_task() -> Task:
    return protocol.split_sales(make_sales())


def make_session(*item: int) -> Sessions:
    end = np.array([len(item)])
    return Sessions(np.array([0]), 0 * end, end, np.array(item), 0 * end, 0 * end, np.zeros(0, np.int64))


def make_sessions(user: list[int], items: list[list[int]]) -> Sessions:
    """Make one session per user, without a past."""
    end = np.cumsum([len(session) for session in items])
    begin = end - [len(session) for session in items]
    zero = 0 * end
    return Sessions(np.array(user), begin, end, np.concatenate(items), zero, zero, np.zeros(0, np.int64))


def test_a_session_step_by_step() -> None:
    """Articles 1, 2, 3 with scores .9, .1, .5 among 0, 4, 5 with .8, .7, .6; k = 2.

    Step 1: article 1 ranks 0, a hit with gain 1. Step 2: article 3 ranks 3, a miss, and article 2, the first one left,
    is removed. Step 3: article 3 misses again.
    """
    score = np.array([[0.8, 0.9, 0.1, 0.5, 0.7, 0.6]])
    replayed = protocol.replay(lambda row, given: score[row], make_session(1, 2, 3), np.array([[0, 4, 5]]), 2)
    assert replayed.gain.tolist() == [[1, 0, 0]] and replayed.given.tolist() == [[1, 2, 3]]
    assert replayed.summarise() == pytest.approx({"HR": 1 / 3, "HR error": 0, "NDCG": 1 / 3, "Sess-Prec": 1 / 3})
    four = protocol.replay(lambda row, given: score[row], make_session(1, 2, 3), np.array([[0, 4, 5]]), 4)
    assert four.gain.tolist() == [pytest.approx([1, 1 / math.log2(5), 1 / math.log2(5)])]
    assert four.given.tolist() == [[1, 3, 2]]


def replay_slowly(score: Array, item: list[int], pool: list[int], k: int) -> tuple[list[float], list[int]]:
    """Replay one session step by step: its gains and the order of its articles."""
    left, gain, given = list(item), [], []
    for _ in item:
        ranked = sorted([*left, *pool], key=lambda article: (-score[article], article))
        hits = [article for article in ranked[:k] if article in left]
        gain.append(1 / math.log2(ranked.index(hits[0]) + 2) if hits else 0.0)
        given.append(hits[0] if hits else left[0])
        left.remove(given[-1])
    return gain, given


@given(seed=st.integers(0, 10_000), k=st.integers(1, 8), kinds=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_replaying_all_sessions_at_once_equals_one_by_one(seed: int, k: int, kinds: int) -> None:
    rng = np.random.default_rng(seed)
    order = np.stack([rng.permutation(14) for _ in range(5)])
    length = rng.integers(1, 6, 5)
    end = np.cumsum(length)
    item = np.concatenate([row[:n] for row, n in zip(order, length, strict=True)])
    sessions = Sessions(np.arange(5), end - length, end, item, 0 * end, 0 * end, np.zeros(0, np.int64))
    pool, score = order[:, 6:12], rng.integers(0, kinds, (5, 14)).astype(float)  # few kinds: many equal scores
    replayed = protocol.replay(lambda row, given: score[row], sessions, pool, k)
    for s, n in enumerate(length):
        gains, removed = replay_slowly(score[s], order[s, :n].tolist(), pool[s].tolist(), k)
        assert replayed.gain[s, :n].tolist() == pytest.approx(gains) and np.isnan(replayed.gain[s, n:]).all()
        assert replayed.given[s, :n].tolist() == removed


def test_equal_scores_rank_by_id() -> None:
    level = np.zeros((1, 6))
    replayed = protocol.replay(lambda row, given: level[row], make_session(4, 2), np.array([[0, 3, 5]]), 2)
    assert replayed.given.tolist() == [[2, 4]]
    assert replayed.gain.tolist() == [pytest.approx([1 / math.log2(3), 0])]  # 0 comes before 2; 0 and 3 before 4


def test_session_precision_averages_sessions_and_the_hit_ratio_steps() -> None:
    replayed = protocol.Replay(np.array([[1, 0, 0, 0], [1, np.nan, np.nan, np.nan]]), np.zeros((2, 4)))
    error = math.sqrt((1 - 4 * 2 / 5) ** 2 + (1 - 2 / 5) ** 2) / 5
    assert replayed.summarise() == pytest.approx(
        {"HR": 2 / 5, "HR error": error, "NDCG": 2 / 5, "Sess-Prec": (1 / 4 + 1) / 2}
    )


def test_a_scorer_knows_only_the_removed_articles() -> None:
    calls: list[tuple[list[int], list[list[int]]]] = []

    def scorer(row: Array, given: Array) -> Array:
        calls.append((row.tolist(), given.tolist()))
        return np.zeros((len(row), 9))

    both = Sessions(
        np.array([0, 1]), np.array([0, 1]), np.array([1, 4]), np.array([3, 6, 7, 8]), np.zeros(2, np.int64),
        np.zeros(2, np.int64), np.zeros(0, np.int64),
    )  # fmt: skip
    protocol.replay(scorer, both, np.array([[0, 1], [0, 1]]), 1)
    assert calls == [([0, 1], [[], []]), ([1], [[6]]), ([1], [[6, 7]])]


def compute_hit_probability(length: Array, k: int) -> float:
    """Compute the mean probability of a hit with random scores: one of the r articles left is among the k best."""
    left = np.concatenate([np.arange(1, n + 1) for n in length])
    return float(np.mean([1 - math.comb(99, k) / math.comb(99 + int(r), k) for r in left]))


def test_random_scores_hit_as_often_as_the_closed_form() -> None:
    length = parsrec_sales.draw_lengths(np.random.default_rng(1), 20_000)
    assert compute_hit_probability(length[:3000], 10) == pytest.approx(0.252, abs=0.005)
    test = make_task().test
    rng = np.random.default_rng(2)
    pool = protocol.sample_pools(test, make_sales().items, 1)
    hits = [
        protocol.replay(lambda row, given: rng.random((len(row), make_sales().items)), test, pool, 10).summarise()["HR"]
        for _ in range(30)
    ]
    error = np.std(hits) / len(hits) ** 0.5
    assert np.mean(hits) == pytest.approx(compute_hit_probability(test.length, 10), abs=4 * error)


def test_a_pool_holds_no_article_of_its_session_and_no_removed_one() -> None:
    test = make_task().test
    pool = protocol.sample_pools(test, make_sales().items, 1, np.arange(10))
    assert pool.shape == (40, 99) and all(len(set(row)) == 99 for row in pool.tolist()) and pool.min() >= 10
    for row, item in zip(pool, make_batch(test).item.numpy(), strict=True):
        assert not set(row.tolist()) & set(item.tolist())


def test_the_last_session_is_the_test_and_its_past_holds_the_validation() -> None:
    task = make_task()
    assert (len(task.train.user), len(task.validation.user), len(task.test.user)) == (400, 40, 40)
    assert (task.test.until == task.validation.end).all() and (task.test.until == task.test.begin).all()
    assert (task.train.end <= task.validation.begin[task.train.user]).all()
    assert task.train.since[0] == task.train.until[0]


def test_frequencies_count_the_past() -> None:
    past, zero = np.array([5, 5, 2, 2, 2, 7]), np.zeros(2, np.int64)
    sessions = Sessions(np.arange(2), zero, zero, past, np.array([0, 3]), np.array([3, 6]), past)
    own = closed_form.make_personal_scorer(sessions, 8)(np.array([1, 0]), np.zeros((2, 0)))
    assert own[:, [2, 5, 7]].tolist() == [[2, 0, 1], [1, 2, 0]]
    popular = closed_form.make_popular_scorer(sessions, 8)(np.array([1]), np.zeros((1, 0)))
    assert popular[0, [2, 5, 7]].tolist() == [3, 2, 1]


def test_attention_sums_to_one_and_equals_company_without_keys() -> None:
    torch.manual_seed(1)
    network = Parsrec(40, make_sales().items, rows.SHAPES[rows.CODES].model_copy(update={"width": 8})).eval()
    heat = attention.measure_heat(network, make_task(), make_sales())
    assert np.allclose(heat.attention.sum(2), 1) and np.allclose(heat.uniform.sum(2), 1)
    assert (np.diagonal(heat.attention, axis1=1, axis2=2) == 0).all()  # a session holds a category once
    with torch.no_grad():
        network.cell.key.weight.zero_()
    level = attention.measure_heat(network, make_task(), make_sales())
    assert np.allclose(level.attention, level.uniform, atol=1e-6)


def test_agreement_with_a_sigma() -> None:
    sigma = parsrec_sales.make_paper_sigmas()[0]
    assert attention.measure_agreement(sigma + 1, sigma, 1) == {"rho": pytest.approx(1), "p": 1e-4}
    assert attention.measure_agreement(-sigma, sigma, 1)["p"] > 0.9
    noise = np.random.default_rng(4).random((20, 20))
    assert attention.measure_agreement(noise + noise.T, sigma, 1)["p"] > 0.01


def test_signs_are_counted_on_the_pairs_that_differ() -> None:
    planted = np.stack(make_sales().sigmas)
    equal = attention.compare_with_sigmas(Heat(2 + planted, 3 + planted), make_sales(), 1)["attention"]
    assert equal["signs"] == 4
    assert [pair["pair"] for pair in equal["pairs"]] == [[8, 10], [9, 10], [14, 16], [18, 19]]
    swapped = attention.compare_with_sigmas(Heat(2 + planted[::-1], 3 + planted), make_sales(), 1)["attention"]
    assert swapped["signs"] == 0


def test_the_naive_estimates_are_shares_of_the_training_sessions() -> None:
    shop = spillover.simulate_sales(1)
    task = protocol.split_sales(shop, spillover.TEST)
    left = task.test.select(~spillover._contains(task.test, shop, spillover.C0))
    estimates = spillover.estimate_by_shares(task, left, shop)
    steps = np.bincount(shop.group[left.user], weights=left.length)
    for estimate in estimates.values():
        assert np.allclose(estimate.sum(1), steps) and (estimate[:, spillover.C0] == 0).all()
    without, whole = estimates["naive, sessions without C0"], estimates["naive, all sessions"]
    assert without[0, spillover.C2] < 0.9 * whole[0, spillover.C2]  # group A buys less of the category bought with C0
    assert without[1, spillover.C2] == pytest.approx(whole[1, spillover.C2], rel=0.06)


def test_the_estimate_by_steps_knows_the_session_so_far() -> None:
    """Three categories of two articles, a customer in each group; C0 has articles 0 and 1, C1 2 and 3, C2 4 and 5."""
    shop = Sales(
        Settings(customers=2, sessions=2, articles=2, seed=1), (np.eye(3), np.eye(3)), np.array([0, 1]), np.ones(6),
        np.zeros(0, np.int64), np.zeros(0, np.int32),
    )  # fmt: skip
    train = make_sessions([0, 0, 1], [[2, 0, 4], [4, 3], [5, 2]])  # C1 C0 C2: steps after C0 do not count
    left = make_sessions([0, 1], [[4, 2], [5]])
    [estimate] = spillover.estimate_by_steps(Task(train, train, left, articles=6, customers=2), left, shop).values()
    first, second = np.array([0, 0.5, 0.5]), np.array([0, 1, 0])  # shares at group A's two places
    assert np.allclose(estimate, [first + second, [0, 0, 1]])


def test_estimates_count_one_sale_per_step() -> None:
    shop = spillover.simulate_sales(1)
    task = protocol.split_sales(shop, spillover.TEST)
    left = task.test.select(~spillover._contains(task.test, shop, spillover.C0))
    left = left.select(np.arange(0, len(left.user), 40))
    torch.manual_seed(1)
    shape = rows.SHAPES[rows.CODES].model_copy(update={"width": 8})
    network = Parsrec(shop.settings.customers, shop.items, shape).eval()
    steps = np.bincount(shop.group[left.user], weights=left.length)
    for name, units in spillover.estimate_by_network(network, left, shop, 1).items():
        assert np.allclose(units.sum(1), steps, rtol=1e-4) and np.allclose(units[:, spillover.C0], 0), name


@pytest.mark.parametrize("name", rows.BASELINES)
def test_a_baseline_reads_neither_padding_nor_later_articles(name: str) -> None:
    torch.manual_seed(1)
    network = baselines.Transformer(20, rows.BASELINES[name].model_copy(update={"width": 8})).eval()
    short, padded = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 3, network.pad, network.pad]])
    assert torch.allclose(network.encode(short), network.encode(padded)[:, :3], atol=1e-5)
    if not network.settings.both_ways:
        other = network.encode(torch.tensor([[1, 2, 9]]))
        assert torch.allclose(network.encode(short)[:, :2], other[:, :2], atol=1e-6)


def test_the_targets_of_bert4rec_are_masked() -> None:
    torch.manual_seed(1)
    network = baselines.Transformer(20, rows.BASELINES["BERT4Rec"])
    histories = [np.arange(10), np.arange(5), np.arange(7), np.arange(3, 9)]
    batch = baselines._make_examples(network, histories, np.random.default_rng(1))
    filled = batch.target != network.pad
    assert (batch.item[filled] == network.mask).all() and (batch.item[~filled] != network.mask).all()
    whole = torch.where(filled, batch.target, batch.item)
    assert [row[row != network.pad].tolist() for row in whole] == [history.tolist() for history in histories]
    last_only = [k for k in range(4) if filled[k].sum() == 1 and filled[k, len(histories[k]) - 1]]
    assert last_only
