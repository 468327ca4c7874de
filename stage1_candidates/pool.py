"""Stage ``pool``: fuse the sources' proposals of every label week into one pool of candidates, with labels.

Writes data/pool/: pool_<week>.parquet (user, item, label, then the columns of pool.build; ascending by user, item), and
recall.json, the recall of the validation weeks' pools over all their buyers.
"""

import json

import numpy as np
import polars as pl
from tqdm import tqdm

from retail import params as parameters
from retail import paths, schema, stage, weeks
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Params
from retail.ragged import pair_codes
from retail.shop import Shop
from retail.weeks import Plan
from stage1_candidates.engine import source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.engine.proposals import load_state
from stage1_candidates.pooling import pool, recall


def load_sources(week: int, params: Params) -> dict[str, Loaded]:
    """Load the sources that are on, with what they learned for ``week``."""
    if not source.proposing(params):
        raise InputError("params.yaml: no block of 'sources' or 'networks' proposes candidates; switch at least one on")
    names = source.switched_on(params)
    return {name: Loaded(*source.load(name, params), load_state(name, week)) for name in names}


def label_pairs(pairs: Pairs, truth: tuple[Array, Array]) -> Array:
    """Label the pairs (n,) uint8: 1 where the pair was bought in the label week."""
    code = pair_codes(pairs.user, pairs.items)
    return np.isin(code, pair_codes(*truth)).astype(np.uint8)


def read_candidates(name: str, week: int, users: Array) -> Lists:
    """Read the stored proposals of a source as lists, row r for ``users[r]``; other customers are left out."""
    rows = pl.read_parquet(paths.of_week(paths.SOURCES / name, "candidates", week))
    rows = schema.check(rows, schema.CANDIDATES, f"candidates of {name}")
    user = rows["user"].to_numpy()
    inside = np.isin(user, users)
    ptr = np.searchsorted(user[inside], users)
    return Lists(
        np.concatenate([ptr, [inside.sum()]]).astype(np.int64),
        rows["item"].to_numpy()[inside],
        rows["score"].to_numpy()[inside],
    )


def build_week(shop: Shop, plan: Plan, week: int, params: Params) -> tuple[pl.DataFrame, dict[str, object] | None]:
    """Build the labelled pool of a week's customers; for a reported week also the recall figures of all buyers."""
    history, truth = weeks.history(shop.log, week), weeks.truth(shop.log, week)
    everybody = weeks.customers(shop.log, plan, week, params.weeks, params.seed)
    sources, proposing = load_sources(week, params), source.proposing(params)
    figures = None
    if week in plan.validation:
        whole = {name: read_candidates(name, week, everybody) for name in proposing}
        figures = recall.figures(whole, everybody, truth, params.pool)
    users = everybody
    if week not in plan.stop:
        users = weeks.sample_users(everybody, weeks.train_share(plan, params.weeks), week, params.seed)
    proposed = {name: read_candidates(name, week, users) for name in proposing}
    pairs, columns = pool.build(sources, proposed, history, shop, users, params)
    keys = pl.DataFrame({"user": pairs.user, "item": pairs.items, "label": label_pairs(pairs, truth)})
    return pl.concat([keys, columns], how="horizontal"), figures


def main() -> None:
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    reported = []
    with stage.whole_folder(paths.POOL) as folder:
        for week in tqdm(plan.labelled, desc="pool", unit="week"):
            rows, figures = build_week(shop, plan, week, params)
            rows = schema.check(rows, schema.POOL, "pool", key=("user", "item"), more=True)
            rows.write_parquet(paths.of_week(folder, "pool", week))
            if figures is not None:
                reported.append(figures)
        (folder / "recall.json").write_text(json.dumps(recall.mean_of_weeks(reported), indent=1))


if __name__ == "__main__":
    stage.run(main, "pool")
