"""How fast nearest articles are found: faiss against torch, in pairs; and what the approximate kinds miss."""

import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import torch

from retail.log import Array
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base.ann import Search

ARTICLES, SIZE, TAKE = 105_542, 128, 100  # of the H&M competition
CLUSTERS, NOISE = 3000, 0.6  # articles and customers lie about common centres, as learned vectors do
CHUNK = 1000  # queries at a time: torch holds their whole table of scores


def vectors(n: int, seed: int) -> Array:
    """(n, SIZE) float32 unit vectors about CLUSTERS centres, the same centres for every seed."""
    centres = np.random.default_rng(0).normal(size=(CLUSTERS, SIZE)).astype(np.float32)
    rng = np.random.default_rng([1, seed])
    out = centres[rng.integers(CLUSTERS, size=n)] + NOISE * rng.normal(size=(n, SIZE)).astype(np.float32)
    rows: Array = out / np.linalg.norm(out, axis=1, keepdims=True)
    return rows.astype(np.float32)


def paired(queries: int, pairs: int) -> dict[str, Any]:
    """Queries a second of torch.matmul + topk, faiss's flat index and ``ann.search`` over it, one after another."""
    articles, asked = vectors(ARTICLES, 1), vectors(queries, 2)
    index = ann.build(articles, np.arange(ARTICLES, dtype=np.uint32), Search(kind="flat", effort=1))
    table, chunks = torch.from_numpy(articles.T.copy()), [asked[k : k + CHUNK] for k in range(0, queries, CHUNK)]
    methods: dict[str, Callable[[], Any]] = {
        "torch": lambda: [torch.topk(torch.from_numpy(part) @ table, TAKE) for part in chunks],
        "faiss": lambda: [index.faiss.search(part, TAKE) for part in chunks],
        "ann.search": lambda: ann.search(index, asked, TAKE),
    }
    for name in methods:  # compiled and paged in before any is timed
        methods[name]() if queries <= CHUNK else _first(name, chunks[0], table, index)
    rates: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(pairs):
        for name, method in methods.items():
            began = time.perf_counter()
            method()
            rates[name].append(queries / (time.perf_counter() - began))
    ratio = np.array(rates["faiss"]) / np.array(rates["torch"])
    return {
        "articles": ARTICLES, "size": SIZE, "take": TAKE, "queries": queries, "pairs": pairs,
        "threads": torch.get_num_threads(), "gpus": faiss.get_num_gpus(),
        "per_second": {name: _spread(values) for name, values in rates.items()},
        "faiss_over_torch": _spread(ratio.tolist()),
    }  # fmt: skip


def approximate(articles: Array, ids: Array, asked: Array, kinds: list[Search]) -> list[dict[str, Any]]:
    """For each of ``kinds``: seconds to build, queries a second, and the share of the exact TAKE best that it finds."""
    exact, _ = ann.search(ann.build(articles, ids, Search(kind="flat", effort=1)), asked, TAKE)
    out = []
    for settings in kinds:
        began = time.perf_counter()
        index = ann.build(articles, ids, settings)
        built = time.perf_counter() - began
        began = time.perf_counter()
        found, _ = ann.search(index, asked, TAKE)
        rate = len(asked) / (time.perf_counter() - began)
        share = np.mean([np.isin(right, left).mean() for left, right in zip(found, exact, strict=True)])
        out.append({**settings.model_dump(), "build_seconds": built, "per_second": rate, "recall": float(share)})
    return out


def _first(name: str, part: Array, table: torch.Tensor, index: ann.Index) -> None:
    if name == "torch":
        torch.topk(torch.from_numpy(part) @ table, TAKE)
    else:
        ann.search(index, part, TAKE)


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "least": min(values), "most": max(values)}
