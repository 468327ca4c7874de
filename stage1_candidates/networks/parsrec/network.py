"""PARSRec: names a session's articles one by one, and learns them as a set: in its own order where that is right.

After Gholami, Motamedi, Aravindakshan (KDD 2022) and the authors' released code; where the two differ, ``Shape`` says
which is which.
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
    """What the network looks like."""

    width: Positive  # of the vector of a customer, an article, the state
    heads: Positive
    dropout: Share  # of looked-up vectors
    history: Literal["mean", "sum"]  # the first state of the articles bought before; code: mean, paper: sum
    missed: Literal["first", "random"]  # article taught where none was named; code: first, paper: random
    padding: Literal["counted", "ignored"]  # steps after a session's end in the loss; code: counted, paper: ignored


class Step(NamedTuple):
    """One step of a batch: B sessions of N places, place 0 of ``weight`` being the session's start."""

    logits: Tensor  # (B, V + 2) of every article, START and END
    place: Tensor  # (B,) int64 the article that is taught
    due: Tensor  # (B,) bool: the session is not over
    weight: Tensor  # (B, 1 + N) attention to the articles that were chosen before


class Parsrec(nn.Module):
    """Article i is row i of the table, START row V, END row V + 1."""

    def __init__(self, users: int, articles: int, shape: Shape) -> None:
        super().__init__()
        self.shape, self.start, self.end = shape, articles, articles + 1
        self.user, self.item = nn.Embedding(users, shape.width), nn.Embedding(articles + 2, shape.width)
        for table in (self.user, self.item):
            bound = max(table.num_embeddings, 1) ** -0.5
            nn.init.uniform_(table.weight, -bound, bound)
        self.cell = Arnn(shape.width, shape.heads)
        self.drop = nn.Dropout(shape.dropout)

    def begun(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, d) customers' vectors, (B, d) first states, from the articles bought before."""
        state = functional.embedding_bag(batch.past, self.item.weight, batch.past_start, mode=self.shape.history)
        return self.drop(self.user(batch.user)), self.drop(state)

    def taught(self, logits: Tensor, item: Tensor, left: Tensor) -> Tensor:
        """(B,) place of the article to learn next: the one that the network names, where it is ``left`` (B, N).

        The set teacher forcing of 4.5. Place 0 where nothing is left.
        """
        named = left & (item == logits.argmax(1)[:, None])
        draw = torch.rand(left.shape, device=left.device) + 1 if self.shape.missed == "random" else 1
        return torch.where(named.any(1), named.int().argmax(1), (left * draw).argmax(1))

    def steps(self, batch: Batch) -> Iterator[Step]:
        """The steps of a batch's sessions, each article chosen in the order of ``taught``."""
        held = batch.item != NONE  # (B, N)
        item = torch.where(held, batch.item, self.end)
        token = functional.pad(item, (1, 0), value=self.start)  # (B, 1 + N)
        read = self.cell.read(self.drop(self.item(token)))
        table = self.drop(self.item.weight)
        user, state = self.begun(batch)
        left = held
        chosen = torch.zeros_like(token, dtype=torch.bool)
        chosen[:, 0] = True  # the start alone; it is forgotten once there are articles
        for _ in range(item.shape[1]):
            answer, state, weight = self.cell(user, state, read, chosen)
            logits = answer @ table.T  # (B, d) @ (d, V + 2) -> (B, V + 2)
            place = self.taught(logits.detach(), item, left)
            yield Step(logits, place, left.any(1), weight)
            left = left.scatter(1, place[:, None], False)
            chosen = functional.pad(held & ~left, (1, 0))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy (eq. 1) summed over a session's steps, mean over sessions."""
        total = torch.zeros((), device=batch.item.device)
        for step in self.steps(batch):
            target = batch.item.gather(1, step.place[:, None])[:, 0]
            each = functional.cross_entropy(step.logits, torch.where(step.due, target, self.end), reduction="none")
            total = total + (each if self.shape.padding == "counted" else each[step.due]).sum()
        return total / len(batch.user)

    def after(self, batch: Batch, given: Tensor) -> Tensor:
        """(B, V) logits of every article once ``given`` (B, j) were chosen one by one; ``batch.item`` is not read."""
        token = functional.pad(given, (1, 0), value=self.start)
        read = self.cell.read(self.item(token))
        user, state = self.begun(batch)
        place = torch.arange(token.shape[1], device=token.device)
        for done in range(token.shape[1]):
            chosen = place <= done if done == 0 else (place > 0) & (place <= done)
            answer, state, _ = self.cell(user, state, read, chosen.expand(token.shape))
        scores: Tensor = answer @ self.item.weight[: self.start].T  # (B, d) @ (d, V) -> (B, V)
        return scores
