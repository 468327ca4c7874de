"""Stage ``train``: train the evaluated ranker on the training weeks, with early stopping on the stopping weeks.

With ``ranker.retrain`` its training continues for a few rounds on training and stopping weeks, because the stopping
weeks are the newest that it may know. The validation weeks are neither trained on nor used to stop. The models are
those of data/tuned/best.json. Writes data/model/: LightGBM text files, blend.json, gain.csv.
"""

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
from stage2_ranker.model.recipe import Recipe


def read_weeks(label_weeks: list[int], only_sampled: bool) -> dict[int, pl.DataFrame]:
    """Read the table of each label week; InputError unless all have the same columns in the same order.

    With ``only_sampled`` only the sampled rows stay in memory, and a single week's table is there as a whole.
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


def compute_gains(blend: Blend) -> pl.DataFrame:
    """Compute each feature's share of the splits' gain, a row per feature: mean over the models, largest first."""
    share = 0.0
    for model in blend.models.values():
        gain = model.feature_importance("gain")
        share = share + gain / max(gain.sum(), 1e-12) / len(blend.models)
    names = next(iter(blend.models.values())).feature_name()
    return pl.DataFrame({"feature": names, "gain": share}).sort(["gain", "feature"], descending=[True, False])


def train_with_stopping(plan: Plan, params: Params) -> Blend:
    """Train the models on the training weeks, each for the number of rounds that is best on the stopping weeks."""
    train = Rows.from_tables(read_weeks(plan.train, True), only_sampled=True)
    stop = Rows.from_tables(read_weeks(plan.stop, False), only_sampled=False)
    print(f"train: {len(train.label):,} rows, {train.label.sum():,} bought, {len(train.names)} features")
    return ranker.fit(train, stop, recipe.read(), params.ranker, rounds=None, evaluated=None)


def train_for_rounds(label_weeks: list[int], evaluated: Blend, plan: Plan, params: Params) -> Blend:
    """Train the models from the start on ``label_weeks``, each for its rounds and with its weight in ``evaluated``."""
    rows = Rows.from_tables(read_weeks(label_weeks, True), only_sampled=True)
    return ranker.fit(rows, None, list_newer_recipes(plan), params.ranker, evaluated.rounds, evaluated)


def retrain(label_weeks: list[int], old: Blend, plan: Plan, params: Params) -> Blend:
    """Continue the training of ``old`` on ``label_weeks``, which hold newer weeks than it has seen."""
    rows = Rows.from_tables(read_weeks(label_weeks, True), only_sampled=True)
    print(
        f"retrain: {len(rows.label):,} rows of weeks {label_weeks[0]}..{label_weeks[-1]}, "
        f"{params.ranker.retrain_rounds} more trees for each model of {old.rounds}"
    )
    return ranker.continue_blend(old, rows, list_newer_recipes(plan), params.ranker)


def list_newer_recipes(plan: Plan) -> list[Recipe]:
    """List the recipes for rows that include the stopping weeks.

    A model that is trained on its newest weeks only gets the stopping weeks in addition, which are no longer held out.
    """
    return [old.model_copy(update={"weeks": old.weeks and old.weeks + len(plan.stop)}) for old in recipe.read()]


def main() -> None:
    params = parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    blend = train_with_stopping(plan, params)
    if params.ranker.retrain:
        blend = retrain([*plan.train, *plan.stop], blend, plan, params)
    with stage.whole_folder(paths.MODEL) as folder:
        blend.save(folder)
        compute_gains(blend).write_csv(folder / "gain.csv")


if __name__ == "__main__":
    stage.run(main, "train")
