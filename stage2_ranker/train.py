"""Stage ``train``: train the ranker that is evaluated on the training weeks, and stop it by the stopping weeks.

With ``ranker.retrain`` it is then trained once more, for the same number of rounds, on training and stopping weeks: the
stopping weeks are the newest that it may know. No validation week is used, neither to train nor to stop. The models are
those of data/tuned/best.json. Writes data/model/: LightGBM text files, blend.json, gain.csv.
"""

import math

import polars as pl

from retail import params as parameters
from retail import paths, schema, stage, weeks
from retail import shop as shops
from retail.errors import InputError
from retail.params import Params
from retail.weeks import Plan
from stage2_ranker.model import ranker, recipe
from stage2_ranker.model.blend import Blend
from stage2_ranker.model.ranker import Rows


def read_weeks(label_weeks: list[int], only_sampled: bool) -> dict[int, pl.DataFrame]:
    """Label week -> its table, the same columns in the same order in each; InputError otherwise.

    With ``only_sampled`` no more than the rows that training may see is in memory, but for one week at a time.
    """
    tables = {}
    for week in label_weeks:
        table = pl.read_parquet(paths.of_week(paths.TABLE, "table", week))
        tables[week] = table.filter("sampled") if only_sampled else table
    first = next(iter(tables.values())).columns
    for week, table in tables.items():
        schema.check(table, schema.TABLE, f"table of week {week}", more=True)
        if table.columns != first:
            raise InputError(f"table of week {week}: other columns than week {label_weeks[0]}; run `dvc repro`")
    return tables


def gains(blend: Blend) -> pl.DataFrame:
    """One row per feature: its share of the splits' gain, mean over the models, largest first."""
    share = 0.0
    for model in blend.models.values():
        gain = model.feature_importance("gain")
        share = share + gain / max(gain.sum(), 1e-12) / len(blend.models)
    names = next(iter(blend.models.values())).feature_name()
    return pl.DataFrame({"feature": names, "gain": share}).sort(["gain", "feature"], descending=[True, False])


def stopped(plan: Plan, params: Params) -> Blend:
    """Models trained on the training weeks, each for as many rounds as serve the stopping weeks best."""
    train = Rows.of(read_weeks(plan.train, True), only_sampled=True)
    stop = Rows.of(read_weeks(plan.stop, False), only_sampled=False)
    print(f"train: {len(train.label):,} rows, {train.label.sum():,} bought, {len(train.names)} features")
    return ranker.fit(train, stop, recipe.read(), params.ranker, rounds=None, like=None)


def anew(label_weeks: list[int], like: Blend, growth: float, plan: Plan, params: Params) -> Blend:
    """The models of ``like`` fitted on ``label_weeks`` for their rounds times ``growth``, weighed as they were.

    A model that sees only its newest weeks sees more of them by the stopping weeks, which no longer are held out.
    """
    rounds = {name: math.ceil(n * growth) for name, n in like.rounds.items()}
    recipes = [one.model_copy(update={"weeks": one.weeks and one.weeks + len(plan.stop)}) for one in recipe.read()]
    rows = Rows.of(read_weeks(label_weeks, True), only_sampled=True)
    print(f"again: {len(rows.label):,} rows of weeks {label_weeks[0]}..{label_weeks[-1]}, rounds {rounds}")
    return ranker.fit(rows, None, recipes, params.ranker, rounds, like)


def main() -> None:
    params = parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    blend = stopped(plan, params)
    if params.ranker.retrain:
        blend = anew([*plan.train, *plan.stop], blend, 1.0, plan, params)
    with stage.whole_folder(paths.MODEL) as folder:
        blend.save(folder)
        gains(blend).write_csv(folder / "gain.csv")


if __name__ == "__main__":
    stage.run(main, "train")
