"""CASE: the calendar equals a convolution, a user's scores are their own, parts switch off, a tiny set is learnt."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from retail.errors import InputError
from retail.params import validated
from stage1_candidates.networks.case.batches import Candidates, batch, recent, shuffled
from stage1_candidates.networks.case.network import (
    Batch,
    Calendar,
    Case,
    Fusion,
    RawCalendar,
    Settings,
    listwise,
    margin,
)
from stage1_candidates.networks.case.set_layers import ISAB, PAGE, PermEqMean, PointsToMembers, sets

PAPER = Settings(
    horizon=364, windows=(7, 14, 28, 91, 182), calendar="conv", calendar_width=128, item_width=128, item_dropout=0,
    prior=0, encoder="isab", layers=2, width=256, points=32, heads=4, dropout=0.1, scorer_width=128, fusion=False,
    residual=False, loss="bce", hard=10,
)  # fmt: skip
SMALL = {"horizon": 40, "windows": (7, 14), "calendar_width": 8, "item_width": 8, "width": 16, "points": 4, "heads": 2}
ITEMS = 30


def settings(**changes: object) -> Settings:
    return Settings.model_validate({**PAPER.model_dump(), **SMALL, **changes})


def shop(users: int, seed: int, prior: int = 0, most: int = 12) -> Candidates:
    """``users`` histories of 1 to ``most`` of 30 items, bought on 1 to 3 of 40 days."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, most + 1, users)
    times = rng.integers(1, 4, size.sum())
    item = np.concatenate([1 + rng.permutation(ITEMS)[:n] for n in size])
    day = np.concatenate([np.sort(rng.permutation(40)[:n]) for n in times])
    known = rng.normal(size=(len(item), prior)).astype(np.float32)
    label = rng.integers(0, 2, len(item))
    return Candidates(np.append(0, size.cumsum()), item, np.append(0, times.cumsum()), day, known, label)


def dense(part: Batch, horizon: int) -> Tensor:
    """(N, horizon) 0/1 calendar."""
    calendar = torch.zeros(len(part.item), horizon)
    calendar[part.event_row, part.event_day] = 1
    return calendar


def network(**changes: object) -> Case:
    torch.manual_seed(0)
    return Case(ITEMS, settings(**changes)).eval()


def parameters(items: int, chosen: Settings) -> int:
    return sum(p.numel() for p in Case(items, chosen).parameters())


def test_the_windows_equal_a_convolution_over_the_dense_calendar() -> None:
    torch.manual_seed(0)
    chosen = settings(horizon=40, windows=(7, 14, 39))
    calendar, part = Calendar(chosen), batch(shop(9, 1), np.arange(9))
    signal, begin, expected = dense(part, 40)[:, None], 0, []
    for i, w in enumerate(chosen.windows):
        kernel, bias = calendar.weight[begin : begin + w].view(1, 1, w), calendar.bias[i : i + 1]
        expected.append(nn.functional.conv1d(signal, kernel, bias, stride=w)[:, 0].relu())
        begin += w
    windows = calendar.windows(part)
    assert windows.shape == (len(part.item), 5 + 2 + 1)
    torch.testing.assert_close(windows, torch.cat(expected, 1))


def test_the_raw_calendar_equals_a_linear_layer_over_the_days() -> None:
    raw, part = RawCalendar(settings(calendar="raw")), batch(shop(9, 1), np.arange(9))
    torch.testing.assert_close(raw(part), raw.day(dense(part, 40)))


def test_the_fusion_sums_the_vectors_of_all_days() -> None:
    fusion, part = Fusion(ITEMS, settings()), batch(shop(9, 1), np.arange(9))
    by_day = fusion.days(dense(part, 40).long())  # (N, 40, d)
    torch.testing.assert_close(fusion.bought(part), by_day.sum(1))


@pytest.mark.parametrize("changes", [{}, {"fusion": True}, {"encoder": "perm_eq_mean"}, {"prior": 3, "residual": True}])
def test_a_users_scores_do_not_depend_on_the_others(changes: dict[str, object]) -> None:
    history = shop(20, 2, prior=3 if changes.get("prior") else 0, most=25)
    net, ptr = network(**changes), history.ptr
    together = net(batch(history, np.arange(20)))
    for user in (0, 7, 19):
        alone = net(batch(history, np.array([user])))
        torch.testing.assert_close(alone, together[ptr[user] : ptr[user + 1]], rtol=1e-4, atol=1e-5)


def test_pages_of_a_large_set_make_one_attention() -> None:
    torch.manual_seed(0)
    pool = PointsToMembers(6, 8, 3, 2)
    x = torch.randn(2 * PAGE + 5, 6)
    whole = pool(x, sets(torch.tensor([0, len(x)])))
    q, k, v = pool.query(pool.points)[0], pool.key(x), pool.value(x)
    parts = [((q[:, h] @ k[:, h].T / 8**0.5).softmax(1) @ v[:, h]) for h in (slice(0, 4), slice(4, 8))]
    mixed = pool.norm(q + torch.cat(parts, 1))
    torch.testing.assert_close(whole[0], pool.out_norm(mixed + pool.out(mixed).relu()))


def test_a_user_without_candidates_gets_no_score_and_disturbs_nobody() -> None:
    history = shop(3, 3)
    empty = Candidates(np.insert(history.ptr, 1, history.ptr[1]), *list(vars(history).values())[1:])
    net = network(fusion=True)
    torch.testing.assert_close(net(batch(empty, np.arange(4))), net(batch(history, np.arange(3))))
    assert net(batch(empty, np.array([1]))).shape == (0,)


@pytest.mark.parametrize("kind", ["isab", "perm_eq_mean"])
def test_set_layers_follow_a_permutation(kind: str) -> None:
    torch.manual_seed(0)
    layer: nn.Module = ISAB(8, 16, 4, 2) if kind == "isab" else PermEqMean(8)
    x, where = torch.randn(50, 8), sets(torch.tensor([0, 10, 50]))
    moved = torch.cat([torch.randperm(10), 10 + torch.randperm(40)])
    torch.testing.assert_close(layer(x[moved], where), layer(x, where)[moved], rtol=1e-4, atol=1e-5)


def test_the_parameters_are_as_many_as_the_published_code_has() -> None:
    fused = PAPER.model_copy(update={"fusion": True})
    assert 18_704 * 128 == 2_394_112  # the item embeddings
    assert parameters(18_703, fused) == 3_683_560
    mix, days, pool, rho = 18_704 * 2, 2 * 128, 128 + 4 * (128 * 128 + 128) + 4 * 128, 3 * (128 * 128 + 128)
    assert parameters(18_703, PAPER) == 3_683_560 - mix - days - pool - rho


def test_each_switch_takes_away_or_adds_its_parameters() -> None:
    base = parameters(ITEMS, settings())
    # two kernels of 7 and 14 and their biases, 5 + 2 windows into two layers of 8; instead 8 -> 8 -> 8
    assert parameters(ITEMS, settings(calendar="none")) - base == 2 * (64 + 8) - (7 + 14 + 2 + 7 * 8 + 8 + 64 + 8)
    assert parameters(ITEMS, settings(calendar="raw")) - base == 40 * 8 + 8 - (7 + 14 + 2 + 7 * 8 + 8 + 64 + 8)
    # the embeddings; the first layer's keys, values (points) and queries (members) read 8 columns fewer
    assert parameters(ITEMS, settings(item_width=0)) - base == -(ITEMS + 1) * 8 - 3 * 8 * 16
    assert parameters(ITEMS, settings(prior=2)) - base == 3 * 2 * 16
    assert parameters(ITEMS, settings(prior=2, residual=True)) - base == 3 * 2 * 16 + 2
    isab = sum(p.numel() for p in network().encoder.parameters())
    assert parameters(ITEMS, settings(encoder="none")) == base - isab  # 8 + 8 columns reach the scorer, as 16 did


def test_settings_that_do_not_fit_are_refused_by_name() -> None:
    for changes, message in (
        ({"heads": 3}, "multiple of heads"),
        ({"fusion": True, "item_width": 0}, "fusion needs an item embedding"),
        ({"calendar": "none", "item_width": 0}, "needs an item embedding"),
        ({"residual": True}, "residual needs prior features"),
    ):
        with pytest.raises(InputError, match=message):
            validated(Settings, {**PAPER.model_dump(), **SMALL, **changes}, "networks.case")


def test_the_margin_loss_meets_the_hardest_negatives_of_the_same_user() -> None:
    # user 0: one positive at 1; negatives 3, 2, -5, hard 2 takes 3 and 2. User 1: no negative. User 2: no positive.
    score = torch.tensor([2.0, 1.0, -5.0, 3.0, 4.0, 9.0], requires_grad=True)
    label, where = torch.tensor([0.0, 1, 0, 0, 1, 0]), sets(torch.tensor([0, 4, 5, 6]))
    loss = margin(score, label, where, 2)
    assert loss.item() == ((1 - 1 + 3) + (1 - 1 + 2)) / 2
    assert margin(score[5:], label[5:], sets(torch.tensor([0, 1])), 2).item() == 0


def test_the_listwise_loss_is_the_users_mean_surprise_at_their_positives() -> None:
    # user 0: softmax of (0, log 3) = (1/4, 3/4), both positive; user 1: (1/2, 1/2), one positive; user 2: no positive
    score = torch.tensor([0.0, 3.0, 5, 5, 1]).log().nan_to_num(neginf=0)
    score[0], score[1] = 0.0, float(np.log(3))
    label, where = torch.tensor([1.0, 1, 1, 0, 0]), sets(torch.tensor([0, 2, 4, 5]))
    expected = ((np.log(4) + np.log(4 / 3)) / 2 + np.log(2)) / 2
    assert listwise(score, label, where).item() == pytest.approx(expected, rel=1e-6)


def test_the_most_recent_candidates_are_kept() -> None:
    history = Candidates(
        np.array([0, 3, 4]), np.array([5, 6, 7, 8]), np.array([0, 2, 3, 3, 4]), np.array([9, 30, 2, 35]),
        np.zeros((4, 0), np.float32), np.array([1, 0, 0, 1]),
    )  # fmt: skip
    kept = recent(history, 2)  # item 7 has no day left: the oldest
    assert kept.item.tolist() == [5, 6, 8] and kept.ptr.tolist() == [0, 2, 3]
    assert kept.day.tolist() == [9, 30, 2, 35] and kept.day_ptr.tolist() == [0, 2, 3, 4]
    assert recent(history, 1).item.tolist() == [6, 8]


def test_batches_are_the_same_whenever_asked_and_hold_every_user_once() -> None:
    history = shop(10, 4)
    first, again = (list(shuffled(history, np.arange(10), 4, [1, 0])) for _ in range(2))
    assert all(torch.equal(a.item, b.item) for a, b in zip(first, again, strict=True))
    assert [len(part.ptr) - 1 for part in first] == [4, 4, 2]
    assert sorted(torch.cat([part.item for part in first]).tolist()) == sorted(history.item.tolist())


@pytest.mark.parametrize("loss", ["bce", "margin", "listwise"])
def test_a_tiny_set_is_learnt_by_heart(loss: str) -> None:
    part = batch(shop(6, 5), np.arange(6))
    net = network(loss=loss, dropout=0.0).train()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    begin = net.loss(part).item()
    for _ in range(150):
        optimiser.zero_grad()
        net.loss(part).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    score, user = net.eval()(part).detach(), sets(part.ptr).row
    assert net.loss(part).item() < begin
    for one in range(6):
        own, wanted = score[user == one], part.label[user == one] > 0
        if wanted.any() and not wanted.all():
            assert own[wanted].min() > own[~wanted].max()
