"""Which models the blend is made of, by their scores on the tuning weeks, and whether it may replace that of params.

The weights come of greedy selection with replacement (Caruana et al., "Ensemble selection from libraries of models",
ICML 2004): MAP@12 is a step function of the weights, and a sampler that searches them freely ends on the highest step
of one sample, while this adds, one at a time, the model that helps most, draws nothing, and ends by itself. It begins
with the blend of params.yaml, which keeps at least half of the weight: so few weeks' favourites cannot take all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from retail import metrics
from retail.log import Array
from stage2_ranker import judge
from stage2_ranker.judge import Judge
from stage2_ranker.recipe import Best, Judgement, Recipe

STEPS = 10  # models added at most, each weighing a tenth of the blend that it joins
ERRORS = 2  # standard errors that the found blend must be ahead: it is the best of many, and part of that is luck
DRAWS = 1000


@dataclass(frozen=True)
class Candidate:
    """A model that may join the blend, and what it says (``blend.say``) of the judge's rows (n,)."""

    recipe: Recipe
    say: Array


def greedy(begin: Array, scores: list[Array], value: Callable[[Array], float]) -> Array:
    """(len(scores),) int: how often each was added to ``begin`` x STEPS when ``value`` of the sum was highest.

    Ties take the earlier score, and the fewer additions.
    """
    counts = np.zeros(len(scores), np.int64)
    total = begin * STEPS
    best_counts, best_value = counts.copy(), value(total)
    for _ in range(STEPS):
        values = [value(total + score) for score in scores]
        chosen = int(np.argmax(values))
        counts[chosen] += 1
        total = total + scores[chosen]
        if values[chosen] > best_value:
            best_value, best_counts = values[chosen], counts.copy()
    return best_counts


def blended(candidates: list[Candidate], weights: Array) -> Array:
    """(n,) float64 weighted mean of what the candidates say."""
    total = sum((w * one.say for w, one in zip(weights, candidates, strict=True)), np.zeros(1))
    return np.asarray(total / weights.sum())


def best(starts: list[Candidate], others: list[Candidate], by: Judge, seed: int) -> Best:
    """The blend found, where it is better than that of params.yaml, ``starts``, by more than chance would make it.

    The best of many looks better than it is on the weeks by which it was chosen. So the blend of params.yaml stays
    unless the paired difference on the tuning weeks is above ERRORS standard errors, customers drawn again.
    """
    every = [*starts, *others]
    given = np.array([one.recipe.weight for one in starts])
    begin = blended(starts, given)
    counts = greedy(begin, [one.say for one in every], by.map12)
    weights = counts.astype(np.float64)
    weights[: len(starts)] += STEPS * given / given.sum()
    weights /= weights.sum()
    found = [one.recipe.model_copy(update={"weight": float(w)}) for one, w in zip(every, weights, strict=True) if w]
    new, old = by.ap(blended(every, weights)), by.ap(begin)
    pairs = [(week.users, a - b) for week, a, b in zip(by.weeks.values(), new, old, strict=True)]
    difference = judge.mean([minus for _, minus in pairs])
    error = float(metrics.bootstrap_means(pairs, DRAWS, seed).std())
    better = difference > ERRORS * error
    return Best(
        models=found if better else [one.recipe for one in starts],
        kept="found" if better else "params.yaml",
        why=f"found minus params.yaml on the tuning weeks: {difference:+.5f}, standard error {error:.5f}",
        judgement=Judgement(
            weeks=list(by.weeks),
            found={one.name: one.weight for one in found},
            map12={"found": judge.mean(new), "params.yaml": judge.mean(old)},
            difference=difference,
            standard_error=error,
        ),
    )
