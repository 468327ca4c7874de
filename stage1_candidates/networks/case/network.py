"""Predict by CASE which items a user buys again, from the calendar of their purchases (Cao et al. 2026).

A batch holds the N candidates of B users, packed user after user, and the days of purchase as a list of events. The
dense calendar (B, S, horizon) of the paper is never built. The stride of its convolutions equals their width, so the
result in a window is the bias plus the sum of the weights at the days of purchase.
"""

import math
from typing import Literal, NamedTuple, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from retail.params import Block, NotNegative, Positive, Share
from stage1_candidates.networks.case.set_layers import ISAB, PermEqMean, PointsToMembers, Sets, build_sets


class Settings(Block):
    """The settings of the network; letters are those of the paper."""

    horizon: Positive  # days of the calendar, T
    windows: tuple[Positive, ...]  # days: widths of the convolutions
    calendar: Literal["conv", "raw", "none"]  # "raw": a linear layer over the days; "none": only the item
    calendar_width: Positive  # d_c
    item_width: NotNegative  # d_e; 0 for no item embedding
    item_dropout: Share
    prior: NotNegative  # number of prior features of each candidate
    encoder: Literal["isab", "perm_eq_mean", "none"]
    layers: Positive  # of the encoder
    width: Positive  # d_h
    points: Positive  # K, induced points
    heads: Positive  # H
    dropout: Share
    scorer_width: Positive
    fusion: bool  # mix the score with <set vector, item embedding>, weights learned per item
    residual: bool  # add a linear score of the prior features; the network then learns the rest
    loss: Literal["bce", "margin", "listwise"]
    hard: Positive  # only for "margin": number of negatives per positive; the negatives with the highest scores

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads or (self.fusion and self.item_width % self.heads):
            raise ValueError("width (and item_width with fusion) must be a multiple of heads")
        if self.fusion and not self.item_width:
            raise ValueError("fusion needs an item embedding: set item_width above 0")
        if self.calendar == "none" and not self.item_width:
            raise ValueError("calendar 'none' needs an item embedding: set item_width above 0")
        if self.residual and not self.prior:
            raise ValueError("residual needs prior features: set prior above 0")
        return self


class Batch(NamedTuple):
    """The candidates of B users; ``prior`` is (N, 0) if the network reads none."""

    ptr: Tensor  # (B + 1,) int64, user b has the candidates ptr[b]:ptr[b + 1]
    item: Tensor  # (N,) int64, 1..items; 0 is unknown
    event_row: Tensor  # (E,) int64, the candidate of the purchase
    event_day: Tensor  # (E,) int64, 0..horizon - 1 days back, unique for each candidate
    prior: Tensor  # (N, prior) float32
    label: Tensor  # (N,) float32, 1: bought again


class Calendar(nn.Module):
    """ReLU(Conv1d(1, 1, w, stride=w)) of the 0/1 calendar for each width w, then two layers: (N, calendar_width)."""

    column: Tensor
    tap: Tensor
    scale: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        day = torch.arange(settings.horizon)
        counts = [settings.horizon // w for w in settings.windows]
        self.columns = sum(counts)
        columns, taps, weights, biases = [], [], [], []
        for i, (w, count) in enumerate(zip(settings.windows, counts, strict=True)):
            fits = day < count * w  # the oldest days do not fill a window; Conv1d leaves them out, too
            columns.append(torch.where(fits, sum(counts[:i]) + day // w, self.columns))
            taps.append(sum(settings.windows[:i]) + day % w)
            bound = 1 / math.sqrt(w)  # Conv1d's own initialisation
            weights.append(torch.empty(w).uniform_(-bound, bound))
            biases.append(torch.empty(1).uniform_(-bound, bound))
        self.register_buffer("column", torch.stack(columns, 1), persistent=False)  # (T, scales)
        self.register_buffer("tap", torch.stack(taps, 1), persistent=False)  # (T, scales)
        self.register_buffer("scale", torch.repeat_interleave(torch.tensor(counts)), persistent=False)  # (columns,)
        self.weight, self.bias = nn.Parameter(torch.cat(weights)), nn.Parameter(torch.cat(biases))
        out = settings.calendar_width
        self.project = nn.Sequential(
            nn.Linear(self.columns, out), nn.ReLU(), nn.Dropout(settings.dropout), nn.Linear(out, out), nn.ReLU()
        )

    def convolve(self, batch: Batch) -> Tensor:
        """Compute the activations (N, columns) of the convolutions."""
        rows, width = len(batch.item), self.columns + 1  # the last column takes the days outside all windows
        cell = batch.event_row[:, None] * width + self.column[batch.event_day]  # (E, scales)
        taps = self.weight[self.tap[batch.event_day]]  # (E, scales)
        total = taps.new_zeros(rows * width).index_add(0, cell.flatten(), taps.flatten()).view(rows, width)
        return (total[:, :-1] + self.bias[self.scale]).relu()

    def forward(self, batch: Batch) -> Tensor:
        projected: Tensor = self.project(self.convolve(batch))
        return projected


class RawCalendar(nn.Module):
    """A linear layer over the 0/1 calendar: (N, calendar_width)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.day = nn.Linear(settings.horizon, settings.calendar_width)

    def forward(self, batch: Batch) -> Tensor:
        days = self.day.weight.t()[batch.event_day]  # (E, d_c)
        return self.day.bias.repeat(len(batch.item), 1).index_add(0, batch.event_row, days)


class Encoder(nn.Module):
    """The set encoder over the candidates of each user: (N, d) -> (N, out)."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.first: nn.Module = nn.Identity()
        widths = [width] + [settings.width] * settings.layers
        if settings.encoder == "isab":
            layers: list[nn.Module] = [
                ISAB(w, settings.width, settings.points, settings.heads) for w in widths[:-1]
            ]  # fmt: skip
        elif settings.encoder == "perm_eq_mean":
            self.first = nn.Linear(width, settings.width)
            layers = [PermEqMean(settings.width) for _ in range(settings.layers)]
        else:
            layers = []
        self.layers, self.dropout = nn.ModuleList(layers), nn.Dropout(settings.dropout)
        self.out = width if settings.encoder == "none" else settings.width

    def forward(self, x: Tensor, sets: Sets) -> Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = self.dropout(layer(x, sets))
        return x


class Fusion(nn.Module):
    """a_i <G, e_i> + b_i s_i, where G is the pooled calendar of the user: from the code published with CASE, as PIETSP.

    Each day of a candidate has the vector "bought", E[1], or "not bought", E[0]. For n of T days their sum is
    n E[1] + (T - n) E[0].
    """

    def __init__(self, items: int, settings: Settings) -> None:
        super().__init__()
        width = settings.item_width
        self.horizon = settings.horizon
        self.days = nn.Embedding(2, width)  # E
        self.pool = PointsToMembers(width, width, 1, settings.heads)
        self.rho = nn.Sequential(
            nn.Linear(width, width), nn.ELU(), nn.Linear(width, width), nn.Dropout(settings.dropout),
            nn.Linear(width, width),
        )  # fmt: skip
        self.mix = nn.Parameter(torch.full((items + 1, 2), 0.5))  # a, b
        _init_xavier(self)

    def sum_days(self, batch: Batch) -> Tensor:
        """Sum the vectors of the days, (N, d_e)."""
        count = self.days.weight.new_zeros(len(batch.item))
        count = count.index_add(0, batch.event_row, torch.ones_like(batch.event_row, dtype=count.dtype))[:, None]
        return count * self.days.weight[1] + (self.horizon - count) * self.days.weight[0]

    def forward(self, score: Tensor, embedding: Tensor, batch: Batch, sets: Sets) -> Tensor:
        pooled = self.rho(self.pool(self.sum_days(batch), sets)[:, 0])  # (B, d_e)
        fit = (pooled[sets.row] * embedding).sum(1)  # (N,)
        mix = self.mix[batch.item]  # (N, 2)
        fused: Tensor = mix[:, 0] * fit + mix[:, 1] * score
        return fused


class Case(nn.Module):
    """The network over ``items`` known items; the score of a candidate is the logit of a repurchase."""

    def __init__(self, items: int, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        cadence, d = settings.calendar_width, settings.item_width
        self.embedding = nn.Embedding(items + 1, d, padding_idx=0) if d else None
        if settings.calendar == "none":
            self.calendar: nn.Module = nn.Sequential(nn.Linear(d, cadence), nn.ELU(), nn.Linear(cadence, cadence))
        else:
            self.calendar = Calendar(settings) if settings.calendar == "conv" else RawCalendar(settings)
        self.item_dropout = nn.Dropout(settings.item_dropout)
        self.encoder = Encoder(d + cadence + settings.prior, settings)
        self.scorer = nn.Sequential(
            nn.Linear(self.encoder.out, settings.scorer_width), nn.ELU(), nn.Dropout(settings.dropout),
            nn.Linear(settings.scorer_width, 1),
        )  # fmt: skip
        for part in (self.calendar, self.encoder, self.scorer):
            _init_xavier(part)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=0.02)
            nn.init.zeros_(self.embedding.weight.detach()[0])
        self.fusion = Fusion(items, settings) if settings.fusion else None
        self.residual = nn.Linear(settings.prior, 1, bias=False) if settings.residual else None
        if self.residual is not None:
            nn.init.zeros_(self.residual.weight)

    def forward(self, batch: Batch) -> Tensor:
        """Score (N,) the candidates."""
        sets = build_sets(batch.ptr)
        item = None if self.embedding is None else self.item_dropout(self.embedding(batch.item))  # (N, d_e)
        cadence = self.calendar(item if self.settings.calendar == "none" else batch)  # (N, d_c)
        inputs = [cadence, batch.prior] if item is None else [item, cadence, batch.prior]
        score: Tensor = self.scorer(self.encoder(torch.cat(inputs, 1), sets))[:, 0]
        if self.fusion is not None:
            score = self.fusion(score, item, batch, sets)
        if self.residual is not None:
            score = score + self.residual(batch.prior)[:, 0]
        return score

    def loss(self, batch: Batch) -> Tensor:
        """Compute the loss that ``settings.loss`` names."""
        score = self(batch)
        if self.settings.loss == "bce":  # all candidates of all users have the same weight
            return nn.functional.binary_cross_entropy_with_logits(score, batch.label)
        if self.settings.loss == "listwise":
            return compute_listwise_loss(score, batch.label, build_sets(batch.ptr))
        return compute_margin_loss(score, batch.label, build_sets(batch.ptr), self.settings.hard)


def compute_listwise_loss(score: Tensor, label: Tensor, sets: Sets) -> Tensor:
    """Average over users -log softmax(score) at their positives; the softmax covers the user's own candidates.

    Every user with a positive has the same weight, as in the metrics. With "bce", users with many candidates dominate.
    """
    users = len(sets.size)
    top = score.new_zeros(users).scatter_reduce(0, sets.row, score.detach(), "amax", include_self=False)
    mass = score.new_zeros(users).index_add(0, sets.row, (score - top[sets.row]).exp())
    positives = score.new_zeros(users).index_add(0, sets.row, label)
    log_loss = mass.clamp(min=torch.finfo(mass.dtype).tiny).log()[sets.row] + top[sets.row] - score  # (N,)
    own = label / positives.clamp(min=1)[sets.row]
    return (log_loss * own).sum() / (positives > 0).sum().clamp(min=1)


def compute_margin_loss(score: Tensor, label: Tensor, sets: Sets, hard: int) -> Tensor:
    """Average max(0, 1 - s_pos + s_neg) over the pairs of a user's positives and hardest negatives.

    A user has ``hard`` times as many negatives as positives, those with the highest scores.
    """
    users = len(sets.size)
    worst_first = torch.argsort(score.detach(), descending=True, stable=True)
    order = worst_first[torch.argsort((sets.row * 2 + label.long())[worst_first], stable=True)]  # user, negatives first
    row, positive = sets.row[order], label[order] > 0
    count = torch.bincount(row[positive], minlength=users)  # (B,) positives
    begin = torch.searchsorted(row.contiguous(), torch.arange(users, device=row.device))
    place = torch.arange(len(row), device=row.device) - begin[row]
    negative = order[~positive & (place < hard * count[row])]
    negative_user = sets.row[negative]
    pairs = count[negative_user]  # each negative forms a pair with every positive of its user
    first = torch.searchsorted(row[positive].contiguous(), negative_user)  # first positive of the user
    left = torch.repeat_interleave(torch.arange(len(negative), device=row.device), pairs)
    nth = torch.arange(len(left), device=row.device) - (pairs.cumsum(0) - pairs)[left]
    gap = 1 - score[order[positive]][first[left] + nth] + score[negative][left]
    return gap.relu().sum() / max(len(left), 1)


def _init_xavier(part: nn.Module) -> None:
    """Initialise all linear layers of ``part`` with Xavier-uniform weights and zero biases."""
    for layer in part.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
