"""The graphs of DNNTSP (Yu et al., KDD 2020, section 4.1), packed: rows for states, lists for edges.

A user's graph has one node for each item of the history, and one set of edges for each visit: an item of the basket is
tied to the basket's items, every other item to itself alone.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from research.case.tafeng import Split, runs, visits
from retail.log import Array


class Graphs(NamedTuple):
    """The users' nodes (n,), purchases (m,) and edges (k,), each user's in one run."""

    item: Tensor  # (n,) int64
    label: Tensor  # (n,) float32
    alone: Tensor  # (n,) float32, weight of the node's edge to itself on visits without it
    steps: Tensor  # (n,) int64, visits of the node's user
    first: Tensor  # (n,) int64, visit of the node's first purchase
    users: Tensor  # () int64
    node: Tensor  # (m,) int64
    step: Tensor  # (m,) int64, visit of the purchase, 0 the oldest
    source: Tensor  # (k,) int64, purchase
    target: Tensor  # (k,) int64, purchase of the same visit
    weight: Tensor  # (k,) float32


class Baskets:
    """The graphs of a split; a batch of users is cut out of them."""

    def __init__(self, split: Split) -> None:
        came = visits(split)
        self.split, self.length = split, np.diff(came.ptr)  # visits of each user
        self.node = np.repeat(np.arange(len(split.item)), split.times)  # (m,)
        user = split.user[self.node]
        self.step = came.of - came.ptr[user]
        self.purchase_ptr = split.day_ptr[split.ptr]  # (users + 1,)
        self.first = self.length[split.user]  # (n,) no purchase at all: after the last visit
        bought = split.times > 0
        self.first[bought] = self.step[split.day_ptr[1:][bought] - 1]  # days ascend: the oldest is the last
        self.source, self.target = _same_basket(came.of)
        self.edge_ptr = np.searchsorted(user[self.source], np.arange(split.users + 1))
        self.weight, self.alone = self._weights(user[self.source])

    def _weights(self, user: Array) -> tuple[Array, Array]:
        """Edges weigh the visits that the two items share; an item's own edge 1; over the user's largest weight."""
        one, other = self.node[self.source], self.node[self.target]
        _, place, times = np.unique(one * len(self.split.item) + other, return_inverse=True, return_counts=True)
        weight = np.where(one == other, 1, times[place]).astype(np.float32)
        largest = np.ones(self.split.users, np.float32)
        np.maximum.at(largest, user, weight)
        return weight / largest[user], 1 / largest[self.split.user]

    def of(self, users: Array) -> Graphs:
        nodes, purchases = runs(self.split.ptr, users), runs(self.purchase_ptr, users)
        edges = runs(self.edge_ptr, users)
        # a position in the split becomes one in the batch by its user's shift
        node_shift = _shift(self.split.ptr, users)[self.split.user[self.node[purchases]]]
        edge_shift = _shift(self.purchase_ptr, users)[self.split.user[self.node[self.source[edges]]]]
        return Graphs(
            item=torch.from_numpy(self.split.item[nodes].astype(np.int64)),
            label=torch.from_numpy(self.split.label[nodes].astype(np.float32)),
            alone=torch.from_numpy(self.alone[nodes]),
            steps=torch.from_numpy(self.length[self.split.user[nodes]]),
            first=torch.from_numpy(self.first[nodes]),
            users=torch.tensor(len(users)),
            node=torch.from_numpy(self.node[purchases] + node_shift),
            step=torch.from_numpy(self.step[purchases]),
            source=torch.from_numpy(self.source[edges] + edge_shift),
            target=torch.from_numpy(self.target[edges] + edge_shift),
            weight=torch.from_numpy(self.weight[edges]),
        )


def _same_basket(visit: Array) -> tuple[Array, Array]:
    """All ordered pairs of purchases of one visit, a purchase with itself too; by visit."""
    order = np.argsort(visit, kind="stable")
    size = np.bincount(visit)
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    return np.repeat(order, size[visit[order]]), order[runs(ptr, visit[order])]


def _shift(ptr: Array, users: Array) -> Array:
    """(all users,) what takes a position in the split to one in the batch of ``users``."""
    size = ptr[users + 1] - ptr[users]
    shift = np.zeros(len(ptr) - 1, np.int64)
    shift[users] = np.cumsum(size) - size - ptr[users]
    return shift
