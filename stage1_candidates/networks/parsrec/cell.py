"""Attend to the articles chosen so far and update the state: the attention-fused recurrent cell (ARNN).

The query of the attention is the customer's vector and the state.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class KeyValues(NamedTuple):
    """Keys and values of all articles of a session, computed once per session."""

    key: Tensor  # (B, heads, N, 2d / heads)
    value: Tensor  # (B, heads, N, 2d / heads)


class Arnn(nn.Module):
    """One step of the cell, for vectors of d numbers (Gholami et al., KDD 2022, figure 2 and appendix B).

    Q = [customer ; state]; y = LayerNorm(Q + attention(Q, chosen articles)); v = Linear(y);
    state' = ReLU(Linear([Q ; v])), answer = Linear([Q ; v]). The paper prints |V| columns for the answer's matrix and
    then multiplies by the article vectors. The shapes fit only with d columns, as here.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        both = 2 * width
        self.heads = heads
        self.query, self.out = nn.Linear(both, both), nn.Linear(both, both)
        self.key, self.value = nn.Linear(width, both), nn.Linear(width, both)
        self.norm = nn.LayerNorm(both, eps=1e-8)
        self.hint = nn.Linear(both, width)
        self.state, self.answer = nn.Linear(both + width, width), nn.Linear(both + width, width)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=(2 / sum(layer.weight.shape)) ** 0.5)
                nn.init.normal_(layer.bias, std=layer.out_features**-0.5)

    def project(self, vectors: Tensor) -> KeyValues:
        """Compute keys and values of the article vectors (B, N, d)."""
        return KeyValues(self._split(self.key(vectors)), self._split(self.value(vectors)))

    def forward(self, user: Tensor, state: Tensor, memory: KeyValues, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute answer (B, d), next state (B, d) and attention (B, N).

        Attention is the mean of the heads, 0 where not ``chosen``. ``user`` and ``state`` are (B, d). ``chosen`` (B, N)
        bool holds at least one article in each row.
        """
        query = torch.cat([user, state], dim=1)  # (B, 2d)
        q = self._split(self.query(query)[:, None])  # (B, heads, 1, 2d / heads)
        fit = (q @ memory.key.transpose(2, 3)) / q.shape[-1] ** 0.5  # (B, heads, 1, N)
        weight = fit.masked_fill(~chosen[:, None, None], -torch.inf).softmax(-1)
        mixed = (weight @ memory.value).reshape(len(query), -1)  # (B, 2d)
        hint = self.hint(self.norm(query + self.out(mixed)))  # (B, d)
        fused = torch.cat([query, hint], dim=1)  # (B, 3d)
        return self.answer(fused), self.state(fused).relu(), weight[:, :, 0].mean(1)

    def _split(self, x: Tensor) -> Tensor:
        """Split (B, N, 2d) into (B, heads, N, 2d / heads)."""
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)
