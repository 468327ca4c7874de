"""Stage ``train_final``: train the ranker that answers the submission, on the newest weeks.

The number of rounds is that of the evaluated ranker times ``ranker.final_growth``, because no later week is
left to stop by. The models keep their weights in the blend. Writes the same files as stage
``train`` to data/final_model/.
"""

from retail import params as parameters
from retail import paths, stage, weeks
from retail import shop as shops
from stage2_ranker.model.blend import Blend
from stage2_ranker.train import anew


def main() -> None:
    params = parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    blend = anew(plan.final, Blend.load(paths.MODEL), params.ranker.final_growth, plan, params)
    with stage.whole_folder(paths.FINAL_MODEL) as folder:
        blend.save(folder)


if __name__ == "__main__":
    stage.run(main, "train_final")
