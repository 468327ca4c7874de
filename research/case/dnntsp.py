"""DNNTSP (Yu et al., KDD 2020) as a row of the Ta-Feng table: graphs of baskets, attention over time, a gated update.

On the visits without an item the item is tied to itself alone, so it is in the same state throughout. The network
therefore runs on packed rows: one "absent" state for each (user, item), one "present" state for each purchase.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from research.case.dnntsp_graphs import Baskets, Graphs
from research.case.tafeng import Answer, Row, Split, batches, evaluate, in_order, runs
from retail.log import Array
from retail.params import Block, Positive
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training


class Settings(Block):
    width: Positive  # of an item's vector
    heads: Positive
    batch: Positive  # users
    loss: Literal["candidates", "all"]  # what the binary cross-entropy is over: the candidates, or every item
    training: Training


# Width, heads, batch, learning rate and epochs are the paper's (section 5.3). The paper's loss is over all items; over
# candidates is the default because only they are ranked. The two were not compared.
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
    """Batch normalisation where a row counts ``weight`` times: a state stands for several visits."""

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
    def __init__(self, items: int, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.heads, self.over = settings.heads, settings.loss
        self.vector = nn.Embedding(items + 1, width)
        self.convolutions = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.norms = nn.ModuleList(WeightedNorm(width) for _ in range(2))
        self.attend = nn.Linear(width, 3 * width, bias=False)  # query, key and value
        self.pool = nn.Linear(width, 1, bias=False)
        self.gate = nn.Parameter(torch.rand(items + 1, 1))
        self.answer = nn.Linear(width, 1)

    def convolve(self, graphs: Graphs) -> tuple[Tensor, Tensor]:
        """States (n, d) on the visits without the item and (m, d) on those with it (equations 1-2)."""
        absent = self.vector(graphs.item)  # (n, d)
        present = absent[graphs.node]  # (m, d)
        times = torch.bincount(graphs.node, minlength=len(graphs.item))
        counts = torch.cat([(graphs.steps - times).float(), torch.ones_like(graphs.step, dtype=torch.float32)])
        for linear, norm in zip(self.convolutions, self.norms, strict=True):
            message = graphs.weight[:, None] * present[graphs.source]  # (k, d)
            present = torch.zeros_like(present).index_add(0, graphs.target, message)
            states = torch.cat([graphs.alone[:, None] * absent, present])  # (n + m, d)
            absent, present = torch.tensor_split(torch.relu(norm(linear(states), counts)), [len(absent)])
        return absent, present

    def pooled(self, absent: Tensor, present: Tensor, graphs: Graphs) -> Tensor:
        """(n, d): causal attention over each node's visits, summed under learned weights (equations 3-5).

        Before the first purchase all keys are the absent state's, and so is the answer. From then on each visit asks,
        of the absent state as often as it has occurred and of every purchase so far.
        """
        q, k, v = self.attend(absent).unflatten(1, (3, self.heads, -1)).unbind(1)  # (n, heads, d / heads)
        qp, kp, vp = self.attend(present).unflatten(1, (3, self.heads, -1)).unbind(1)  # (m, heads, d / heads)
        asker, visit, own, seer, seen = _who_asks(graphs)
        q = q[asker].index_put((own,), qp)  # (asking, heads, d / heads)
        times = visit + 1 - torch.bincount(seer, minlength=len(asker))  # of the absent state
        scale = q.shape[2] ** -0.5
        of_absent = (q * k[asker]).sum(2) * scale + torch.log(times)[:, None]  # (asking, heads)
        of_present = (q[seer] * kp[seen]).sum(2) * scale  # (pairs, heads)
        largest = of_absent.detach().scatter_reduce(0, seer[:, None].expand_as(of_present), of_present.detach(), "amax")
        of_absent, of_present = torch.exp(of_absent - largest), torch.exp(of_present - largest[seer])
        total = of_absent.index_add(0, seer, of_present)
        mixed = (of_absent[:, :, None] * v[asker]).index_add(0, seer, of_present[:, :, None] * vp[seen])
        mixed = (mixed / total[:, :, None]).flatten(1)  # (asking, d)
        before = v.flatten(1)  # (n, d)
        summed = graphs.first[:, None] * self.pool(before) * before
        pooled: Tensor = summed.index_add(0, asker, self.pool(mixed) * mixed)
        return pooled

    def forward(self, graphs: Graphs) -> Tensor:
        """(n,) logits of the nodes (equations 6-7)."""
        pooled = self.pooled(*self.convolve(graphs), graphs)
        gate = self.gate[graphs.item]
        logits: Tensor = self.answer((1 - gate) * self.vector(graphs.item) + gate * pooled).squeeze(1)
        return logits

    def loss(self, graphs: Graphs) -> Tensor:
        logits = self(graphs)
        if self.over == "candidates":
            return functional.binary_cross_entropy_with_logits(logits, graphs.label)
        # every other item keeps its own vector and is never wanted: its term is the same for all users
        elsewhere = functional.softplus(self.answer(self.vector.weight[1:]).squeeze(1)).sum()
        instead = functional.softplus(self.answer(self.vector(graphs.item)).squeeze(1)).sum()
        here = functional.binary_cross_entropy_with_logits(logits, graphs.label, reduction="sum")
        return (graphs.users * elsewhere - instead + here) / (graphs.users * (len(self.vector.weight) - 1))


def _who_asks(graphs: Graphs) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A node asks on each visit from its first purchase on: (node, visit) of those that ask, then ``own``, which of
    them each purchase is, and (asking, purchase) of all pairs where the purchase is no later than the visit.
    """
    rows = torch.arange(len(graphs.item), device=graphs.item.device)
    asking = graphs.steps - graphs.first  # (n,)
    begin = torch.cumsum(asking, 0) - asking
    asker = torch.repeat_interleave(rows, asking)
    visit = torch.arange(len(asker), device=rows.device) - (begin - graphs.first)[asker]
    own = (begin - graphs.first)[graphs.node] + graphs.step  # (m,)
    span = graphs.steps[graphs.node] - graphs.step  # (m,) askers that see the purchase, the first of them itself
    seen = torch.repeat_interleave(torch.arange(len(own), device=rows.device), span)
    seer = own[seen] + torch.arange(len(seen), device=rows.device) - (torch.cumsum(span, 0) - span)[seen]
    return asker, visit, own, seer, seen


def scores(network: nn.Module, baskets: Baskets, users: int) -> Array:
    """(n,) float32 scores of all candidates."""
    out = np.zeros(len(baskets.split.item), np.float32)
    place = next(network.parameters()).device
    with torch.no_grad():
        for group in in_order(baskets.length, users):
            graphs = Graphs(*(part.to(place) for part in baskets.of(group)))
            out[runs(baskets.split.ptr, group)] = network(graphs).cpu().numpy()
    return out


def fitted(train: Split, validate: Split, test: Split, settings: Settings, seed: int, folder: Path) -> Answer:
    torch.manual_seed(seed)
    network = Dnntsp(train.items, settings)
    known, judged = Baskets(train), Baskets(validate)
    curve = training.train(
        network,
        lambda epoch: map(known.of, batches(known.length, settings.batch, seed, epoch)),
        -(-train.users // settings.batch),
        lambda trained: round(evaluate(validate, scores(trained, judged, settings.batch)).mean[10]["P"], 6),
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
    return scores(network, judged, settings.batch), scores(network, Baskets(test), settings.batch), info


def dnntsp_row(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Answer:
    return fitted(train, validate, test, SETTINGS, seed, folder)


ROWS: dict[str, Row] = {"DNNTSP": dnntsp_row}
