"""The foil: a BERT4Rec-style masked model (Sun et al., CIKM 2019) with the same body, tokens and time encoding.

In training it sees part of the target basket on both sides of what it must name; when it is used it sees none of it.
"""

import torch
from torch import Tensor

from retail.log import Array
from stage1_candidates.networks.trex.baskets import BOS, FIRST, PAD, Batch
from stage1_candidates.networks.trex.network import Trex

BLANK = BOS  # stands in the target basket for a category to be named; BOS itself never does
SHARE = 0.5  # of the target's categories that are blanked


class Masked(Trex):
    def mask(self, batch: Batch, given: Tensor) -> Tensor:
        """(B, 1, W + T, W + T) bool: everything reads everything but PAD."""
        token = torch.cat([batch.token, given], dim=1)
        itself = torch.eye(token.shape[1], dtype=torch.bool, device=token.device)
        return ((token != PAD)[:, None, :] | itself)[:, None]

    def named(self, batch: Batch, given: Tensor) -> Tensor:
        """(B, T, V) logits at each place of ``given``."""
        state = self.states(batch, given)[:, 1:]
        return self.logits(batch, state)[..., 1:]

    def forward(self, batch: Batch) -> Tensor:
        """(B, V) logits of one blank and nothing else of the basket."""
        return self.named(batch, torch.full_like(batch.token[:, :1], BLANK))[:, 0]

    def loss(self, batch: Batch) -> Tensor:
        """Mean over rows of the mean over blanks; the batch's order is drawn, so its first category is blanked too."""
        here = batch.target != PAD
        blank = here & (torch.rand(here.shape, device=here.device) < SHARE)
        blank |= here & ((here.cumsum(1) == 1) & ~blank.any(1, keepdim=True))
        scores = self.named(batch, torch.where(blank, BLANK, batch.target)).log_softmax(2)  # (B, T, V)
        log_p = scores.gather(2, (batch.target - FIRST).clamp(min=0)[..., None])[..., 0]
        return -((log_p * blank).sum(1) / blank.sum(1)).mean()


@torch.no_grad()
def seen(network: Trex, batch: Batch, visible: Tensor) -> Tensor:
    """(B, V) logits of the rest of a basket of which ``visible`` (B, T) tokens are given, PAD behind."""
    if isinstance(network, Masked):
        given = torch.cat([visible, torch.full_like(visible[:, :1], BLANK)], dim=1)
        return network.named(batch, given)[:, -1]
    count = (visible != PAD).sum(1)
    last = network.states(batch, visible)[
        torch.arange(len(count)), count
    ]  # the last given category's, or the context's end
    return network.logits(batch, last[:, None])[:, 0, 1:]


def halves(target: Array, ptr: Array, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each basket split by chance into the visible and the hidden half, each (e, T) tokens, PAD behind; of an odd one
    the hidden half is larger."""
    size = torch.from_numpy(ptr[1:] - ptr[:-1])
    width = int(size.max())
    whole = torch.zeros(len(size), width, dtype=torch.int64)
    whole[torch.arange(width) < size[:, None]] = FIRST + torch.from_numpy(target).long()
    order = (torch.rand(whole.shape, generator=rng) + 2.0 * (whole == PAD)).argsort(1)
    whole = whole.gather(1, order)
    first = torch.arange(width) < (size // 2)[:, None]
    return torch.where(first, whole, PAD), torch.where(first, PAD, whole)


def recall_of_hidden(scores: Tensor, visible: Tensor, hidden: Tensor, k: int) -> Array:
    """(B,) share of the hidden categories among the k best of ``scores`` (B, V) that are not visible."""
    seen_one = torch.zeros(len(scores), FIRST + scores.shape[1], dtype=torch.bool).scatter_(1, visible, True)[:, FIRST:]
    best = scores.masked_fill(seen_one, -torch.inf).argsort(stable=True, dim=1, descending=True)[:, :k] + FIRST
    found = (best[:, :, None] == hidden[:, None, :]).any(1) & (hidden != PAD)
    recall: Array = (found.sum(1) / (hidden != PAD).sum(1).clamp(min=1)).numpy()
    return recall
