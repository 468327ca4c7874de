"""Measure the search for nearest articles: the speed of faiss and torch, and the recall of approximate indexes."""

import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import torch

from retail.log import Array
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base.ann import Search

ARTICLES, SIZE, TAKE = 105_542, 128, 100  # articles of the H&M competition; vector size; results per query
CLUSTERS, NOISE = 3000, 0.6  # as with trained vectors, articles and customers lie around common centres
CHUNK = 1000  # queries at a time; torch holds their complete table of scores


def make_vectors(n: int, seed: int) -> Array:
    """Make (n, SIZE) float32 unit vectors around CLUSTERS centres, the same centres for every seed."""
    centres = np.random.default_rng(0).normal(size=(CLUSTERS, SIZE)).astype(np.float32)
    rng = np.random.default_rng([1, seed])
    out = centres[rng.integers(CLUSTERS, size=n)] + NOISE * rng.normal(size=(n, SIZE)).astype(np.float32)
    rows: Array = out / np.linalg.norm(out, axis=1, keepdims=True)
    return rows.astype(np.float32)


def time_search(number: int, pairs: int) -> dict[str, Any]:
    """Time exact search for ``number`` queries, in queries per second; each method runs ``pairs`` times, in turn.

    The methods are torch.matmul with topk, faiss's flat index, and ``ann.search`` on that index.
    """
    articles, queries = make_vectors(ARTICLES, 1), make_vectors(number, 2)
    index = ann.build(articles, np.arange(ARTICLES, dtype=np.uint32), Search(kind="flat", effort=1))
    table, chunks = torch.from_numpy(articles.T.copy()), [queries[k : k + CHUNK] for k in range(0, number, CHUNK)]
    methods: dict[str, Callable[[], Any]] = {
        "torch": lambda: [torch.topk(torch.from_numpy(part) @ table, TAKE) for part in chunks],
        "faiss": lambda: [index.faiss.search(part, TAKE) for part in chunks],
        "ann.search": lambda: ann.search(index, queries, TAKE),
    }
    for name in methods:  # compile and load before the timing
        methods[name]() if number <= CHUNK else _warm_up(name, chunks[0], table, index)
    rates: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(pairs):
        for name, method in methods.items():
            started = time.perf_counter()
            method()
            rates[name].append(number / (time.perf_counter() - started))
    ratio = np.array(rates["faiss"]) / np.array(rates["torch"])
    return {
        "articles": ARTICLES, "size": SIZE, "take": TAKE, "queries": number, "pairs": pairs,
        "threads": torch.get_num_threads(), "gpus": faiss.get_num_gpus(),
        "per_second": {name: _summarise(values) for name, values in rates.items()},
        "faiss_over_torch": _summarise(ratio.tolist()),
    }  # fmt: skip


def measure_kinds(articles: Array, ids: Array, queries: Array, kinds: list[Search]) -> list[dict[str, Any]]:
    """Measure each of ``kinds``: seconds to build, queries per second, and recall of the exact TAKE best."""
    exact, _ = ann.search(ann.build(articles, ids, Search(kind="flat", effort=1)), queries, TAKE)
    out = []
    for settings in kinds:
        started = time.perf_counter()
        index = ann.build(articles, ids, settings)
        built = time.perf_counter() - started
        started = time.perf_counter()
        approximate, _ = ann.search(index, queries, TAKE)
        rate = len(queries) / (time.perf_counter() - started)
        share = np.mean([np.isin(right, left).mean() for left, right in zip(approximate, exact, strict=True)])
        out.append({**settings.model_dump(), "build_seconds": built, "per_second": rate, "recall": float(share)})
    return out


def _warm_up(name: str, part: Array, table: torch.Tensor, index: ann.Index) -> None:
    if name == "torch":
        torch.topk(torch.from_numpy(part) @ table, TAKE)
    else:
        ann.search(index, part, TAKE)


def _summarise(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "least": min(values), "most": max(values)}
