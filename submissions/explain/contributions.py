"""What each feature adds to a row's score: TreeSHAP, weighed as the blend weighs its models.

Ranks have no contributions: a blend that averages ranks is explained by the scores that it ranks.
"""

from dataclasses import dataclass

import numpy as np

from retail.log import Array
from stage2_ranker.fast_trees.tree_shap import Shap
from stage2_ranker.model.blend import Blend


@dataclass(frozen=True)
class Explainer:
    """A blend ready to be asked; a row's contributions and ``expected`` add up to its score, averaged by scores."""

    blend: Blend
    models: dict[str, Shap]

    @staticmethod
    def of(blend: Blend, rows: int) -> "Explainer":
        """Ready for about ``rows`` rows, which decides how fast it is and nothing else."""
        return Explainer(blend, {name: Shap.of(model, rows) for name, model in blend.models.items()})

    @property
    def expected(self) -> float:
        """The mean score over the rows that the models were fitted on."""
        return sum(self._share(name) * model.expected for name, model in self.models.items())

    def contributions(self, features: Array) -> Array:
        """(n, f) float32 of ``features`` (n, f) float32.

        Path-dependent TreeSHAP (Lundberg et al., 2020), exact for each model; the blend is linear in its models.
        """
        out = np.zeros(features.shape, np.float32)
        for name, model in self.models.items():
            model.add_to(out, features, self._share(name))
        return out

    def _share(self, name: str) -> float:
        return self.blend.weights[name] / self.blend.spreads[name]
