"""Why each of a customer's twelve articles, and which sources proposed it: the lists of the submission, explained."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from tqdm import tqdm

from retail import paths, weeks
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.metrics import K
from retail.pairs import Pairs
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.pool import loaded
from stage1_candidates.pooling.pool import codes
from stage2_ranker.model import ranker
from stage2_ranker.model.blend import Blend
from submissions.answering import answer
from submissions.explain.contributions import Explainer
from submissions.explain.explanation_table import COLUMNS, REASONS, described
from submissions.explain.reasons import topics
from submissions.explain.reasons.chosen import Chosen
from submissions.explain.reasons.labels import labels
from submissions.explain.reasons.strongest import strongest

FILLED = "you have fewer than 12 candidates: filled up with the shop's best sellers"


def explained(
    history: History, shop: Shop, users: Array, sources: Mapping[str, Loaded], explainer: Explainer, params: Params,
    articles: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Rows user, place, item, score, sources, reason_1..reason_3 of ``users`` (ascending), in their order.

    ``articles``: ``labels``. The lists are those of ``answer.answer``. An article that only fills a list up has no
    score (null), no sources, and says so.
    """
    pairs, rows, score = answer.scored(history, shop, users, sources, explainer.blend, params)
    lists = answer.top(pairs, score, answer.fillers(history))  # (u, 12)
    code = codes(pairs.run, pairs.items)  # ascending
    wanted = codes(np.repeat(np.arange(len(users)), K), lists.ravel())
    row = np.minimum(np.searchsorted(code, wanted), max(len(code) - 1, 0))
    proposed = code[row] == wanted if len(code) else np.zeros(len(wanted), bool)
    keep = np.sort(row[proposed])  # by customer, then article
    chosen = _chosen(history, shop, pairs, rows, keep, sources, explainer, articles)
    found = pl.DataFrame(
        {
            "user": chosen.pairs.user,
            "item": chosen.pairs.items.astype(np.int64),
            "score": score[keep].astype(np.float32),
            "sources": proposers(chosen),
        }
    ).hstack(reasons(chosen, params))
    listed = pl.DataFrame(
        {"user": np.repeat(users, K), "place": np.tile(np.arange(1, K + 1), len(users)), "item": lists.ravel()}
    )
    whole = listed.join(found, on=["user", "item"], how="left", validate="1:1", maintain_order="left")
    return whole.with_columns(
        pl.col("sources").fill_null([]),
        pl.col("reason_1").fill_null(FILLED),
        *(pl.col(f"reason_{k}").fill_null("") for k in range(2, REASONS + 1)),
    )


def reasons(chosen: Chosen, params: Params) -> pl.DataFrame:
    """reason_1..reason_3 of every row of ``chosen``."""
    of = topics.topics(chosen.features.columns, params, chosen.shop)
    return strongest(chosen, dict(zip(of, topics.summed(chosen.contributions, of).T, strict=True)))


def proposers(chosen: Chosen) -> pl.Series:
    """(n,) list of the sources and networks whose list for the customer holds the article, by name."""
    ranks = {name: f"{name}__rank" for name in chosen.sources if f"{name}__rank" in chosen.features.columns}
    named = [pl.when(pl.col(rank).is_not_nan()).then(pl.lit(name)) for name, rank in ranks.items()]
    return chosen.features.select(pl.concat_list(named).list.drop_nulls()).to_series()


def _chosen(
    history: History, shop: Shop, pairs: Pairs, rows: pl.DataFrame, keep: Array, sources: Mapping[str, Loaded],
    explainer: Explainer, articles: pl.DataFrame,
) -> Chosen:  # fmt: skip
    """The rows ``keep`` of ``pairs``, with what each feature contributed."""
    count = np.bincount(pairs.run[keep], minlength=len(pairs.users))
    features = rows[keep].drop("user", "item")
    return Chosen(
        history=history,
        shop=shop,
        pairs=Pairs(pairs.users, np.concatenate([np.zeros(1, np.int64), np.cumsum(count)]), pairs.items[keep]),
        features=features,
        contributions=explainer.contributions(ranker.matrix(features)),
        candidates=np.diff(pairs.ptr)[pairs.run[keep]],
        sources=sources,
        articles=articles,
    )


def with_ids(found: pl.DataFrame, customer_id: pl.Series, article_id: pl.Series) -> pl.DataFrame:
    """``found`` with the ids of customers and articles in place of their codes, as COLUMNS."""
    ids = found.with_columns(customer_id=customer_id.gather(found["user"]), article_id=article_id.gather(found["item"]))
    return ids.select(*COLUMNS).cast(COLUMNS)  # type: ignore[arg-type]


def of(wanted: Array, params: Params) -> pl.DataFrame:
    """Rows as COLUMNS of the customers ``wanted``, in their order, in the week after the data."""
    if len(wanted) == 0:
        return pl.DataFrame(schema=COLUMNS)
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    history = weeks.history(shop.log, plan.submission)
    explainer = Explainer.of(Blend.load(paths.FINAL_MODEL), K * len(wanted))
    try:
        sources = loaded(plan.submission, params)
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file; run `dvc repro`") from error
    articles, users = labels(params.data.folder, described()), np.sort(wanted)
    parts = []
    with tqdm(total=len(users), desc="explain", unit="customer", disable=len(users) == 1) as bar:
        for part in answer.shards(users, params.submit.shard):
            parts.append(explained(history, shop, part, sources, explainer, params, articles))
            bar.update(len(part))
    order = pl.DataFrame({"user": wanted})
    whole = order.join(pl.concat(parts), on="user", validate="1:m", maintain_order="left_right")
    return with_ids(whole, pl.read_parquet(paths.CUSTOMERS)["customer_id"], articles["article_id"])
