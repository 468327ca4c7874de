"""Blend the normalised scores of the fitted models into one score per row."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import lightgbm as lgb
import numpy as np

from retail.log import Array
from retail.params import Average
from retail.ragged import place_in_row
from stage2_ranker.fast_trees.forest import Forest


@dataclass(frozen=True)
class Blend:
    """Fitted models; a row's score is the weighted sum of the models' normalised scores (``normalise``)."""

    models: dict[str, lgb.Booster]
    weights: dict[str, float]
    spreads: dict[str, float]
    rounds: dict[str, int]
    average: Average
    # (name, first tree, end) -> these trees in the form that scores fast; None where only LightGBM can score them
    forests: dict[tuple[str, int, int], Forest | None] = field(default_factory=dict, repr=False, compare=False)

    def score_raw(self, features: Array, begin: int = 0, end: int | None = None, start: Array | None = None) -> Array:
        """Compute raw scores (models, n) float64 of the rows of ``features`` (n, f) float32.

        Trees ``begin:end`` of each model are used, by default all, and added to ``start`` (models, n).
        """
        out = np.zeros((len(self.models), len(features))) if start is None else start.copy()
        for scores, (name, model) in zip(out, self.models.items(), strict=True):
            last = self.rounds[name] if end is None else min(end, self.rounds[name])
            if begin >= last:
                continue
            key = (name, begin, last)
            if key not in self.forests:
                self.forests[key] = Forest.from_model(model, begin, last - begin)
            if forest := self.forests[key]:
                scores[:] = forest.score(features, scores)
            else:
                scores += np.asarray(
                    model.predict(features, start_iteration=begin, num_iteration=last - begin, raw_score=True)
                )
        return out

    def combine(self, raw: Array, run: Array) -> Array:
        """Blend raw scores (models, n) into one score (n,) float64; ``run`` (n,): the row's customer, ascending."""
        total = np.zeros(len(run))
        for name, scores in zip(self.models, raw, strict=True):
            total += self.weights[name] * normalise(scores, self.spreads[name], run, self.average)
        return total

    def predict(self, features: Array, run: Array) -> Array:
        """Score rows (n,) float64; ``run`` (n,): the row's customer, ascending, with all rows of each customer."""
        return self.combine(self.score_raw(features), run)

    def save(self, folder: Path) -> None:
        """Write <name>.txt in LightGBM's text format, and blend.json."""
        for name, model in self.models.items():
            model.save_model(folder / f"{name}.txt")
        models = {
            name: {"weight": self.weights[name], "spread": self.spreads[name], "rounds": self.rounds[name]}
            for name in self.models
        }
        (folder / "blend.json").write_text(json.dumps({"average": self.average, "models": models}, indent=1))

    @staticmethod
    def load(folder: Path) -> "Blend":
        """Read a blend that ``save`` wrote."""
        meta = json.loads((folder / "blend.json").read_text())
        models = {name: lgb.Booster(model_file=folder / f"{name}.txt") for name in meta["models"]}
        weights, spreads, rounds = (
            {name: values[key] for name, values in meta["models"].items()} for key in ("weight", "spread", "rounds")
        )
        return Blend(models, weights, spreads, rounds, meta["average"])


def normalise(raw: Array, spread: float, run: Array, average: Average) -> Array:
    """Normalise a model's raw scores (n,) to float64 that models share; the higher, the better.

    By scores: the raw score divided by its ``spread``. By ranks: minus the row's rank within its customer, ``run``
    (n,) ascending; the best rank is 1, ties keep the order of the rows. Ranks drop the size of score differences, so
    they compare rows of one customer only.
    """
    return raw / spread if average == "scores" else -rank_rows(raw, run)


def rank_rows(raw: Array, run: Array) -> Array:
    """Rank (n,) float64 each row within its ``run`` (n,), ascending; the highest ``raw`` gets 1, ties go by place."""
    order = np.lexsort((-raw, run))
    first = np.flatnonzero(np.concatenate([[True], run[1:] != run[:-1]])) if len(run) else np.zeros(0, np.int64)
    rank = np.empty(len(run))
    rank[order] = place_in_row(np.append(first, len(run))) + 1.0
    return rank
