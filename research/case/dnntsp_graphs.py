"""Build the graphs of DNNTSP (Yu et al., KDD 2020, section 4.1) in packed form: states as rows, edges as lists.

The graph of a user has one node per item of the history and one set of edges per visit. On a visit, each item of the
basket is linked to all items of the basket; every other item is linked to itself only.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from research.case.tafeng import Split, expand_rows, group_visits
from retail.log import Array
from retail.ragged import offsets, row_of


class Graphs(NamedTuple):
    """The nodes (n,), purchases (m,) and edges (k,) of a batch, user after user."""

    item: Tensor  # (n,) int64
    label: Tensor  # (n,) float32
    self_weight: Tensor  # (n,) float32, weight of the node's edge to itself on visits without the item
    visit_count: Tensor  # (n,) int64, number of visits of the node's user
    first_visit: Tensor  # (n,) int64, visit of the node's first purchase
    users: Tensor  # () int64, number of users
    node: Tensor  # (m,) int64, node of the purchase
    visit: Tensor  # (m,) int64, visit of the purchase, 0 is the oldest
    source: Tensor  # (k,) int64, purchase at the start of the edge
    target: Tensor  # (k,) int64, purchase at its end, of the same visit
    weight: Tensor  # (k,) float32


class Baskets:
    """The graphs of a split; ``batch`` selects those of a batch of users."""

    def __init__(self, split: Split) -> None:
        visits = group_visits(split)
        self.split, self.visit_count = split, np.diff(visits.ptr)  # number of visits of each user
        self.node = row_of(split.day_ptr)  # (m,)
        user = split.user[self.node]
        self.visit = visits.visit - visits.ptr[user]
        self.purchase_ptr = split.day_ptr[split.ptr]  # (users + 1,)
        self.first_visit = self.visit_count[split.user]  # (n,) an item without a purchase: after the last visit
        bought = split.times > 0
        oldest = split.day_ptr[1:][bought] - 1  # days back ascend, so the last entry of an item is the oldest
        self.first_visit[bought] = self.visit[oldest]
        self.source, self.target = _pair_purchases(visits.visit)
        self.edge_ptr = np.searchsorted(user[self.source], np.arange(split.users + 1))
        self.weight, self.self_weight = self._compute_weights(user[self.source])

    def _compute_weights(self, user: Array) -> tuple[Array, Array]:
        """Weigh an edge by the number of visits that its two items share, divided by the user's largest weight.

        An edge of an item to itself counts as one shared visit.
        """
        source, target = self.node[self.source], self.node[self.target]
        pair = source * len(self.split.item) + target
        _, pair_of, times = np.unique(pair, return_inverse=True, return_counts=True)
        weight = np.where(source == target, 1, times[pair_of]).astype(np.float32)
        largest = np.ones(self.split.users, np.float32)
        np.maximum.at(largest, user, weight)
        return weight / largest[user], 1 / largest[self.split.user]

    def batch(self, users: Array) -> Graphs:
        """Select the graphs of ``users``, in this order."""
        nodes, purchases = expand_rows(self.split.ptr, users), expand_rows(self.purchase_ptr, users)
        edges = expand_rows(self.edge_ptr, users)
        # the shift of a user turns a position in the split into a position in the batch
        node_shift = _compute_shift(self.split.ptr, users)[self.split.user[self.node[purchases]]]
        edge_shift = _compute_shift(self.purchase_ptr, users)[self.split.user[self.node[self.source[edges]]]]
        return Graphs(
            item=torch.from_numpy(self.split.item[nodes].astype(np.int64)),
            label=torch.from_numpy(self.split.label[nodes].astype(np.float32)),
            self_weight=torch.from_numpy(self.self_weight[nodes]),
            visit_count=torch.from_numpy(self.visit_count[self.split.user[nodes]]),
            first_visit=torch.from_numpy(self.first_visit[nodes]),
            users=torch.tensor(len(users)),
            node=torch.from_numpy(self.node[purchases] + node_shift),
            visit=torch.from_numpy(self.visit[purchases]),
            source=torch.from_numpy(self.source[edges] + edge_shift),
            target=torch.from_numpy(self.target[edges] + edge_shift),
            weight=torch.from_numpy(self.weight[edges]),
        )


def _pair_purchases(visit: Array) -> tuple[Array, Array]:
    """List all ordered pairs of purchases of the same visit, each purchase with itself included, sorted by visit."""
    order = np.argsort(visit, kind="stable")
    size = np.bincount(visit)
    ptr = offsets(size)
    return np.repeat(order, size[visit[order]]), order[expand_rows(ptr, visit[order])]


def _compute_shift(ptr: Array, users: Array) -> Array:
    """Compute the shift (all users,) from a position in the split to a position in the batch of ``users``."""
    size = ptr[users + 1] - ptr[users]
    shift = np.zeros(len(ptr) - 1, np.int64)
    shift[users] = np.cumsum(size) - size - ptr[users]
    return shift
