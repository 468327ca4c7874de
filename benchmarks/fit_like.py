"""Train a ranker for as many rounds as another ranker, MODEL. Writes data/model/.

Run ``python -m benchmarks.fit_like MODEL`` in a folder where stage ``table`` has run. It does what
``stage2_ranker.train`` does without early stopping, which takes half of the time. All variants of an ablation then
train for the same number of rounds, instead of rounds that depend on chance in the stopping weeks.
"""

import argparse
from pathlib import Path

from retail import params as parameters
from retail import paths, stage, weeks
from retail import shop as shops
from retail.errors import InputError
from stage2_ranker.model.blend import Blend
from stage2_ranker.train import train_for_rounds


def main() -> None:
    """Train the ranker and write data/model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_like", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of the other ranker, written by `train`")
    folder = parser.parse_args().model
    if not (folder / "blend.json").exists():
        raise InputError(f"{folder}: no ranker in this folder; expected the folder data/model of a finished run")
    reference, params = Blend.load(folder), parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    newest = [*plan.train, *plan.stop] if params.ranker.retrain else plan.train
    blend = train_for_rounds(newest, reference, plan, params)
    with stage.whole_folder(paths.MODEL) as part:
        blend.save(part)


if __name__ == "__main__":
    stage.run(main, "fit_like")
