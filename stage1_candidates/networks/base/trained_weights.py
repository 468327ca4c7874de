"""Load the trained weights that a network uses in a label week."""

from safetensors.numpy import load_file

from retail import paths
from stage1_candidates.engine.plugin_types import Weights


def load(name: str, training_weeks: list[int], week: int) -> Weights:
    """Load the weights of the last training of network ``name`` before ``week``; {} if it has none."""
    trained = max(training for training in training_weeks if training <= week)
    return dict(load_file(paths.of_week(paths.NETWORKS / name, "weights", trained, "safetensors")))
