"""Stage ``pool``: every label week's pool with its labels, the rows that training samples, and recall.json.

Writes data/pool/: pool_<week>.parquet (user, item, label, sampled, kept, then the columns of pool.build; ascending by
user, item), and recall.json, the figures of the validation weeks' pools over all their buyers. ``sampled`` rows are
trained on; ``kept`` ones get features: the same, every row of the stopping weeks, and in the tuning weeks every row of
the customers by whom they judge.
"""

import json
from typing import NamedTuple

import numpy as np
import polars as pl
from tqdm import tqdm

from retail import params as parameters
from retail import paths, schema, stage, weeks
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs, of_columns
from retail.params import Params, Table
from retail.ragged import pair_codes
from retail.shop import Shop
from retail.weeks import Plan
from stage1_candidates.engine import source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.proposals import load_state
from stage1_candidates.pooling import pool, recall
from stage1_candidates.pooling.pool import Loaded

LEAST_NEGATIVES = 0.5  # per positive, of all training rows, where there are as many


def loaded(week: int, params: Params) -> dict[str, Loaded]:
    """The sources that are on, with what they learned for ``week``."""
    if not source.proposing(params):
        raise InputError("params.yaml: no block of 'sources' or 'networks' proposes candidates; switch at least one on")
    names = source.switched_on(params)
    return {name: Loaded(*source.load(name, params), load_state(name, week)) for name in names}


def labels(pairs: Pairs, truth: tuple[Array, Array]) -> Array:
    """(n,) uint8: 1 where the pair was bought in the label week."""
    code = pair_codes(pairs.user, pairs.items)
    return np.isin(code, pair_codes(*truth)).astype(np.uint8)


class Shares(NamedTuple):
    """Of what training could see: the share of the customers, and of their negatives."""

    customers: float
    negatives: float


def shares(counts: list[tuple[int, int]], settings: Table) -> Shares:
    """By which probabilities a customer and a negative of any training week are kept.

    ``counts``: (positives, negatives of customers with a positive) of each training week. At most ``negatives`` for a
    positive and ``rows`` rows in all are kept. Every customer stays unless the positives fill the rows: a ranker that
    saw next to no negative would have nothing to tell them from, so ``LEAST_NEGATIVES`` for each are kept, of fewer
    customers. The same for all weeks: weeks thinned differently would differ in their share of positives, and a
    pointwise ranker would spend its trees on telling the weeks apart.
    """
    positives, negatives = (sum(column) for column in zip(*counts, strict=True))
    least = positives + min(LEAST_NEGATIVES * positives, negatives)
    customers = min(1.0, settings.rows / max(least, 1))
    wanted = min(settings.negatives * customers * positives, settings.rows - customers * positives)
    return Shares(customers, min(1.0, wanted / max(customers * negatives, 1)))


def useful(pairs: Pairs, label: Array) -> Array:
    """(n,) bool: rows of customers with at least one positive among their candidates."""
    positives = np.bincount(pairs.run, weights=label, minlength=len(pairs.users))
    rows: Array = positives[pairs.run] > 0
    return rows


def sampled(pairs: Pairs, label: Array, share: Shares, week: int, seed: int) -> Array:
    """(n,) bool: the rows that training sees of a week.

    Customers without a positive are left out, of the others a ``share`` stays, with every positive and a ``share`` of
    the negatives. The sample is uniform: thinning by rank would show the ranker other candidates than it must order.
    """
    rng = np.random.default_rng([seed, week])
    drawn = rng.random(len(label)) < share.negatives
    rows: Array = useful(pairs, label) & ((label == 1) | drawn)
    if share.customers < 1:
        rows &= (rng.random(len(pairs.users)) < share.customers)[pairs.run]
    return rows


def read_candidates(name: str, week: int, users: Array) -> Lists:
    """The stored proposals of a source as lists, row r for ``users[r]``; customers not in ``users`` are left out."""
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


def one_week(shop: Shop, plan: Plan, week: int, params: Params) -> tuple[pl.DataFrame, dict[str, object] | None]:
    """The pool of a week's customers with labels; the recall figures of all buyers where the week is reported."""
    history, truth = weeks.history(shop.log, week), weeks.truth(shop.log, week)
    everybody = weeks.customers(shop.log, plan, week, params.weeks, params.seed)
    sources, proposing = loaded(week, params), source.proposing(params)
    figures = None
    if week in plan.validation:
        whole = {name: read_candidates(name, week, everybody) for name in proposing}
        figures = recall.figures(whole, everybody, truth, params.pool)
    users = everybody
    if week not in plan.stop:
        users = weeks.sampled(everybody, weeks.share(plan, params.weeks), week, params.seed)
    proposed = {name: read_candidates(name, week, users) for name in proposing}
    pairs, columns = pool.build(sources, proposed, history, shop, users, params)
    keys = pl.DataFrame({"user": pairs.user, "item": pairs.items, "label": labels(pairs, truth)})
    return pl.concat([keys, columns], how="horizontal"), figures


def kept_whole(shop: Shop, plan: Plan, week: int, params: Params) -> Array:
    """(c,) uint32 customers all of whose candidates are kept: those that stop a training or judge a search."""
    if week in plan.stop:
        return weeks.customers(shop.log, plan, week, params.weeks, params.seed)
    if week in plan.tuning(params.tuning.weeks):
        return weeks.judged(shop.log, plan, week, params.weeks, params.tuning.customers, params.seed)
    return np.empty(0, np.uint32)


def with_sample(rows: pl.DataFrame, share: Shares, whole: Array, week: int, seed: int) -> pl.DataFrame:
    """A week's pool with the columns ``sampled`` and ``kept`` behind its keys; of the customers ``whole`` all is kept.

    Who is kept whole changes nothing in what is sampled.
    """
    pairs = of_columns(rows["user"].to_numpy(), rows["item"].to_numpy())
    train = sampled(pairs, rows["label"].to_numpy(), share, week, seed)
    kept = train | np.isin(pairs.user, whole)
    return rows.insert_column(3, pl.Series("sampled", train)).insert_column(4, pl.Series("kept", kept))


def main() -> None:
    params = parameters.read()
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    reported, counts = [], []
    with stage.whole_folder(paths.POOL) as folder:
        for week in tqdm(plan.labelled, desc="pool", unit="week"):
            rows, figures = one_week(shop, plan, week, params)
            rows.write_parquet(paths.of_week(folder, "pool", week))
            if figures is not None:
                reported.append(figures)
            if week in plan.train:
                label = rows["label"].to_numpy()
                of_useful = useful(of_columns(rows["user"].to_numpy(), rows["item"].to_numpy()), label)
                counts.append((int(label.sum()), int(of_useful.sum() - label.sum())))
        share = shares(counts, params.table)
        for week in tqdm(plan.labelled, desc="sample", unit="week"):
            file = paths.of_week(folder, "pool", week)
            whole = kept_whole(shop, plan, week, params)
            rows = with_sample(pl.read_parquet(file), share, whole, week, params.seed)
            schema.check(rows, schema.POOL, "pool", key=("user", "item"), more=True).write_parquet(file)
        (folder / "recall.json").write_text(json.dumps(recall.mean_of_weeks(reported), indent=1))
    fewer = f"{share.customers:.4f} of the customers (see table.rows) and " if share.customers < 1 else ""
    print(f"pool: {fewer}{share.negatives:.4f} of the negatives of {len(plan.train)} training weeks are sampled")


if __name__ == "__main__":
    stage.run(main, "pool")
