"""Train BERT4NBR (Li et al., RecSys 2023) for the Ta-Feng table: a bidirectional Transformer over flattened baskets.

A history is one sequence of items, oldest basket first. The position of an item is the number of its basket, so that
the items of a basket share a position. A mask appended after the last basket stands for the target basket, and its
output ranks the candidates. Two training tasks are from the paper: predict masked items, and predict the last basket
when all of it is masked. A third task is not: predict the labelled items of the target basket at the appended mask.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from research.case.tafeng import (
    Result,
    Row,
    Split,
    evaluate,
    expand_rows,
    group_visits,
    make_scoring_batches,
    make_training_batches,
)
from retail.log import Array
from retail.params import Block, Positive, Share
from retail.ragged import row_of
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training


class Settings(Block):
    """The settings of the network and its training."""

    width: Positive
    inner: Positive  # of the feed-forward layers
    layers: Positive
    heads: Positive
    dropout: Share
    longest: Positive  # maximum number of purchases in a sequence; the latest baskets that fit are kept
    baskets: Positive  # number of positions, including that of the appended mask
    masked: Share  # share of a history's items that are masked, with all their purchases
    batch: Positive  # users
    training: Training


# From the paper (section 5.4) and its code, with two changes for speed: the softmax covers the candidates of the batch
# (about 2,000 of 18,703 items), and the attention weights have no dropout.
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
    """A batch of ``b`` users; the sequences end with the appended mask and are padded to ``length``."""

    item: Tensor  # (b, length) int64, 0 padding, items + 1 the mask
    basket: Tensor  # (b, length) int64, from 1; 0 padding
    column: Tensor  # (columns,) int64, the items that the softmax covers
    row: Tensor  # (targets,) int64, user of a target
    position: Tensor  # (targets,) int64, its position in the sequence
    target: Tensor  # (targets,) int64, its column
    weight: Tensor  # (targets,) float32, with the sum 1 over each task


class Histories:
    """The sequences of a split."""

    def __init__(self, split: Split, settings: Settings) -> None:
        visits = group_visits(split)
        self.split, self.settings = split, settings
        item = np.repeat(split.item, split.times)
        order = np.lexsort((item, visits.visit))
        visit, item = visits.visit[order], item[order]
        owner = row_of(visits.ptr)  # (visits,) user of each visit
        begin = np.searchsorted(visit, np.arange(len(owner)))
        end_of_user = np.searchsorted(visit, visits.ptr[1:])
        kept = end_of_user[owner] - begin <= settings.longest
        kept &= visits.ptr[owner + 1] - np.arange(len(owner)) < settings.baskets
        kept |= np.arange(len(owner)) == visits.ptr[owner + 1] - 1  # the last basket is kept at any size
        self.item, user = item[kept[visit]], owner[visit[kept[visit]]]
        number = np.cumsum(kept) - 1
        first = np.searchsorted(owner[kept], np.arange(split.users + 1))  # first kept visit of each user
        self.basket = number[visit[kept[visit]]] - first[user] + 1  # from 1
        self.baskets = np.diff(first)  # number of baskets of each user
        self.ptr = np.searchsorted(user, np.arange(split.users + 1))
        self.length = np.diff(self.ptr)

    def batch(self, users: Array, rng: np.random.Generator | None) -> Sequences:
        """Build the sequences of ``users``; ``rng`` draws a training task for each user; without it nothing is masked.

        The task is masked items with probability 1/4, the last basket with 1/4, and the target basket with 1/2.
        """
        places = expand_rows(self.ptr, users)
        row = np.repeat(np.arange(len(users)), self.length[users])
        column = np.arange(len(places)) - np.repeat(
            np.cumsum(self.length[users]) - self.length[users], self.length[users]
        )
        item = np.zeros((len(users), self.length[users].max() + 1), np.int64)
        basket = np.zeros_like(item)
        item[row, column], basket[row, column] = self.item[places], self.basket[places]
        item[np.arange(len(users)), self.length[users]] = self.split.items + 1
        basket[np.arange(len(users)), self.length[users]] = self.baskets[users] + 1
        candidates = expand_rows(self.split.ptr, users)
        columns = np.unique(self.split.item[candidates])
        if rng is None:
            return _to_tensors(item, basket, columns, np.zeros((3, 0), np.int64), np.zeros(0))
        task = np.minimum(rng.integers(0, 4, len(users)), 2)
        # one draw per (user, item), so that all purchases of an item are masked together
        pair, pair_of = np.unique(row * (self.split.items + 2) + self.item[places], return_inverse=True)
        drawn = (rng.random(len(pair)) < self.settings.masked)[pair_of]
        last = self.basket[places] == self.baskets[users][row]
        masked = ((task[row] == 0) & drawn) | ((task[row] == 1) & last)
        item[row[masked], column[masked]] = self.split.items + 1
        rebought = candidates[self.split.label[candidates] > 0]
        buyer = _index_users(users, self.split)[self.split.user[rebought]]
        rebought, buyer = rebought[task[buyer] == 2], buyer[task[buyer] == 2]
        target = np.stack(
            [
                np.concatenate([row[masked], buyer]),
                np.concatenate([column[masked], self.length[users][buyer]]),
                np.searchsorted(columns, np.concatenate([self.item[places][masked], self.split.item[rebought]])),
            ]
        )  # (3, targets) row, position and column
        share = 1.0 / np.maximum(np.bincount(task[target[0]], minlength=3), 1)
        return _to_tensors(item, basket, columns, target, share[task[target[0]]])


def _index_users(users: Array, split: Split) -> Array:
    """Return the row (all users,) in the batch of each of ``users``."""
    row = np.zeros(split.users, np.int64)
    row[users] = np.arange(len(users))
    return row


def _to_tensors(item: Array, basket: Array, columns: Array, target: Array, weight: Array) -> Sequences:
    parts = (item, basket, columns.astype(np.int64), *target, weight.astype(np.float32))
    return Sequences._make(torch.from_numpy(part) for part in parts)


class Bert4Nbr(nn.Module):
    """The network over ``items`` items; its output weights are the item embeddings."""

    def __init__(self, items: int, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.item = nn.Embedding(items + 2, width, padding_idx=0)  # the last id is the mask
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
        layer.self_attn.dropout = 0.0  # of the attention weights; a step without it takes a quarter less time
        self.layers = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)

    def forward(self, item: Tensor, basket: Tensor) -> Tensor:
        """Compute the outputs (b, length, width) at every position."""
        x = self.dropout(self.norm(self.item(item) + self.basket(basket)))
        out: Tensor = self.layers(x, src_key_padding_mask=item == 0)
        return out

    def loss(self, batch: Sequences) -> Tensor:
        """Compute the weighted cross-entropy of the targets."""
        states = self(batch.item, batch.basket)[batch.row, batch.position]  # (targets, width)
        logits = states @ self.item(batch.column).T  # (targets, columns)
        return (functional.cross_entropy(logits, batch.target, reduction="none") * batch.weight).sum()


def score_candidates(network: Bert4Nbr, histories: Histories, users: int) -> Array:
    """Score (n,) float32 all candidates: the output at the appended mask times the item embedding."""
    split = histories.split
    out = np.zeros(len(split.item), np.float32)
    device = next(network.parameters()).device
    with torch.no_grad():
        for group in make_scoring_batches(histories.length, users):
            batch = histories.batch(group, None)
            states = network(batch.item.to(device), batch.basket.to(device))
            ends = states[torch.arange(len(group)), torch.from_numpy(histories.length[group])]  # (b, width)
            candidates = expand_rows(split.ptr, group)
            row = torch.from_numpy(np.repeat(np.arange(len(group)), np.diff(split.ptr)[group]))
            vectors = network.item(torch.from_numpy(split.item[candidates].astype(np.int64)).to(device))
            out[candidates] = (ends[row] * vectors).sum(1).cpu().numpy()
    return out


def train_and_score(train: Split, validate: Split, test: Split, settings: Settings, seed: int, folder: Path) -> Result:
    """Train the network and score the users; the validation users choose the epoch by precision at 10."""
    torch.manual_seed(seed)
    network = Bert4Nbr(train.items, settings)
    training_histories, validation_histories = Histories(train, settings), Histories(validate, settings)

    def make_epoch(epoch: int) -> Iterator[Sequences]:
        rng = np.random.default_rng([seed, epoch, 1])
        groups = make_training_batches(training_histories.length, settings.batch, seed, epoch)
        return (training_histories.batch(users, rng) for users in groups)

    curve = training.train(
        network,
        make_epoch,
        -(-train.users // settings.batch),
        lambda _: round(
            evaluate(validate, score_candidates(network, validation_histories, settings.batch)).mean[10]["P"], 6
        ),
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
    validation_scores = score_candidates(network, validation_histories, settings.batch)
    return validation_scores, score_candidates(network, Histories(test, settings), settings.batch), info


def score_bert4nbr(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Train BERT4NBR with ``SETTINGS`` and score the users."""
    return train_and_score(train, validate, test, SETTINGS, seed, folder)


ROWS: dict[str, Row] = {"BERT4NBR": score_bert4nbr}
