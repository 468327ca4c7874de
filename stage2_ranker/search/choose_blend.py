"""Choose the models of the blend and their weights by MAP@12 on the tuning weeks.

The weights come from greedy selection with replacement (Caruana et al., "Ensemble selection from libraries of models",
ICML 2004). MAP@12 is a step function of the weights. A sampler that searches weights freely would overfit the highest
step of one sample. Greedy selection adds one model at a time, is deterministic and stops after ``STEPS`` additions. It
starts from the blend of params.yaml, which keeps at least half of the weight. So no model takes over because of a few
weeks.

The best of many blends looks better than it is on the customers that selected it. So the score is cross-validated:
each customer is scored with a blend chosen on the other folds. Some optimism remains, because all customers took part
in proposing and pruning the trials, and all share the same weeks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from retail import metrics
from retail.log import Array
from stage2_ranker.model.recipe import Best, Judgement, Recipe
from stage2_ranker.search import tuning_set
from stage2_ranker.search.tuning_set import TuningSet

Added = tuple[int, ...]  # the models added to the blend of params.yaml, ascending, as often as they were added
STEPS = 10  # models added at most, each weighing a tenth of the blend that it joins
OTHERS = 4  # trials that may join the models of params.yaml: those with the highest MAP@12 alone
FOLDS = 5  # folds of customers in cross-validation
ERRORS = 2  # standard errors by which the blend of the search must be better
DRAWS = 1000


@dataclass(frozen=True)
class Candidate:
    """A model that may join the blend, and its normalised scores (``blend.normalise``) of the tuning set's rows."""

    recipe: Recipe
    normalised: Array  # (n,)


def select_greedily(models: Sequence[int], value: Callable[[Added], float]) -> Added:
    """Return the additions with the highest ``value``; ties take the earlier model, and the fewer additions."""
    added: Added = ()
    best, best_value = added, value(added)
    for _ in range(STEPS):
        options = [tuple(sorted((*added, model))) for model in models]
        values = [value(option) for option in options]
        added = options[int(np.argmax(values))]
        if max(values) > best_value:
            best, best_value = added, max(values)
    return best


class Selection:
    """Select additions to the blend of params.yaml. Models 0, 1, .. are ``starts``, then follow the trials, ``others``.

    A blend weighs the blend of params.yaml STEPS times plus 1 per added model. Per-customer AP is cached, because folds
    mostly evaluate the same blends.
    """

    def __init__(self, starts: list[Candidate], others: Sequence[Callable[[], Candidate]], tuning: TuningSet) -> None:
        weights = np.array([start.recipe.weight for start in starts])
        self.starts, self.others, self.tuning = starts, others, tuning
        self.weights = weights / weights.sum()  # (models of params.yaml,)
        weighted = [weight * start.normalised for weight, start in zip(self.weights, starts, strict=True)]
        self.base = np.sum(weighted, axis=0)  # (n,) scores of the blend of params.yaml
        self.ap_alone = [tuning.compute_ap(read().normalised) for read in others]
        self._models: dict[int, Candidate] = dict(enumerate(starts))
        self._ap: dict[Added, list[Array]] = {}

    def read_model(self, number: int) -> Candidate:
        """Return model ``number``; a trial is read when first needed."""
        if number not in self._models:
            self._models[number] = self.others[number - len(self.starts)]()
        return self._models[number]

    def compute_ap(self, added: Added) -> list[Array]:
        """Compute AP@12 of each week's customers by the blend with the models ``added``."""
        if added not in self._ap:
            scores = sum((self.read_model(number).normalised for number in added), STEPS * self.base)
            self._ap[added] = self.tuning.compute_ap(scores)
        return self._ap[added]

    def select(self, masks: list[Array]) -> Added:
        """Select the additions that are best for the customers in ``masks``, one (u,) bool per week."""

        def value(ap: list[Array]) -> float:
            parts = [week_ap[mask] for week_ap, mask in zip(ap, masks, strict=True) if mask.any()]
            return tuning_set.mean_over_weeks(parts) if parts else 0.0

        order = sorted(range(len(self.others)), key=lambda trial: (-value(self.ap_alone[trial]), trial))[:OTHERS]
        models = [*range(len(self.starts)), *(len(self.starts) + trial for trial in order)]
        return select_greedily(models, lambda added: value(self.compute_ap(added)))

    def cross_validate(self, seed: int) -> list[Array]:
        """Compute AP@12 of each week's customers by the blend that was selected on the other folds."""
        weeks = list(self.tuning.weeks.values())
        customers = np.unique(np.concatenate([week.users for week in weeks]))
        fold_of_customer = np.random.default_rng(seed).permutation(len(customers)) % FOLDS
        folds = [fold_of_customer[np.searchsorted(customers, week.users)] for week in weeks]
        out = [np.zeros(len(week.users)) for week in weeks]
        for fold in range(FOLDS):
            ap = self.compute_ap(self.select([week_folds != fold for week_folds in folds]))
            for week_out, week_ap, week_folds in zip(out, ap, folds, strict=True):
                week_out[week_folds == fold] = week_ap[week_folds == fold]
        return out

    def make_recipes(self, added: Added) -> list[Recipe]:
        """Return the models of a blend, weights summing to 1: those of params.yaml, then trials by number."""
        times = {number: added.count(number) for number in added}
        weights = {number: float(STEPS * w) + times.pop(number, 0) for number, w in enumerate(self.weights)} | times
        total = sum(weights.values())
        return [
            self.read_model(number).recipe.model_copy(update={"weight": weight / total})
            for number, weight in weights.items()
            if weight
        ]


def choose_best(
    starts: list[Candidate], others: Sequence[Callable[[], Candidate]], tuning: TuningSet, seed: int
) -> Best:
    """Return the blend of the search where it beats that of params.yaml, ``starts``, by more than chance.

    The blend of params.yaml stays unless the paired, cross-validated difference on the tuning weeks exceeds ERRORS
    standard errors. The standard error is bootstrapped over customers.
    """
    selection = Selection(starts, others, tuning)
    all_customers = [np.ones(len(week.users), bool) for week in tuning.weeks.values()]
    recipes = selection.make_recipes(selection.select(all_customers))
    new, old = selection.cross_validate(seed), selection.compute_ap(())
    differences = [(week.users, a - b) for week, a, b in zip(tuning.weeks.values(), new, old, strict=True)]
    difference = tuning_set.mean_over_weeks([values for _, values in differences])
    error = float(metrics.bootstrap_means(differences, DRAWS, seed).std())
    better = difference > ERRORS * error
    return Best(
        models=recipes if better else [start.recipe for start in starts],
        kept="found" if better else "params.yaml",
        why=f"cross-validated MAP@12, search minus params.yaml: {difference:+.5f}, standard error {error:.5f}",
        judgement=Judgement(
            weeks=list(tuning.weeks),
            found={recipe.name: recipe.weight for recipe in recipes},
            map12={"found": tuning_set.mean_over_weeks(new), "params.yaml": tuning_set.mean_over_weeks(old)},
            difference=difference,
            standard_error=error,
        ),
    )
