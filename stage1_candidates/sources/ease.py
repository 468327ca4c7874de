"""Propose articles by EASE (Steck, WWW 2019), a closed-form item-item regression, on decayed purchase counts."""

import numpy as np
import scipy.linalg
import scipy.sparse
from threadpoolctl import threadpool_limits

from retail.log import Array
from retail.params import Days, Positive, Share
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors


class Params(Source):
    half_life: Days  # of purchases, in the training of the weights and in their use
    articles: Positive  # best sellers that take part; the one dense matrix is articles x articles
    sales_half_life: Days  # of the sales that make a best seller
    ridge: Days  # regularisation, lambda of the paper
    neighbours: Positive  # weights kept per article, the largest ones
    own: Share  # weight of the customer's own count of the article; EASE's diagonal is zero


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Compute each article's largest positive weights B_ij = -P_ij / P_jj, P = (X'X + ridge I)^-1 (eq. 8)."""
    log, known = history.log, history.known
    sales = np.bincount(log.item[known], weights=history.decay(params.sales_half_life), minlength=log.items)
    chosen = np.sort(np.lexsort((np.arange(log.items), -sales))[: params.articles])
    bought = lists.own(history, np.arange(log.users), params.half_life)
    x = scipy.sparse.csr_array((bought.weight, bought.target, bought.ptr), shape=(bought.keys, log.items))[:, chosen]
    gram = (x.T @ x).toarray().astype(np.float32)  # (m, u) @ (u, m) -> (m, m)
    gram[np.diag_indices_from(gram)] += params.ridge
    # BLAS splits its sums by threads; with one thread the last bits do not depend on the number of cores
    with threadpool_limits(1, user_api="blas"):
        inverse = scipy.linalg.inv(gram, overwrite_a=True, check_finite=False, assume_a="pos")
    weights = -inverse / np.diag(inverse)
    weights[np.diag_indices_from(weights)] = params.own
    keep = min(params.neighbours, len(chosen))
    best = np.argpartition(-weights, keep - 1, axis=1)[:, :keep]
    row = np.repeat(np.arange(len(chosen)), keep)
    value = np.take_along_axis(weights, best, axis=1).ravel()
    return lists.gather(
        chosen[row][value > 0], chosen[best.ravel()][value > 0], value[value > 0], log.items, keep
    ).arrays("near")


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Multiply (customers, articles) by (articles, articles): own decayed counts times the weights."""
    return lists.own(history, users, params.half_life), Lists.of(state, "near"), None
