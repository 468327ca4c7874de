"""Which models the blend is made of, by their scores on the tuning weeks, and whether it may replace that of params.

The weights come of greedy selection with replacement (Caruana et al., "Ensemble selection from libraries of models",
ICML 2004): MAP@12 is a step function of the weights, and a sampler that searches them freely ends on the highest step
of one sample, while this adds, one at a time, the model that helps most, draws nothing, and ends by itself. It begins
with the blend of params.yaml, which keeps at least half of the weight: so few weeks' favourites cannot take all.

The best of many looks better than it is to those who chose it. So customers judge in turn what the others have chosen.
Some of the luck is left: the trials were proposed, and given up, by all customers, and all judge the same weeks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from retail import metrics
from retail.log import Array
from stage2_ranker.model.recipe import Best, Judgement, Recipe
from stage2_ranker.search import judge
from stage2_ranker.search.judge import Judge

Added = tuple[int, ...]  # the models added to the blend of params.yaml, ascending, as often as they were added
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


def greedy(models: Sequence[int], value: Callable[[Added], float]) -> Added:
    """The models added when ``value`` was highest; ties take the earlier model, and the fewer additions."""
    added: Added = ()
    best, best_value = added, value(added)
    for _ in range(STEPS):
        tried = [tuple(sorted((*added, one))) for one in models]
        values = [value(one) for one in tried]
        added = tried[int(np.argmax(values))]
        if max(values) > best_value:
            best, best_value = added, max(values)
    return best


class Choice:
    """Models to choose from: 0, 1, .. those of params.yaml, ``starts``, then the trials, ``others``.

    A blend is that of params.yaml STEPS times, and once more each model that was added. What it brings to each customer
    of the judge is kept, for customers who choose apart from each other choose mostly alike.
    """

    def __init__(self, starts: list[Candidate], others: Sequence[Callable[[], Candidate]], by: Judge) -> None:
        given = np.array([one.recipe.weight for one in starts])
        self.starts, self.others, self.by = starts, others, by
        self.given = given / given.sum()  # (models of params.yaml,)
        self.begin = np.sum([w * one.say for w, one in zip(self.given, starts, strict=True)], axis=0)  # (n,)
        self.alone = [by.ap(read().say) for read in others]
        self._read: dict[int, Candidate] = dict(enumerate(starts))
        self._ap: dict[Added, list[Array]] = {}

    def model(self, number: int) -> Candidate:
        if number not in self._read:
            self._read[number] = self.others[number - len(self.starts)]()
        return self._read[number]

    def ap(self, added: Added) -> list[Array]:
        """AP@12 of each week's customers by the blend with the models ``added``."""
        if added not in self._ap:
            self._ap[added] = self.by.ap(sum((self.model(one).say for one in added), STEPS * self.begin))
        return self._ap[added]

    def found(self, asked: list[Array]) -> Added:
        """The models to add for the customers whom ``asked``, (u,) bool, marks in each week."""

        def value(ap: list[Array]) -> float:
            parts = [of_week[some] for of_week, some in zip(ap, asked, strict=True) if some.any()]
            return judge.mean(parts) if parts else 0.0

        order = sorted(range(len(self.others)), key=lambda one: (-value(self.alone[one]), one))[:OTHERS]
        models = [*range(len(self.starts)), *(len(self.starts) + one for one in order)]
        return greedy(models, lambda added: value(self.ap(added)))

    def crossed(self, seed: int) -> list[Array]:
        """AP@12 of each week's customers by the blend that is best for those of the other folds."""
        weeks = list(self.by.weeks.values())
        customers = np.unique(np.concatenate([week.users for week in weeks]))
        fold_of = np.random.default_rng(seed).permutation(len(customers)) % FOLDS
        folds = [fold_of[np.searchsorted(customers, week.users)] for week in weeks]
        out = [np.zeros(len(week.users)) for week in weeks]
        for fold in range(FOLDS):
            ap = self.ap(self.found([of != fold for of in folds]))
            for mine, of_week, of in zip(out, ap, folds, strict=True):
                mine[of == fold] = of_week[of == fold]
        return out

    def recipes(self, added: Added) -> list[Recipe]:
        """The models of a blend with their weights, which sum to 1; those of params.yaml, then trials by number."""
        times = {one: added.count(one) for one in added}
        weights = {one: float(STEPS * w) + times.pop(one, 0) for one, w in enumerate(self.given)} | times
        total = sum(weights.values())
        return [self.model(one).recipe.model_copy(update={"weight": w / total}) for one, w in weights.items() if w]


def best(starts: list[Candidate], others: Sequence[Callable[[], Candidate]], by: Judge, seed: int) -> Best:
    """The blend found, where it is better than that of params.yaml, ``starts``, by more than chance would make it.

    The blend of params.yaml stays unless the paired difference on the tuning weeks, each customer judging a blend that
    others have chosen, is above ERRORS standard errors, customers drawn again.
    """
    choice = Choice(starts, others, by)
    found = choice.recipes(choice.found([np.ones(len(week.users), bool) for week in by.weeks.values()]))
    new, old = choice.crossed(seed), choice.ap(())
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
