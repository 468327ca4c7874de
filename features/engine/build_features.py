"""Compute a feature group for the sampled rows of every label week (stage ``build_features@<name>``).

Writes data/features/<name>/:

- rows_<week>.parquet: Float32 columns ``<name>__<column>``, one row per kept row of the week's sample, in its order.
- settings.json: the group's block of params.yaml. With ``use: false`` it is the only file.
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
    """Compute and write the group named on the command line; InputError if it returns wrong rows or dtypes."""
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
            candidates = pairs.build_pairs(pool["user"].to_numpy(), pool["item"].to_numpy())
            rows = group.compute(name, module, weeks.history(shop.log, week), shop, candidates, settings)
            wrong = [column for column, dtype in rows.schema.items() if dtype != pl.Float32]
            if wrong or rows.height != pool.height:
                raise InputError(
                    f"features {name}: expected {pool.height} rows of Float32; got {rows.height}; wrong dtype: {wrong}"
                )
            rows.filter(pool["kept"]).write_parquet(paths.of_week(folder, "rows", week))


if __name__ == "__main__":
    stage.run(main, f"build_features_{sys.argv[1]}")
