"""CASE: which of the items a user bought before come again, from the calendar of their purchases (Cao et al. 2026).

A batch holds the candidates of B users packed one user after another, N in all, and the days each was bought as a list
of events. The dense calendar (B, S, horizon) of the paper is never built: a convolution whose stride is its width is,
window by window, its bias plus the sum of its weights at the days bought.
"""

import math
from typing import Literal, NamedTuple, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from retail.params import Block, NotNegative, Positive, Share
from stage1_candidates.networks.case.set_layers import ISAB, PermEqMean, PointsToMembers, Sets, sets


class Settings(Block):
    horizon: Positive  # days of calendar, T
    windows: tuple[Positive, ...]  # widths in days of the convolutions
    calendar: Literal["conv", "raw", "none"]  # "raw": one linear layer over the days; "none": the item alone
    calendar_width: Positive  # d_c
    item_width: NotNegative  # d_e; 0: no item embedding
    item_dropout: Share
    prior: NotNegative  # features given with each candidate
    encoder: Literal["isab", "perm_eq_mean", "none"]
    layers: Positive  # of the encoder
    width: Positive  # d_h
    points: Positive  # K, induced points
    heads: Positive  # H
    dropout: Share
    scorer_width: Positive
    fusion: bool  # mix the score with <set vector, item embedding> by learned weights of the item
    residual: bool  # add a linear score of the prior features, so that the rest learns what they do not say
    loss: Literal["bce", "margin", "listwise"]
    hard: Positive  # "margin": negatives per positive, highest score first

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
    """The candidates of B users; ``prior`` is (N, 0) where the network takes none."""

    ptr: Tensor  # (B + 1,) int64, user b has candidates ptr[b]:ptr[b + 1]
    item: Tensor  # (N,) int64, 1..items; 0: unknown
    event_row: Tensor  # (E,) int64, the candidate bought
    event_day: Tensor  # (E,) int64, 0..horizon - 1 days back, each day of a candidate once
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
            fits = day < count * w  # the last days fill no window: as Conv1d does, they are left out
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

    def windows(self, batch: Batch) -> Tensor:
        """The convolutions' activations, (N, columns)."""
        rows, wide = len(batch.item), self.columns + 1  # the last column takes the days that fill no window
        at = batch.event_row[:, None] * wide + self.column[batch.event_day]  # (E, scales)
        taps = self.weight[self.tap[batch.event_day]]  # (E, scales)
        total = taps.new_zeros(rows * wide).index_add(0, at.flatten(), taps.flatten()).view(rows, wide)
        return (total[:, :-1] + self.bias[self.scale]).relu()

    def forward(self, batch: Batch) -> Tensor:
        projected: Tensor = self.project(self.windows(batch))
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
    """The candidates of a user seen together: (N, d) -> (N, out)."""

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

    def forward(self, x: Tensor, where: Sets) -> Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = self.dropout(layer(x, where))
        return x


class Fusion(nn.Module):
    """a_i <G, e_i> + b_i s_i, G the user's calendar pooled: the mix of the code published with CASE, after PIETSP.

    Summed over the days, the two vectors "bought" and "not bought" of a candidate bought on n of T days are
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
        _xavier(self)

    def bought(self, batch: Batch) -> Tensor:
        """The days' vectors summed, (N, d_e)."""
        count = self.days.weight.new_zeros(len(batch.item))
        count = count.index_add(0, batch.event_row, torch.ones_like(batch.event_row, dtype=count.dtype))[:, None]
        return count * self.days.weight[1] + (self.horizon - count) * self.days.weight[0]

    def forward(self, score: Tensor, embedding: Tensor, batch: Batch, where: Sets) -> Tensor:
        pooled = self.rho(self.pool(self.bought(batch), where)[:, 0])  # (B, d_e)
        fit = (pooled[where.row] * embedding).sum(1)  # (N,)
        mix = self.mix[batch.item]  # (N, 2)
        fused: Tensor = mix[:, 0] * fit + mix[:, 1] * score
        return fused


class Case(nn.Module):
    """The network over ``items`` known items: one score per candidate, the logit of its being bought again."""

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
            _xavier(part)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=0.02)
            nn.init.zeros_(self.embedding.weight.detach()[0])
        self.fusion = Fusion(items, settings) if settings.fusion else None
        self.residual = nn.Linear(settings.prior, 1, bias=False) if settings.residual else None
        if self.residual is not None:
            nn.init.zeros_(self.residual.weight)

    def forward(self, batch: Batch) -> Tensor:
        """(N,) scores."""
        where = sets(batch.ptr)
        item = None if self.embedding is None else self.item_dropout(self.embedding(batch.item))  # (N, d_e)
        cadence = self.calendar(item if self.settings.calendar == "none" else batch)  # (N, d_c)
        known = [cadence, batch.prior] if item is None else [item, cadence, batch.prior]
        score: Tensor = self.scorer(self.encoder(torch.cat(known, 1), where))[:, 0]
        if self.fusion is not None:
            score = self.fusion(score, item, batch, where)
        if self.residual is not None:
            score = score + self.residual(batch.prior)[:, 0]
        return score

    def loss(self, batch: Batch) -> Tensor:
        score = self(batch)
        if self.settings.loss == "bce":  # over all candidates of all users alike
            return nn.functional.binary_cross_entropy_with_logits(score, batch.label)
        if self.settings.loss == "listwise":
            return listwise(score, batch.label, sets(batch.ptr))
        return margin(score, batch.label, sets(batch.ptr), self.settings.hard)


def listwise(score: Tensor, label: Tensor, where: Sets) -> Tensor:
    """Mean over users of -log softmax(score) at their positives, each user's softmax over their own candidates.

    Every user with a positive weighs the same, as in the metrics, where "bce" lets large histories rule.
    """
    users = len(where.size)
    top = score.new_zeros(users).scatter_reduce(0, where.row, score.detach(), "amax", include_self=False)
    mass = score.new_zeros(users).index_add(0, where.row, (score - top[where.row]).exp())
    positives = score.new_zeros(users).index_add(0, where.row, label)
    surprise = mass.clamp(min=torch.finfo(mass.dtype).tiny).log()[where.row] + top[where.row] - score  # (N,)
    own = label / positives.clamp(min=1)[where.row]
    return (surprise * own).sum() / (positives > 0).sum().clamp(min=1)


def margin(score: Tensor, label: Tensor, where: Sets, hard: int) -> Tensor:
    """Mean of max(0, 1 - s_pos + s_neg) over a user's positives and their ``hard`` times as many hardest negatives."""
    users = len(where.size)
    worst_first = torch.argsort(score.detach(), descending=True, stable=True)
    order = worst_first[
        torch.argsort((where.row * 2 + label.long())[worst_first], stable=True)
    ]  # user, negatives first
    row, positive = where.row[order], label[order] > 0
    count = torch.bincount(row[positive], minlength=users)  # (B,) positives
    begin = torch.searchsorted(row.contiguous(), torch.arange(users, device=row.device))
    place = torch.arange(len(row), device=row.device) - begin[row]
    negative = order[~positive & (place < hard * count[row])]
    users_of = where.row[negative]
    pairs = count[users_of]  # each negative meets all positives of its user
    first = torch.searchsorted(row[positive].contiguous(), users_of)  # where the user's positives begin
    left = torch.repeat_interleave(torch.arange(len(negative), device=row.device), pairs)
    nth = torch.arange(len(left), device=row.device) - (pairs.cumsum(0) - pairs)[left]
    gap = 1 - score[order[positive]][first[left] + nth] + score[negative][left]
    return gap.relu().sum() / max(len(left), 1)


def _xavier(part: nn.Module) -> None:
    """Xavier-uniform weights and zero biases in all linear layers of ``part``."""
    for layer in part.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
