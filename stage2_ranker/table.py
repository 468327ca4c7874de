"""Stage ``table``: the ranker's rows of every label week, the pool's columns and all feature groups side by side.

Writes data/table/table_<week>.parquet: user, item, label, sampled, then Float32 features; ascending by user, so that
a customer's rows are one contiguous group. ``sampled`` rows are trained on; the stopping weeks have all their rows, a
tuning week all rows of the customers by whom it judges.
"""

import polars as pl
from tqdm import tqdm

from features.engine import group
from retail import params as parameters
from retail import paths, schema, stage, weeks
from retail import shop as shops
from retail.errors import InputError
from retail.params import Params


def assemble(keys: pl.DataFrame, parts: list[pl.DataFrame], stage_name: str) -> pl.DataFrame:
    """``keys`` and ``parts`` side by side; InputError where a part has other rows or a column twice."""
    for part in parts:
        if part.height != keys.height:
            raise InputError(f"{stage_name}: {part.columns[0]} has {part.height} rows, expected {keys.height}")
    return pl.concat([keys, *parts], how="horizontal")


def one_week(week: int, params: Params) -> pl.DataFrame:
    """The kept rows of one week with all their features."""
    pool = pl.read_parquet(paths.of_week(paths.POOL, "pool", week))
    sample = pl.read_parquet(paths.of_week(paths.SAMPLE, "sample", week))
    pool = pool.insert_column(pool.columns.index("label") + 1, sample["sampled"]).filter(sample["kept"])
    parts = [pl.read_parquet(paths.of_week(paths.FEATURES / name, "rows", week)) for name in group.switched_on(params)]
    return assemble(pool, parts, "table")


def main() -> None:
    params = parameters.read()
    plan = weeks.plan(shops.read().log, params.weeks)
    with stage.whole_folder(paths.TABLE) as folder:
        for week in tqdm(plan.labelled, desc="table", unit="week"):
            rows = schema.check(one_week(week, params), schema.TABLE, "table", key=("user", "item"), more=True)
            rows.write_parquet(paths.of_week(folder, "table", week))


if __name__ == "__main__":
    stage.run(main, "table")
