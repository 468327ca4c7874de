"""Stage ``table``: join the pool's columns and all feature groups to the ranker's rows of every label week.

Writes data/table/table_<week>.parquet: user, item, label, sampled, then Float32 features. Rows ascend by user, so that
a customer's rows are one contiguous group. The ranker is trained on ``sampled`` rows. Stopping weeks hold all their
rows, and tuning weeks hold all rows of their customers in the tuning set.
"""

import polars as pl

from features.engine import group
from retail import params as parameters
from retail import paths, schema, stage, threads, weeks
from retail import shop as shops
from retail.errors import InputError
from retail.params import Params


def assemble(keys: pl.DataFrame, parts: list[pl.DataFrame], stage_name: str) -> pl.DataFrame:
    """Join ``parts`` to ``keys`` as further columns; InputError where a part has another number of rows."""
    for part in parts:
        if part.height != keys.height:
            raise InputError(f"{stage_name}: {part.columns[0]} has {part.height} rows, expected {keys.height}")
    return pl.concat([keys, *parts], how="horizontal")


def build_week(week: int, params: Params) -> pl.DataFrame:
    """Build the table of a week: its kept rows with all their features."""
    pool = pl.read_parquet(paths.of_week(paths.POOL, "pool", week))
    sample = pl.read_parquet(paths.of_week(paths.SAMPLE, "sample", week))
    pool = pool.insert_column(pool.columns.index("label") + 1, sample["sampled"]).filter(sample["kept"])
    parts = [pl.read_parquet(paths.of_week(paths.FEATURES / name, "rows", week)) for name in group.switched_on(params)]
    return assemble(pool, parts, "table")


def main() -> None:
    params = parameters.read()
    log = shops.read().log
    with stage.whole_folder(paths.TABLE) as folder:

        def write_week(week: int) -> None:
            rows = schema.check(build_week(week, params), schema.TABLE, "table", key=("user", "item"), more=True)
            rows.write_parquet(paths.of_week(folder, "table", week), compression=paths.COMPRESSION)

        threads.map_weeks(write_week, weeks.plan(log, params.weeks).labelled, len(log.day), "table")


if __name__ == "__main__":
    stage.run(main, "table")
