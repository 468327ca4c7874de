"""Layers over sets of unequal size: attention through induced points and pooling (Lee 2019), means (Zaheer 2017).

A batch of B sets holds N members, packed set after set. Linear layers run on the packed members (N, d). Only attention
unfolds them, into pages of ``PAGE`` members. A set takes as many pages as it needs, so that one large set does not pad
all others.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

PAGE = 32  # members of a page; larger pages waste memory on small sets, smaller pages make many small matrix products


class Sets(NamedTuple):
    """The places of the members of B sets among N packed members and on P pages; a page holds members of one set."""

    row: Tensor  # (N,) int64, the set of each member, ascending
    slot: Tensor  # (N,) int64, the place of each member among the P * PAGE places of all pages
    mask: Tensor  # (P, PAGE) bool, the places with a member
    owner: Tensor  # (P,) int64, the set of each page
    size: Tensor  # (B,) int64, number of members of each set

    def unfold(self, packed: Tensor) -> Tensor:
        """Unfold packed members (N, d) into pages (P, PAGE, d); a place without a member is zero."""
        pages = packed.new_zeros(self.mask.numel(), packed.shape[1])
        return pages.index_copy(0, self.slot, packed).view(len(self.mask), PAGE, packed.shape[1])

    def pack(self, unfolded: Tensor) -> Tensor:
        """Pack pages (P, PAGE, d) into members (N, d)."""
        return unfolded.flatten(0, 1)[self.slot]

    def sum_pages(self, pages: Tensor) -> Tensor:
        """Sum over the pages of each set, (P, ...) -> (B, ...)."""
        return pages.new_zeros(len(self.size), *pages.shape[1:]).index_add(0, self.owner, pages)

    def max_pages(self, pages: Tensor) -> Tensor:
        """Take the maximum over the pages of each set, (P, ...) -> (B, ...); zero for an empty set."""
        out = pages.new_zeros(len(self.size), *pages.shape[1:])
        owner = self.owner.view(-1, *[1] * (pages.dim() - 1)).expand_as(pages)
        return out.scatter_reduce(0, owner, pages, "amax", include_self=False)

    def average(self, packed: Tensor) -> Tensor:
        """Average the members of each set, (N, d) -> (B, d); zero for an empty set."""
        total = packed.new_zeros(len(self.size), packed.shape[1]).index_add(0, self.row, packed)
        return total / self.size.clamp(min=1)[:, None]


def build_sets(ptr: Tensor) -> Sets:
    """Build the places of sets with the members ``ptr[b]:ptr[b + 1]``."""
    count = ptr.diff()
    pages = (count + PAGE - 1) // PAGE
    begin = pages.cumsum(0) - pages
    row, owner = (torch.repeat_interleave(torch.arange(len(n), device=ptr.device), n) for n in (count, pages))
    slot = torch.arange(len(row), device=ptr.device) - ptr[row] + begin[row] * PAGE
    mask = torch.zeros(len(owner) * PAGE, dtype=torch.bool, device=ptr.device)
    mask[slot] = True
    return Sets(row, slot, mask.view(-1, PAGE), owner, count)


class _Block(nn.Module):
    """The projections and norms of a multihead attention block, MAB(Q, K) of Lee et al. (2019), equations 6 and 7.

    As in the code published with CASE, the residual is the projected query, and the scale is 1 / sqrt(width) instead of
    1 / sqrt(width / heads).
    """

    def __init__(self, query_width: int, key_width: int, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(w, width) for w in (query_width, key_width, key_width))
        self.out = nn.Linear(width, width)
        self.norm, self.out_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.heads, self.scale = heads, 1 / math.sqrt(width)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def split(self, x: Tensor) -> Tensor:
        """Split into heads, (P, S, d) -> (P, H, S, d / H)."""
        return x.view(*x.shape[:2], self.heads, x.shape[2] // self.heads).transpose(1, 2)

    def finish(self, projected: Tensor, attended: Tensor) -> Tensor:
        """Add the residual and the feed-forward layer, each followed by a norm."""
        mixed: Tensor = self.norm(projected + attended)
        finished: Tensor = self.out_norm(mixed + self.out(mixed).relu())
        return finished


class PointsToMembers(_Block):
    """Let ``points`` learned queries attend to the members of a set, MAB(I, X); with one point this is PMA."""

    def __init__(self, width: int, out_width: int, points: int, heads: int) -> None:
        super().__init__(out_width, width, out_width, heads)
        self.points = nn.Parameter(torch.empty(1, points, out_width))
        nn.init.xavier_uniform_(self.points)

    def forward(self, x: Tensor, sets: Sets) -> Tensor:
        """Map (N, d) to (B, points, out_width); the softmax covers all pages of a set."""
        query = self.query(self.points)  # (1, Q, d')
        k, v = (self.split(sets.unfold(layer(x))) for layer in (self.key, self.value))  # (P, H, S, d' / H)
        logits = (self.split(query) * self.scale) @ k.transpose(2, 3)  # (P, H, Q, S)
        logits = logits.masked_fill(~sets.mask[:, None, None, :], -torch.inf)
        top = sets.max_pages(logits.detach().amax(3))  # (B, H, Q); subtracting it keeps the exponentials finite
        weight = (logits - top[sets.owner][..., None]).exp()  # (P, H, Q, S)
        total = sets.sum_pages(weight.sum(3))[..., None]  # (B, H, Q, 1)
        least = torch.finfo(total.dtype).tiny  # the result for an empty set is 0
        attended = sets.sum_pages(weight @ v) / total.clamp(min=least)
        return self.finish(query, attended.transpose(1, 2).flatten(2))


class MembersToPoints(_Block):
    """Let the members of a set attend to its points, MAB(X, H)."""

    def forward(self, x: Tensor, points: Tensor, sets: Sets) -> Tensor:
        """Map members (N, d) and points (B, Q, d') to (N, d')."""
        query = self.query(x)
        k, v = (self.split(layer(points))[sets.owner] for layer in (self.key, self.value))  # (P, H, Q, d' / H)
        share = ((self.split(sets.unfold(query)) * self.scale) @ k.transpose(2, 3)).softmax(3)  # (P, H, S, Q)
        return self.finish(query, sets.pack((share @ v).transpose(1, 2).flatten(2)))


class ISAB(nn.Module):
    """Induced set attention, ISAB(X) = MAB(X, MAB(I, X)): (N, d) -> (N, out_width), O(S * points) for S members."""

    def __init__(self, width: int, out_width: int, points: int, heads: int) -> None:
        super().__init__()
        self.gather = PointsToMembers(width, out_width, points, heads)
        self.spread = MembersToPoints(width, out_width, out_width, heads)

    def forward(self, x: Tensor, sets: Sets) -> Tensor:
        spread: Tensor = self.spread(x, self.gather(x, sets), sets)
        return spread


class PermEqMean(nn.Module):
    """ELU(x W_g + b - mean(x) W_l) with the mean over the member's set (Zaheer 2017, eq. 4): (N, d) -> (N, d)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own, self.mean = nn.Linear(width, width), nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, sets: Sets) -> Tensor:
        return nn.functional.elu(self.own(x) - self.mean(sets.average(x))[sets.row])
