"""Explain the lists of the submission: the reasons for each article, and the sources that propose it."""

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
from retail.ragged import offsets, pair_codes
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.pool import load_sources
from stage2_ranker.model import ranker
from stage2_ranker.model.blend import Blend
from submissions.answering import answer
from submissions.explain.contributions import Explainer
from submissions.explain.explanation_table import COLUMNS, REASONS, read_article_names
from submissions.explain.reasons import topics
from submissions.explain.reasons.labels import read_labels
from submissions.explain.reasons.recommendations import Recommendations
from submissions.explain.reasons.strongest import choose_strongest

FILLER_REASON = "a best seller, added because you have fewer than 12 candidates"


def explain_shard(
    history: History, shop: Shop, users: Array, sources: Mapping[str, Loaded], explainer: Explainer, params: Params,
    articles: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Explain a shard: rows user, place, item, score, sources, reason_1..reason_3 for ``users`` (ascending), in order.

    ``articles``: the table of ``read_labels``. The lists equal those of ``answer.answer``. A best seller that completes
    a list has a null score, no sources, and the reason FILLER_REASON.
    """
    pairs, rows, score = answer.score_candidates(history, shop, users, sources, explainer.blend, params)
    lists = answer.select_top(pairs, score, answer.list_cached_best_sellers(history))  # (u, 12)
    code = pair_codes(pairs.run, pairs.items)  # ascending
    list_code = pair_codes(np.repeat(np.arange(len(users)), K), lists.ravel())
    row = np.minimum(np.searchsorted(code, list_code), max(len(code) - 1, 0))
    is_candidate = code[row] == list_code if len(code) else np.zeros(len(list_code), bool)
    keep = np.sort(row[is_candidate])  # by customer, then article
    recommended = _collect(history, shop, pairs, rows, keep, sources, explainer, articles)
    explanation = pl.DataFrame(
        {
            "user": recommended.pairs.user,
            "item": recommended.pairs.items.astype(np.int64),
            "score": score[keep].astype(np.float32),
            "sources": list_proposers(recommended),
        }
    ).hstack(choose_reasons(recommended, params))
    listed = pl.DataFrame(
        {"user": np.repeat(users, K), "place": np.tile(np.arange(1, K + 1), len(users)), "item": lists.ravel()}
    )
    whole = listed.join(explanation, on=["user", "item"], how="left", validate="1:1", maintain_order="left")
    return whole.with_columns(
        pl.col("sources").fill_null([]),
        pl.col("reason_1").fill_null(FILLER_REASON),
        *(pl.col(f"reason_{k}").fill_null("") for k in range(2, REASONS + 1)),
    )


def choose_reasons(recommended: Recommendations, params: Params) -> pl.DataFrame:
    """Choose reason_1..reason_3 of every recommendation."""
    places = topics.group_columns(recommended.features.columns, params, recommended.shop)
    total = topics.sum_by_topic(recommended.contributions, places)
    return choose_strongest(recommended, dict(zip(places, total.T, strict=True)))


def list_proposers(recommended: Recommendations) -> pl.Series:
    """List the sources and networks that propose the article to the customer: (n,) lists of names."""
    columns = recommended.features.columns
    ranks = {name: f"{name}__rank" for name in recommended.sources if f"{name}__rank" in columns}
    names = [pl.when(pl.col(rank).is_not_nan()).then(pl.lit(name)) for name, rank in ranks.items()]
    return recommended.features.select(pl.concat_list(names).list.drop_nulls()).to_series()


def _collect(
    history: History, shop: Shop, pairs: Pairs, rows: pl.DataFrame, keep: Array, sources: Mapping[str, Loaded],
    explainer: Explainer, articles: pl.DataFrame,
) -> Recommendations:  # fmt: skip
    """Collect the rows ``keep`` of ``pairs`` with each feature's contribution."""
    count = np.bincount(pairs.run[keep], minlength=len(pairs.users))
    features = rows[keep].drop("user", "item")
    return Recommendations(
        history=history,
        shop=shop,
        pairs=Pairs(pairs.users, offsets(count), pairs.items[keep]),
        features=features,
        contributions=explainer.compute_contributions(ranker.to_matrix(features)),
        candidates=np.diff(pairs.ptr)[pairs.run[keep]],
        sources=sources,
        articles=articles,
    )


def replace_codes(explanation: pl.DataFrame, customer_id: pl.Series, article_id: pl.Series) -> pl.DataFrame:
    """Replace the codes of customers and articles by their ids; the result has the columns COLUMNS."""
    ids = explanation.with_columns(
        customer_id=customer_id.gather(explanation["user"]), article_id=article_id.gather(explanation["item"])
    )
    return ids.select(*COLUMNS).cast(COLUMNS)  # type: ignore[arg-type]


def explain_customers(requested: Array, params: Params) -> pl.DataFrame:
    """Explain the lists of the customers ``requested``, in their order, for the week after the data.

    The result has the columns COLUMNS. Raises InputError if the state of a source is missing.
    """
    if len(requested) == 0:
        return pl.DataFrame(schema=COLUMNS)
    shop = shops.read()
    plan = weeks.plan(shop.log, params.weeks)
    history = weeks.history(shop.log, plan.submission)
    explainer = Explainer.prepare(Blend.load(paths.FINAL_MODEL), K * len(requested))
    try:
        sources = load_sources(plan.submission, params)
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file; run `dvc repro` first") from error
    articles, users = read_labels(params.data.folder, read_article_names()), np.sort(requested)
    parts = []
    with tqdm(total=len(users), desc="explain", unit="customer", disable=len(users) == 1) as bar:
        for shard in answer.split_shards(users, params.submit.shard):
            parts.append(explain_shard(history, shop, shard, sources, explainer, params, articles))
            bar.update(len(shard))
    order = pl.DataFrame({"user": requested})
    whole = order.join(pl.concat(parts), on="user", validate="1:m", maintain_order="left_right")
    return replace_codes(whole, pl.read_parquet(paths.CUSTOMERS)["customer_id"], articles["article_id"])
