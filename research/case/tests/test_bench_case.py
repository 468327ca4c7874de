"""Test the Ta-Feng benchmark: the metrics, the closed-form rows, the packed networks, the runner, the report."""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from csv_shop import ROOT
from torch import Tensor, nn

from research.case import __main__ as runner
from research.case import bert4nbr, closed_form, dnntsp, report, tafeng
from research.case.bert4nbr import Histories
from research.case.closed_form import Tifu
from research.case.dnntsp import Dnntsp
from research.case.dnntsp_graphs import Baskets, Graphs
from research.case.tafeng import CUTOFFS, Split
from retail.errors import InputError
from retail.log import Array

DATA = ROOT / "../shared/data/case_tafeng"
needs_files = pytest.mark.skipif(not DATA.exists(), reason="../shared/data has no Ta-Feng files of the CASE paper")

# user -> item -> (label, days before the target)
Users = list[dict[int, tuple[int, list[int]]]]


def make_split(users: Users, items: int) -> Split:
    """Make a split of ``users``."""
    rows = [(item, label, days) for user in users for item, (label, days) in sorted(user.items())]
    return Split(
        ptr=np.cumsum([0, *(len(user) for user in users)]),
        item=np.array([item for item, _, _ in rows], np.int32),
        label=np.array([label for _, label, _ in rows], np.uint8),
        day_ptr=np.cumsum([0, *(len(days) for _, _, days in rows)]),
        day=np.array([day for _, _, days in rows for day in sorted(days)], np.int16),
        items=items,
    )


# The first user has three visits: {1, 2, 3} on day 9, {1, 2} on day 4, {3} on day 0. The second has one visit: {2, 5}.
TWO_USERS: Users = [
    {1: (1, [4, 9]), 2: (0, [4, 9]), 3: (0, [0, 9])},
    {2: (0, [6]), 5: (1, [6])},
]


def draw_users(users: int, seed: int) -> Users:
    """Draw users with 1 to 8 of 12 items and exactly one positive each."""
    rng = np.random.default_rng(seed)
    out: Users = []
    for _ in range(users):
        items = rng.choice(np.arange(1, 13), rng.integers(1, 9), replace=False)
        days = rng.choice(40, rng.integers(1, 7), replace=False)
        user = {int(i): [int(d) for d in days if rng.random() < 0.4] or [int(days[0])] for i in items}
        wanted = int(rng.choice(items))
        out.append({item: (int(item == wanted), days) for item, days in user.items()})
    return out


def test_metrics_by_hand() -> None:
    """Two positives among three; ties by ascending item; a user with two candidates does not count at 3."""
    split = make_split(
        [
            {4: (1, [0]), 5: (0, [0]), 9: (1, [0])},
            {1: (0, [0]), 2: (1, [0]), 3: (0, [0])},
            {7: (1, [0]), 8: (0, [0])},
        ],
        9,
    )
    score = np.array([0.5, 0.9, 0.1, 1.0, 1.0, 1.0, 0.2, 0.1])
    figures = tafeng.evaluate(split, score)
    assert figures.counted.tolist() == [[True, True, False, False], [True, True, False, False], [True] + [False] * 3]
    # at 1: a miss, a miss (item 1 is the first of the tied items), a hit
    np.testing.assert_allclose(figures.mean[1]["P"], 1 / 3)
    np.testing.assert_allclose(figures.mean[1]["R"], 1 / 3)
    # at 3: the two positives have ranks 2 and 3; the one positive of the second user has rank 2
    half, third = 1 / np.log2(3), 1 / np.log2(4)
    np.testing.assert_allclose(figures.mean[3]["P"], (2 / 3 + 1 / 3) / 2)
    np.testing.assert_allclose(figures.mean[3]["R"], 1)
    np.testing.assert_allclose(figures.mean[3]["N"], ((half + third) / (1 + half) + half) / 2)


def test_scores_must_be_finite() -> None:
    with pytest.raises(ValueError, match="5 finite scores"):
        tafeng.evaluate(make_split(TWO_USERS, 5), np.array([0, 1, np.nan, 0, 0]))


def test_a_paired_difference_of_equals_is_zero() -> None:
    split = make_split(draw_users(40, 0), 12)
    figures = tafeng.evaluate(split, np.arange(len(split.item)))
    assert tafeng.bootstrap_difference(figures, figures, "P", 1, 50, 0) == {"mean": 0, "low": 0, "high": 0}


def test_visits_are_numbered_from_the_oldest() -> None:
    """Days of the purchases: item 1 on 4 and 9, item 2 on 4 and 9, item 3 on 0 and 9; the second user on 6 and 6."""
    visits = tafeng.group_visits(make_split(TWO_USERS, 5))
    assert visits.ptr.tolist() == [0, 3, 4]
    assert visits.visit.tolist() == [1, 0, 1, 0, 2, 0, 3, 3]


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_holds_every_user_once_and_is_the_same_twice(epoch: int) -> None:
    groups, repeated = (tafeng.make_training_batches(np.arange(100) % 7, 8, 3, epoch) for _ in range(2))
    assert sorted(np.concatenate(groups).tolist()) == list(range(100))
    assert [group.tolist() for group in groups] == [group.tolist() for group in repeated]


def test_tifu_vectors_by_hand() -> None:
    """Three baskets form two groups, the last of two baskets; basket decay 1/2, group decay 1/4.

    Item 1: basket 1 has the weight 1/4 and is group 1, with the weight 1/4. Basket 2 has the weight 1/2 and is half of
    group 2. The mean of two groups is (1/16 + 1/4) / 2. Item 3: basket 1, and basket 3 with the weight 1, so
    (1/16 + 1/2) / 2. The single basket of the second user counts as the older of two groups: its weight is 1/4.
    """
    vectors = closed_form.build_vectors(make_split(TWO_USERS, 5), Tifu(1, 0.5, 0.25, 0.5, 2)).toarray()
    np.testing.assert_allclose(vectors[0], [0, 5 / 32, 5 / 32, 9 / 32, 0, 0])
    np.testing.assert_allclose(vectors[1], [0, 0, 1 / 4, 0, 0, 1 / 4])


def test_rates_and_recency_by_hand() -> None:
    """Two users had item 2 and none bought it again; the one user of item 5 did; b = 2."""
    split = make_split(TWO_USERS, 5)
    np.testing.assert_allclose(closed_form.compute_repurchase_rates(split, 2)[[2, 5, 4]], [0.1 / 4, 1.1 / 3, 0.05])
    recency = closed_form.score_recency(split)
    assert recency.max() < 1 and recency[2] > recency[0] == recency[1] > recency[3]


@cache
def read_splits() -> tuple[Split, Split, Split]:
    return tafeng.read(DATA, "train"), tafeng.read(DATA, "validate"), tafeng.read(DATA, "test")


def round_metrics(split: Split, score: Array, k: int) -> list[float]:
    return [round(value, 4) for value in tafeng.evaluate(split, score).mean[k].values()]


@needs_files
def test_the_released_files_are_read() -> None:
    splits = read_splits()
    assert [split.users for split in splits] == [5049, 765, 1412]
    assert {split.items for split in splits} == {18703}
    assert splits[0].item.min() == 1 and splits[0].item.max() == 18703
    assert all((np.bincount(split.user, split.label) > 0).all() for split in splits)


@needs_files
def test_tifu_knn_equals_the_published_row_and_freq_rate_its_stored_one() -> None:
    """TIFU-KNN equals Table 1 of CASE to four digits at 1 and 3; at 5 and 10 ties decide."""
    train, validate, test = read_splits()
    score = closed_form.score_tifu(train, test, Tifu())
    assert round_metrics(test, score, 1) == [0.2146, 0.1201, 0.2146]
    assert round_metrics(test, score, 3) == [0.1639, 0.2646, 0.2503]
    _, score, info = closed_form.score_freq_rate(train, validate, test, 0, Path())
    assert info["chosen"] == {"smoothing": 40}
    assert [round_metrics(test, score, k)[0] for k in (1, 5)] == [0.2932, 0.1686]
    assert round_metrics(test, score, 10)[1:] == [0.6362, 0.4341]


def test_dnntsp_edges_by_hand() -> None:
    """Items 1 and 2 share two visits, the most of the first user: edge 1-2 has weight 1, edges 1-3 and 1-1 have 1/2."""
    baskets = Baskets(make_split(TWO_USERS, 5))
    edges = {
        (int(baskets.visit[s]), int(baskets.split.item[baskets.node[s]]), int(baskets.split.item[baskets.node[t]])): w
        for s, t, w in zip(baskets.source, baskets.target, baskets.weight, strict=True)
        if baskets.split.user[baskets.node[s]] == 0
    }
    own = {(0, i, i): 0.5 for i in (1, 2, 3)} | {(1, i, i): 0.5 for i in (1, 2)} | {(2, 3, 3): 0.5}
    first = {(0, 1, 2): 1, (0, 2, 1): 1, (0, 1, 3): 0.5, (0, 3, 1): 0.5, (0, 2, 3): 0.5, (0, 3, 2): 0.5}
    assert edges == own | first | {(1, 1, 2): 1, (1, 2, 1): 1}
    assert baskets.self_weight.tolist() == [0.5, 0.5, 0.5, 1, 1]
    assert baskets.first_visit.tolist() == [0, 0, 0, 0, 0]


def compute_dense_logits(network: Dnntsp, split: Split, baskets: Baskets) -> Tensor:
    """Compute the paper's form: (T, N, N) matrices per user, the (N, T) states of all users normalised together."""
    states, sizes, weights = [], [], []
    for u in range(split.users):
        nodes = np.arange(split.ptr[u], split.ptr[u + 1])
        visits = int(baskets.visit_count[u])
        matrix = torch.zeros(visits, len(nodes), len(nodes)) + torch.diag(torch.from_numpy(baskets.self_weight[nodes]))
        for s, t, w in zip(baskets.source, baskets.target, baskets.weight, strict=True):
            if split.user[baskets.node[s]] == u:
                matrix[baskets.visit[s], baskets.node[t] - nodes[0], baskets.node[s] - nodes[0]] = float(w)
        item = torch.from_numpy(split.item[nodes].astype(np.int64))
        states.append(network.vector(item).expand(visits, -1, -1))
        sizes.append(visits * len(nodes))
        weights.append(matrix)
    for linear, norm in zip(network.convolutions, network.norms, strict=True):
        flat = torch.cat([linear(m @ x).flatten(0, 1) for m, x in zip(weights, states, strict=True)])
        plain = nn.BatchNorm1d(flat.shape[1])
        plain.train(norm.training)
        flat = torch.relu(plain(flat))
        parts = torch.split(flat, sizes)
        states = [part.view(x.shape) for part, x in zip(parts, states, strict=True)]
    pooled = []
    for x in states:  # (T, N, d)
        q, k, v = (
            network.attend(x).unflatten(2, (3, network.heads, -1)).permute(2, 1, 3, 0, 4)
        )  # (N, heads, T, d / heads)
        score = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
        later = torch.triu(torch.ones(len(x), len(x), dtype=torch.bool), 1)
        mixed = (score.masked_fill(later, -torch.inf).softmax(3) @ v).transpose(1, 2).flatten(2)  # (N, T, d)
        pooled.append((network.pool(mixed) * mixed).sum(1))
    z = torch.cat(pooled)
    item = torch.from_numpy(split.item.astype(np.int64))
    out: Tensor = network.output((1 - network.gate[item]) * network.vector(item) + network.gate[item] * z)
    return out.squeeze(1)


def test_packed_dnntsp_equals_dense_dnntsp() -> None:
    """Logits and gradients agree in training mode: the normalisation counts each state as often as it occurs."""
    split = make_split(draw_users(9, 1), 12)
    baskets = Baskets(split)
    torch.manual_seed(0)
    network = Dnntsp(12, dnntsp.SETTINGS)
    graphs = baskets.batch(np.arange(split.users))
    fast, slow = network(graphs), compute_dense_logits(network, split, baskets)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)
    weight = network.attend.weight
    torch.testing.assert_close(
        *(torch.autograd.grad(logits.square().sum(), weight)[0] for logits in (fast, slow)), rtol=1e-3, atol=1e-3
    )


def test_dnntsp_scores_do_not_depend_on_the_batch() -> None:
    """In evaluation mode a user has the same logits alone and among all users."""
    split = make_split(draw_users(9, 2), 12)
    baskets = Baskets(split)
    torch.manual_seed(0)
    network = Dnntsp(12, dnntsp.SETTINGS).eval()
    whole = dnntsp.score_candidates(network, baskets, 9)
    np.testing.assert_allclose(dnntsp.score_candidates(network, baskets, 1), whole, rtol=1e-4, atol=1e-5)


def test_the_loss_over_all_items_equals_the_dense_loss() -> None:
    split = make_split(draw_users(5, 3), 12)
    torch.manual_seed(0)
    network = Dnntsp(12, dnntsp.SETTINGS.model_copy(update={"loss": "all"})).eval()
    graphs: Graphs = Baskets(split).batch(np.arange(5))
    logits = network.output(network.vector.weight[1:]).squeeze(1).repeat(5, 1)  # (users, items)
    target = torch.zeros(5, 12)
    place = (torch.from_numpy(split.user), graphs.item - 1)
    logits, target = logits.index_put(place, network(graphs)), target.index_put(place, graphs.label)
    torch.testing.assert_close(network.loss(graphs), nn.functional.multilabel_soft_margin_loss(logits, target))


def test_bert4nbr_sequences_by_hand() -> None:
    """Oldest basket first; the position of an item is the number of its basket; the mask (id 6) follows the last."""
    histories = Histories(make_split(TWO_USERS, 5), bert4nbr.SETTINGS)
    batch = histories.batch(np.array([1, 0]), None)
    assert batch.item.tolist() == [[2, 5, 6, 0, 0, 0, 0], [1, 2, 3, 1, 2, 3, 6]]
    assert batch.basket.tolist() == [[1, 1, 2, 0, 0, 0, 0], [1, 1, 1, 2, 2, 3, 4]]


def test_bert4nbr_keeps_the_last_baskets_that_fit() -> None:
    """Three purchases hold the last two baskets, renumbered. Two positions hold the last basket and the mask."""
    split = make_split(TWO_USERS, 5)
    for change, items, baskets in (({"longest": 3}, [1, 2, 3, 6], [1, 1, 2, 3]), ({"baskets": 2}, [3, 6], [1, 2])):
        batch = Histories(split, bert4nbr.SETTINGS.model_copy(update=change)).batch(np.array([0]), None)
        assert (batch.item.tolist(), batch.basket.tolist()) == ([items], [baskets])


def test_bert4nbr_masks_by_task() -> None:
    """A task masks items with all their purchases, or the whole last basket, or predicts only the target basket."""
    split = make_split(TWO_USERS, 5)
    histories = Histories(split, bert4nbr.SETTINGS)
    plain = histories.batch(np.array([0]), None)
    seen = set()
    for seed in range(40):
        batch = histories.batch(np.array([0]), np.random.default_rng(seed))
        places = [place for place in range(6) if batch.item[0, place] == 6]
        target = batch.column[batch.target].tolist()
        if batch.position.tolist() == [6]:
            seen.add("next")
            assert target == [1] and places == []
            continue
        assert batch.position.tolist() == places
        assert target == [int(plain.item[0, place]) for place in places]
        seen.add("last" if places == [5] else "items")
        for place in places:  # all purchases of a masked item are masked, unless the task is the last basket
            same = [p for p in range(6) if plain.item[0, p] == plain.item[0, place]]
            assert places == [5] or set(same) <= set(places)
        if places:
            torch.testing.assert_close(batch.weight.sum(), torch.tensor(1.0))
    assert seen == {"next", "last", "items"}


def test_bert4nbr_scores_do_not_depend_on_padding() -> None:
    split = make_split(draw_users(9, 4), 12)
    torch.manual_seed(0)
    settings = bert4nbr.SETTINGS
    network, histories = bert4nbr.Bert4Nbr(12, settings).eval(), Histories(split, settings)
    alone, together = (bert4nbr.score_candidates(network, histories, users) for users in (1, 9))
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("module", [dnntsp, bert4nbr])
def test_a_short_training_gives_the_same_finite_scores_twice(module: object, tmp_path: Path) -> None:
    net = dnntsp if module is dnntsp else bert4nbr
    training = net.SETTINGS.training.model_copy(update={"epochs": 2})
    splits = [make_split(draw_users(30, seed), 12) for seed in (5, 6, 7)]
    changed = net.SETTINGS.model_copy(update={"training": training, "batch": 8})
    first, second = (net.train_and_score(*splits, changed, 1, tmp_path / name) for name in "ab")
    assert np.isfinite(first[1]).all() and first[1].shape == splits[2].item.shape
    np.testing.assert_array_equal(first[1], second[1])


def write_part(folder: Path, part: str, users: Users) -> None:
    days = [[[int(day in bought) for day in range(40)] for _, (_, bought) in sorted(user.items())] for user in users]
    frame = pl.DataFrame(
        {
            "cid": list(range(len(users))),
            "item_id_idx_arr": [[item - 1 for item in sorted(user)] for user in users],
            "label_arr": [[label for _, (label, _) in sorted(user.items())] for user in users],
            "member_day_arr": days,
        }
    )
    frame.write_parquet(folder / f"tafeng_{part}.parquet")


def test_the_runner_keeps_finished_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    data, folder = tmp_path / "data", tmp_path / "kept"
    data.mkdir()
    for seed, part in enumerate(("train", "validate", "test")):
        write_part(data, part, draw_users(30, seed))
    known = {"FreqRate": closed_form}
    tasks = runner.plan_tasks(known, ["FreqRate"], [4, 5], data, folder)
    assert [(job.row, job.seed) for job in tasks] == [("FreqRate", 4)]  # a deterministic row runs once
    scores = runner.run_tasks(tasks, data, 1)[tasks[0]]
    train, validate, test = (tafeng.read(data, part) for part in tafeng.PARTS)
    np.testing.assert_array_equal(scores.test, closed_form.score_freq_rate(train, validate, test, 4, folder)[1])
    stamp = os.stat(tasks[0].file).st_mtime_ns
    runner.run_tasks(tasks, data, 1)
    assert os.stat(tasks[0].file).st_mtime_ns == stamp
    write_part(data, "test", draw_users(30, 9))
    changed = runner.plan_tasks(known, ["FreqRate"], [4], data, folder)
    assert changed[0].file != tasks[0].file and not changed[0].file.exists()


def test_the_report_on_a_tiny_split(tmp_path: Path) -> None:
    split = make_split([{i: (int(i == u + 1), [i]) for i in range(1, 13)} for u in range(12)], 12)
    runs = [tafeng.evaluate(split, np.random.default_rng(seed).random(len(split.item))) for seed in range(3)]
    best = [tafeng.evaluate(split, split.label.astype(float))]
    rows = {
        name: {**report.summarise(figures), "seeds": len(figures), "seconds": 1.0, "deterministic": len(figures) == 1}
        for name, figures in (("CASE", runs), ("FreqRate", best))
    }
    assert rows["FreqRate"]["mean"][10] == {"P": pytest.approx(0.1), "R": 1, "N": 1}
    assert rows["FreqRate"]["sd"][10]["N"] == 0 < rows["CASE"]["sd"][10]["N"]
    checked = report.check_published("CASE", best)
    assert checked["reached"] == 11 and "P@10 0.1000 < " in report.format_check(
        checked
    )  # a perfect ranking has one hit in ten
    (first, *_) = report.compare_pairs({"CASE": runs, "FreqRate": best}, [("FreqRate", "CASE"), ("FreqRate", "absent")])
    assert first["figure"] == "P@1" and first["low"] <= first["mean"] <= first["high"]
    assert report.build_table(rows).row_count == 3
    assert "*.2897 .1877 .2897*" in report.render_markdown(rows, [report.format_check(checked)], [])
    report.plot(rows).savefig(tmp_path / "plot.png")
    assert json.dumps(rows)
    assert tuple(rows["CASE"]["mean"]) == CUTOFFS


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tafeng_train.parquet: no such file; put the CASE paper's files there"):
        tafeng.read(tmp_path, "test")
