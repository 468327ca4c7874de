"""Stage ``propose_network@<network>``: prepare a trained network for each label week and store what it proposes.

Writes data/sources/<network>/, as ``proposals.write`` says.
"""

import sys

from safetensors.numpy import load_file

from retail import params as parameters
from retail import paths, stage
from stage1_candidates.engine import proposals, source
from stage1_candidates.engine.plugin_types import Weights


def load_weights(name: str, training_weeks: list[int], week: int) -> Weights:
    """Load what network ``name`` learned in its last training before ``week``; {} where it learned nothing."""
    trained = max(training for training in training_weeks if training <= week)
    return dict(load_file(paths.of_week(paths.NETWORKS / name, "weights", trained, "safetensors")))


def main() -> None:
    name, params = sys.argv[1], parameters.read()
    if source.is_off(name, params):
        proposals.write_off(paths.SOURCES / name)
        return
    _, settings = source.load_network(name, params)
    proposals.write(name, lambda plan, week: load_weights(name, settings.training_weeks(plan), week))


if __name__ == "__main__":
    stage.run(main, f"propose_network_{sys.argv[1]}")
