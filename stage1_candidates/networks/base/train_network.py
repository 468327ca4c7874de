"""Train one network before each of its ``training_weeks`` (stage ``train_network@<name>``).

The stage writes data/networks/<name>/: weights_<week>.safetensors and the settings in weights_<week>.json. While it
runs, data/checkpoints/<name> holds the checkpoints and finished weights. Their names contain a fingerprint of the
inputs of the training. A killed run thus resumes, and a changed run starts again.

Trainings that start from the weights of the last earlier one run one after another, by cutoff, in this process. Others
run in parallel on a CPU, with equal shares of the cores. ``train_network <name> <week>`` trains before one week only.
"""

import json
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import cast

from safetensors.numpy import save_file

from retail import kept, paths, shop, stage, weeks
from retail import params as parameters
from retail.cores import cores
from retail.weeks import History
from stage1_candidates.engine import source
from stage1_candidates.engine.blocks import Network
from stage1_candidates.engine.plugin_types import Weights
from stage1_candidates.networks.base import side_by_side
from stage1_candidates.networks.base.warm_start import WarmModule, starts_warm

CODE = Path(__file__).parents[2]  # stage1_candidates


def fingerprint(history: History, whole: shop.Shop, settings: Network, seed: int, start: Weights | None = None) -> str:
    """Hash the inputs of a training: history, articles, customers, settings, code, and the weights it starts from."""
    log = history.log
    ages = {} if whole.age is None else {"age": whole.age}
    values = {**whole.attributes, **whole.traits, **ages}
    start = start or {}
    about = [settings, seed, history.week, log.users, log.items, sorted(values), sorted(start)]
    code = sorted([*CODE.rglob("*.py"), *Path(shop.__file__).parent.glob("*.py")])
    columns = (log.user, log.item, log.day, log.price, log.channel, log.quantity)
    past = (column[history.known] for column in columns)
    return kept.fingerprint(
        about, code, chain(past, (values[name] for name in sorted(values)), (start[name] for name in sorted(start)))
    )


def train_or_resume(
    name: str, whole: shop.Shop, week: int, params: parameters.Params, start: Weights | None = None
) -> Weights:
    """Train network ``name`` on the history before ``week``, or resume an earlier run.

    ``start``: weights trained before an earlier cutoff, to start from; None for random weights.
    """
    module, settings = source.load_network(name, params)
    history = weeks.history(whole.log, week)
    file = paths.CHECKPOINTS / name / f"{week:03d}_{fingerprint(history, whole, settings, params.seed, start)}.npz"
    if start is None:
        return kept.keep(file, lambda folder: module.train(history, whole, settings, params.seed, folder))
    warm: WarmModule = cast(WarmModule, module)
    return kept.keep(file, lambda folder: warm.train(history, whole, settings, params.seed, folder, start))


def count_parallel(trainings: int) -> int:
    """Count the trainings that run in parallel: one on a GPU, else at most one per core."""
    import torch  # here, because torch is optional if no network is used

    return 1 if torch.cuda.is_available() else min(cores(), trainings)


def main() -> None:
    name = sys.argv[1]
    params = parameters.read()
    if source.is_off(name, params):
        with stage.whole_folder(paths.NETWORKS / name) as part:
            (part / paths.SETTINGS).write_text('{"use": false}')
        return
    _, settings = source.load_network(name, params)
    with stage.whole_folder(paths.NETWORKS / name) as folder:
        trained_settings = settings.model_dump_json(
            include={"use", "examples", "model", "training", "retrain_every"}, indent=1
        )
        (folder / paths.SETTINGS).write_text(trained_settings)
        whole = shop.read()
        training_weeks = settings.training_weeks(weeks.plan(whole.log, params.weeks))
        start: Weights | None = {} if starts_warm(settings) else None
        if start is None and count_parallel(len(training_weeks)) > 1:
            latest_first = [[name, str(week)] for week in reversed(training_weeks)]  # the longest training first
            side_by_side.run(
                "stage1_candidates.networks.base.train_network", latest_first, count_parallel(len(training_weeks))
            )
        for week in training_weeks:  # ascending, so that ``start`` was trained before an earlier cutoff
            weights = train_or_resume(name, whole, week, params, start)
            start = start if start is None else weights
            if not weights:
                print(f"{name}: too little training data before label week {week}; it proposes nothing in this week")
            save_file(weights, paths.of_week(folder, "weights", week, "safetensors"))
            description = {"network": name, "week": week, "seed": params.seed, "settings": settings.model_dump()}
            paths.of_week(folder, "weights", week, "json").write_text(json.dumps(description, indent=1))
    shutil.rmtree(paths.CHECKPOINTS / name, ignore_errors=True)


def train_week() -> None:
    """Train before one week and store the weights among the checkpoints."""
    side_by_side.end_with_parent()
    train_or_resume(sys.argv[1], shop.read(), int(sys.argv[2]), parameters.read())


if __name__ == "__main__":
    if len(sys.argv) > 2:
        stage.guarded(train_week, f"train_network_{sys.argv[1]}")
    else:
        stage.run(main, f"train_network_{sys.argv[1]}")
