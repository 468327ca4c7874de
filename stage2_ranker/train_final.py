"""Stage ``train_final``: the ranker that answers the submission, fitted anew on the newest weeks.

The number of rounds is what early stopping chose for the evaluated ranker, times ``refit_growth``: the newest weeks
have no later week to stop on. The models weigh in the blend as they were evaluated. Writes data/refit/ as ``train``
does.
"""

from retail import params as parameters
from retail import paths, stage, weeks
from retail import shop as shops
from stage2_ranker.model.blend import Blend
from stage2_ranker.train import anew


def main() -> None:
    params = parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    blend = anew(plan.refit, Blend.load(paths.MODEL), params.ranker.refit_growth, plan, params)
    with stage.whole_folder(paths.REFIT) as folder:
        blend.save(folder)


if __name__ == "__main__":
    stage.run(main, "train_final")
