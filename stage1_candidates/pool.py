"""Fuse the sources' candidates of each label week into one labelled pool (stage ``pool``).

The stage writes data/pool/. pool_<week>.parquet holds user, item, label and the columns of ``pool.build``, ascending
by user and item. recall.json holds the recall of all buyers in the validation weeks.
"""

import json

import numpy as np
import polars as pl

from retail import params as parameters
from retail import paths, schema, stage, threads, weeks
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.params import Params
from retail.ragged import offsets, pair_codes, positions
from retail.shop import Shop
from retail.weeks import Plan
from stage1_candidates.engine import source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.engine.proposals import load_state
from stage1_candidates.pooling import pool, recall


def load_sources(week: int, params: Params) -> dict[str, Loaded]:
    """Load the active sources with their states for ``week``."""
    if not source.proposing(params):
        raise InputError("params.yaml: no block of 'sources' or 'networks' proposes candidates; switch at least one on")
    names = source.switched_on(params)
    return {name: Loaded(*source.load(name, params), load_state(name, week)) for name in names}


def label_pairs(pairs: Pairs, truth: tuple[Array, Array]) -> Array:
    """Label the pairs bought in the label week with 1, others with 0: (n,) uint8. Pairs and ``truth`` ascend."""
    code, bought = pair_codes(pairs.user, pairs.items), pair_codes(*truth)
    label = np.zeros(len(code), np.uint8)
    place = np.searchsorted(code, bought)  # both ascend
    inside = place < len(code)
    label[place[inside]] = code[place[inside]] == bought[inside]
    return label


def read_candidates(name: str, week: int, users: Array) -> Lists:
    """Read the stored candidates of a source for ``users``, row r for ``users[r]``."""
    rows = pl.read_parquet(paths.of_week(paths.SOURCES / name, "candidates", week))
    rows = schema.check(rows, schema.CANDIDATES, f"candidates of {name}")
    user = rows["user"].to_numpy()
    first, last = np.searchsorted(user, users), np.searchsorted(user, users, side="right")
    stored = Lists(np.append(0, len(user)), rows["item"].to_numpy(), rows["score"].to_numpy())
    return _take(stored, first, last)


def _take(stored: Lists, first: Array, last: Array) -> Lists:
    """Take the entries ``first[r]:last[r]`` of ``stored`` as row r."""
    entry = positions(first, last - first)
    return Lists(offsets(last - first), stored.target[entry], stored.weight[entry])


def build_week(shop: Shop, plan: Plan, week: int, params: Params) -> tuple[pl.DataFrame, dict[str, object] | None]:
    """Build the labelled pool of a week, and the recall figures of all buyers in a validation week."""
    history, truth = weeks.history(shop.log, week), weeks.truth(shop.log, week)
    all_users = weeks.customers(shop.log, plan, week, params.weeks, params.seed)
    sources, proposing = load_sources(week, params), source.proposing(params)
    figures, users = None, all_users
    if week not in plan.stop:
        users = weeks.sample_users(all_users, weeks.train_share(plan, params.weeks), week, params.seed)
    whole = {name: read_candidates(name, week, all_users) for name in proposing}
    if week in plan.validation:
        figures = recall.figures(whole, all_users, truth, params.pool)
    row = np.searchsorted(all_users, users)
    proposed = {name: _take(best, best.ptr[row], best.ptr[row + 1]) for name, best in whole.items()}
    pairs, columns = pool.build(sources, proposed, history, shop, users, params)
    keys = pl.DataFrame({"user": pairs.user, "item": pairs.items, "label": label_pairs(pairs, truth)})
    return pl.concat([keys, columns], how="horizontal"), figures


def main() -> None:
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    with stage.whole_folder(paths.POOL) as folder:

        def write_week(week: int) -> dict[str, object] | None:
            rows, figures = build_week(shop, plan, week, params)
            rows = schema.check(rows, schema.POOL, "pool", key=("user", "item"), more=True)
            rows.write_parquet(paths.of_week(folder, "pool", week), compression=paths.COMPRESSION)
            return figures

        figures = threads.map_weeks(write_week, plan.labelled, len(shop.log.day), "pool")
        reported = [of_week for of_week in figures if of_week is not None]
        (folder / "recall.json").write_text(json.dumps(recall.mean_of_weeks(reported), indent=1))


if __name__ == "__main__":
    stage.run(main, "pool")
