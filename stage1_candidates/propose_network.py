"""Stage ``propose_network@<network>``: prepare a trained network for each label week and store what it proposes.

Writes data/sources/<network>/, as ``proposals.write`` says.
"""

import sys

from safetensors.numpy import load_file

from retail import params as parameters
from retail import paths, stage
from retail.log import Array
from retail.weeks import Plan
from stage1_candidates.engine import proposals, source
from stage1_candidates.engine.refits import trainings


def load_weights(name: str, plan: Plan, week: int, refit: int) -> dict[str, Array]:
    """Load what network ``name`` learned in its last training before ``week``; {} where it learned nothing."""
    trained = max(training for training in trainings(plan, refit) if training <= week)
    return dict(load_file(paths.of_week(paths.NETWORKS / name, "weights", trained, "safetensors")))


def main() -> None:
    name, params = sys.argv[1], parameters.read()
    settings = source.load(name, params)[1]
    proposals.write(name, lambda plan, week: (load_weights(name, plan, week, settings.refit),))


if __name__ == "__main__":
    stage.run(main, f"propose_network_{sys.argv[1]}")
