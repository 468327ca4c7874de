"""Forecast the days from the last basket to the next from the sequence vector: the time head (paper, III.B)."""

import torch
from torch import Tensor, nn

from stage1_candidates.networks.lens.encoder import Encoder, Shape
from stage1_candidates.networks.lens.rows import Batch

HIDDEN = 64


class Clock(nn.Module):
    """The second network: its own encoder and a small net with one linear output, trained on the days alone."""

    def __init__(self, articles: int, users: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(articles, users, shape)
        self.head = nn.Sequential(nn.Linear(self.encoder.width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
        self.scale = nn.Buffer(torch.ones(1))  # days per unit of the linear output

    def initialise(self, vectors: Tensor, users: Tensor, mean_gap: float) -> None:
        """Initialise the encoder (see ``Encoder.initialise``) and the output's scale, ``mean_gap`` days."""
        self.encoder.initialise(vectors, users)
        self.scale[:] = max(mean_gap, 1.0)

    def forward(self, batch: Batch) -> Tensor:
        """Forecast the days (B,); at least 0 outside training."""
        days: Tensor = self.head(self.encoder(batch))[:, 0] * self.scale
        return days if self.training else days.clamp(min=0)

    def loss(self, batch: Batch) -> Tensor:
        """Compute the mean absolute error in units of ``scale``."""
        error: Tensor = (self(batch) - batch.gap) / self.scale
        return error.abs().mean()
