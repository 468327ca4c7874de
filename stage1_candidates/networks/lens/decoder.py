"""Decode the next basket, each article with its pieces: the next session decoder (NSD).

Source: Damian et al. 2019, III.C and D.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retail.log import Array
from stage1_candidates.networks.lens.encoder import Bonus, Encoder, Shape
from stage1_candidates.networks.lens.rows import Batch

END = 0  # column of the event "the basket ends"; column t is token t
NEVER = -1e9  # logit of an article that is already in the basket; finite, because the basket may hold all articles


class Decoded(NamedTuple):
    """The free-running baskets of B customers; 0 after a basket's end."""

    token: Tensor  # (B, T) int64 in the order of decoding
    pieces: Tensor  # (B, T) float32 expected
    first: Tensor  # (B, V) float32 probability that each article is decoded first
    vector: Tensor  # (B, F) float32 sequence vector


class Lens(nn.Module):
    """SCE, FBE and NSD: give the log-probability of END and of each article after the articles decoded so far."""

    def __init__(self, articles: int, users: int, shape: Shape) -> None:
        super().__init__()
        self.shape, self.articles = shape, articles
        self.encoder = Encoder(articles, users, shape)
        sizes = [shape.item_width, *shape.nsd]
        self.cells = nn.ModuleList(nn.LSTM(w, h, batch_first=True) for w, h in zip(sizes, shape.nsd, strict=False))
        self.initial = nn.ModuleList(nn.Linear(self.encoder.width, 2 * h) for h in shape.nsd)
        self.begin_token = nn.Parameter(torch.randn(shape.item_width) * shape.item_width**-0.5)
        self.out = nn.Linear(shape.nsd[-1], shape.item_width)
        self.bias = nn.Parameter(torch.zeros(articles))
        self.end = nn.Linear(shape.nsd[-1], 1)
        self.pieces = nn.Linear(shape.nsd[-1] + shape.item_width, 1)
        read = shape.reading
        self.trend = nn.Parameter(torch.ones(1)) if shape.sales_half_life else None
        self.bonus = None
        if shape.bonus and read.own:
            self.bonus = Bonus(self.encoder.width, shape.bonus, len(read.half_lives), self.trend is not None)
        self.drop = nn.Dropout(shape.dropout)
        self.pace = nn.Linear(2, 1) if self.bonus is not None else None
        if self.pace is not None:
            self._start_at_usual_length(self.pace)

    def _start_at_usual_length(self, pace: nn.Linear) -> None:
        """Initialise the end at the customer's usual basket length, and the article logits near 0.

        Not in the paper. The end starts as a Weibull hazard of shape 3/2 whose median is the usual length u. In logs
        this is log(3/2 log 2) + 1/2 log(step + 1) - 3/2 log u. Training changes it from there.
        """
        with torch.no_grad():
            pace.weight.copy_(torch.tensor([[0.5, -1.5]]))
            pace.bias.fill_(math.log(1.5 * math.log(2)))
            for layer in (self.out, self.end):
                layer.weight.mul_(0.1)
                layer.bias.zero_()

    def initialise(self, vectors: Tensor, users: Array, sold: Array) -> None:
        """Initialise the encoder (see ``Encoder.initialise``) and the bias of articles.

        Without sales as input, the bias starts at the log shares of ``sold`` (V,), the entries of each article.
        """
        self.encoder.initialise(vectors, torch.from_numpy(users))
        if self.trend is None:
            with torch.no_grad():
                self.bias[:] = torch.from_numpy(np.log((sold + 1) / (sold + 1).sum()))

    def loss(self, batch: Batch) -> Tensor:
        """Compute the mean over all steps of -log p(article or END) - log p(pieces), with teacher forcing.

        Every step has the same weight. A mean per customer would favour short baskets, and all baskets would end too
        early.
        """
        hidden, due, scores = self.run_forced(batch)
        wanted = functional.pad(batch.target, (0, 1))[due]  # (D,)
        article_loss = functional.cross_entropy(scores, wanted, reduction="none")
        rate = self._predict_pieces(hidden[due], wanted)
        pieces_loss = functional.poisson_nll_loss(
            rate, (functional.pad(batch.pieces, (0, 1))[due] - 1).clamp(min=0), log_input=False, reduction="none"
        )
        return (article_loss + pieces_loss.where(wanted != END, 0.0)).mean()

    def run_forced(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Run each step after the true articles before it (teacher forcing).

        Return hidden (B, T + 1, h); due (B, T + 1) bool, the steps up to the true end; logits (D, 1 + V) of the D due
        steps.
        """
        vector = self.encoder(batch)
        given = torch.cat([self._make_start(len(vector)), self.encoder.embed(batch.target)], dim=1)  # (B, T + 1, d)
        hidden, _ = self._run_cells(self.drop(given), self._make_states(vector))
        due = functional.pad(batch.target > 0, (1, 0), value=True)
        due[:, self.shape.reading.longest :] = False  # a basket that was cut at the longest length does not end there
        row, step = due.nonzero(as_tuple=True)
        scores = self._score_articles(hidden[due], self._compute_shared_logits(batch, vector)[row])
        scores = scores.index_put(list_earlier(batch.target, due), torch.tensor(NEVER, device=scores.device))
        return hidden, due, self._set_end(hidden[due], scores, estimate_usual_length(batch)[row], step)

    @torch.no_grad()
    def decode(self, batch: Batch) -> Decoded:
        """Decode free running, without reading the true basket."""
        return self._decode_ranked(batch) if self.shape.stop == "best" else self._decode_in_turn(batch)

    def _decode_ranked(self, batch: Batch) -> Decoded:
        """Decode the articles most likely to come first, as many as maximise the expected F1.

        Not in the paper. A decoder that reads its own output drifts after the first wrong article. In training, the
        articles of a basket come in random order. So an article is in a basket of L articles with L times the
        probability that it comes first. L is the length expected from the END probabilities along the list. A list of
        k articles has an expected F1 of about 2 sum(probabilities) / (k + L) (Ye, Chai, Lee, Chieu, ICML 2012).
        """
        vector = self.encoder(batch)
        begin, states = self._make_start(len(vector)), self._make_states(vector)
        opening, _ = self._run_cells(begin, states)
        first = self._score_articles(opening[:, 0], self._compute_shared_logits(batch, vector))[:, 1:].softmax(1)
        probability, place = first.sort(dim=1, descending=True, stable=True)
        probability, token = (part[:, : self.shape.reading.longest] for part in (probability, place + 1))  # (B, T)
        hidden, _ = self._run_cells(torch.cat([begin, self.encoder.embed(token[:, :-1])], dim=1), states)
        step = torch.arange(token.shape[1], device=token.device)
        usual = estimate_usual_length(batch)[:, None].expand_as(probability)
        end = self._score_end(hidden, usual, step.expand_as(token))
        length = 1 + torch.sigmoid(-end[:, 1:]).cumprod(1).sum(1, keepdim=True)  # (B, 1); no basket is empty
        expected_f1 = (length * probability).clamp(max=1).cumsum(1) / (step + 1 + length)
        kept = step <= expected_f1.argmax(1, keepdim=True)
        pieces = (1 + self._predict_pieces(hidden, token)) * kept
        after = (0, self.shape.reading.longest - len(step))
        return Decoded(functional.pad(token * kept, after), functional.pad(pieces, after), first, vector)

    def _decode_in_turn(self, batch: Batch) -> Decoded:
        """Decode the likeliest article at each step, none twice, until the end or ``longest`` articles."""
        vector = self.encoder(batch)
        fixed, states, length = (
            self._compute_shared_logits(batch, vector),
            self._make_states(vector),
            estimate_usual_length(batch),
        )
        given, banned = self._make_start(len(vector)), torch.zeros_like(fixed, dtype=torch.bool)
        first, token, pieces = torch.zeros(0), [], []
        going, survived = torch.ones_like(batch.user, dtype=torch.bool), torch.ones_like(vector[:, 0])
        for step in range(self.shape.reading.longest):
            hidden, states = self._run_cells(given, states)
            scores = self._score_articles(hidden[:, 0], fixed).masked_fill(banned, NEVER)
            scores = self._set_end(hidden[:, 0], scores, length, torch.full_like(batch.user, step))  # (B, 1 + V)
            if step == 0:
                first = scores[:, 1:].softmax(1)
                scores[:, END] = NEVER  # no basket is empty
            survived = survived * (1 - scores.softmax(1)[:, END])
            best = scores[:, 1:].argmax(1) + 1
            top = scores[:, 1:].max(1).values
            ended = survived < 0.5 if self.shape.stop == "even" else scores[:, END] > top
            going = going & ~ended & (top > NEVER / 2)
            best = torch.where(going, best, 0)
            if not going.any():
                break
            token.append(best)
            pieces.append((1 + self._predict_pieces(hidden[:, 0], best)) * going)
            banned = banned.scatter(1, best[:, None], True)  # also END, whose logit is set elsewhere
            given = self.encoder.embed(best)[:, None]
        after = (0, self.shape.reading.longest - len(token))
        stacked = torch.stack(token, 1), torch.stack(pieces, 1)
        return Decoded(functional.pad(stacked[0], after), functional.pad(stacked[1], after), first, vector)

    def _make_start(self, rows: int) -> Tensor:
        """Make the first input (rows, 1, d) of a basket."""
        return self.begin_token.expand(rows, 1, -1)

    def _make_states(self, vector: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Make the initial (hidden, cell) of each layer, each (1, B, h)."""
        states = [layer(vector).chunk(2, dim=1) for layer in self.initial]
        return [(hidden.tanh()[None].contiguous(), cell[None].contiguous()) for hidden, cell in states]

    def _run_cells(self, x: Tensor, states: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Run the layers on x (B, L, d); return the outputs (B, L, h) of the last layer and the final states."""
        after = []
        for cell, state in zip(self.cells, states, strict=True):
            x, new = cell(x, state)
            after.append(new)
        return x, after

    def _compute_shared_logits(self, batch: Batch, vector: Tensor) -> Tensor:
        """Compute the logits (B, 1 + V) that all steps share: the bias, the sales and the bonus of own articles."""
        added = functional.pad(self.bias.expand(len(vector), -1), (1, 0))
        if self.trend is not None:
            added = added + functional.pad(batch.trend * self.trend, (1, 0))
        if self.bonus is not None:
            habit = batch.habit
            if self.trend is not None:
                habit = torch.cat([habit, batch.trend.gather(1, (batch.own - 1).clamp(min=0))[..., None]], dim=2)
            value = torch.where(batch.own > 0, self.bonus(habit, vector), 0.0)  # an empty place adds 0 to END
            added = added.scatter_add(1, batch.own, value)
        return added

    def _score_articles(self, hidden: Tensor, fixed: Tensor) -> Tensor:
        """Compute the logits (D, 1 + V) of the articles for hidden (D, h) and ``fixed`` (D, 1 + V); END is not set."""
        scores = self.out(self.drop(hidden)) @ self.encoder.embed.weight[1:].T  # (D, d) @ (d, V) -> (D, V)
        return functional.pad(scores, (1, 0)) + fixed

    def _set_end(self, hidden: Tensor, scores: Tensor, length: Tensor, step: Tensor) -> Tensor:
        """Set the logit of END in ``scores`` (D, 1 + V)."""
        end = self._score_end(hidden, length, step)
        return torch.cat([(end + scores[:, 1:].logsumexp(1))[:, None], scores[:, 1:]], dim=1)

    def _score_end(self, hidden: Tensor, length: Tensor, step: Tensor) -> Tensor:
        """Compute the log-odds (...) of the end against all articles together, for hidden (..., h)."""
        end: Tensor = self.end(hidden)[..., 0]
        if self.pace is not None:
            end = end + self.pace(torch.stack([torch.log1p(step.float()), torch.log(length)], dim=-1))[..., 0]
        return end

    def _predict_pieces(self, hidden: Tensor, token: Tensor) -> Tensor:
        """Compute the expected pieces (...) beyond the first, for hidden (..., h) and token (...)."""
        both = torch.cat([hidden, self.encoder.embed(token)], dim=-1)
        return functional.softplus(self.pieces(both))[..., 0]


def estimate_usual_length(batch: Batch) -> Tensor:
    """Estimate each customer's usual number of articles in a basket, (B,) float32, at least 1.

    It is the geometric mean of 1 + articles over the baskets read.
    """
    log1p_articles = batch.features[:, :, 2]  # 0 after the last basket
    mean = log1p_articles.sum(1) / batch.baskets.clamp(min=1)
    return mean.exp().clamp(min=1.0)


def list_earlier(target: Tensor, due: Tensor) -> tuple[Tensor, Tensor]:
    """List (place among the due steps, token) of every true article before each step; no basket holds one twice."""
    number = due.flatten().cumsum(0).reshape(due.shape) - 1  # (B, T + 1)
    steps = torch.arange(due.shape[1], device=due.device)
    earlier = (steps[:-1] < steps[:, None]) & due[:, :, None] & (target > 0)[:, None]  # (B, T + 1, T)
    row, step, before = earlier.nonzero(as_tuple=True)
    return number[row, step], target[row, before]
