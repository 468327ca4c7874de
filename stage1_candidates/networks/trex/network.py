"""Predict the categories of the next basket by a T-REX-style network: a causal transformer over past baskets.

The design follows the abstract of T-REX (Mokhtari, Asif, Zubatiy, arXiv 2603.06631). Widths, losses and the time
encoding are not public and are our choices. Two parts are not in the paper. ``own`` adds a bonus for the categories
that the customer bought before, learned from how often and when. ``sales_half_lives`` adds the shop's recent sales.
"""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from retail.log import Array
from retail.params import Block, Days, Positive, Share
from stage1_candidates.networks.trex.baskets import FIRST, HABITS, PAD, SEP, Batch

CYCLES = (7.0, 28.0, 365.0)  # days: a week, four weeks, a year


class Shape(Block):
    """The architecture of the network."""

    width: Positive  # of a token's vector
    layers: Positive
    heads: Positive
    dropout: Share
    tokens: Annotated[int, Field(ge=16)]  # maximum number of tokens read of a customer's history, the latest
    positions: Literal["adaptive", "sinusoidal", "learned"]
    intra_basket: Literal["causal", "none"]  # causal: a basket is a sequence; none: a set
    objective: Literal["ce", "bce"]
    baskets: Positive  # greatest basket distance with its own embedding; larger ones share it
    own: Positive | None  # hidden units of the bonus for own categories; null: no bonus, as in the paper
    half_lives: list[Days]  # of the decayed counts that the bonus reads
    sales_half_lives: list[Days]  # of the shop's sales by category; []: not read, as in the paper


class Trex(nn.Module):
    """The network; column 0 of its logits is SEP (end of the basket), column 1 + c is category c."""

    def __init__(self, categories: int, shape: Shape) -> None:
        super().__init__()
        self.shape, self.categories = shape, categories
        d = shape.width
        self.embed = nn.Embedding(FIRST + categories, d, padding_idx=PAD)
        nn.init.normal_(self.embed.weight, std=d**-0.5)
        self.time = {"adaptive": Adaptive, "sinusoidal": Sinusoidal, "learned": Learned}[shape.positions](shape)
        self.drop = nn.Dropout(shape.dropout)
        self.blocks = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(d)
        self.bias = nn.Parameter(torch.zeros(1 + categories))
        self.bonus = Bonus(shape) if shape.own else None
        self.trend = nn.Parameter(torch.zeros(len(shape.sales_half_lives)))

    def initialise_output(self, counts: Array) -> None:
        """Initialise the output at the shop's sales if they are an input, else at the shares of ``counts`` (V,) + 1."""
        share = (counts + 1) / (counts + 1).sum()
        with torch.no_grad():
            if len(self.trend):
                self.trend[0] = 1.0
            else:
                self.bias[1:] = torch.from_numpy(np.log(share))

    def encode(self, batch: Batch, given: Tensor) -> Tensor:
        """Encode (B, 1 + T, d) the end of the context and the tokens ``given`` (B, T) that follow it."""
        if self.shape.intra_basket == "none" and not self.training:
            batch = batch.sort_baskets()  # a fixed order of summation: the order within a basket changes no bit
        token = torch.cat([batch.token, given], dim=1)  # (B, W + T)
        # The tied embeddings have length 1; at the input they must outweigh the time encoding.
        x = self.drop(self.embed(token) * self.shape.width**0.5 + self.time(batch, given))
        mask, end = self.build_mask(batch, given), batch.token.shape[1] - 1
        for k, block in enumerate(self.blocks):
            since = end if k == len(self.blocks) - 1 else 0
            x = block(x, mask, since)  # (B, W + T, d), after the last block (B, 1 + T, d)
        normed: Tensor = self.norm(x)
        return normed

    def build_mask(self, batch: Batch, given: Tensor) -> Tensor:
        """Build the mask (B, 1, W + T, W + T) bool: place i reads place j; only PAD itself reads PAD."""
        token = torch.cat([batch.token, given], dim=1)
        place = torch.arange(token.shape[1], device=token.device)
        if self.shape.intra_basket == "causal":
            reads = (place[None, :] <= place[:, None])[None]
        else:  # earlier baskets and their ends only, so that the order within a basket has no effect
            level = torch.cat([batch.level, torch.zeros_like(given)], dim=1)
            reads = level[:, None, :] < level[:, :, None]
        reads = reads & (token != PAD)[:, None, :]
        return (reads | (place[None, :] == place[:, None]))[:, None]

    def compute_logits(self, batch: Batch, state: Tensor) -> Tensor:
        """Compute the logits (B, P, 1 + V) of states (B, P, d); the bonus depends on the first, ``state[:, 0]``."""
        scores: Tensor = state @ self.embed.weight[SEP:].T + self.bias  # (B, P, d) @ (d, 1 + V) -> (B, P, 1 + V)
        if len(self.trend):
            scores = scores + functional.pad(batch.trend @ self.trend, (1, 0))[:, None]  # (B, V, S) @ (S,) -> (B, V)
        if self.bonus is None:
            return scores
        column = (batch.own - SEP).clamp(min=0)  # PAD adds zero to SEP
        value = torch.where(batch.own != PAD, self.bonus(batch.habit, state[:, 0]), 0.0)  # (B, W)
        plus = torch.zeros_like(scores[:, 0]).scatter_add(1, column, value.to(scores.dtype))
        return scores + plus[:, None]

    def forward(self, batch: Batch) -> Tensor:
        """Predict the logits (B, V) of the categories of the next basket, all at once ("one-shot")."""
        nothing = batch.token[:, :0]
        scores: Tensor = self.compute_logits(batch, self.encode(batch, nothing))[:, 0, 1:]
        return scores

    def predict(self, batch: Batch) -> Tensor:
        """Predict the probabilities (B, V) of the categories: with ``ce`` they sum to 1, with ``bce`` they need not."""
        scores: Tensor = self(batch)
        return scores.softmax(1) if self.shape.objective == "ce" else scores.sigmoid()

    def loss(self, batch: Batch) -> Tensor:
        """Average the loss over a row's target categories (and SEP, if ``causal`` and ``ce``), then over rows."""
        here = batch.target != PAD  # (B, T)
        if self.shape.objective == "bce":
            target = torch.zeros(len(here), 1 + self.categories, device=here.device)
            target = target.scatter_(1, (batch.target - SEP).clamp(min=0), here.float())[:, 1:]
            return functional.binary_cross_entropy_with_logits(self.forward(batch), target)
        if self.shape.intra_basket == "none":
            log_p = self.forward(batch).log_softmax(1).gather(1, (batch.target - FIRST).clamp(min=0))  # (B, T)
            return -((log_p * here).sum(1) / here.sum(1)).mean()
        return self._compute_sequence_loss(batch, here)

    def _compute_sequence_loss(self, batch: Batch, here: Tensor) -> Tensor:
        """Predict each category from the previous ones in the order of the batch, random in each epoch, then SEP."""
        begun, more = functional.pad(here, (1, 0), value=True), functional.pad(here, (0, 1))  # (B, T + 1)
        end = begun & ~more
        target = torch.where(end, SEP, functional.pad(batch.target, (0, 1)))
        state = self.encode(batch, batch.target)  # (B, T + 1, d)
        scores = self.compute_logits(batch, state).masked_fill(self.mark_given(batch.target), -torch.inf)
        log_p = scores.log_softmax(2).gather(2, (target - SEP).clamp(min=0)[..., None])[..., 0]  # (B, T + 1)
        due = target != PAD
        return -(log_p.where(due, torch.zeros_like(log_p)).sum(1) / due.sum(1)).mean()

    def mark_given(self, given: Tensor) -> Tensor:
        """Mark (B, T + 1, 1 + V) bool the categories given before each place; a basket holds a category once."""
        hot = functional.one_hot((given - SEP).clamp(min=0), 1 + self.categories)  # (B, T, 1 + V)
        given_before = functional.pad(hot.cumsum(1), (0, 0, 1, 0)) > 0
        given_before[..., 0] = False  # SEP, where PAD was counted
        return given_before


class Adaptive(nn.Module):
    """Encode a token's time: the distance of its basket to the target, its age and the gap before its basket.

    vector = distance embedding + sigmoid(gate) * Linear([encode_days(gap), encode_days(age)]). Tokens outside the
    history have no days. The place within a basket is not encoded.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.distance = nn.Embedding(shape.baskets + 1, shape.width)
        nn.init.normal_(self.distance.weight, std=0.02)
        self.days = nn.Linear(2 * (1 + 2 * len(CYCLES)), shape.width)
        nn.init.normal_(self.days.weight, std=0.02)
        self.gate = nn.Parameter(torch.zeros(shape.width))

    def forward(self, batch: Batch, given: Tensor) -> Tensor:
        days = self.days(torch.cat([encode_days(batch.gap), encode_days(batch.age)], dim=2)) * self.gate.sigmoid()
        inside = (batch.distance > 0)[..., None]
        near = self.distance(batch.distance.clamp(max=self.distance.num_embeddings - 1))
        context = torch.where(inside, near + days, near)  # (B, W, d)
        return torch.cat([context, self.distance(torch.zeros_like(given))], dim=1)


def encode_days(days: Tensor) -> Tensor:
    """Encode days as (..., 1 + 2 * len(CYCLES)) numbers: log1p(days), then sine and cosine of each cycle."""
    angles = [2 * math.pi * days / cycle for cycle in CYCLES]
    return torch.stack([torch.log1p(days), *(part for a in angles for part in (torch.sin(a), torch.cos(a)))], dim=-1)


class Sinusoidal(nn.Module):
    """Encode the token's place after BOS by fixed sinusoids (Vaswani et al. 2017, section 3.5)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.width = shape.width

    def forward(self, batch: Batch, given: Tensor) -> Tensor:
        place = count_places(batch, given)[..., None].float()
        k = torch.arange(self.width, device=place.device)
        angle = place / 10000 ** (2 * (k // 2) / self.width)
        return torch.where(k % 2 == 0, angle.sin(), angle.cos())


class Learned(nn.Module):
    """Encode the token's place after BOS by a learned vector."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.place = nn.Embedding(2 * shape.tokens, shape.width)
        nn.init.normal_(self.place.weight, std=0.02)

    def forward(self, batch: Batch, given: Tensor) -> Tensor:
        vectors: Tensor = self.place(count_places(batch, given).clamp(max=self.place.num_embeddings - 1))
        return vectors


def count_places(batch: Batch, given: Tensor) -> Tensor:
    """Count the place (B, W + T) of each token after BOS; BOS and PAD have place 0."""
    return (torch.cat([batch.token, given], dim=1) != PAD).cumsum(1).clamp(min=1) - 1


class Layer(nn.Module):
    """A transformer layer: pre-norm attention and feed-forward, each with a residual connection."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.width
        self.heads, self.dropout = shape.heads, shape.dropout
        self.norm_in, self.norm_mid = nn.LayerNorm(d), nn.LayerNorm(d)
        self.query, self.read, self.out = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, mask: Tensor, since: int) -> Tensor:
        """Map x (B, N, d) to (B, N - since, d): compute the places from ``since`` on, which read all places."""
        b, n, d = x.shape
        normed = self.norm_in(x)
        q = self._split(self.query(normed[:, since:]))  # (B, heads, N - since, d / heads)
        k, v = (self._split(part) for part in self.read(normed).chunk(2, dim=2))  # (B, heads, N, d / heads)
        rate = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, :, since:], dropout_p=rate)
        x = x[:, since:] + self.drop(self.out(mixed.transpose(1, 2).reshape(b, n - since, d)))
        fed: Tensor = x + self.drop(self.down(functional.gelu(self.up(self.norm_mid(x)))))
        return fed

    def _split(self, x: Tensor) -> Tensor:
        """Split (B, N, d) into heads, (B, heads, N, d / heads)."""
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class Bonus(nn.Module):
    """Compute a bonus for the logits of the customer's own categories: relu(A habit + B state) . c.

    ``state`` is that of the context's end. The bonus is not in the paper. It follows the pointers of copy mechanisms
    (See, Liu, Manning, ACL 2017): articles bought often and recently are bought again.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        hidden = shape.own or 0
        self.habit = nn.Linear(HABITS + len(shape.half_lives), hidden)
        self.state = nn.Linear(shape.width, hidden, bias=False)
        self.out = nn.Linear(hidden, 1)

    def forward(self, habit: Tensor, state: Tensor) -> Tensor:
        mixed = functional.relu(self.habit(habit) + self.state(state)[:, None])  # (B, W, hidden)
        value: Tensor = self.out(mixed)[..., 0]
        return value


@torch.no_grad()
def generate(network: Trex, batch: Batch, k: int) -> Tensor:
    """Generate (B, k) int64 categories greedily, one after another, until SEP; -1 fills the rest."""
    given = batch.token[:, :0]
    for _ in range(k):
        scores = network.compute_logits(batch, network.encode(batch, given))
        scores = scores.masked_fill(network.mark_given(given), -torch.inf)[:, -1]
        ended = (given == PAD).any(1)
        best = torch.where(ended, 0, scores.argmax(1))  # column 0 is SEP
        given = torch.cat([given, torch.where(best == 0, PAD, best + SEP)[:, None]], dim=1)
    return torch.where(given == PAD, -1, given - FIRST)
