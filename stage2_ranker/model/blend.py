"""The blend: what each fitted model says of a row, and how their words become one score."""

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
    """Fitted models; a row's score is the weighted sum of the models' says (``say``)."""

    models: dict[str, lgb.Booster]
    weights: dict[str, float]
    spreads: dict[str, float]
    rounds: dict[str, int]
    average: Average

    @cached_property
    def forests(self) -> dict[str, Forest | None]:
        """The models made ready to score fast; None for one that only LightGBM can score."""
        return {name: Forest.of(model) for name, model in self.models.items()}

    def raw(self, features: Array) -> Array:
        """(models, n) float64 raw scores of the rows of ``features`` (n, f) float32."""
        out = np.empty((len(self.models), len(features)))
        for of_model, (name, model) in zip(out, self.models.items(), strict=True):
            forest = self.forests[name]
            of_model[:] = forest.score(features) if forest else np.asarray(model.predict(features, raw_score=True))
        return out

    def blended(self, raw: Array, run: Array) -> Array:
        """(n,) float64 score of rows with ``raw`` (models, n); ``run`` (n,): the row's customer, ascending."""
        total = np.zeros(len(run))
        for name, of_model in zip(self.models, raw, strict=True):
            total += self.weights[name] * say(of_model, self.spreads[name], run, self.average)
        return total

    def predict(self, features: Array, run: Array) -> Array:
        """(n,) float64 score of rows; ``run`` (n,): the row's customer, ascending, all of whose rows are there."""
        return self.blended(self.raw(features), run)

    def save(self, folder: Path) -> None:
        """<name>.txt in LightGBM's own text form, and blend.json."""
        for name, model in self.models.items():
            model.save_model(folder / f"{name}.txt")
        models = {
            name: {"weight": self.weights[name], "spread": self.spreads[name], "rounds": self.rounds[name]}
            for name in self.models
        }
        (folder / "blend.json").write_text(json.dumps({"average": self.average, "models": models}, indent=1))

    @staticmethod
    def load(folder: Path) -> "Blend":
        meta = json.loads((folder / "blend.json").read_text())
        models = {name: lgb.Booster(model_file=folder / f"{name}.txt") for name in meta["models"]}
        weights, spreads, rounds = (
            {name: one[key] for name, one in meta["models"].items()} for key in ("weight", "spread", "rounds")
        )
        return Blend(models, weights, spreads, rounds, meta["average"])


def say(raw: Array, spread: float, run: Array, average: Average) -> Array:
    """(n,) float64: what a model with the scores ``raw`` (n,) brings into the sum; the higher, the better.

    By scores: the score over its ``spread``. By ranks: minus the row's rank among those of its customer, ``run``
    (n,) ascending, best 1; ties in the order of the rows. Ranks hold nothing of how sure a model is, so they can be
    compared within a customer only.
    """
    return raw / spread if average == "scores" else -ranks(raw, run)


def ranks(raw: Array, run: Array) -> Array:
    """(n,) float64 rank of each row among those of its ``run`` (n,), ascending; highest ``raw`` 1, ties by place."""
    order = np.lexsort((-raw, run))
    first = np.flatnonzero(np.concatenate([[True], run[1:] != run[:-1]])) if len(run) else np.zeros(0, np.int64)
    found = np.empty(len(run))
    found[order] = place_in_row(np.append(first, len(run))) + 1.0
    return found
