"""The pairs that the towers learn from: what was bought before the cut, and as much that was not."""

from dataclasses import dataclass

import numpy as np

from research.hm_report.block import Block, past_of
from retail.log import Array


@dataclass(frozen=True)
class Sample:
    """Every purchase before the cut and as many pairs that are none, drawn once."""

    user: Array  # (p,) int64
    item: Array
    era: Array  # (p,) index into the block's eras
    bought: Array  # (p,) float32

    @classmethod
    def drawn(cls, block: Block, member: Array | None, seed: int) -> "Sample":
        """``member``: (users,) bool, whose purchases and pairs these are.

        The other pairs are uniform over customers and articles seen before the cut; those that were bought are dropped.
        """
        past = past_of(block.store, block.cut)
        mine = np.ones(len(past.user), bool) if member is None else member[past.user]
        user, item, day = past.user[mine], past.item[mine], past.day[mine]
        starts = [past_of(block.store, week).cutoff for week in block.eras]
        era = np.searchsorted(np.array(starts), day, side="right") - 1
        rng = np.random.default_rng([seed, 7])
        someone, sold = np.unique(user), np.unique(past.item)
        if not len(someone):
            return cls(user, item, era, np.zeros(0, np.float32))
        other, thing = rng.choice(someone, len(user)), rng.choice(sold, len(user))
        width = block.store.shop.log.items
        none = ~np.isin(other * width + thing, user * width + item)
        return cls(
            np.concatenate([user, other[none]]),
            np.concatenate([item, thing[none]]),
            np.concatenate([era, rng.permutation(era)[none]]).clip(min=0),
            np.concatenate([np.ones(len(user)), np.zeros(int(none.sum()))]).astype(np.float32),
        )


def total(block: Block) -> int:
    """Pairs of a training on all customers, about."""
    return 2 * len(past_of(block.store, block.cut).user)
