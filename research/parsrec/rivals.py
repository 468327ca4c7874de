"""SASRec and BERT4Rec, a customer's articles as one sequence: the paper's rivals (5.4), asked within the same pool.

Both are Kang and McAuley's (2018) and Sun et al.'s (2019) transformers with a softmax over all articles in place of
sampled negatives, so that neither is held back by the number of negatives.
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
AT_ONCE = 128  # sequences answered together
JUDGES = 128  # customers of the validation metric


class Settings(Block):
    both_ways: bool  # BERT4Rec: masked articles from both sides; else SASRec: the next one from those before it
    width: Positive
    layers: Positive
    heads: Positive
    dropout: Share
    longest: Positive  # articles of a sequence, the latest
    masked: Share  # BERT4Rec
    batch: Positive  # customers
    training: Training


class Batch(NamedTuple):
    item: Tensor  # (B, L) int64, as the network reads it; PAD behind
    wanted: Tensor  # (B, L) int64, what each place is to say; PAD where it is not asked


class Rival(nn.Module):
    """Article i is row i of the table, PAD row V, MASK row V + 1; the last place of a sequence is always the same."""

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

    def states(self, item: Tensor) -> Tensor:
        """(B, L, d) of sequences (B, L), PAD behind."""
        length = (item != self.pad).sum(1, keepdim=True)
        place = self.settings.longest - length + torch.arange(item.shape[1], device=item.device)  # from the end
        x = self.drop(self.item(item) + self.place(place.clamp(max=self.settings.longest - 1)))
        if self.settings.both_ways:
            out: Tensor = self.body(x, src_key_padding_mask=item == self.pad)
            return out
        out = self.body(x, mask=nn.Transformer.generate_square_subsequent_mask(item.shape[1]), is_causal=True)
        return out

    def logits(self, state: Tensor) -> Tensor:
        scores: Tensor = state @ self.item.weight[: self.pad].T + self.bias  # (..., d) @ (d, V) -> (..., V)
        return scores

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over all articles, mean over the places that are asked."""
        asked = batch.wanted != self.pad
        return functional.cross_entropy(self.logits(self.states(batch.item)[asked]), batch.wanted[asked])


def trained(task: Task, settings: Settings, seed: int, folder: Path, ended: Callable[[], None]) -> tuple[Rival, Curve]:
    """The network after its best epoch by session precision of some validation sessions; ``ended`` after each."""
    torch.manual_seed(seed)
    network = Rival(task.articles, settings)
    own = _histories(task.validation, settings.longest)  # all that lies before validation
    judges = task.validation.chosen(np.arange(min(JUDGES, len(task.validation.user))))
    pool = protocol.others(judges, task.articles, seed)

    def epoch_of(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(own))
        for begin in range(0, len(order), settings.batch):
            yield _examples(network, [own[k] for k in order[begin : begin + settings.batch]], rng)

    def measure(_: nn.Module) -> float:
        walk = protocol.walked(scorer(network, judges), judges, pool, CHOOSE_AT)
        ended()
        return walk.figures()["Sess-Prec"]

    label = f"{'BERT4Rec' if settings.both_ways else 'SASRec'}, seed {seed}"
    steps = -(-len(own) // settings.batch)
    return network, training.train(network, epoch_of, steps, measure, settings.training, seed, folder, label)


def scorer(network: Rival, of: Sessions) -> Scorer:
    """The network's logits for what follows a customer's past and the articles given."""

    @torch.no_grad()
    def scores(rows: Array, given: Array) -> Array:
        past = _histories(of.chosen(rows), network.settings.longest)
        tail = [network.mask] if network.settings.both_ways else []
        pairs = zip(past, given, strict=True)
        whole = [np.concatenate([own, more, tail])[-network.settings.longest :] for own, more in pairs]
        parts = []
        for begin in range(0, len(rows), AT_ONCE):
            item = _padded(whole[begin : begin + AT_ONCE], network.pad)
            end = (item != network.pad).sum(1) - 1
            state = network.states(item)[torch.arange(len(item)), end]
            parts.append(network.logits(state).numpy())
        return np.concatenate(parts)

    return scores


def _histories(of: Sessions, longest: int) -> list[Array]:
    return [of.past[max(b, e - longest) : e] for b, e in zip(of.since, of.until, strict=True)]


def _padded(rows: list[Array], pad: int) -> Tensor:
    """(B, L) int64, the rows' beginnings aligned."""
    length = np.array([len(row) for row in rows])
    out = np.full((len(rows), length.max()), pad, np.int64)
    out[np.arange(out.shape[1]) < length[:, None]] = np.concatenate(rows)
    return torch.from_numpy(out)


def _examples(network: Rival, rows: list[Array], rng: np.random.Generator) -> Batch:
    """SASRec: each place is to say the next article. BERT4Rec: masked places; in half of the rows the last alone."""
    whole = _padded(rows, network.pad)
    if not network.settings.both_ways:
        return Batch(whole[:, :-1].contiguous(), whole[:, 1:].contiguous())
    filled = whole != network.pad
    masked = torch.from_numpy(rng.random(tuple(whole.shape)) < network.settings.masked) & filled
    last = torch.from_numpy(rng.random(len(rows)) < 0.5)
    masked[last] = False
    masked[torch.arange(len(rows)), filled.sum(1) - 1] |= last
    return Batch(torch.where(masked, network.mask, whole), torch.where(masked, whole, network.pad))
