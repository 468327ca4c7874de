"""NSD: the next basket, article by article until its end, each with its pieces (Damian et al. 2019, III.C and D)."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retail.log import Array
from stage1_candidates.networks.lens.encoder import Bonus, Encoder, Shape
from stage1_candidates.networks.lens.rows import Batch

END = 0  # column of the basket's end; column t is token t
NEVER = -1e9  # logit of what was named; finite, for there may be nothing left to name


class Decoded(NamedTuple):
    """A free-running basket of each of B customers; what lies behind its end is 0."""

    token: Tensor  # (B, T) int64 in the order in which they were named
    pieces: Tensor  # (B, T) float32 expected
    first: Tensor  # (B, V) float32 probability of each article to be named first
    funnel: Tensor  # (B, F) float32


class Lens(nn.Module):
    """SCE, FBE and NSD: log-probabilities of END and of each article, given those named before."""

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
            self._begin_at_the_past(self.pace)

    def _begin_at_the_past(self, pace: nn.Linear) -> None:
        """Let the end come by the customer's usual length, and the decoder's word on the articles be a small one.

        Not in the paper. The end begins as a Weibull hazard of shape 3 / 2 with its median at the usual length u, in
        logs log(3/2 log 2) + 1/2 log(step + 1) - 3/2 log u, and is learned from there.
        """
        with torch.no_grad():
            pace.weight.copy_(torch.tensor([[0.5, -1.5]]))
            pace.bias.fill_(math.log(1.5 * math.log(2)))
            for layer in (self.out, self.end):
                layer.weight.mul_(0.1)
                layer.bias.zero_()

    def begin(self, vectors: Tensor, users: Array, sold: Array) -> None:
        """Begin at the vectors of ``Encoder.begin`` and, where sales are not read, at the shares of ``sold`` (V,)."""
        self.encoder.begin(vectors, torch.from_numpy(users))
        if self.trend is None:
            with torch.no_grad():
                self.bias[:] = torch.from_numpy(np.log((sold + 1) / (sold + 1).sum()))

    def loss(self, batch: Batch) -> Tensor:
        """Mean over the steps of all customers of -log p(article or END) - log p(pieces), teacher forcing.

        Every step counts alike: with a mean per customer short baskets would weigh more, and all would end too soon.
        """
        hidden, due, scores = self.forced(batch)
        wanted = functional.pad(batch.target, (0, 1))[due]  # (D,)
        missed = functional.cross_entropy(scores, wanted, reduction="none")
        rate = self._more_pieces(hidden[due], wanted)
        counted = functional.poisson_nll_loss(
            rate, (functional.pad(batch.pieces, (0, 1))[due] - 1).clamp(min=0), log_input=False, reduction="none"
        )
        return (missed + counted.where(wanted != END, 0.0)).mean()

    def forced(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Each step after the true articles before it: hidden (B, T + 1, h); due (B, T + 1) bool, the steps until the
        true end; logits (D, 1 + V) of the D due steps."""
        funnel = self.encoder(batch)
        given = torch.cat([self._begin(len(funnel)), self.encoder.embed(batch.target)], dim=1)  # (B, T + 1, d)
        hidden, _ = self._steps(self.drop(given), self._states(funnel))
        due = functional.pad(batch.target > 0, (1, 0), value=True)
        due[:, self.shape.reading.longest :] = False  # a basket cut short does not end there
        row, step = due.nonzero(as_tuple=True)
        scores = self._articles(hidden[due], self._fixed(batch, funnel)[row])
        scores = scores.index_put(named(batch.target, due), torch.tensor(NEVER, device=scores.device))
        return hidden, due, self._with_end(hidden[due], scores, usual(batch)[row], step)

    @torch.no_grad()
    def decode(self, batch: Batch) -> Decoded:
        """Free running: the true basket is not read."""
        return self._at_once(batch) if self.shape.stop == "best" else self._in_turn(batch)

    def _at_once(self, batch: Batch) -> Decoded:
        """The articles that are likeliest to be named first, as many as promise the best F1.

        Not in the paper: what is fed with its own articles goes astray after the first wrong one. Baskets being learned
        in drawn orders, an article's chance to be in one of L is L times its chance to be named first; L is what the
        ends along the list lead to expect. k articles promise an F1 of nearly 2 sum(chances) / (k + L) (Ye, Chai, Lee,
        Chieu, ICML 2012).
        """
        funnel = self.encoder(batch)
        begin, states = self._begin(len(funnel)), self._states(funnel)
        opening, _ = self._steps(begin, states)
        first = self._articles(opening[:, 0], self._fixed(batch, funnel))[:, 1:].softmax(1)
        chance, place = first.sort(dim=1, descending=True, stable=True)
        chance, token = (part[:, : self.shape.reading.longest] for part in (chance, place + 1))  # (B, T)
        hidden, _ = self._steps(torch.cat([begin, self.encoder.embed(token[:, :-1])], dim=1), states)
        step = torch.arange(token.shape[1], device=token.device)
        end = self._end(hidden, usual(batch)[:, None].expand_as(chance), step.expand_as(token))
        length = 1 + torch.sigmoid(-end[:, 1:]).cumprod(1).sum(1, keepdim=True)  # (B, 1); no basket is empty
        promise = (length * chance).clamp(max=1).cumsum(1) / (step + 1 + length)
        kept = step <= promise.argmax(1, keepdim=True)
        pieces = (1 + self._more_pieces(hidden, token)) * kept
        behind = (0, self.shape.reading.longest - len(step))
        return Decoded(functional.pad(token * kept, behind), functional.pad(pieces, behind), first, funnel)

    def _in_turn(self, batch: Batch) -> Decoded:
        """The likeliest article each time, never one twice, until the end or ``longest``."""
        funnel = self.encoder(batch)
        fixed, states, length = self._fixed(batch, funnel), self._states(funnel), usual(batch)
        given, banned = self._begin(len(funnel)), torch.zeros_like(fixed, dtype=torch.bool)
        first, token, pieces = torch.zeros(0), [], []
        going, survived = torch.ones_like(batch.user, dtype=torch.bool), torch.ones_like(funnel[:, 0])
        for step in range(self.shape.reading.longest):
            hidden, states = self._steps(given, states)
            scores = self._articles(hidden[:, 0], fixed).masked_fill(banned, NEVER)
            scores = self._with_end(hidden[:, 0], scores, length, torch.full_like(batch.user, step))  # (B, 1 + V)
            if step == 0:
                first = scores[:, 1:].softmax(1)
                scores[:, END] = NEVER  # no basket is empty
            survived = survived * (1 - scores.softmax(1)[:, END])
            best = scores[:, 1:].argmax(1) + 1
            top = scores[:, 1:].max(1).values
            over = survived < 0.5 if self.shape.stop == "even" else scores[:, END] > top
            going = going & ~over & (top > NEVER / 2)
            best = torch.where(going, best, 0)
            if not going.any():
                break
            token.append(best)
            pieces.append((1 + self._more_pieces(hidden[:, 0], best)) * going)
            banned = banned.scatter(1, best[:, None], True)  # END too, which is none of the articles
            given = self.encoder.embed(best)[:, None]
        behind = (0, self.shape.reading.longest - len(token))
        stacked = torch.stack(token, 1), torch.stack(pieces, 1)
        return Decoded(functional.pad(stacked[0], behind), functional.pad(stacked[1], behind), first, funnel)

    def _begin(self, rows: int) -> Tensor:
        return self.begin_token.expand(rows, 1, -1)

    def _states(self, funnel: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Initial (hidden, cell) of each layer, (1, B, h) each."""
        made = [layer(funnel).chunk(2, dim=1) for layer in self.initial]
        return [(hidden.tanh()[None].contiguous(), cell[None].contiguous()) for hidden, cell in made]

    def _steps(self, x: Tensor, states: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """(B, L, h) of the last layer after each of the L inputs x (B, L, d), and the states behind them."""
        after = []
        for cell, state in zip(self.cells, states, strict=True):
            x, new = cell(x, state)
            after.append(new)
        return x, after

    def _fixed(self, batch: Batch, funnel: Tensor) -> Tensor:
        """(B, 1 + V) what is added to the logits of every step: shares of sales, and the bonus of own articles."""
        plus = functional.pad(self.bias.expand(len(funnel), -1), (1, 0))
        if self.trend is not None:
            plus = plus + functional.pad(batch.trend * self.trend, (1, 0))
        if self.bonus is not None:
            habit = batch.habit
            if self.trend is not None:
                habit = torch.cat([habit, batch.trend.gather(1, (batch.own - 1).clamp(min=0))[..., None]], dim=2)
            value = torch.where(batch.own > 0, self.bonus(habit, funnel), 0.0)  # what is nothing adds 0 to END
            plus = plus.scatter_add(1, batch.own, value)
        return plus

    def _articles(self, hidden: Tensor, fixed: Tensor) -> Tensor:
        """(D, 1 + V) logits of the articles, of hidden (D, h) and ``fixed`` (D, 1 + V); at END stands nothing."""
        scores = self.out(self.drop(hidden)) @ self.encoder.embed.weight[1:].T  # (D, d) @ (d, V) -> (D, V)
        return functional.pad(scores, (1, 0)) + fixed

    def _with_end(self, hidden: Tensor, scores: Tensor, length: Tensor, step: Tensor) -> Tensor:
        """``scores`` with END's own."""
        end = self._end(hidden, length, step)
        return torch.cat([(end + scores[:, 1:].logsumexp(1))[:, None], scores[:, 1:]], dim=1)

    def _end(self, hidden: Tensor, length: Tensor, step: Tensor) -> Tensor:
        """(...) how much likelier, in logs, the end is than all articles together, of hidden (..., h)."""
        end: Tensor = self.end(hidden)[..., 0]
        if self.pace is not None:
            end = end + self.pace(torch.stack([torch.log1p(step.float()), torch.log(length)], dim=-1))[..., 0]
        return end

    def _more_pieces(self, hidden: Tensor, token: Tensor) -> Tensor:
        """(...) expected pieces beyond the first, of hidden (..., h) and token (...)."""
        both = torch.cat([hidden, self.encoder.embed(token)], dim=-1)
        return functional.softplus(self.pieces(both))[..., 0]


def usual(batch: Batch) -> Tensor:
    """(B,) float32 articles of a usual basket: 1 + the geometric mean of what was read, at least 1."""
    log1p_articles = batch.features[:, :, 2]  # 0 behind the last basket
    mean = log1p_articles.sum(1) / batch.baskets.clamp(min=1)
    return mean.exp().clamp(min=1.0)


def named(target: Tensor, due: Tensor) -> tuple[Tensor, Tensor]:
    """(place among the due steps, token) of every article named before a step; a basket holds each article once."""
    number = due.flatten().cumsum(0).reshape(due.shape) - 1  # (B, T + 1)
    steps = torch.arange(due.shape[1], device=due.device)
    earlier = (steps[:-1] < steps[:, None]) & due[:, :, None] & (target > 0)[:, None]  # (B, T + 1, T)
    row, step, before = earlier.nonzero(as_tuple=True)
    return number[row, step], target[row, before]
