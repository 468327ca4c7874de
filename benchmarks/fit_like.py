"""A ranker fitted for as many rounds as another one: ``python -m benchmarks.fit_like MODEL``, in a folder with a table.

What ``stage2_ranker.train`` makes, without its search for the rounds: half of its time, and the luck of the stopping
weeks, which would end each variant of an ablation elsewhere, is the same for all. Writes data/model/.
"""

import argparse
from pathlib import Path

from retail import params as parameters
from retail import paths, stage, weeks
from retail import shop as shops
from retail.errors import InputError
from stage2_ranker.model.blend import Blend
from stage2_ranker.train import retrain


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_like", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of the other ranker, as `train` left it")
    folder = parser.parse_args().model
    if not (folder / "blend.json").exists():
        raise InputError(f"{folder}: no ranker lies there; name the folder data/model of a run that has ended")
    like, params = Blend.load(folder), parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    newest = [*plan.train, *plan.stop] if params.ranker.retrain else plan.train
    blend = retrain(newest, like, 1.0, plan, params)
    with stage.whole_folder(paths.MODEL) as made:
        blend.save(made)


if __name__ == "__main__":
    stage.run(main, "fit_like")
