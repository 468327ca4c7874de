"""Layers over sets of unequal size: attention through induced points and pooling (Lee 2019), means (Zaheer 2017).

A batch of B sets holds N members in all, packed one set after another: ``Sets`` says where each set begins. Linear
layers run on the packed members (N, d); attention alone unfolds them, not to the widest set but to pages of ``PAGE``
members: a set takes as many pages as it needs, so that one large set does not make the others wide.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

PAGE = 32  # members; more than a small set wastes, too few make many small products


class Sets(NamedTuple):
    """Where the members of B sets lie among N packed ones, and on which of P pages: a page has members of one set."""

    row: Tensor  # (N,) int64, the set of each member, ascending
    slot: Tensor  # (N,) int64, its place among the P * PAGE of all pages
    mask: Tensor  # (P, PAGE) bool, where a member stands
    owner: Tensor  # (P,) int64, the set of each page
    size: Tensor  # (B,) int64, members of each set

    def unfold(self, packed: Tensor) -> Tensor:
        """(N, d) -> (P, PAGE, d), zero where no member stands."""
        pages = packed.new_zeros(self.mask.numel(), packed.shape[1])
        return pages.index_copy(0, self.slot, packed).view(len(self.mask), PAGE, packed.shape[1])

    def pack(self, unfolded: Tensor) -> Tensor:
        """(P, PAGE, d) -> (N, d), the members alone."""
        return unfolded.flatten(0, 1)[self.slot]

    def total(self, pages: Tensor) -> Tensor:
        """(P, ...) -> (B, ...), the sum over the pages of each set."""
        return pages.new_zeros(len(self.size), *pages.shape[1:]).index_add(0, self.owner, pages)

    def largest(self, pages: Tensor) -> Tensor:
        """(P, ...) -> (B, ...), the maximum over the pages of each set; zero for an empty one."""
        out = pages.new_zeros(len(self.size), *pages.shape[1:])
        owner = self.owner.view(-1, *[1] * (pages.dim() - 1)).expand_as(pages)
        return out.scatter_reduce(0, owner, pages, "amax", include_self=False)

    def mean(self, packed: Tensor) -> Tensor:
        """(N, d) -> (B, d), zero for an empty set."""
        total = packed.new_zeros(len(self.size), packed.shape[1]).index_add(0, self.row, packed)
        return total / self.size.clamp(min=1)[:, None]


def sets(ptr: Tensor) -> Sets:
    """Set b is the members ``ptr[b]:ptr[b + 1]`` of ``ptr[-1]`` in all."""
    count = ptr.diff()
    pages = (count + PAGE - 1) // PAGE
    begin = pages.cumsum(0) - pages
    row, owner = (torch.repeat_interleave(torch.arange(len(n), device=ptr.device), n) for n in (count, pages))
    slot = torch.arange(len(row), device=ptr.device) - ptr[row] + begin[row] * PAGE
    mask = torch.zeros(len(owner) * PAGE, dtype=torch.bool, device=ptr.device)
    mask[slot] = True
    return Sets(row, slot, mask.view(-1, PAGE), owner, count)


class _Block(nn.Module):
    """The projections and norms of one multihead attention block, MAB(Q, K) of Lee et al., eq. 6 and 7.

    As in the code published with CASE, the residual is the projected query and the scale is 1 / sqrt(width), not
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
        """(P, S, d) -> (P, H, S, d / H)."""
        return x.view(*x.shape[:2], self.heads, x.shape[2] // self.heads).transpose(1, 2)

    def finish(self, projected: Tensor, attended: Tensor) -> Tensor:
        mixed: Tensor = self.norm(projected + attended)
        finished: Tensor = self.out_norm(mixed + self.out(mixed).relu())
        return finished


class PointsToMembers(_Block):
    """``points`` learned queries that attend to a set's members: MAB(I, X); with one point this is PMA."""

    def __init__(self, width: int, out_width: int, points: int, heads: int) -> None:
        super().__init__(out_width, width, out_width, heads)
        self.points = nn.Parameter(torch.empty(1, points, out_width))
        nn.init.xavier_uniform_(self.points)

    def forward(self, x: Tensor, where: Sets) -> Tensor:
        """(N, d) -> (B, points, out_width); the softmax runs over all pages of a set."""
        query = self.query(self.points)  # (1, Q, d')
        k, v = (self.split(where.unfold(layer(x))) for layer in (self.key, self.value))  # (P, H, S, d' / H)
        logits = (self.split(query) * self.scale) @ k.transpose(2, 3)  # (P, H, Q, S)
        logits = logits.masked_fill(~where.mask[:, None, None, :], -torch.inf)
        top = where.largest(logits.detach().amax(3))  # (B, H, Q), keeps the exponentials finite
        weight = (logits - top[where.owner][..., None]).exp()  # (P, H, Q, S)
        total = where.total(weight.sum(3))[..., None]  # (B, H, Q, 1)
        attended = where.total(weight @ v) / total.clamp(min=torch.finfo(total.dtype).tiny)  # an empty set attends to 0
        return self.finish(query, attended.transpose(1, 2).flatten(2))


class MembersToPoints(_Block):
    """A set's members attend to its points: MAB(X, H)."""

    def forward(self, x: Tensor, points: Tensor, where: Sets) -> Tensor:
        """(N, d), (B, Q, d') -> (N, d')."""
        query = self.query(x)
        k, v = (self.split(layer(points))[where.owner] for layer in (self.key, self.value))  # (P, H, Q, d' / H)
        share = ((self.split(where.unfold(query)) * self.scale) @ k.transpose(2, 3)).softmax(3)  # (P, H, S, Q)
        return self.finish(query, where.pack((share @ v).transpose(1, 2).flatten(2)))


class ISAB(nn.Module):
    """Induced set attention, ISAB(X) = MAB(X, MAB(I, X)): (N, d) -> (N, out_width) in O(S * points) per set."""

    def __init__(self, width: int, out_width: int, points: int, heads: int) -> None:
        super().__init__()
        self.gather = PointsToMembers(width, out_width, points, heads)
        self.spread = MembersToPoints(width, out_width, out_width, heads)

    def forward(self, x: Tensor, where: Sets) -> Tensor:
        spread: Tensor = self.spread(x, self.gather(x, where), where)
        return spread


class PermEqMean(nn.Module):
    """ELU(x W_g + b - mean(x) W_l), the mean over the member's own set (Zaheer et al., eq. 4): (N, d) -> (N, d)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own, self.mean = nn.Linear(width, width), nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, where: Sets) -> Tensor:
        return nn.functional.elu(self.own(x) - self.mean(where.mean(x))[where.row])
