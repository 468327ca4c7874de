"""Days from the last basket to the next: the funnel vector through a small net to one linear unit (paper, III.B)."""

import torch
from torch import Tensor, nn

from stage1_candidates.networks.lens.encoder import Encoder, Shape
from stage1_candidates.networks.lens.rows import Batch

HIDDEN = 64


class Clock(nn.Module):
    """The twin of ``Lens``: SCE and FBE of its own, trained for the time alone."""

    def __init__(self, articles: int, users: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(articles, users, shape)
        self.head = nn.Sequential(nn.Linear(self.encoder.width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
        self.scale = nn.Buffer(torch.ones(1))  # days that the linear unit counts in

    def begin(self, vectors: Tensor, users: Tensor, mean_gap: float) -> None:
        self.encoder.begin(vectors, users)
        self.scale[:] = max(mean_gap, 1.0)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) days, at least 0."""
        days: Tensor = self.head(self.encoder(batch))[:, 0] * self.scale
        return days if self.training else days.clamp(min=0)

    def loss(self, batch: Batch) -> Tensor:
        """Mean absolute error, in units of ``scale``."""
        wrong: Tensor = (self(batch) - batch.gap) / self.scale
        return wrong.abs().mean()
