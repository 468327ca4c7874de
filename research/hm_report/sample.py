"""Draw the training pairs of the towers: all purchases before the cut, and about as many other pairs."""

from dataclasses import dataclass

import numpy as np

from research.hm_report.block import Block, load_past
from retail.log import Array


@dataclass(frozen=True)
class Sample:
    """Hold p pairs of a customer and an article, each bought or not."""

    user: Array  # (p,) int64
    item: Array  # (p,) int64
    era: Array  # (p,) index into the block's eras
    bought: Array  # (p,) float32, 1 or 0


def draw_sample(block: Block, member: Array | None, seed: int) -> Sample:
    """Join all purchases before the cut with random pairs that were not bought.

    As many pairs as purchases are drawn, uniformly over customers and articles seen before the cut. Those that were
    bought are dropped. ``member``: (users,) bool, the customers to use; all if None.
    """
    past = load_past(block.store, block.cut)
    selected = np.ones(len(past.user), bool) if member is None else member[past.user]
    user, item, day = past.user[selected], past.item[selected], past.day[selected]
    starts = [load_past(block.store, week).cutoff for week in block.eras]
    era = np.searchsorted(np.array(starts), day, side="right") - 1
    rng = np.random.default_rng([seed, 7])
    buyers, sold = np.unique(user), np.unique(past.item)
    if not len(buyers):
        return Sample(user, item, era, np.zeros(0, np.float32))
    drawn_user, drawn_item = rng.choice(buyers, len(user)), rng.choice(sold, len(user))
    width = block.store.shop.log.items
    negative = ~np.isin(drawn_user * width + drawn_item, user * width + item)
    return Sample(
        np.concatenate([user, drawn_user[negative]]),
        np.concatenate([item, drawn_item[negative]]),
        np.concatenate([era, rng.permutation(era)[negative]]).clip(min=0),
        np.concatenate([np.ones(len(user)), np.zeros(int(negative.sum()))]).astype(np.float32),
    )


def count_pairs(block: Block) -> int:
    """Estimate the number of pairs of a training on all customers."""
    return 2 * len(load_past(block.store, block.cut).user)
