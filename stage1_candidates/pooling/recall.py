"""Measure the candidates before ranking: recall@k, hit ratio, rows, and the MAP@12 of a perfect ranker."""

from collections.abc import Mapping

import numba
import numpy as np

from retail import metrics
from retail.log import Array
from retail.params import Pool
from retail.ragged import offsets
from stage1_candidates.engine.lists import Lists

AT = (12, 50, 100, 200)
ORACLE = "oracle_map12"  # MAP@12 of a perfect ranker of the pool


def figures(
    proposed: Mapping[str, Lists], users: Array, truth: tuple[Array, Array], settings: Pool
) -> dict[str, object]:
    """Compute the figures of one label week for each source, the union, the union without each source, and the oracle.

    recall@k = purchases among the first k / purchases. hit ratio = purchases / rows. The oracle ranks the purchases in
    the pool first. The union's recall uses the fused order, also beyond the pool's size. Its rows, hit ratio and oracle
    describe the pool. A source's recall is constant beyond its own ``take``.
    """
    ptr, bought = metrics.truth_runs(*truth, users)
    own, fused, without, articles = ranks_of_purchases(proposed, ptr, bought, settings.rrf)
    measured: dict[str, object] = {
        name: {**_recall(own[:, s]), **_hit_ratio(own[:, s] > 0, len(best.target))}
        for s, (name, best) in enumerate(proposed.items())
    }
    in_pool = (fused > 0) & (fused <= settings.take)
    rows = int(np.minimum(articles, settings.take).sum())
    measured["union"] = {**_recall(fused), **_hit_ratio(in_pool, rows)}
    if len(proposed) > 1:
        measured |= {f"union without {name}": _recall(without[:, s]) for s, name in enumerate(proposed)}
    hits = np.diff(offsets(in_pool)[ptr])
    measured[ORACLE] = float((np.minimum(hits, metrics.K) / np.minimum(np.diff(ptr), metrics.K)).mean())
    return measured


def ranks_of_purchases(
    proposed: Mapping[str, Lists], ptr: Array, bought: Array, rrf: int
) -> tuple[Array, Array, Array, Array]:
    """Rank each purchase from 1 in each source, in all sources fused, and in all but one; 0 where it is absent.

    ``bought[ptr[r]:ptr[r + 1]]`` are the purchases of the customer of row r. Returns (n, sources), (n,) and
    (n, sources) int64, and the articles that the sources propose in a row (rows,). The ranks are those of
    ``fusion.fuse``: the weights are summed in the same order, and ties are broken by id.
    """
    all_lists = list(proposed.values())
    sources, rows = len(all_lists), len(ptr) - 1
    target = np.concatenate([best.target for best in all_lists])
    sizes = np.array([len(best.target) for best in all_lists])
    start = np.stack([best.ptr for best in all_lists]) + offsets(sizes)[:-1, None]  # (sources, rows + 1)
    most = int((start[:, 1:] - start[:, :-1]).sum(axis=0).max(initial=0))
    items = max(int(target.max(initial=0)), int(bought.max(initial=0))) + 1
    own, fused = np.zeros((len(bought), sources), np.int64), np.zeros((len(bought), sources + 1), np.int64)
    articles = np.zeros(rows, np.int64)
    _rank_purchases(
        0, rows, start, target, ptr, bought, float(rrf), own, fused, articles, np.zeros(items, np.int64),
        np.zeros(items, np.int64), np.empty(most, np.uint32), np.empty((most, sources + 1)),
    )  # fmt: skip
    return own, fused[:, sources], fused[:, :sources], articles


def mean_of_weeks(weeks: list[dict[str, object]]) -> dict[str, object]:
    """Average each figure over the weeks, the rows included."""
    out: dict[str, object] = {}
    for name, first in weeks[0].items():
        values = [week[name] for week in weeks]
        if isinstance(first, dict):
            out[name] = {key: round(float(np.mean([v[key] for v in values])), 6) for key in first}  # type: ignore[index]
        else:
            out[name] = round(float(np.mean(values)), 6)  # type: ignore[arg-type]
    return out


def _hit_ratio(hit: Array, rows: int) -> dict[str, float]:
    return {"hit_ratio": float(hit.sum() / max(rows, 1)), "rows": rows}


def _recall(rank: Array) -> dict[str, float]:
    return {f"recall@{k}": float(((rank > 0) & (rank <= k)).sum() / len(rank)) for k in AT}


@numba.njit(nogil=True, cache=True)
def _rank_purchases(low: int, high: int, start: Array, target: Array, ptr: Array, bought: Array, rrf: float, own: Array,
                    fused: Array, articles: Array, purchase: Array, place: Array, met: Array,
                    total: Array) -> None:  # fmt: skip
    """Fill the ranks of the purchases of rows ``low:high``; ``purchase`` and ``place`` (items,) are 0 before and after.

    ``total`` (articles of a row, sources + 1) holds the fused weights without each source, and of all sources.
    """
    sources = len(start)
    for r in range(low, high):
        for b in range(ptr[r], ptr[r + 1]):
            purchase[bought[b]] = b + 1
        n = 0
        for s in range(sources):
            begin = start[s, r]
            for k in range(begin, start[s, r + 1]):
                t = target[k]
                if place[t] == 0:
                    met[n] = t
                    total[n] = 0.0
                    n += 1
                    place[t] = n
                if purchase[t] > 0:
                    own[purchase[t] - 1, s] = k - begin + 1
                row = total[place[t] - 1]
                weight = 1.0 / (rrf + (k - begin + 1))
                for v in range(s):
                    row[v] += weight
                for v in range(s + 1, sources + 1):
                    row[v] += weight
        for b in range(ptr[r], ptr[r + 1]):
            purchase[bought[b]] = 0
            if place[bought[b]] == 0:
                continue
            mine, rank = total[place[bought[b]] - 1], fused[b]
            for k in range(n):
                first = met[k] <= bought[b]  # the purchase itself counts, so that ranks start at 1
                for v in range(sources + 1):
                    rank[v] += (total[k, v] > mine[v]) | ((total[k, v] == mine[v]) & first)
            for v in range(sources + 1):
                if mine[v] == 0:
                    rank[v] = 0  # no other source proposes it
        for k in range(n):
            place[met[k]] = 0
        articles[r] = n
