"""Measure the candidates before any ranker: recall@k, hit ratio, rows, and the MAP@12 of a perfect ranker."""

from collections.abc import Mapping

import numpy as np

from retail import metrics
from retail.log import Array
from retail.params import Pool
from retail.ragged import pair_codes
from stage1_candidates.engine.lists import Lists
from stage1_candidates.pooling import fusion

AT = (12, 50, 100, 200)
ORACLE = "oracle_map12"  # MAP@12 of a perfect ranker of the pool


def figures(
    proposed: Mapping[str, Lists], users: Array, truth: tuple[Array, Array], settings: Pool
) -> dict[str, object]:
    """Compute the figures of one label week: each source, union, union without each source, oracle.

    recall@k = truth pairs among the first k / truth pairs; hit ratio = truth pairs / rows; the oracle puts the
    bought articles of the pool first. The union's recall is that of the fused order, also beyond the pool's size. Its
    rows, its hit ratio and the oracle are the pool's. A source's recall cannot rise beyond its own ``take``.
    """
    bought = pair_codes(np.searchsorted(users, truth[0]), truth[1])
    fused = fusion.fuse(proposed, settings)
    deep = settings.model_copy(update={"take": max(settings.take, *AT)})
    by_name: dict[str, object] = {name: _measure(best, bought) for name, best in proposed.items()}
    by_name["union"] = {**_measure(fused, bought), **_recall(fusion.fuse(proposed, deep), bought)}
    if len(proposed) > 1:
        for name in proposed:
            rest = {other: best for other, best in proposed.items() if other != name}
            by_name[f"union without {name}"] = _recall(fusion.fuse(rest, deep), bought)
    by_name[ORACLE] = _oracle(fused, users, truth, bought)
    return by_name


def mean_of_weeks(weeks: list[dict[str, object]]) -> dict[str, object]:
    """Average each figure over the weeks, the number of rows included."""
    out: dict[str, object] = {}
    for name, first in weeks[0].items():
        values = [week[name] for week in weeks]
        if isinstance(first, dict):
            out[name] = {key: round(float(np.mean([v[key] for v in values])), 6) for key in first}  # type: ignore[index]
        else:
            out[name] = round(float(np.mean(values)), 6)  # type: ignore[arg-type]
    return out


def _measure(best: Lists, bought: Array) -> dict[str, float]:
    hit = np.isin(pair_codes(best.key_of_rows(), best.target), bought)
    return {**_recall(best, bought), "hit_ratio": float(hit.sum() / max(len(hit), 1)), "rows": len(hit)}


def _recall(best: Lists, bought: Array) -> dict[str, float]:
    hit = np.isin(pair_codes(best.key_of_rows(), best.target), bought)
    rank = fusion.ranks(best)
    return {f"recall@{k}": float(hit[rank <= k].sum() / len(bought)) for k in AT}


def _oracle(fused: Lists, users: Array, truth: tuple[Array, Array], bought: Array) -> float:
    hit = np.isin(pair_codes(fused.key_of_rows(), fused.target), bought)
    hits = np.bincount(fused.key_of_rows()[hit], minlength=len(users))
    sizes = np.diff(metrics.truth_runs(*truth, users)[0])
    return float((np.minimum(hits, metrics.K) / np.minimum(sizes, metrics.K)).mean())
