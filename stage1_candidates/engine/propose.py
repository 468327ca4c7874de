"""Stage ``propose``: fit every source and network to the history before each week, and store its candidates.

Writes data/sources/<name>/ for each block of ``sources`` and ``networks``; ``proposals.write_week`` describes the
files. Only plug-ins whose inputs changed are computed again, and a killed run resumes (``retail.plugin_folders``).
"""

from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from retail import kept, paths, plugin_folders, shop, stage, weeks
from retail import params as parameters
from retail.params import Params
from retail.plugin_folders import Task
from retail.weeks import History
from stage1_candidates.engine import source
from stage1_candidates.engine.plugin_types import Weights
from stage1_candidates.engine.proposals import Proposer, WeightsOf

ROOT = Path(__file__).parents[2]
LIBRARIES = ("numba", "numpy", "polars", "torch")
OFF = '{"use": false}'  # all that later stages need to know of a plug-in that is off


def make_task(name: str, params: Params, whole: shop.Shop, prepared: str) -> Task[History]:
    """Make the task of source or network ``name``; ``prepared``: a digest of the prepared tables."""
    network = name in params.networks
    if network and source.is_off(name, params):
        return Task(name, "off", OFF, None)
    module, settings = source.load(name, params)
    text = settings.model_dump_json(indent=1)
    if not (settings.proposes or settings.scores):
        return Task(name, "off", text, None)
    plan = weeks.plan(whole.log, params.weeks)
    weights_of: WeightsOf = _no_weights
    if network:
        from stage1_candidates.networks.base import trained_weights  # here, because it needs the extra [deep]

        weights_of = partial(trained_weights.load, name, settings.training_weeks(plan))
    versions = {library: version(library) for library in LIBRARIES if find_spec(library)}
    proposer = Proposer(name, module, settings, whole, plan, params, weights_of)
    fingerprint = kept.fingerprint([name, settings, prepared, versions], list_inputs(name, network))
    return Task(name, fingerprint, text, proposer.write_week, parallel=not network)


def _no_weights(week: int) -> Weights | None:
    return None


def list_inputs(name: str, network: bool) -> list[Path]:
    """List the files that decide the candidates of ``name``: the code that it runs, and a network's weights."""
    own = [ROOT / "stage1_candidates" / "sources" / f"{name}.py"]
    if network:
        folders = [ROOT / "stage1_candidates" / "networks" / part for part in (name, "base")]
        own = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
        own += sorted((paths.NETWORKS / name).iterdir())
    shared = [*sorted((ROOT / "retail").rglob("*.py")), *sorted((ROOT / "stage1_candidates" / "engine").rglob("*.py"))]
    return [*shared, *own]


def main() -> None:
    params = parameters.read()
    whole = shop.read()
    prepared = plugin_folders.digest_files(paths.PREPARED)
    tasks = [make_task(name, params, whole, prepared) for name in (*params.sources, *params.networks)]
    history = partial(weeks.history, whole.log)
    plan = weeks.plan(whole.log, params.weeks)
    plugin_folders.fill(paths.SOURCES, tasks, plan.all, history, len(whole.log.day), "propose")


if __name__ == "__main__":
    stage.run(main, "propose")
