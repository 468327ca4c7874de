"""The PARSRec benchmark: the metric by hand, chance, attention beside a planted Sigma, the what-if of a category."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from insights.attention import Heat
from research.parsrec import attention, closed_form, parsrec_sales, protocol, rivals, rows, spillover
from research.parsrec.parsrec_sales import Sales, Settings
from research.parsrec.protocol import Task
from retail.log import Array
from stage1_candidates.networks.parsrec import sessions
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Sessions


@cache
def sales() -> Sales:
    return parsrec_sales.sold(Settings(customers=40, sessions=12, articles=10, seed=3), parsrec_sales.paper_sigmas())


@cache
def task() -> Task:
    return protocol.task(sales())


def one_session(*item: int) -> Sessions:
    end = np.array([len(item)])
    return Sessions(np.array([0]), 0 * end, end, np.array(item), 0 * end, 0 * end, np.zeros(0, np.int64))


def some_sessions(user: list[int], of: list[list[int]]) -> Sessions:
    end = np.cumsum([len(one) for one in of])
    begin = end - [len(one) for one in of]
    nothing = 0 * end
    return Sessions(np.array(user), begin, end, np.concatenate(of), nothing, nothing, np.zeros(0, np.int64))


def test_a_session_step_by_step() -> None:
    """Articles 1, 2, 3 with scores .9, .1, .5 beside 0, 4, 5 with .8, .7, .6, k = 2.

    Step 1: article 1 ranks 0, a hit of gain 1. Step 2: article 3 ranks 3, a miss, and article 2, the first that is
    left, is given away. Step 3: article 3 misses again.
    """
    score = np.array([[0.8, 0.9, 0.1, 0.5, 0.7, 0.6]])
    walk = protocol.walked(lambda row, given: score[row], one_session(1, 2, 3), np.array([[0, 4, 5]]), 2)
    assert walk.gain.tolist() == [[1, 0, 0]] and walk.given.tolist() == [[1, 2, 3]]
    assert walk.figures() == pytest.approx({"HR": 1 / 3, "HR error": 0, "NDCG": 1 / 3, "Sess-Prec": 1 / 3})
    four = protocol.walked(lambda row, given: score[row], one_session(1, 2, 3), np.array([[0, 4, 5]]), 4)
    assert four.gain.tolist() == [pytest.approx([1, 1 / math.log2(5), 1 / math.log2(5)])]
    assert four.given.tolist() == [[1, 3, 2]]


def slowly(score: Array, item: list[int], pool: list[int], k: int) -> tuple[list[float], list[int]]:
    """One session, step by step."""
    left, gain, given = list(item), [], []
    for _ in item:
        ranked = sorted([*left, *pool], key=lambda one: (-score[one], one))
        hits = [one for one in ranked[:k] if one in left]
        gain.append(1 / math.log2(ranked.index(hits[0]) + 2) if hits else 0.0)
        given.append(hits[0] if hits else left[0])
        left.remove(given[-1])
    return gain, given


@given(seed=st.integers(0, 10_000), k=st.integers(1, 8), kinds=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_all_sessions_at_once_are_each_one_step_by_step(seed: int, k: int, kinds: int) -> None:
    rng = np.random.default_rng(seed)
    order = np.stack([rng.permutation(14) for _ in range(5)])
    length = rng.integers(1, 6, 5)
    end = np.cumsum(length)
    item = np.concatenate([row[:n] for row, n in zip(order, length, strict=True)])
    of = Sessions(np.arange(5), end - length, end, item, 0 * end, 0 * end, np.zeros(0, np.int64))
    pool, score = order[:, 6:12], rng.integers(0, kinds, (5, 14)).astype(float)  # few kinds: many equal scores
    walk = protocol.walked(lambda row, given: score[row], of, pool, k)
    for s, n in enumerate(length):
        gains, order_of = slowly(score[s], order[s, :n].tolist(), pool[s].tolist(), k)
        assert walk.gain[s, :n].tolist() == pytest.approx(gains) and np.isnan(walk.gain[s, n:]).all()
        assert walk.given[s, :n].tolist() == order_of


def test_equal_scores_rank_by_id() -> None:
    level = np.zeros((1, 6))
    walk = protocol.walked(lambda row, given: level[row], one_session(4, 2), np.array([[0, 3, 5]]), 2)
    assert walk.given.tolist() == [[2, 4]]
    assert walk.gain.tolist() == [pytest.approx([1 / math.log2(3), 0])]  # 0 comes before 2; 0 and 3 before 4


def test_session_precision_is_a_mean_of_sessions_and_the_hit_ratio_one_of_steps() -> None:
    walk = protocol.Walk(np.array([[1, 0, 0, 0], [1, np.nan, np.nan, np.nan]]), np.zeros((2, 4)))
    error = math.sqrt((1 - 4 * 2 / 5) ** 2 + (1 - 2 / 5) ** 2) / 5
    assert walk.figures() == pytest.approx(
        {"HR": 2 / 5, "HR error": error, "NDCG": 2 / 5, "Sess-Prec": (1 / 4 + 1) / 2}
    )


def test_a_scorer_is_told_of_what_was_given_away_alone() -> None:
    asked: list[tuple[list[int], list[list[int]]]] = []

    def scorer(row: Array, given: Array) -> Array:
        asked.append((row.tolist(), given.tolist()))
        return np.zeros((len(row), 9))

    both = Sessions(
        np.array([0, 1]), np.array([0, 1]), np.array([1, 4]), np.array([3, 6, 7, 8]), np.zeros(2, np.int64),
        np.zeros(2, np.int64), np.zeros(0, np.int64),
    )  # fmt: skip
    protocol.walked(scorer, both, np.array([[0, 1], [0, 1]]), 1)
    assert asked == [([0, 1], [[], []]), ([1], [[6]]), ([1], [[6, 7]])]


def by_chance(length: Array, k: int) -> float:
    """Chance of a hit, mean over the steps of sessions: not all of the r articles left are behind the k best."""
    left = np.concatenate([np.arange(1, n + 1) for n in length])
    return float(np.mean([1 - math.comb(99, k) / math.comb(99 + int(r), k) for r in left]))


def test_a_random_scorer_hits_as_often_as_the_closed_form_says() -> None:
    length = parsrec_sales.lengths(np.random.default_rng(1), 20_000)
    assert by_chance(length[:3000], 10) == pytest.approx(0.252, abs=0.005)
    of = task().test
    rng = np.random.default_rng(2)
    pool = protocol.others(of, sales().items, 1)
    hits = [
        protocol.walked(lambda row, given: rng.random((len(row), sales().items)), of, pool, 10).figures()["HR"]
        for _ in range(30)
    ]
    error = np.std(hits) / len(hits) ** 0.5
    assert np.mean(hits) == pytest.approx(by_chance(of.length, 10), abs=4 * error)


def test_a_pool_holds_no_article_of_its_session_and_none_that_is_gone() -> None:
    of = task().test
    pool = protocol.others(of, sales().items, 1, np.arange(10))
    assert pool.shape == (40, 99) and all(len(set(row)) == 99 for row in pool.tolist()) and pool.min() >= 10
    for row, item in zip(pool, sessions.batch(of).item.numpy(), strict=True):
        assert not set(row.tolist()) & set(item.tolist())


def test_the_last_session_is_the_test_and_its_past_holds_the_validation() -> None:
    of = task()
    assert (len(of.train.user), len(of.validation.user), len(of.test.user)) == (400, 40, 40)
    assert (of.test.until == of.validation.end).all() and (of.test.until == of.test.begin).all()
    assert (of.train.end <= of.validation.begin[of.train.user]).all() and of.train.since[0] == of.train.until[0]


def test_frequencies_count_the_past() -> None:
    past, none = np.array([5, 5, 2, 2, 2, 7]), np.zeros(2, np.int64)
    of = Sessions(np.arange(2), none, none, past, np.array([0, 3]), np.array([3, 6]), past)
    own = closed_form.personal(of, 8)(np.array([1, 0]), np.zeros((2, 0)))
    assert own[:, [2, 5, 7]].tolist() == [[2, 0, 1], [1, 2, 0]]
    assert closed_form.popular(of, 8)(np.array([1]), np.zeros((1, 0)))[0, [2, 5, 7]].tolist() == [3, 2, 1]


def test_attention_sums_to_one_and_equal_attention_is_company() -> None:
    torch.manual_seed(1)
    network = Parsrec(40, sales().items, rows.SHAPES[rows.CODES].model_copy(update={"width": 8})).eval()
    found = attention.heat(network, task(), sales())
    assert np.allclose(found.attention.sum(2), 1) and np.allclose(found.company.sum(2), 1)
    assert (np.diagonal(found.attention, axis1=1, axis2=2) == 0).all()  # a session holds a category once
    with torch.no_grad():
        network.cell.key.weight.zero_()
    level = attention.heat(network, task(), sales())
    assert np.allclose(level.attention, level.company, atol=1e-6)


def test_agreement_with_a_sigma() -> None:
    sigma = parsrec_sales.paper_sigmas()[0]
    assert attention.agreement(sigma + 1, sigma, 1) == {"rho": pytest.approx(1), "p": 1e-4}
    assert attention.agreement(-sigma, sigma, 1)["p"] > 0.9
    noise = np.random.default_rng(4).random((20, 20))
    assert attention.agreement(noise + noise.T, sigma, 1)["p"] > 0.01


def test_signs_are_counted_on_the_pairs_that_differ() -> None:
    planted = np.stack(sales().sigmas)
    found = attention.compared(Heat(2 + planted, 3 + planted), sales(), 1)["attention"]
    assert found["signs"] == 4 and [one["pair"] for one in found["pairs"]] == [[8, 10], [9, 10], [14, 16], [18, 19]]
    other = attention.compared(Heat(2 + planted[::-1], 3 + planted), sales(), 1)["attention"]
    assert other["signs"] == 0


def test_the_naive_estimates_are_shares_of_the_training_sessions() -> None:
    shop = spillover.sales(1)
    of = protocol.task(shop, spillover.TEST)
    left = of.test.chosen(~spillover._holds(of.test, shop, spillover.C0))
    found = spillover.naive(of, left, shop)
    steps = np.bincount(shop.group[left.user], weights=left.length)
    for estimate in found.values():
        assert np.allclose(estimate.sum(1), steps) and (estimate[:, spillover.C0] == 0).all()
    seeing, blind = found["naive, sessions without C0"], found["naive, all sessions"]
    assert seeing[0, spillover.C2] < 0.9 * blind[0, spillover.C2]  # group A buys less of what went with C0
    assert seeing[1, spillover.C2] == pytest.approx(blind[1, spillover.C2], rel=0.06)


def test_what_is_counted_step_by_step_knows_the_session_so_far() -> None:
    """Three categories of two articles, a customer in each group; C0 has articles 0 and 1, C1 2 and 3, C2 4 and 5."""
    shop = Sales(
        Settings(customers=2, sessions=2, articles=2, seed=1), (np.eye(3), np.eye(3)), np.array([0, 1]), np.ones(6),
        np.zeros(0, np.int64), np.zeros(0, np.int32),
    )  # fmt: skip
    train = some_sessions([0, 0, 1], [[2, 0, 4], [4, 3], [5, 2]])  # C1 C0 C2: what comes after C0 does not count
    left = some_sessions([0, 1], [[4, 2], [5]])
    [found] = spillover.counted(Task(train, train, left, articles=6, customers=2), left, shop).values()
    first, second = np.array([0, 0.5, 0.5]), np.array([0, 1, 0])  # shares at group A's two places
    assert np.allclose(found, [first + second, [0, 0, 1]])


def test_estimates_count_one_sale_a_step() -> None:
    shop = spillover.sales(1)
    of = protocol.task(shop, spillover.TEST)
    left = of.test.chosen(~spillover._holds(of.test, shop, spillover.C0))
    left = left.chosen(np.arange(0, len(left.user), 40))
    torch.manual_seed(1)
    shape = rows.SHAPES[rows.CODES].model_copy(update={"width": 8})
    network = Parsrec(shop.settings.customers, shop.items, shape).eval()
    steps = np.bincount(shop.group[left.user], weights=left.length)
    for name, units in spillover.estimated(network, left, shop, 1).items():
        assert np.allclose(units.sum(1), steps, rtol=1e-4) and np.allclose(units[:, spillover.C0], 0), name


@pytest.mark.parametrize("name", rows.RIVALS)
def test_a_rival_sees_neither_padding_nor_what_comes_later(name: str) -> None:
    torch.manual_seed(1)
    of = rivals.Rival(20, rows.RIVALS[name].model_copy(update={"width": 8})).eval()
    short, padded = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 3, of.pad, of.pad]])
    assert torch.allclose(of.states(short), of.states(padded)[:, :3], atol=1e-5)
    if not of.settings.both_ways:
        other = of.states(torch.tensor([[1, 2, 9]]))
        assert torch.allclose(of.states(short)[:, :2], other[:, :2], atol=1e-6)


def test_what_bert4rec_is_asked_is_masked() -> None:
    torch.manual_seed(1)
    of = rivals.Rival(20, rows.RIVALS["BERT4Rec"])
    histories = [np.arange(10), np.arange(5), np.arange(7), np.arange(3, 9)]
    batch = rivals._examples(of, histories, np.random.default_rng(1))
    asked = batch.wanted != of.pad
    assert (batch.item[asked] == of.mask).all() and (batch.item[~asked] != of.mask).all()
    whole = torch.where(asked, batch.wanted, batch.item)
    assert [row[row != of.pad].tolist() for row in whole] == [history.tolist() for history in histories]
    alone = [k for k in range(4) if asked[k].sum() == 1 and asked[k, len(histories[k]) - 1]]
    assert alone  # a row whose last article alone is asked
