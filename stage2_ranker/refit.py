"""Stage ``refit``: the ranker that answers the submission, fitted anew on the newest weeks.

The number of rounds is what early stopping chose for the evaluated ranker, times ``refit_growth``: the newest weeks
have no later week to stop on. The models weigh in the blend as they were evaluated. One that sees only its newest
weeks sees one more of them: none need be held out. Writes data/refit/ as ``train`` does.
"""

import math

from retail import params as parameters
from retail import paths, stage, weeks
from retail import shop as shops
from stage2_ranker import ranker, recipe
from stage2_ranker.blend import Blend
from stage2_ranker.ranker import Rows
from stage2_ranker.train import read_weeks


def main() -> None:
    params = parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    evaluated = Blend.load(paths.MODEL)
    rounds = {name: math.ceil(n * params.ranker.refit_growth) for name, n in evaluated.rounds.items()}
    recipes = [one.model_copy(update={"weeks": one.weeks and one.weeks + 1}) for one in recipe.read()]
    train = Rows.of(read_weeks(plan.refit, True), only_sampled=True)
    print(f"refit: {len(train.label):,} rows of weeks {plan.refit[0]}..{plan.refit[-1]}, rounds {rounds}")
    with stage.whole_folder(paths.REFIT) as folder:
        ranker.fit(train, None, recipes, params.ranker, rounds, like=evaluated).save(folder)


if __name__ == "__main__":
    stage.run(main, "refit")
