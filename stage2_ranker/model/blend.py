"""Blend the normalised scores of the fitted models into one score per row."""

import json
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def forests(self) -> dict[str, Forest | None]:
        """The models in the form that scores fast; None for a model that only LightGBM can score."""
        return {name: Forest.from_model(model) for name, model in self.models.items()}

    def score_raw(self, features: Array) -> Array:
        """Compute raw scores (models, n) float64 of the rows of ``features`` (n, f) float32."""
        out = np.empty((len(self.models), len(features)))
        for scores, (name, model) in zip(out, self.models.items(), strict=True):
            forest = self.forests[name]
            scores[:] = forest.score(features) if forest else np.asarray(model.predict(features, raw_score=True))
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
