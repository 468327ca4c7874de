"""Stage ``build_features@<name>``: one group's columns for the rows that training keeps of every label week.

Writes data/features/<name>/: rows_<week>.parquet (Float32 columns; rows as the kept rows of the week's pool) and
settings.json, the group's block of params.yaml.
"""

import sys

import polars as pl
from tqdm import tqdm

from features.engine import group
from retail import pairs, paths, stage, weeks
from retail import params as parameters
from retail import shop as shops
from retail.errors import InputError


def main() -> None:
    name = sys.argv[1]
    params = parameters.read()
    module, settings = group.load(name, params)
    with stage.whole_folder(paths.FEATURES / name) as folder:
        (folder / paths.SETTINGS).write_text(settings.model_dump_json(indent=1))
        if not settings.use:
            return
        shop = shops.read()
        for week in tqdm(weeks.plan(shop.log, params.weeks).labelled, desc=f"features {name}", unit="week"):
            pool = pl.read_parquet(paths.of_week(paths.SAMPLE, "sample", week))
            whole = pairs.of_columns(pool["user"].to_numpy(), pool["item"].to_numpy())
            rows = group.compute(name, module, weeks.history(shop.log, week), shop, whole, settings)
            odd = [column for column, dtype in rows.schema.items() if dtype != pl.Float32]
            if odd or rows.height != pool.height:
                raise InputError(f"features {name}: expected {pool.height} rows of Float32, found {rows.height}, {odd}")
            rows.filter(pool["kept"]).write_parquet(paths.of_week(folder, "rows", week))


if __name__ == "__main__":
    stage.run(main, f"build_features_{sys.argv[1]}")
