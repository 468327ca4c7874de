"""Predict a session's articles one by one by PARSRec, trained on them as a set.

If the session holds the predicted article and it is not chosen yet, this article is the target of a training step (set
teacher forcing). Source: Gholami, Motamedi, Aravindakshan (KDD 2022) and the authors' released code. Where the two
differ, ``Shape`` has a setting.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from retail.params import Block, Positive, Share
from stage1_candidates.networks.parsrec.cell import Arnn
from stage1_candidates.networks.parsrec.sessions import NONE, Batch


class Shape(Block):
    """The shape of the network; where paper and code differ, the comment says which is which."""

    width: Positive  # of the vectors of customers and articles, and of the state
    heads: Positive  # of the attention
    dropout: Share  # of looked-up vectors
    history: Literal["mean", "sum"]  # first state from the articles bought before; code: mean, paper: sum
    missed: Literal["first", "random"]  # target where the prediction is wrong; code: first article left, paper: random
    padding: Literal["counted", "ignored"]  # steps after a session's end in the loss; code: counted, paper: ignored


class Step(NamedTuple):
    """One step of a batch: B sessions of N places, place 0 of ``weight`` being the session's start."""

    logits: Tensor  # (B, V + 2) of every article, START and END
    place: Tensor  # (B,) int64 place of the target article
    due: Tensor  # (B,) bool: the session has articles left
    weight: Tensor  # (B, 1 + N) attention to the articles chosen before


class Parsrec(nn.Module):
    """The network; row i of its table is article i, row V is START, row V + 1 is END."""

    def __init__(self, users: int, articles: int, shape: Shape) -> None:
        super().__init__()
        self.shape, self.start, self.end = shape, articles, articles + 1
        self.user, self.item = nn.Embedding(users, shape.width), nn.Embedding(articles + 2, shape.width)
        for table in (self.user, self.item):
            bound = max(table.num_embeddings, 1) ** -0.5
            nn.init.uniform_(table.weight, -bound, bound)
        self.cell = Arnn(shape.width, shape.heads)
        self.drop = nn.Dropout(shape.dropout)

    def make_states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Make the customers' vectors (B, d), and the first states (B, d) from the articles bought before."""
        state = functional.embedding_bag(batch.past, self.item.weight, batch.past_start, mode=self.shape.history)
        return self.drop(self.user(batch.user)), self.drop(state)

    def choose_target(self, logits: Tensor, item: Tensor, left: Tensor) -> Tensor:
        """Choose the place (B,) of the next target: the predicted article where it is ``left`` (B, N).

        This is the set teacher forcing of 4.5. Place 0 where no article is left.
        """
        hit = left & (item == logits.argmax(1)[:, None])
        draw = torch.rand(left.shape, device=left.device) + 1 if self.shape.missed == "random" else 1
        return torch.where(hit.any(1), hit.int().argmax(1), (left * draw).argmax(1))

    def iterate_steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the steps of a batch's sessions; ``choose_target`` gives the order of the articles."""
        filled = batch.item != NONE  # (B, N)
        item = torch.where(filled, batch.item, self.end)
        token = functional.pad(item, (1, 0), value=self.start)  # (B, 1 + N)
        memory = self.cell.project(self.drop(self.item(token)))
        table = self.drop(self.item.weight)
        user, state = self.make_states(batch)
        left = filled
        chosen = torch.zeros_like(token, dtype=torch.bool)
        chosen[:, 0] = True  # START alone; it is dropped once an article is chosen
        for _ in range(item.shape[1]):
            answer, state, weight = self.cell(user, state, memory, chosen)
            logits = answer @ table.T  # (B, d) @ (d, V + 2) -> (B, V + 2)
            place = self.choose_target(logits.detach(), item, left)
            yield Step(logits, place, left.any(1), weight)
            left = left.scatter(1, place[:, None], False)
            chosen = functional.pad(filled & ~left, (1, 0))

    def loss(self, batch: Batch) -> Tensor:
        """Compute the cross-entropy (eq. 1), summed over a session's steps, averaged over sessions."""
        total = torch.zeros((), device=batch.item.device)
        for step in self.iterate_steps(batch):
            target = batch.item.gather(1, step.place[:, None])[:, 0]
            losses = functional.cross_entropy(step.logits, torch.where(step.due, target, self.end), reduction="none")
            total = total + (losses if self.shape.padding == "counted" else losses[step.due]).sum()
        return total / len(batch.user)

    def score_next(self, batch: Batch, given: Tensor) -> Tensor:
        """Compute the logits (B, V) of every article after ``given`` (B, j) were chosen; ``batch.item`` is not read."""
        token = functional.pad(given, (1, 0), value=self.start)
        memory = self.cell.project(self.item(token))
        user, state = self.make_states(batch)
        place = torch.arange(token.shape[1], device=token.device)
        for done in range(token.shape[1]):
            chosen = place <= done if done == 0 else (place > 0) & (place <= done)
            answer, state, _ = self.cell(user, state, memory, chosen.expand(token.shape))
        scores: Tensor = answer @ self.item.weight[: self.start].T  # (B, d) @ (d, V) -> (B, V)
        return scores
