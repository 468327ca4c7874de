"""BERT4NBR (Li et al., RecSys 2023) as a row of the Ta-Feng table: a bidirectional Transformer over flattened baskets.

A history is one sequence of its baskets' items, oldest basket first; the position of an item is the number of its
basket, so that the items of a basket share one. An appended mask in the basket after the last stands for the next one,
and the candidates are ranked by its output. Two tasks are the paper's: masked items, and the last basket masked whole.
A third is not: the appended mask learns the labelled items of the target basket, which the training users have.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from research.case.tafeng import Answer, Row, Split, batches, evaluate, in_order, runs, visits
from retail.log import Array
from retail.params import Block, Positive, Share
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training


class Settings(Block):
    width: Positive
    inner: Positive  # of the feed-forward layers
    layers: Positive
    heads: Positive
    dropout: Share
    longest: Positive  # purchases of a sequence: the last baskets that fit
    baskets: Positive  # positions, the appended mask's included
    masked: Share  # items of a history that are masked, all purchases of each
    batch: Positive  # users
    training: Training


# The paper's (section 5.4) and its code's. Unlike there, the softmax is over the items of the batch's users (some 2,000
# of 18,703) and the attention's weights have no dropout, both for speed.
SETTINGS = Settings(
    width=64,
    inner=256,
    layers=2,
    heads=8,
    dropout=0.1,
    longest=256,
    baskets=60,
    masked=0.3,
    batch=64,
    training=Training(
        epochs=12,
        patience=3,
        learning_rate=1e-3,
        weight_decay=0,
        decoupled=False,
        warmup=0,
        clip=5.0,
        precision="32-true",
        devices=1,
    ),
)


class Sequences(NamedTuple):
    """A batch of ``b`` users, whose sequences are padded to ``length`` and end with the appended mask."""

    item: Tensor  # (b, length) int64, 0 padding, items + 1 the mask
    basket: Tensor  # (b, length) int64, from 1; 0 padding
    column: Tensor  # (columns,) int64, the items that the softmax is over
    row: Tensor  # (wanted,) int64, user of a wanted answer
    place: Tensor  # (wanted,) int64, where in the sequence it is asked
    wanted: Tensor  # (wanted,) int64, its column
    weight: Tensor  # (wanted,) float32, summing to 1 over each task


class Histories:
    """The sequences of a split."""

    def __init__(self, split: Split, settings: Settings) -> None:
        came = visits(split)
        self.split, self.settings = split, settings
        item = np.repeat(split.item, split.times)
        order = np.lexsort((item, came.of))
        visit, item = came.of[order], item[order]
        owner = np.repeat(np.arange(split.users), np.diff(came.ptr))  # (visits,)
        begin = np.searchsorted(visit, np.arange(len(owner)))
        end_of_user = np.searchsorted(visit, came.ptr[1:])
        kept = end_of_user[owner] - begin <= settings.longest
        kept &= came.ptr[owner + 1] - np.arange(len(owner)) < settings.baskets
        kept |= np.arange(len(owner)) == came.ptr[owner + 1] - 1  # the last basket stays whatever its size
        self.item, user = item[kept[visit]], owner[visit[kept[visit]]]
        number = np.cumsum(kept) - 1
        first = np.searchsorted(owner[kept], np.arange(split.users + 1))  # kept visits
        self.basket = number[visit[kept[visit]]] - first[user] + 1  # from 1
        self.baskets = np.diff(first)  # of each user
        self.ptr = np.searchsorted(user, np.arange(split.users + 1))
        self.length = np.diff(self.ptr)

    def batch(self, users: Array, rng: np.random.Generator | None) -> Sequences:
        """The sequences of ``users``; with ``rng``, each has a task by lot; without, nothing is masked.

        A quarter of the users has items masked, a quarter the last basket, half is asked for the next one.
        """
        places = runs(self.ptr, users)
        row = np.repeat(np.arange(len(users)), self.length[users])
        column = np.arange(len(places)) - np.repeat(
            np.cumsum(self.length[users]) - self.length[users], self.length[users]
        )
        item = np.zeros((len(users), self.length[users].max() + 1), np.int64)
        basket = np.zeros_like(item)
        item[row, column], basket[row, column] = self.item[places], self.basket[places]
        item[np.arange(len(users)), self.length[users]] = self.split.items + 1
        basket[np.arange(len(users)), self.length[users]] = self.baskets[users] + 1
        candidates = runs(self.split.ptr, users)
        columns = np.unique(self.split.item[candidates])
        if rng is None:
            nothing = np.zeros((3, 0), np.int64)
            return _tensors(item, basket, columns, nothing, np.zeros(0))
        task = np.minimum(rng.integers(0, 4, len(users)), 2)
        # one draw for an item of a user, so that all its purchases are masked together
        own, of = np.unique(row * (self.split.items + 2) + self.item[places], return_inverse=True)
        some = (rng.random(len(own)) < self.settings.masked)[of]
        last = self.basket[places] == self.baskets[users][row]
        masked = ((task[row] == 0) & some) | ((task[row] == 1) & last)
        item[row[masked], column[masked]] = self.split.items + 1
        again = candidates[self.split.label[candidates] > 0]
        buyer = _rows(users, self.split)[self.split.user[again]]
        again, buyer = again[task[buyer] == 2], buyer[task[buyer] == 2]
        wanted = np.stack(
            [
                np.concatenate([row[masked], buyer]),
                np.concatenate([column[masked], self.length[users][buyer]]),
                np.searchsorted(columns, np.concatenate([self.item[places][masked], self.split.item[again]])),
            ]
        )  # (3, wanted) row, place and column
        share = 1.0 / np.maximum(np.bincount(task[wanted[0]], minlength=3), 1)
        return _tensors(item, basket, columns, wanted, share[task[wanted[0]]])


def _rows(users: Array, split: Split) -> Array:
    """(all users,) the row of each of ``users`` in the batch."""
    row = np.zeros(split.users, np.int64)
    row[users] = np.arange(len(users))
    return row


def _tensors(item: Array, basket: Array, columns: Array, wanted: Array, weight: Array) -> Sequences:
    parts = (item, basket, columns.astype(np.int64), *wanted, weight.astype(np.float32))
    return Sequences._make(torch.from_numpy(part) for part in parts)


class Bert4Nbr(nn.Module):
    def __init__(self, items: int, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.item = nn.Embedding(items + 2, width, padding_idx=0)  # the last one is the mask
        self.basket = nn.Embedding(settings.baskets + 1, width, padding_idx=0)
        for table in (self.item, self.basket):
            nn.init.normal_(table.weight, std=0.02)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(settings.dropout)
        layer = nn.TransformerEncoderLayer(
            width,
            settings.heads,
            settings.inner,
            settings.dropout,
            "gelu",
            layer_norm_eps=1e-12,
            batch_first=True,
        )
        layer.self_attn.dropout = 0.0  # of the attention's weights; without it a step takes a quarter less time
        self.layers = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)

    def forward(self, item: Tensor, basket: Tensor) -> Tensor:
        """(b, length, width) the outputs at every place."""
        x = self.dropout(self.norm(self.item(item) + self.basket(basket)))
        out: Tensor = self.layers(x, src_key_padding_mask=item == 0)
        return out

    def loss(self, batch: Sequences) -> Tensor:
        states = self(batch.item, batch.basket)[batch.row, batch.place]  # (wanted, width)
        logits = states @ self.item(batch.column).T  # (wanted, columns)
        return (functional.cross_entropy(logits, batch.wanted, reduction="none") * batch.weight).sum()


def scores(network: Bert4Nbr, histories: Histories, users: int) -> Array:
    """(n,) float32 scores of all candidates: the appended mask's output times the item's vector."""
    split = histories.split
    out = np.zeros(len(split.item), np.float32)
    at = next(network.parameters()).device
    with torch.no_grad():
        for group in in_order(histories.length, users):
            batch = histories.batch(group, None)
            states = network(batch.item.to(at), batch.basket.to(at))
            ends = states[torch.arange(len(group)), torch.from_numpy(histories.length[group])]  # (b, width)
            candidates = runs(split.ptr, group)
            row = torch.from_numpy(np.repeat(np.arange(len(group)), np.diff(split.ptr)[group]))
            vectors = network.item(torch.from_numpy(split.item[candidates].astype(np.int64)).to(at))
            out[candidates] = (ends[row] * vectors).sum(1).cpu().numpy()
    return out


def fitted(train: Split, validate: Split, test: Split, settings: Settings, seed: int, folder: Path) -> Answer:
    torch.manual_seed(seed)
    network = Bert4Nbr(train.items, settings)
    known, judged = Histories(train, settings), Histories(validate, settings)

    def shown(epoch: int) -> Iterator[Sequences]:
        rng = np.random.default_rng([seed, epoch, 1])
        return (known.batch(users, rng) for users in batches(known.length, settings.batch, seed, epoch))

    curve = training.train(
        network,
        shown,
        -(-train.users // settings.batch),
        lambda trained: round(evaluate(validate, scores(network, judged, settings.batch)).mean[10]["P"], 6),
        settings.training,
        seed,
        folder,
        f"BERT4NBR, seed {seed}",
    )
    info = {
        "settings": settings.model_dump(),
        "loss": curve.loss,
        "validation P@10": curve.metric,
        "best epoch": curve.best + 1,
    }
    answer = Histories(test, settings)
    return scores(network, judged, settings.batch), scores(network, answer, settings.batch), info


def bert4nbr_row(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Answer:
    return fitted(train, validate, test, SETTINGS, seed, folder)


ROWS: dict[str, Row] = {"BERT4NBR": bert4nbr_row}
