"""Train DNNTSP (Yu et al., KDD 2020) for the Ta-Feng table: graphs of baskets, attention over time, a gated update.

On all visits without it, an item is linked to itself only and thus has the same state. The network therefore runs on
packed rows: one "absent" state per (user, item) and one "present" state per purchase.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from research.case.dnntsp_graphs import Baskets, Graphs
from research.case.tafeng import Result, Row, Split, evaluate, expand_rows, make_scoring_batches, make_training_batches
from retail.log import Array
from retail.params import Block, Positive
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training


class Settings(Block):
    """The settings of the network and its training."""

    width: Positive  # of an item's vector
    heads: Positive
    batch: Positive  # users
    loss: Literal["candidates", "all"]  # items that the binary cross-entropy covers: the candidates, or all items
    training: Training


# Width, heads, batch, learning rate and epochs are from the paper (section 5.3). The loss of the paper covers all
# items. The default here covers the candidates, because only they are ranked. The two losses were not compared.
SETTINGS = Settings(
    width=32,
    heads=4,
    batch=64,
    loss="candidates",
    training=Training(
        epochs=50,
        patience=6,
        learning_rate=1e-3,
        weight_decay=0,
        decoupled=False,
        warmup=0,
        clip=0,
        precision="32-true",
        devices=1,
    ),
)


class WeightedNorm(nn.Module):
    """Batch normalisation in which a row counts ``weight`` times, because a state stands for several visits."""

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        mean, variance = self.mean, self.variance
        if self.training:
            share = (weight / weight.sum())[:, None]
            mean = (share * x).sum(0)
            variance = (share * (x - mean) ** 2).sum(0)
            self.mean.lerp_(mean.detach(), 0.1)
            self.variance.lerp_(variance.detach(), 0.1)
        normed: Tensor = (x - mean) * torch.rsqrt(variance + 1e-5) * self.scale + self.shift
        return normed


class Dnntsp(nn.Module):
    """The network over ``items`` items: one logit per node of a graph."""

    def __init__(self, items: int, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.heads, self.loss_over = settings.heads, settings.loss
        self.vector = nn.Embedding(items + 1, width)
        self.convolutions = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.norms = nn.ModuleList(WeightedNorm(width) for _ in range(2))
        self.attend = nn.Linear(width, 3 * width, bias=False)  # query, key and value
        self.pool = nn.Linear(width, 1, bias=False)
        self.gate = nn.Parameter(torch.rand(items + 1, 1))
        self.output = nn.Linear(width, 1)

    def convolve(self, graphs: Graphs) -> tuple[Tensor, Tensor]:
        """Compute the states (n, d) on visits without the item and (m, d) on visits with it (equations 1-2)."""
        absent = self.vector(graphs.item)  # (n, d)
        present = absent[graphs.node]  # (m, d)
        times = torch.bincount(graphs.node, minlength=len(graphs.item))
        counts = torch.cat([(graphs.visit_count - times).float(), torch.ones_like(graphs.visit, dtype=torch.float32)])
        for linear, norm in zip(self.convolutions, self.norms, strict=True):
            message = graphs.weight[:, None] * present[graphs.source]  # (k, d)
            present = torch.zeros_like(present).index_add(0, graphs.target, message)
            states = torch.cat([graphs.self_weight[:, None] * absent, present])  # (n + m, d)
            absent, present = torch.tensor_split(torch.relu(norm(linear(states), counts)), [len(absent)])
        return absent, present

    def attend_over_time(self, absent: Tensor, present: Tensor, graphs: Graphs) -> Tensor:
        """Attend causally over the visits of each node and sum them with learned weights, (n, d) (equations 3-5).

        Before the first purchase all keys are the absent state, and the output is its value. From then on each visit
        is a query. Its keys are the absent state, counted once per earlier visit without the item, and all purchases
        up to the visit.
        """
        q, k, v = self.attend(absent).unflatten(1, (3, self.heads, -1)).unbind(1)  # (n, heads, d / heads)
        qp, kp, vp = self.attend(present).unflatten(1, (3, self.heads, -1)).unbind(1)  # (m, heads, d / heads)
        node, visit, own_query, pair_query, pair_key = _list_queries(graphs)
        q = q[node].index_put((own_query,), qp)  # (queries, heads, d / heads)
        times = visit + 1 - torch.bincount(pair_query, minlength=len(node))  # of the absent state
        scale = q.shape[2] ** -0.5
        to_absent = (q * k[node]).sum(2) * scale + torch.log(times)[:, None]  # (queries, heads)
        to_present = (q[pair_query] * kp[pair_key]).sum(2) * scale  # (pairs, heads)
        query = pair_query[:, None].expand_as(to_present)
        largest = to_absent.detach().scatter_reduce(0, query, to_present.detach(), "amax")
        to_absent, to_present = torch.exp(to_absent - largest), torch.exp(to_present - largest[pair_query])
        total = to_absent.index_add(0, pair_query, to_present)
        mixed = to_absent[:, :, None] * v[node]
        mixed = mixed.index_add(0, pair_query, to_present[:, :, None] * vp[pair_key])
        mixed = (mixed / total[:, :, None]).flatten(1)  # (queries, d)
        before = v.flatten(1)  # (n, d)
        summed = graphs.first_visit[:, None] * self.pool(before) * before
        pooled: Tensor = summed.index_add(0, node, self.pool(mixed) * mixed)
        return pooled

    def forward(self, graphs: Graphs) -> Tensor:
        """Compute the logits (n,) of the nodes (equations 6-7)."""
        pooled = self.attend_over_time(*self.convolve(graphs), graphs)
        gate = self.gate[graphs.item]
        logits: Tensor = self.output((1 - gate) * self.vector(graphs.item) + gate * pooled).squeeze(1)
        return logits

    def loss(self, graphs: Graphs) -> Tensor:
        """Compute the mean binary cross-entropy over the candidates, or over all items."""
        logits = self(graphs)
        if self.loss_over == "candidates":
            return functional.binary_cross_entropy_with_logits(logits, graphs.label)
        # an item outside the history keeps its own vector and is never positive: its term is the same for all users
        all_items = functional.softplus(self.output(self.vector.weight[1:]).squeeze(1)).sum()
        candidates = functional.softplus(self.output(self.vector(graphs.item)).squeeze(1)).sum()
        own = functional.binary_cross_entropy_with_logits(logits, graphs.label, reduction="sum")
        return (graphs.users * all_items - candidates + own) / (graphs.users * (len(self.vector.weight) - 1))


def _list_queries(graphs: Graphs) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """List the attention queries: one per node and visit from the node's first purchase on.

    Returns (node, visit) of each query, the query of each purchase, and (query, purchase) of all pairs in which the
    purchase is not later than the query's visit.
    """
    rows = torch.arange(len(graphs.item), device=graphs.item.device)
    queries = graphs.visit_count - graphs.first_visit  # (n,) number of queries of the node
    begin = torch.cumsum(queries, 0) - queries
    node = torch.repeat_interleave(rows, queries)
    visit = torch.arange(len(node), device=rows.device) - (begin - graphs.first_visit)[node]
    own_query = (begin - graphs.first_visit)[graphs.node] + graphs.visit  # (m,)
    span = graphs.visit_count[graphs.node] - graphs.visit  # (m,) queries from the purchase's own one on
    pair_key = torch.repeat_interleave(torch.arange(len(own_query), device=rows.device), span)
    place = torch.arange(len(pair_key), device=rows.device) - (torch.cumsum(span, 0) - span)[pair_key]
    return node, visit, own_query, own_query[pair_key] + place, pair_key


def score_candidates(network: nn.Module, baskets: Baskets, users: int) -> Array:
    """Score (n,) float32 all candidates."""
    out = np.zeros(len(baskets.split.item), np.float32)
    device = next(network.parameters()).device
    with torch.no_grad():
        for group in make_scoring_batches(baskets.visit_count, users):
            graphs = Graphs(*(part.to(device) for part in baskets.batch(group)))
            out[expand_rows(baskets.split.ptr, group)] = network(graphs).cpu().numpy()
    return out


def train_and_score(train: Split, validate: Split, test: Split, settings: Settings, seed: int, folder: Path) -> Result:
    """Train the network and score the users; the validation users choose the epoch by precision at 10."""
    torch.manual_seed(seed)
    network = Dnntsp(train.items, settings)
    training_baskets, validation_baskets = Baskets(train), Baskets(validate)
    curve = training.train(
        network,
        lambda epoch: map(
            training_baskets.batch,
            make_training_batches(training_baskets.visit_count, settings.batch, seed, epoch),
        ),
        -(-train.users // settings.batch),
        lambda trained: round(
            evaluate(validate, score_candidates(trained, validation_baskets, settings.batch)).mean[10]["P"], 6
        ),
        settings.training,
        seed,
        folder,
        f"DNNTSP, seed {seed}",
    )
    info = {
        "settings": settings.model_dump(),
        "loss": curve.loss,
        "validation P@10": curve.metric,
        "best epoch": curve.best + 1,
    }
    validation_scores = score_candidates(network, validation_baskets, settings.batch)
    return validation_scores, score_candidates(network, Baskets(test), settings.batch), info


def score_dnntsp(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Train DNNTSP with ``SETTINGS`` and score the users."""
    return train_and_score(train, validate, test, SETTINGS, seed, folder)


ROWS: dict[str, Row] = {"DNNTSP": score_dnntsp}
