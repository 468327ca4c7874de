"""Start a training from the weights of the last earlier training, instead of from random weights.

A network whose block ``training`` has ``warm_epochs`` can start warm. Its trainings form a chain by cutoff: each starts
from weights that were trained before an earlier cutoff, and so knows nothing of its own future.
"""

from pathlib import Path
from typing import Any, Protocol

from retail.params import NotNegative
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.blocks import Network, Training
from stage1_candidates.engine.plugin_types import Weights


class WarmTraining(Training):
    warm_epochs: NotNegative  # epochs of a training that starts from earlier weights; 0: each starts from random ones

    def after(self, start: Weights) -> Training:
        """Return the settings of a training that starts from ``start``; {}: from random weights."""
        return self.model_copy(update={"epochs": self.warm_epochs}) if start else self


class WarmModule(Protocol):
    """Define a network that can start from earlier weights."""

    def train(
        self, history: History, shop: Shop, params: Any, seed: int, folder: Path, start: Weights | None = None
    ) -> Weights:
        """Train as ``NetworkModule.train``, from ``start``, which was trained before an earlier cutoff."""


def starts_warm(settings: Network) -> bool:
    """Tell whether the trainings of a network with these settings start from earlier weights."""
    return isinstance(settings.training, WarmTraining) and settings.training.warm_epochs > 0
