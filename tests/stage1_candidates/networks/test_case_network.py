"""Test CASE: convolutions, set layers, independent users, settings, losses, and overfitting a tiny set."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from retail.errors import InputError
from retail.params import validate_block
from stage1_candidates.networks.case.batches import Candidates, iterate_shuffled, keep_recent, make_batch
from stage1_candidates.networks.case.network import (
    Batch,
    Calendar,
    Case,
    Fusion,
    RawCalendar,
    Settings,
    compute_listwise_loss,
    compute_margin_loss,
)
from stage1_candidates.networks.case.set_layers import ISAB, PAGE, PermEqMean, PointsToMembers, build_sets

PAPER = Settings(
    horizon=364, windows=(7, 14, 28, 91, 182), calendar="conv", calendar_width=128, item_width=128, item_dropout=0,
    prior=0, encoder="isab", layers=2, width=256, points=32, heads=4, dropout=0.1, scorer_width=128, fusion=False,
    residual=False, loss="bce", hard=10,
)  # fmt: skip
SMALL = {"horizon": 40, "windows": (7, 14), "calendar_width": 8, "item_width": 8, "width": 16, "points": 4, "heads": 2}
ITEMS = 30


def change_settings(**changes: object) -> Settings:
    return Settings.model_validate({**PAPER.model_dump(), **SMALL, **changes})


def draw_candidates(users: int, seed: int, prior: int = 0, most: int = 12) -> Candidates:
    """Draw ``users`` histories of 1 to ``most`` of 30 items, bought on 1 to 3 of 40 days."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, most + 1, users)
    times = rng.integers(1, 4, size.sum())
    item = np.concatenate([1 + rng.permutation(ITEMS)[:n] for n in size])
    day = np.concatenate([np.sort(rng.permutation(40)[:n]) for n in times])
    known = rng.normal(size=(len(item), prior)).astype(np.float32)
    label = rng.integers(0, 2, len(item))
    return Candidates(np.append(0, size.cumsum()), item, np.append(0, times.cumsum()), day, known, label)


def build_dense_calendar(part: Batch, horizon: int) -> Tensor:
    """Build the (N, horizon) 0/1 calendar."""
    calendar = torch.zeros(len(part.item), horizon)
    calendar[part.event_row, part.event_day] = 1
    return calendar


def make_network(**changes: object) -> Case:
    torch.manual_seed(0)
    return Case(ITEMS, change_settings(**changes)).eval()


def count_parameters(items: int, chosen: Settings) -> int:
    return sum(p.numel() for p in Case(items, chosen).parameters())


def test_the_windows_equal_a_convolution_over_the_dense_calendar() -> None:
    torch.manual_seed(0)
    chosen = change_settings(horizon=40, windows=(7, 14, 39))
    calendar, part = Calendar(chosen), make_batch(draw_candidates(9, 1), np.arange(9))
    signal, begin, expected = build_dense_calendar(part, 40)[:, None], 0, []
    for i, w in enumerate(chosen.windows):
        kernel, bias = calendar.weight[begin : begin + w].view(1, 1, w), calendar.bias[i : i + 1]
        expected.append(nn.functional.conv1d(signal, kernel, bias, stride=w)[:, 0].relu())
        begin += w
    windows = calendar.convolve(part)
    assert windows.shape == (len(part.item), 5 + 2 + 1)
    torch.testing.assert_close(windows, torch.cat(expected, 1))


def test_the_raw_calendar_equals_a_linear_layer_over_the_days() -> None:
    raw, part = RawCalendar(change_settings(calendar="raw")), make_batch(draw_candidates(9, 1), np.arange(9))
    torch.testing.assert_close(raw(part), raw.day(build_dense_calendar(part, 40)))


def test_the_fusion_sums_the_vectors_of_all_days() -> None:
    fusion, part = Fusion(ITEMS, change_settings()), make_batch(draw_candidates(9, 1), np.arange(9))
    by_day = fusion.days(build_dense_calendar(part, 40).long())  # (N, 40, d)
    torch.testing.assert_close(fusion.sum_days(part), by_day.sum(1))


@pytest.mark.parametrize("changes", [{}, {"fusion": True}, {"encoder": "perm_eq_mean"}, {"prior": 3, "residual": True}])
def test_a_users_scores_do_not_depend_on_the_others(changes: dict[str, object]) -> None:
    history = draw_candidates(20, 2, prior=3 if changes.get("prior") else 0, most=25)
    net, ptr = make_network(**changes), history.ptr
    together = net(make_batch(history, np.arange(20)))
    for user in (0, 7, 19):
        alone = net(make_batch(history, np.array([user])))
        torch.testing.assert_close(alone, together[ptr[user] : ptr[user + 1]], rtol=1e-4, atol=1e-5)


def test_attention_covers_all_pages_of_a_large_set() -> None:
    torch.manual_seed(0)
    pool = PointsToMembers(6, 8, 3, 2)
    x = torch.randn(2 * PAGE + 5, 6)
    whole = pool(x, build_sets(torch.tensor([0, len(x)])))
    q, k, v = pool.query(pool.points)[0], pool.key(x), pool.value(x)
    parts = [((q[:, h] @ k[:, h].T / 8**0.5).softmax(1) @ v[:, h]) for h in (slice(0, 4), slice(4, 8))]
    mixed = pool.norm(q + torch.cat(parts, 1))
    torch.testing.assert_close(whole[0], pool.out_norm(mixed + pool.out(mixed).relu()))


def test_a_user_without_candidates_gets_no_score_and_changes_no_other() -> None:
    history = draw_candidates(3, 3)
    empty = Candidates(np.insert(history.ptr, 1, history.ptr[1]), *list(vars(history).values())[1:])
    net = make_network(fusion=True)
    torch.testing.assert_close(net(make_batch(empty, np.arange(4))), net(make_batch(history, np.arange(3))))
    assert net(make_batch(empty, np.array([1]))).shape == (0,)


@pytest.mark.parametrize("kind", ["isab", "perm_eq_mean"])
def test_set_layers_are_permutation_equivariant(kind: str) -> None:
    torch.manual_seed(0)
    layer: nn.Module = ISAB(8, 16, 4, 2) if kind == "isab" else PermEqMean(8)
    x, where = torch.randn(50, 8), build_sets(torch.tensor([0, 10, 50]))
    moved = torch.cat([torch.randperm(10), 10 + torch.randperm(40)])
    torch.testing.assert_close(layer(x[moved], where), layer(x, where)[moved], rtol=1e-4, atol=1e-5)


def test_the_number_of_parameters_equals_the_published_code() -> None:
    fused = PAPER.model_copy(update={"fusion": True})
    assert 18_704 * 128 == 2_394_112  # the item embeddings
    assert count_parameters(18_703, fused) == 3_683_560
    mix, days, pool, rho = 18_704 * 2, 2 * 128, 128 + 4 * (128 * 128 + 128) + 4 * 128, 3 * (128 * 128 + 128)
    assert count_parameters(18_703, PAPER) == 3_683_560 - mix - days - pool - rho


def test_each_switch_adds_or_removes_its_parameters() -> None:
    base = count_parameters(ITEMS, change_settings())
    # removed: kernels of 7 and 14 with biases, 5 + 2 windows into two layers of 8; added: 8 -> 8 -> 8
    assert count_parameters(ITEMS, change_settings(calendar="none")) - base == 2 * (64 + 8) - (
        7 + 14 + 2 + 7 * 8 + 8 + 64 + 8
    )
    assert count_parameters(ITEMS, change_settings(calendar="raw")) - base == 40 * 8 + 8 - (
        7 + 14 + 2 + 7 * 8 + 8 + 64 + 8
    )
    # removed: the embeddings; keys, values (points) and queries (members) of the first layer read 8 columns fewer
    assert count_parameters(ITEMS, change_settings(item_width=0)) - base == -(ITEMS + 1) * 8 - 3 * 8 * 16
    assert count_parameters(ITEMS, change_settings(prior=2)) - base == 3 * 2 * 16
    assert count_parameters(ITEMS, change_settings(prior=2, residual=True)) - base == 3 * 2 * 16 + 2
    isab = sum(p.numel() for p in make_network().encoder.parameters())
    assert (
        count_parameters(ITEMS, change_settings(encoder="none")) == base - isab
    )  # the scorer reads 8 + 8 columns instead of 16


def test_invalid_settings_are_refused_by_name() -> None:
    for changes, message in (
        ({"heads": 3}, "multiple of heads"),
        ({"fusion": True, "item_width": 0}, "fusion needs an item embedding"),
        ({"calendar": "none", "item_width": 0}, "needs an item embedding"),
        ({"residual": True}, "residual needs prior features"),
    ):
        with pytest.raises(InputError, match=message):
            validate_block(Settings, {**PAPER.model_dump(), **SMALL, **changes}, "networks.case")


def test_the_margin_loss_pairs_positives_with_the_hardest_negatives_of_the_user() -> None:
    # user 0: one positive at 1; negatives 3, 2, -5, hard = 2 selects 3 and 2. User 1: no negative. User 2: no positive.
    score = torch.tensor([2.0, 1.0, -5.0, 3.0, 4.0, 9.0], requires_grad=True)
    label, where = torch.tensor([0.0, 1, 0, 0, 1, 0]), build_sets(torch.tensor([0, 4, 5, 6]))
    loss = compute_margin_loss(score, label, where, 2)
    assert loss.item() == ((1 - 1 + 3) + (1 - 1 + 2)) / 2
    assert compute_margin_loss(score[5:], label[5:], build_sets(torch.tensor([0, 1])), 2).item() == 0


def test_the_listwise_loss_by_hand() -> None:
    # user 0: softmax of (0, log 3) = (1/4, 3/4), both positive; user 1: (1/2, 1/2), one positive; user 2: no positive
    score = torch.tensor([0.0, 3.0, 5, 5, 1]).log().nan_to_num(neginf=0)
    score[0], score[1] = 0.0, float(np.log(3))
    label, where = torch.tensor([1.0, 1, 1, 0, 0]), build_sets(torch.tensor([0, 2, 4, 5]))
    expected = ((np.log(4) + np.log(4 / 3)) / 2 + np.log(2)) / 2
    assert compute_listwise_loss(score, label, where).item() == pytest.approx(expected, rel=1e-6)


def test_the_most_recent_candidates_are_kept() -> None:
    history = Candidates(
        np.array([0, 3, 4]), np.array([5, 6, 7, 8]), np.array([0, 2, 3, 3, 4]), np.array([9, 30, 2, 35]),
        np.zeros((4, 0), np.float32), np.array([1, 0, 0, 1]),
    )  # fmt: skip
    kept = keep_recent(history, 2)  # item 7 has no day and counts as the oldest
    assert kept.item.tolist() == [5, 6, 8] and kept.ptr.tolist() == [0, 2, 3]
    assert kept.day.tolist() == [9, 30, 2, 35] and kept.day_ptr.tolist() == [0, 2, 3, 4]
    assert keep_recent(history, 1).item.tolist() == [6, 8]


def test_batches_are_deterministic_and_hold_every_user_once() -> None:
    history = draw_candidates(10, 4)
    first, second = (list(iterate_shuffled(history, np.arange(10), 4, [1, 0])) for _ in range(2))
    assert all(torch.equal(a.item, b.item) for a, b in zip(first, second, strict=True))
    assert [len(part.ptr) - 1 for part in first] == [4, 4, 2]
    assert sorted(torch.cat([part.item for part in first]).tolist()) == sorted(history.item.tolist())


@pytest.mark.parametrize("loss", ["bce", "margin", "listwise"])
def test_a_tiny_set_can_be_overfitted(loss: str) -> None:
    part = make_batch(draw_candidates(6, 5), np.arange(6))
    net = make_network(loss=loss, dropout=0.0).train()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    begin = net.loss(part).item()
    for _ in range(150):
        optimiser.zero_grad()
        net.loss(part).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    score, user = net.eval()(part).detach(), build_sets(part.ptr).row
    assert net.loss(part).item() < begin
    for u in range(6):
        own, bought = score[user == u], part.label[user == u] > 0
        if bought.any() and not bought.all():
            assert own[bought].min() > own[~bought].max()
