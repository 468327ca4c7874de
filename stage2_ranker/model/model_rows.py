"""Select the training rows of a model: its newest weeks, fewer negatives, fewer customers."""

import numpy as np

from retail.log import Array
from retail.ragged import offsets
from stage2_ranker.model.recipe import Recipe


def select_rows(recipe: Recipe, age: Array, label: Array, groups: Array, most: int | None) -> Array:
    """Return a mask (n,) bool of the rows that the model of ``recipe`` is trained on.

    ``age`` (n,) weeks before the newest, ``label`` (n,), ``groups`` sizes of the customers' runs. ``most`` limits the
    rows by leaving out whole customers, because fewer negatives would change the share that the recipe sets. Negatives
    and customers are drawn by the model's seed, with the same probability in all weeks, as in stage ``sample``.
    """
    rng = np.random.default_rng([recipe.seed, len(label)])
    keep = np.ones(len(label), bool)
    if recipe.weeks is not None:
        keep &= np.isin(age, np.unique(age)[: recipe.weeks])
    if recipe.negatives is not None:
        positives = np.count_nonzero(label[keep])
        share = min(1.0, recipe.negatives * positives / max(keep.sum() - positives, 1))
        keep &= (label > 0) | (rng.random(len(label)) < share)
    if most is not None and keep.sum() > most:
        sizes = np.add.reduceat(keep, offsets(groups)[:-1], dtype=np.int64)
        order = np.argsort(rng.random(len(groups)), kind="stable")
        inside = np.zeros(len(groups), bool)
        inside[order] = np.cumsum(sizes[order]) <= most
        keep &= np.repeat(inside, groups)
    return keep
