"""Stage ``train_final``: train the ranker that answers the submission, on the newest weeks.

It continues the training of the evaluated ranker for ``ranker.retrain_rounds`` on the newest weeks, those of validation
included. No later week is left for early stopping. The models keep their weights in the blend. Writes LightGBM text
files and blend.json to data/final_model/.
"""

from retail import params as parameters
from retail import paths, stage, weeks
from retail import shop as shops
from stage2_ranker.model.blend import Blend
from stage2_ranker.train import retrain


def main() -> None:
    params = parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    blend = retrain(plan.final, Blend.load(paths.MODEL), plan, params)
    with stage.whole_folder(paths.FINAL_MODEL) as folder:
        blend.save(folder)


if __name__ == "__main__":
    stage.run(main, "train_final")
