"""The Ta-Feng benchmark: the metric, the closed-form rows, the networks' packed forms, the runner."""

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
released = pytest.mark.skipif(not DATA.exists(), reason="the CASE paper's Ta-Feng files are not at ../shared/data")

# user -> item -> (label, days before the target)
Users = list[dict[int, tuple[int, list[int]]]]


def split_of(users: Users, items: int) -> Split:
    rows = [(item, label, days) for user in users for item, (label, days) in sorted(user.items())]
    return Split(
        ptr=np.cumsum([0, *(len(user) for user in users)]),
        item=np.array([item for item, _, _ in rows], np.int32),
        label=np.array([label for _, label, _ in rows], np.uint8),
        day_ptr=np.cumsum([0, *(len(days) for _, _, days in rows)]),
        day=np.array([day for _, _, days in rows for day in sorted(days)], np.int16),
        items=items,
    )


# One user, three visits: day 9 {1, 2, 3}, day 4 {1, 2}, day 0 {3}; another with one visit, {2, 5}.
TWO: Users = [
    {1: (1, [4, 9]), 2: (0, [4, 9]), 3: (0, [0, 9])},
    {2: (0, [6]), 5: (1, [6])},
]


def random_users(users: int, seed: int) -> Users:
    rng = np.random.default_rng(seed)
    out: Users = []
    for _ in range(users):
        items = rng.choice(np.arange(1, 13), rng.integers(1, 9), replace=False)
        days = rng.choice(40, rng.integers(1, 7), replace=False)
        user = {int(i): [int(d) for d in days if rng.random() < 0.4] or [int(days[0])] for i in items}
        wanted = int(rng.choice(items))
        out.append({item: (int(item == wanted), days) for item, days in user.items()})
    return out


def test_the_metric_by_hand() -> None:
    """Two positives among three; ties by ascending item; who has two candidates does not count at 3."""
    split = split_of(
        [
            {4: (1, [0]), 5: (0, [0]), 9: (1, [0])},
            {1: (0, [0]), 2: (1, [0]), 3: (0, [0])},
            {7: (1, [0]), 8: (0, [0])},
        ],
        9,
    )
    score = np.array([0.5, 0.9, 0.1, 1.0, 1.0, 1.0, 0.2, 0.1])
    found = tafeng.evaluate(split, score)
    assert found.counted.tolist() == [[True, True, False, False], [True, True, False, False], [True] + [False] * 3]
    # at 1: misses, misses (item 1 comes first of the tied), hits
    np.testing.assert_allclose(found.mean[1]["P"], 1 / 3)
    np.testing.assert_allclose(found.mean[1]["R"], 1 / 3)
    # at 3: ranks 2 and 3 of two positives; rank 2 of one
    half, third = 1 / np.log2(3), 1 / np.log2(4)
    np.testing.assert_allclose(found.mean[3]["P"], (2 / 3 + 1 / 3) / 2)
    np.testing.assert_allclose(found.mean[3]["R"], 1)
    np.testing.assert_allclose(found.mean[3]["N"], ((half + third) / (1 + half) + half) / 2)


def test_scores_must_be_finite() -> None:
    with pytest.raises(ValueError, match="5 finite scores"):
        tafeng.evaluate(split_of(TWO, 5), np.array([0, 1, np.nan, 0, 0]))


def test_a_paired_difference_of_equals_is_nothing() -> None:
    split = split_of(random_users(40, 0), 12)
    one = tafeng.evaluate(split, np.arange(len(split.item)))
    assert tafeng.difference(one, one, "P", 1, 50, 0) == {"mean": 0, "low": 0, "high": 0}


def test_visits_count_from_the_oldest() -> None:
    """Purchases in the split's order: item 1 on days 4 and 9, item 2 on 4 and 9, item 3 on 0 and 9; then 6 and 6."""
    came = tafeng.visits(split_of(TWO, 5))
    assert came.ptr.tolist() == [0, 3, 4]
    assert came.of.tolist() == [1, 0, 1, 0, 2, 0, 3, 3]


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_has_every_user_once(epoch: int) -> None:
    groups = tafeng.batches(np.arange(100) % 7, 8, 3, epoch)
    assert sorted(np.concatenate(groups).tolist()) == list(range(100))
    assert [one.tolist() for one in groups] == [one.tolist() for one in tafeng.batches(np.arange(100) % 7, 8, 3, epoch)]


def test_tifu_vectors_by_hand() -> None:
    """Three baskets in two groups: the last group has two; within-basket decay 1/2, group decay 1/4.

    Item 1: basket 1 worth 1/4 is group 1, its weight 1/4; basket 2 worth 1/2, half of group 2. Over two groups:
    (1/16 + 1/4) / 2. Item 3: basket 1, and basket 3 worth 1: (1/16 + 1/2) / 2. The other user's one basket makes the
    oldest of two groups: 1/4, though there is no other.
    """
    found = closed_form.vectors(split_of(TWO, 5), Tifu(1, 0.5, 0.25, 0.5, 2)).toarray()
    np.testing.assert_allclose(found[0], [0, 5 / 32, 5 / 32, 9 / 32, 0, 0])
    np.testing.assert_allclose(found[1], [0, 0, 1 / 4, 0, 0, 1 / 4])


def test_rates_and_recency_by_hand() -> None:
    """Item 2 was had by two users and bought again by none, item 5 by one who did; b = 2."""
    split = split_of(TWO, 5)
    np.testing.assert_allclose(closed_form.repurchase_rate(split, 2)[[2, 5, 4]], [0.1 / 4, 1.1 / 3, 0.05])
    recency = closed_form.recency_tie(split)
    assert recency.max() < 1 and recency[2] > recency[0] == recency[1] > recency[3]


@cache
def read_all() -> tuple[Split, Split, Split]:
    return tafeng.read(DATA, "train"), tafeng.read(DATA, "validate"), tafeng.read(DATA, "test")


def digits(split: Split, score: Array, k: int) -> list[float]:
    return [round(value, 4) for value in tafeng.evaluate(split, score).mean[k].values()]


@released
def test_the_released_files() -> None:
    splits = read_all()
    assert [split.users for split in splits] == [5049, 765, 1412]
    assert {split.items for split in splits} == {18703}
    assert splits[0].item.min() == 1 and splits[0].item.max() == 18703
    assert all((np.bincount(split.user, split.label) > 0).all() for split in splits)


@released
def test_the_published_rows_of_tifu_knn_and_this_projects_reference() -> None:
    """CASE, Table 1, to four digits at 1 and 3; beyond, ties decide."""
    train, validate, test = read_all()
    score = closed_form.tifu(train, test, Tifu())
    assert digits(test, score, 1) == [0.2146, 0.1201, 0.2146]
    assert digits(test, score, 3) == [0.1639, 0.2646, 0.2503]
    _, score, info = closed_form.freq_rate_row(train, validate, test, 0, Path())
    assert info["chosen"] == {"smoothing": 40}
    assert [digits(test, score, k)[0] for k in (1, 5)] == [0.2932, 0.1686]
    assert digits(test, score, 10)[1:] == [0.6362, 0.4341]


def test_dnntsp_edges_by_hand() -> None:
    """Items 1 and 2 share two visits, so the first user's weights are halved: 1-2 weighs 1, 1-3 and an own edge 1/2."""
    baskets = Baskets(split_of(TWO, 5))
    edges = {
        (int(baskets.step[s]), int(baskets.split.item[baskets.node[s]]), int(baskets.split.item[baskets.node[t]])): w
        for s, t, w in zip(baskets.source, baskets.target, baskets.weight, strict=True)
        if baskets.split.user[baskets.node[s]] == 0
    }
    own = {(0, i, i): 0.5 for i in (1, 2, 3)} | {(1, i, i): 0.5 for i in (1, 2)} | {(2, 3, 3): 0.5}
    first = {(0, 1, 2): 1, (0, 2, 1): 1, (0, 1, 3): 0.5, (0, 3, 1): 0.5, (0, 2, 3): 0.5, (0, 3, 2): 0.5}
    assert edges == own | first | {(1, 1, 2): 1, (1, 2, 1): 1}
    assert baskets.alone.tolist() == [0.5, 0.5, 0.5, 1, 1]
    assert baskets.first.tolist() == [0, 0, 0, 0, 0]


def dense_dnntsp(network: Dnntsp, split: Split, baskets: Baskets) -> Tensor:
    """The paper's form: (T, N, N) matrices for each user, all users' (N, T) states normalised together."""
    states, sizes, weights = [], [], []
    for u in range(split.users):
        nodes = np.arange(split.ptr[u], split.ptr[u + 1])
        visits = int(baskets.length[u])
        matrix = torch.zeros(visits, len(nodes), len(nodes)) + torch.diag(torch.from_numpy(baskets.alone[nodes]))
        for s, t, w in zip(baskets.source, baskets.target, baskets.weight, strict=True):
            if split.user[baskets.node[s]] == u:
                matrix[baskets.step[s], baskets.node[t] - nodes[0], baskets.node[s] - nodes[0]] = float(w)
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
    out: Tensor = network.answer((1 - network.gate[item]) * network.vector(item) + network.gate[item] * z)
    return out.squeeze(1)


def test_packed_dnntsp_is_the_dense_one() -> None:
    """In training mode, so that the normalisation counts every state as often as it occurs; gradients too."""
    split = split_of(random_users(9, 1), 12)
    baskets = Baskets(split)
    torch.manual_seed(0)
    network = Dnntsp(12, dnntsp.SETTINGS)
    graphs = baskets.of(np.arange(split.users))
    fast, slow = network(graphs), dense_dnntsp(network, split, baskets)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)
    weight = network.attend.weight
    torch.testing.assert_close(
        *(torch.autograd.grad(one.square().sum(), weight)[0] for one in (fast, slow)), rtol=1e-3, atol=1e-3
    )


def test_a_dnntsp_batch_is_cut_out_of_the_whole() -> None:
    """A user's logits are the same alone, among all, and in another order, once the normalisation is fixed."""
    split = split_of(random_users(9, 2), 12)
    baskets = Baskets(split)
    torch.manual_seed(0)
    network = Dnntsp(12, dnntsp.SETTINGS).eval()
    whole = dnntsp.scores(network, baskets, 9)
    np.testing.assert_allclose(dnntsp.scores(network, baskets, 1), whole, rtol=1e-4, atol=1e-5)


def test_the_loss_over_all_items_is_the_plain_sum() -> None:
    split = split_of(random_users(5, 3), 12)
    torch.manual_seed(0)
    network = Dnntsp(12, dnntsp.SETTINGS.model_copy(update={"loss": "all"})).eval()
    graphs: Graphs = Baskets(split).of(np.arange(5))
    logits = network.answer(network.vector.weight[1:]).squeeze(1).repeat(5, 1)  # (users, items)
    wanted = torch.zeros(5, 12)
    at = (torch.from_numpy(split.user), graphs.item - 1)
    logits, wanted = logits.index_put(at, network(graphs)), wanted.index_put(at, graphs.label)
    torch.testing.assert_close(network.loss(graphs), nn.functional.multilabel_soft_margin_loss(logits, wanted))


def test_bert4nbr_sequences_by_hand() -> None:
    """Baskets oldest first, an item's position its basket's number, the mask (id 6) in the basket after the last."""
    histories = Histories(split_of(TWO, 5), bert4nbr.SETTINGS)
    batch = histories.batch(np.array([1, 0]), None)
    assert batch.item.tolist() == [[2, 5, 6, 0, 0, 0, 0], [1, 2, 3, 1, 2, 3, 6]]
    assert batch.basket.tolist() == [[1, 1, 2, 0, 0, 0, 0], [1, 1, 1, 2, 2, 3, 4]]


def test_bert4nbr_keeps_the_last_baskets_that_fit() -> None:
    """Three purchases: the last two baskets, numbered anew. Two positions: the last basket and the mask."""
    split = split_of(TWO, 5)
    for change, items, baskets in (({"longest": 3}, [1, 2, 3, 6], [1, 1, 2, 3]), ({"baskets": 2}, [3, 6], [1, 2])):
        batch = Histories(split, bert4nbr.SETTINGS.model_copy(update=change)).batch(np.array([0]), None)
        assert (batch.item.tolist(), batch.basket.tolist()) == ([items], [baskets])


def test_bert4nbr_masks_by_task() -> None:
    """Whatever the lot: some items with all their purchases, or the last basket whole, or nothing but the next one."""
    split = split_of(TWO, 5)
    histories = Histories(split, bert4nbr.SETTINGS)
    plain = histories.batch(np.array([0]), None)
    seen = set()
    for seed in range(40):
        batch = histories.batch(np.array([0]), np.random.default_rng(seed))
        places = [place for place in range(6) if batch.item[0, place] == 6]
        wanted = batch.column[batch.wanted].tolist()
        if batch.place.tolist() == [6]:
            seen.add("next")
            assert wanted == [1] and places == []
            continue
        assert batch.place.tolist() == places
        assert wanted == [int(plain.item[0, place]) for place in places]
        seen.add("last" if places == [5] else "some")
        for place in places:  # where an item is masked all its purchases are, unless the last basket is
            same = [p for p in range(6) if plain.item[0, p] == plain.item[0, place]]
            assert places == [5] or set(same) <= set(places)
        if places:
            torch.testing.assert_close(batch.weight.sum(), torch.tensor(1.0))
    assert seen == {"next", "last", "some"}


def test_bert4nbr_scores_do_not_see_the_padding() -> None:
    split = split_of(random_users(9, 4), 12)
    torch.manual_seed(0)
    settings = bert4nbr.SETTINGS
    network, histories = bert4nbr.Bert4Nbr(12, settings).eval(), Histories(split, settings)
    alone, together = (bert4nbr.scores(network, histories, users) for users in (1, 9))
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("module", [dnntsp, bert4nbr])
def test_a_short_training_gives_finite_scores(module: object, tmp_path: Path) -> None:
    net = dnntsp if module is dnntsp else bert4nbr
    training = net.SETTINGS.training.model_copy(update={"epochs": 2})
    splits = [split_of(random_users(30, seed), 12) for seed in (5, 6, 7)]
    changed = net.SETTINGS.model_copy(update={"training": training, "batch": 8})
    one, two = (net.fitted(*splits, changed, 1, tmp_path / name) for name in "ab")
    assert np.isfinite(one[1]).all() and one[1].shape == splits[2].item.shape
    np.testing.assert_array_equal(one[1], two[1])


def write(folder: Path, part: str, users: Users) -> None:
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


def test_the_runner_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    data, folder = tmp_path / "data", tmp_path / "kept"
    data.mkdir()
    for seed, part in enumerate(("train", "validate", "test")):
        write(data, part, random_users(30, seed))
    known = {"FreqRate": closed_form}
    tasks = runner.planned(known, ["FreqRate"], [4, 5], data, folder)
    assert [(one.row, one.seed) for one in tasks] == [("FreqRate", 4)]  # nothing in it is drawn: once
    found = runner.run(tasks, data, 1)[tasks[0]]
    train, validate, test = (tafeng.read(data, part) for part in tafeng.PARTS)
    np.testing.assert_array_equal(found.test, closed_form.freq_rate_row(train, validate, test, 4, folder)[1])
    stamp = os.stat(tasks[0].file).st_mtime_ns
    runner.run(tasks, data, 1)
    assert os.stat(tasks[0].file).st_mtime_ns == stamp
    write(data, "test", random_users(30, 9))
    changed = runner.planned(known, ["FreqRate"], [4], data, folder)
    assert changed[0].file != tasks[0].file and not changed[0].file.exists()


def test_the_report_on_a_tiny_split(tmp_path: Path) -> None:
    split = split_of([{i: (int(i == u + 1), [i]) for i in range(1, 13)} for u in range(12)], 12)
    runs = [tafeng.evaluate(split, np.random.default_rng(seed).random(len(split.item))) for seed in range(3)]
    best = [tafeng.evaluate(split, split.label.astype(float))]
    rows = {
        name: {**report.summary(of), "seeds": len(of), "seconds": 1.0, "deterministic": len(of) == 1}
        for name, of in (("CASE", runs), ("FreqRate", best))
    }
    assert rows["FreqRate"]["mean"][10] == {"P": pytest.approx(0.1), "R": 1, "N": 1}
    assert rows["FreqRate"]["sd"][10]["N"] == 0 < rows["CASE"]["sd"][10]["N"]
    checked = report.check("CASE", best)
    assert checked["reached"] == 11 and "P@10 0.1000 < " in report.check_line(checked)  # all that a perfect list can do
    (first, *_) = report.differences({"CASE": runs, "FreqRate": best}, [("FreqRate", "CASE"), ("FreqRate", "absent")])
    assert first["figure"] == "P@1" and first["low"] <= first["mean"] <= first["high"]
    assert report.table(rows).row_count == 3
    assert "*.2897 .1877 .2897*" in report.markdown(rows, [report.check_line(checked)], [])
    report.plot(rows).savefig(tmp_path / "plot.png")
    assert json.dumps(rows)
    assert tuple(rows["CASE"]["mean"]) == CUTOFFS


def test_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tafeng_train.parquet: no such file; put the CASE paper's files there"):
        tafeng.read(tmp_path, "test")
