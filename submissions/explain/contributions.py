"""Compute each feature's contribution to a row's score: TreeSHAP values, averaged with the blend's weights.

A blend that averages ranks is explained by its models' scores, because ranks have no TreeSHAP values.
"""

from dataclasses import dataclass

import numpy as np

from retail.log import Array
from stage2_ranker.fast_trees.tree_shap import Shap
from stage2_ranker.model.blend import Blend


@dataclass(frozen=True)
class Explainer:
    """Explain a blend's scores: a row's contributions and ``expected_score`` add up to its score."""

    blend: Blend
    models: dict[str, Shap]

    @staticmethod
    def prepare(blend: Blend, rows: int) -> "Explainer":
        """Prepare an explainer for about ``rows`` rows; the number affects only the speed."""
        return Explainer(blend, {name: Shap.from_model(model, rows) for name, model in blend.models.items()})

    @property
    def expected_score(self) -> float:
        """Mean score over the rows on which the models were trained."""
        return sum(self._weight(name) * model.expected for name, model in self.models.items())

    def compute_contributions(self, features: Array) -> Array:
        """Compute each feature's contribution (n, f) float32 to the scores of ``features`` (n, f) float32.

        By path-dependent TreeSHAP (Lundberg et al., 2020). It is exact for each model, and the blend is linear in them.
        """
        total = np.zeros(features.shape, np.float32)
        for name, model in self.models.items():
            model.add_to(total, features, self._weight(name))
        return total

    def _weight(self, name: str) -> float:
        return self.blend.weights[name] / self.blend.spreads[name]
