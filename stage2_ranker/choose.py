"""Which models the blend is made of, by their scores on the tuning weeks, and whether it may replace that of params.

The weights come of greedy selection with replacement (Caruana et al., "Ensemble selection from libraries of models",
ICML 2004): MAP@12 is a step function of the weights, and a sampler that searches them freely ends on the highest step
of one sample, while this adds, one at a time, the model that helps most, draws nothing, and ends by itself. It begins
with the blend of params.yaml, which keeps at least half of the weight: so few weeks' favourites cannot take all.

The best of many looks better than it is to those who chose it. So customers judge in turn what the others have chosen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from retail import metrics
from retail.log import Array
from stage2_ranker import judge
from stage2_ranker.judge import Judge
from stage2_ranker.recipe import Best, Judgement, Recipe

STEPS = 10  # models added at most, each weighing a tenth of the blend that it joins
OTHERS = 4  # trials that may join the models of params.yaml, those worth most alone
FOLDS = 5  # parts of the customers, each of which judges what the others have chosen
ERRORS = 2  # standard errors that the found blend must be ahead
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


@dataclass(frozen=True)
class Choice:
    """Models to choose from, and what each brings to each customer of the judge."""

    starts: list[Candidate]  # the blend of params.yaml
    others: Sequence[Callable[[], Candidate]]  # trials, read when they are needed
    by: Judge
    alone: list[list[Array]]  # each trial's AP@12 of each week's customers

    @staticmethod
    def of(starts: list[Candidate], others: Sequence[Callable[[], Candidate]], by: Judge) -> "Choice":
        return Choice(starts, others, by, [by.ap(read().say) for read in others])

    @property
    def given(self) -> Array:
        """(models of params.yaml,) their weights, which sum to 1."""
        weights = np.array([one.recipe.weight for one in self.starts])
        return np.asarray(weights / weights.sum())

    def found(self, asked: list[Array]) -> tuple[list[Candidate], Array]:
        """The models and weights that are best for the customers whom ``asked``, (u,) bool, marks in each week."""

        def value(ap: list[Array]) -> float:
            parts = [of_week[some] for of_week, some in zip(ap, asked, strict=True) if some.any()]
            return judge.mean(parts) if parts else 0.0

        order = sorted(range(len(self.others)), key=lambda one: (-value(self.alone[one]), one))[:OTHERS]
        every = [*self.starts, *(self.others[one]() for one in order)]
        says, begin = [one.say for one in every], blended(self.starts, self.given)
        weights = greedy(begin, says, lambda score: value(self.by.ap(score))).astype(np.float64)
        weights[: len(self.starts)] += STEPS * self.given
        return every, weights / weights.sum()

    def crossed(self, seed: int) -> list[Array]:
        """AP@12 of each week's customers by the blend that is best for those of the other folds."""
        weeks = list(self.by.weeks.values())
        customers = np.unique(np.concatenate([week.users for week in weeks]))
        fold_of = np.random.default_rng(seed).permutation(len(customers)) % FOLDS
        folds = [fold_of[np.searchsorted(customers, week.users)] for week in weeks]
        out = [np.zeros(len(week.users)) for week in weeks]
        for fold in range(FOLDS):
            ap = self.by.ap(blended(*self.found([of != fold for of in folds])))
            for mine, of_week, of in zip(out, ap, folds, strict=True):
                mine[of == fold] = of_week[of == fold]
        return out


def best(starts: list[Candidate], others: Sequence[Callable[[], Candidate]], by: Judge, seed: int) -> Best:
    """The blend found, where it is better than that of params.yaml, ``starts``, by more than chance would make it.

    The blend of params.yaml stays unless the paired difference on the tuning weeks, each customer judging a blend that
    others have chosen, is above ERRORS standard errors, customers drawn again.
    """
    choice = Choice.of(starts, others, by)
    every, weights = choice.found([np.ones(len(week.users), bool) for week in by.weeks.values()])
    found = [one.recipe.model_copy(update={"weight": float(w)}) for one, w in zip(every, weights, strict=True) if w]
    new, old = choice.crossed(seed), by.ap(blended(starts, choice.given))
    pairs = [(week.users, a - b) for week, a, b in zip(by.weeks.values(), new, old, strict=True)]
    difference = judge.mean([minus for _, minus in pairs])
    error = float(metrics.bootstrap_means(pairs, DRAWS, seed).std())
    better = difference > ERRORS * error
    return Best(
        models=found if better else [one.recipe for one in starts],
        kept="found" if better else "params.yaml",
        why=f"found minus params.yaml, judged by customers who did not choose: {difference:+.5f}, error {error:.5f}",
        judgement=Judgement(
            weeks=list(by.weeks),
            found={one.name: one.weight for one in found},
            map12={"found": judge.mean(new), "params.yaml": judge.mean(old)},
            difference=difference,
            standard_error=error,
        ),
    )
