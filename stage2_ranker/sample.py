"""Stage ``sample``: choose the rows of the pool that the ranker is trained on, and the rows that need features.

Writes data/sample/sample_<week>.parquet, a row for each row of the week's pool, in the same order: user, item,
``sampled`` (the ranker is trained on it) and ``kept`` (its features are computed). Kept are the sampled rows, all rows
of the customers of the stopping weeks, and in the tuning weeks all rows of the customers of the tuning set.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from tqdm import tqdm

from retail import params as parameters
from retail import paths, schema, stage, weeks
from retail import shop as shops
from retail.log import Array
from retail.pairs import Pairs, build_pairs
from retail.params import Params, Table
from retail.shop import Shop
from retail.weeks import Plan

LEAST_NEGATIVES = 0.5  # per positive, over all training rows, if there are that many


class Shares(NamedTuple):
    """The shares of customers and of their negatives that are sampled."""

    customers: float
    negatives: float


def compute_shares(counts: list[tuple[int, int]], settings: Table) -> Shares:
    """Compute the probabilities with which a customer and a negative of any training week are sampled.

    ``counts``: (positives, negatives of customers with a positive) of each training week. At most ``negatives`` per
    positive and ``rows`` rows in total are sampled. Customers are left out only where the positives fill the rows: then
    fewer customers keep ``LEAST_NEGATIVES`` per positive, because a ranker needs negatives to compare with. The shares
    are the same for all weeks. Otherwise a pointwise ranker would spend trees on separating the weeks.
    """
    positives, negatives = (sum(column) for column in zip(*counts, strict=True))
    least = positives + min(LEAST_NEGATIVES * positives, negatives)
    customers = min(1.0, settings.rows / max(least, 1))
    wanted = min(settings.negatives * customers * positives, settings.rows - customers * positives)
    return Shares(customers, min(1.0, wanted / max(customers * negatives, 1)))


def mark_useful_rows(pairs: Pairs, label: Array) -> Array:
    """Return a mask (n,) bool of the rows of customers with at least one positive among their candidates."""
    positives = np.bincount(pairs.run, weights=label, minlength=len(pairs.users))
    rows: Array = positives[pairs.run] > 0
    return rows


def sample_rows(pairs: Pairs, label: Array, share: Shares, week: int, seed: int) -> Array:
    """Sample the training rows of a week: a mask (n,) bool.

    Customers without a positive are left out. Of the others a share is sampled, with every positive and a share of
    the negatives. Sampling is uniform: the ranker must be trained on the kind of candidates that it has to order.
    """
    rng = np.random.default_rng([seed, week])
    drawn = rng.random(len(label)) < share.negatives
    rows: Array = mark_useful_rows(pairs, label) & ((label == 1) | drawn)
    if share.customers < 1:
        rows &= (rng.random(len(pairs.users)) < share.customers)[pairs.run]
    return rows


def select_whole_customers(shop: Shop, plan: Plan, week: int, params: Params) -> Array:
    """Select the customers (c,) uint32 whose rows are all kept: those of stopping weeks and of the tuning set."""
    if week in plan.stop:
        return weeks.customers(shop.log, plan, week, params.weeks, params.seed)
    if week in plan.tuning(params.tuning.weeks):
        return weeks.tuning_customers(shop.log, plan, week, params.weeks, params.tuning.customers, params.seed)
    return np.empty(0, np.uint32)


def sample_week(pairs: Pairs, label: Array, share: Shares, whole: Array, week: int, seed: int) -> pl.DataFrame:
    """Sample a week's pool: user, item, ``sampled`` and ``kept``; all rows of the customers ``whole`` are kept.

    ``whole`` does not change ``sampled``.
    """
    sampled = sample_rows(pairs, label, share, week, seed)
    keep = sampled | np.isin(pairs.user, whole)
    return pl.DataFrame({"user": pairs.user, "item": pairs.items, "sampled": sampled, "kept": keep})


def read_pool(week: int) -> tuple[Pairs, Array]:
    """Read the pairs of a week's pool and their labels (n,) uint8."""
    rows = pl.read_parquet(paths.of_week(paths.POOL, "pool", week), columns=list(schema.POOL))
    return build_pairs(rows["user"].to_numpy(), rows["item"].to_numpy()), rows["label"].to_numpy()


def main() -> None:
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    counts = []
    for week in plan.train:
        pairs, label = read_pool(week)
        positives = int(label.sum())
        counts.append((positives, int(mark_useful_rows(pairs, label).sum()) - positives))
    share = compute_shares(counts, params.table)
    with stage.whole_folder(paths.SAMPLE) as folder:
        for week in tqdm(plan.labelled, desc="sample", unit="week"):
            pairs, label = read_pool(week)
            whole = select_whole_customers(shop, plan, week, params)
            rows = sample_week(pairs, label, share, whole, week, params.seed)
            schema.check(rows, schema.SAMPLE, "sample").write_parquet(paths.of_week(folder, "sample", week))
    customers = f"{share.customers:.4f} of the customers (see table.rows) and " if share.customers < 1 else ""
    print(f"sample: {customers}{share.negatives:.4f} of the negatives of {len(plan.train)} training weeks are sampled")


if __name__ == "__main__":
    stage.run(main, "sample")
