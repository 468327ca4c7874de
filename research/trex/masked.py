"""Define the masked baseline: BERT4Rec-style (Sun et al., CIKM 2019), with T-REX's layers, tokens and time encoding.

In training, the model sees part of the target basket on both sides of the category that it predicts. In use, it sees
nothing of the target basket.
"""

import torch
from torch import Tensor

from retail.log import Array
from stage1_candidates.networks.trex.baskets import BOS, FIRST, PAD, Batch
from stage1_candidates.networks.trex.network import Trex

BLANK = BOS  # token of a hidden category of the target basket, which never holds BOS itself
SHARE = 0.5  # of the target categories that are hidden


class Masked(Trex):
    """T-REX without the causal mask; training hides a random part of the target basket."""

    def build_mask(self, batch: Batch, given: Tensor) -> Tensor:
        """Build the mask (B, 1, W + T, W + T) bool: every place attends to every place except PAD."""
        token = torch.cat([batch.token, given], dim=1)
        itself = torch.eye(token.shape[1], dtype=torch.bool, device=token.device)
        return ((token != PAD)[:, None, :] | itself)[:, None]

    def predict_places(self, batch: Batch, given: Tensor) -> Tensor:
        """Predict the logits (B, T, V) at each place of ``given``."""
        state = self.encode(batch, given)[:, 1:]
        return self.compute_logits(batch, state)[..., 1:]

    def forward(self, batch: Batch) -> Tensor:
        """Predict the logits (B, V) of a basket of which nothing is known."""
        return self.predict_places(batch, torch.full_like(batch.token[:, :1], BLANK))[:, 0]

    def loss(self, batch: Batch) -> Tensor:
        """Average the loss over the hidden categories of a row, then over rows.

        If the draw hides no category, the first one is hidden. The order within a basket is random.
        """
        here = batch.target != PAD
        blank = here & (torch.rand(here.shape, device=here.device) < SHARE)
        blank |= here & ((here.cumsum(1) == 1) & ~blank.any(1, keepdim=True))
        scores = self.predict_places(batch, torch.where(blank, BLANK, batch.target)).log_softmax(2)  # (B, T, V)
        log_p = scores.gather(2, (batch.target - FIRST).clamp(min=0)[..., None])[..., 0]
        return -((log_p * blank).sum(1) / blank.sum(1)).mean()


@torch.no_grad()
def score_hidden(network: Trex, batch: Batch, visible: Tensor) -> Tensor:
    """Score (B, V) the rest of a basket from its ``visible`` (B, T) tokens, padded with PAD at the end."""
    if isinstance(network, Masked):
        given = torch.cat([visible, torch.full_like(visible[:, :1], BLANK)], dim=1)
        return network.predict_places(batch, given)[:, -1]
    count = (visible != PAD).sum(1)
    states = network.encode(batch, visible)
    last = states[torch.arange(len(count)), count]  # that of the last given category, or of the end of the context
    return network.compute_logits(batch, last[:, None])[:, 0, 1:]


def split_baskets(target: Array, ptr: Array, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Split each basket at random into a visible and a hidden half, each (e, T) tokens padded with PAD at the end.

    If the number of categories is odd, the hidden half is larger.
    """
    size = torch.from_numpy(ptr[1:] - ptr[:-1])
    width = int(size.max())
    whole = torch.zeros(len(size), width, dtype=torch.int64)
    whole[torch.arange(width) < size[:, None]] = FIRST + torch.from_numpy(target).long()
    order = (torch.rand(whole.shape, generator=rng) + 2.0 * (whole == PAD)).argsort(1)
    whole = whole.gather(1, order)
    first = torch.arange(width) < (size // 2)[:, None]
    return torch.where(first, whole, PAD), torch.where(first, PAD, whole)


def compute_hidden_recall(scores: Tensor, visible: Tensor, hidden: Tensor, k: int) -> Array:
    """Compute the share (B,) of hidden categories among the k best of ``scores`` (B, V) that are not visible."""
    given = torch.zeros(len(scores), FIRST + scores.shape[1], dtype=torch.bool).scatter_(1, visible, True)[:, FIRST:]
    best = scores.masked_fill(given, -torch.inf).argsort(stable=True, dim=1, descending=True)[:, :k] + FIRST
    hits = (best[:, :, None] == hidden[:, None, :]).any(1) & (hidden != PAD)
    recall: Array = (hits.sum(1) / (hidden != PAD).sum(1).clamp(min=1)).numpy()
    return recall
