"""Train and score with the paper's baselines SASRec and BERT4Rec (5.4), on a customer's articles as one sequence.

These are the transformers of Kang and McAuley (2018) and of Sun et al. (2019), with a softmax over all articles instead
of sampled negatives, so that the number of negatives does not limit them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from research.parsrec import protocol
from research.parsrec.protocol import Scorer, Task
from retail.log import Array
from retail.params import Block, Positive, Share
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import training
from stage1_candidates.networks.base.training import Curve
from stage1_candidates.networks.parsrec.sessions import Sessions

CHOOSE_AT = 10  # k of the validation metric, session precision
AT_ONCE = 128  # sequences scored together
VALIDATION_CUSTOMERS = 128  # most customers of the validation metric


class Settings(Block):
    """Shape and training of a baseline."""

    # true: BERT4Rec, which predicts masked articles from both sides; false: SASRec, the next article from earlier ones
    both_ways: bool
    width: Positive
    layers: Positive
    heads: Positive
    dropout: Share
    longest: Positive  # most articles of a sequence, the latest
    masked: Share  # of the articles in training, BERT4Rec only
    batch: Positive  # customers
    training: Training


class Batch(NamedTuple):
    """Sequences of B customers and their targets."""

    item: Tensor  # (B, L) int64 input; PAD after the last
    target: Tensor  # (B, L) int64 article to predict at each place; PAD where there is no target


class Transformer(nn.Module):
    """SASRec or BERT4Rec. Row i of the table is article i, row V PAD, row V + 1 MASK; places count from the end."""

    def __init__(self, articles: int, settings: Settings) -> None:
        super().__init__()
        self.settings, self.pad, self.mask = settings, articles, articles + 1
        d = settings.width
        self.item = nn.Embedding(articles + 2, d, padding_idx=articles)
        self.place = nn.Embedding(settings.longest, d)
        for table in (self.item, self.place):
            nn.init.normal_(table.weight, std=0.02)
        self.drop = nn.Dropout(settings.dropout)
        layer = nn.TransformerEncoderLayer(
            d, settings.heads, 4 * d, settings.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, settings.layers, nn.LayerNorm(d), enable_nested_tensor=False)
        self.bias = nn.Parameter(torch.zeros(articles))

    def encode(self, item: Tensor) -> Tensor:
        """Encode sequences (B, L), PAD after the last, as (B, L, d)."""
        length = (item != self.pad).sum(1, keepdim=True)
        place = self.settings.longest - length + torch.arange(item.shape[1], device=item.device)  # counted from the end
        x = self.drop(self.item(item) + self.place(place.clamp(max=self.settings.longest - 1)))
        if self.settings.both_ways:
            out: Tensor = self.body(x, src_key_padding_mask=item == self.pad)
            return out
        out = self.body(x, mask=nn.Transformer.generate_square_subsequent_mask(item.shape[1]), is_causal=True)
        return out

    def score(self, state: Tensor) -> Tensor:
        """Return the logits (..., V) of all articles."""
        scores: Tensor = state @ self.item.weight[: self.pad].T + self.bias  # (..., d) @ (d, V) -> (..., V)
        return scores

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy over all articles, mean over the places with a target."""
        filled = batch.target != self.pad
        return functional.cross_entropy(self.score(self.encode(batch.item)[filled]), batch.target[filled])


def train(
    task: Task, settings: Settings, seed: int, folder: Path, end_epoch: Callable[[], None]
) -> tuple[Transformer, Curve]:
    """Train the network; the epoch with the best session precision on a part of the validation sessions is kept.

    ``end_epoch`` is called after every epoch.
    """
    torch.manual_seed(seed)
    network = Transformer(task.articles, settings)
    pasts = _read_pasts(task.validation, settings.longest)  # every session before validation
    validation = task.validation.select(np.arange(min(VALIDATION_CUSTOMERS, len(task.validation.user))))
    pool = protocol.sample_pools(validation, task.articles, seed)

    def make_batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(pasts))
        for begin in range(0, len(order), settings.batch):
            yield _make_examples(network, [pasts[k] for k in order[begin : begin + settings.batch]], rng)

    def measure(_: nn.Module) -> float:
        replayed = protocol.replay(make_scorer(network, validation), validation, pool, CHOOSE_AT)
        end_epoch()
        return replayed.summarise()["Sess-Prec"]

    label = f"{'BERT4Rec' if settings.both_ways else 'SASRec'}, seed {seed}"
    steps = -(-len(pasts) // settings.batch)
    return network, training.train(network, make_batches, steps, measure, settings.training, seed, folder, label)


def make_scorer(network: Transformer, sessions: Sessions) -> Scorer:
    """Make a scorer by the network's logits for the article after the past and the articles given."""

    @torch.no_grad()
    def score(rows: Array, given: Array) -> Array:
        past = _read_pasts(sessions.select(rows), network.settings.longest)
        tail = [network.mask] if network.settings.both_ways else []
        pairs = zip(past, given, strict=True)
        whole = [np.concatenate([own, chosen, tail])[-network.settings.longest :] for own, chosen in pairs]
        parts = []
        for begin in range(0, len(rows), AT_ONCE):
            item = _pad(whole[begin : begin + AT_ONCE], network.pad)
            end = (item != network.pad).sum(1) - 1
            state = network.encode(item)[torch.arange(len(item)), end]
            parts.append(network.score(state).numpy())
        return np.concatenate(parts)

    return score


def _read_pasts(sessions: Sessions, longest: int) -> list[Array]:
    """Return the last ``longest`` articles of each session's past."""
    return [sessions.past[max(b, e - longest) : e] for b, e in zip(sessions.since, sessions.until, strict=True)]


def _pad(rows: list[Array], pad: int) -> Tensor:
    """Return the rows as (B, L) int64, aligned at their first entries."""
    length = np.array([len(row) for row in rows])
    out = np.full((len(rows), length.max()), pad, np.int64)
    out[np.arange(out.shape[1]) < length[:, None]] = np.concatenate(rows)
    return torch.from_numpy(out)


def _make_examples(network: Transformer, rows: list[Array], rng: np.random.Generator) -> Batch:
    """Make targets. SASRec: the next article. BERT4Rec: masked articles; in half of the rows only the last one."""
    whole = _pad(rows, network.pad)
    if not network.settings.both_ways:
        return Batch(whole[:, :-1].contiguous(), whole[:, 1:].contiguous())
    filled = whole != network.pad
    masked = torch.from_numpy(rng.random(tuple(whole.shape)) < network.settings.masked) & filled
    last = torch.from_numpy(rng.random(len(rows)) < 0.5)
    masked[last] = False
    masked[torch.arange(len(rows)), filled.sum(1) - 1] |= last
    return Batch(torch.where(masked, network.mask, whole), torch.where(masked, whole, network.pad))
