"""Propose best sellers among customers of the same age bin, postal code, favourite department or favourite type."""

import numpy as np

from retail.log import Array
from retail.params import Days, Positive
from retail.ragged import offsets
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists
from stage1_candidates.engine.blocks import Source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.sparse_product import Factors

FAVOURITES = ("department_no", "product_type_no")


class Params(Source):
    half_life: Days  # days after which a sale counts half
    taste_half_life: Days  # the same for the purchases that make a favourite
    depth: Positive  # best sellers kept per segment
    smoothing: Days  # sales with which the whole shop's shares weigh against the segment's own


def fit(history: History, shop: Shop, params: Params) -> dict[str, Array]:
    """Compute for each segment the ``depth`` articles with the highest smoothed share.

    share(s, i) = (n_si + smoothing * p_i) / (n_s + smoothing), p_i the share of article i in the whole shop. The
    segments of all kinds that the data offers are numbered in one sequence. ``member`` is (kinds, users), -1 for none.
    """
    log, known = history.log, history.known
    sales = history.decay(params.half_life)
    everywhere = np.bincount(log.item[known], weights=sales, minlength=log.items)
    everywhere = everywhere / max(everywhere.sum(), 1e-12)
    members = _members(history, shop, params)
    kinds, base = [], 0
    for member in members:
        n = int(member.max(initial=-1)) + 1
        segment = member[log.user[known]].astype(np.int64)
        counts = lists.gather(segment, log.item[known], sales, n)
        total = np.bincount(segment[segment >= 0], weights=sales[segment >= 0], minlength=n)
        rows = counts.key_of_rows()
        share = (counts.weight + params.smoothing * everywhere[counts.target]) / (total[rows] + params.smoothing)
        kinds.append(lists.gather(rows, counts.target, share, n, params.depth))
        member[member >= 0] += base
        base += n
    joined = Lists(
        offsets(np.concatenate([np.zeros(0, np.int64), *[np.diff(kind.ptr) for kind in kinds]])),
        np.concatenate([np.zeros(0, np.uint32), *[kind.target for kind in kinds]]),
        np.concatenate([np.zeros(0, np.float32), *[kind.weight for kind in kinds]]),
    )
    member = np.stack(members) if members else np.zeros((0, log.users), np.int32)
    return {**joined.arrays("best"), "member": member}


def factors(history: History, shop: Shop, state: dict[str, Array], users: Array, params: Params) -> Factors:
    """Multiply (customers, segments), 1 where a customer belongs to a segment, by (segments, articles)."""
    member = state["member"][:, users].T  # (kinds, users) -> (U, kinds)
    belongs = member >= 0
    ptr = offsets(belongs.sum(axis=1))
    key = member[belongs].astype(np.uint32)
    return Lists(ptr, key, np.ones(len(key), np.float32)), Lists.of(state, "best"), None


def _members(history: History, shop: Shop, params: Params) -> list[Array]:
    """Return a (users,) int32 segment code for each kind that the data offers, -1 where the customer has none."""
    kinds = [] if shop.age_bin is None else [shop.age_bin.copy()]
    if "postal_code" in shop.traits:
        kinds.append(shop.traits["postal_code"].copy())
    weight = history.decay(params.taste_half_life)
    favourites = [lists.favourites(history, shop.attributes[name], weight) for name in FAVOURITES
                 if name in shop.attributes]  # fmt: skip
    return [*kinds, *(favourite.astype(np.int32) for favourite in favourites)]
