"""Nearest articles by dot product: faiss on the GPU where there is one and on the CPU elsewhere, with the same ids.

faiss picks the candidates; their order and their score come from one dot product of our own, so that a score depends on
nothing but the two vectors, and equal scores stand by id.
"""

from dataclasses import dataclass
from typing import Any, Literal

import faiss
import numba
import numpy as np

from retail.errors import InputError
from retail.log import Array
from retail.params import Block, Positive
from retail.weeks import History

Kind = Literal["flat", "ivf", "hnsw"]
CHUNK = 4096  # queries at a time
SLACK = 16  # neighbours asked for beyond those wanted: scores that rounding may have put in another order
ROUNDING = 1e-5  # of the product of two norms: the most by which faiss's dot product may be off
GPU_MOST = 2048  # neighbours that faiss finds on a GPU
LINKS = 32  # of an article in the graph of kind hnsw
PER_CELL = 39  # articles that faiss wants for each cell of kind ivf


class Search(Block):
    kind: Kind  # flat: every article; ivf: those of the nearest cells; hnsw: a walk in a graph of neighbours
    effort: Positive  # ivf: cells that are visited; hnsw: length of the walk's list; of no use to flat


@dataclass(frozen=True)
class Index:
    """Articles ``ids``, ascending, with their vectors, and faiss's structure over them."""

    ids: Array  # (n,) uint32
    vectors: Array  # (n, d) float32
    kind: Kind
    faiss: Any


def sold_lately(history: History, days: int) -> Array:
    """(n,) uint32 articles with a sale in the last ``days`` before the cutoff, ascending."""
    log = history.log
    last = np.maximum(history.item_stop - 1, 0)
    sold = history.item_stop > log.item_start[:-1]
    if not sold.any():
        return np.zeros(0, np.uint32)
    return np.flatnonzero(sold & (log.item_day[last] >= history.cutoff - days)).astype(np.uint32)


def build(vectors: Array, ids: Array, settings: Search) -> Index:
    """Index of the articles ``ids`` (ascending) of the table ``vectors`` (items, d), by dot product.

    The same input gives the same index: the cells of ivf are trained from a fixed seed, the graph of hnsw is built by
    one thread. A graph stays on the CPU, faiss has none for the GPU.
    """
    if len(ids) > 1 and (np.diff(ids.astype(np.int64)) <= 0).any():
        raise InputError("the ids of an index must ascend without repeats; expected sorted unique articles; sort them")
    rows = np.ascontiguousarray(vectors[ids], dtype=np.float32)
    size = vectors.shape[1]
    made: Any
    if settings.kind == "hnsw":
        made = faiss.IndexHNSWFlat(size, LINKS, faiss.METRIC_INNER_PRODUCT)
        made.hnsw.efSearch = settings.effort
        _by_one_thread(made, rows)
    elif settings.kind == "ivf":
        cells = int(np.clip(4 * np.sqrt(len(rows)), 1, max(len(rows) // PER_CELL, 1)))
        made = faiss.IndexIVFFlat(faiss.IndexFlatIP(size), size, cells, faiss.METRIC_INNER_PRODUCT)
        made.nprobe = min(settings.effort, cells)
        made.cp.min_points_per_centroid = 1  # a small shop is no reason for a warning
        if len(rows):
            made.train(rows)
            made.add(rows)
    else:
        made = faiss.IndexFlatIP(size)
        made.add(rows)
    if settings.kind != "hnsw" and faiss.get_num_gpus() > 0:
        made = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, made)
    return Index(ids, rows, settings.kind, made)


def search(index: Index, queries: Array, take: int) -> tuple[Array, Array]:
    """(ids, scores) of the ``take`` best articles of every query (q, d) float32, or of all where there are fewer.

    ids (q, k) uint32 and scores (q, k) float32, best first, equal scores by id. Kinds ivf and hnsw may find fewer than
    k: the rest of such a row is -inf with id 0. Of kind flat the answer is exact as ``dot`` computes it.
    """
    k = min(take, len(index.ids))
    ids = np.zeros((len(queries), k), np.uint32)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    if k == 0:
        return ids, scores
    longest = np.linalg.norm(index.vectors, axis=1).max()
    for begin in range(0, len(queries), CHUNK):
        some = np.ascontiguousarray(queries[begin : begin + CHUNK], dtype=np.float32)
        place, near = _candidates(index, some, k)
        best, score = _ordered(some, index, place, k)
        if index.kind == "flat" and place.shape[1] < len(index.ids):
            # what faiss left out scores at most its last score; rounding could lift it over the last one kept
            doubt = ROUNDING * longest * np.linalg.norm(some, axis=1)
            for row in np.flatnonzero(near[:, -1] + doubt >= score[:, -1]):
                best[row], score[row] = _ordered(some[row : row + 1], index, _every(index, 1), k)
        ids[begin : begin + CHUNK], scores[begin : begin + CHUNK] = best, score
    return ids, scores


def dot(left: Array, right: Array, left_row: Array, right_row: Array) -> Array:
    """(n,) float32: ``left[left_row[k]]`` times ``right[right_row[k]]``, summed in float64 from the first on."""
    return _dot(left, right, left_row.astype(np.int64), right_row.astype(np.int64))


def _by_one_thread(index: Any, rows: Array) -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index.add(rows)
    finally:
        faiss.omp_set_num_threads(before)


def _candidates(index: Index, queries: Array, k: int) -> tuple[Array, Array]:
    """(q, more) places in the index, -1 where nothing was found, and faiss's scores, best first."""
    more = min(k + SLACK, len(index.ids))
    if more > GPU_MOST and index.kind != "hnsw" and faiss.get_num_gpus() > 0:
        return _every(index, len(queries)), np.zeros((len(queries), 0), np.float32)
    near, place = index.faiss.search(queries, more)
    return place, near


def _every(index: Index, queries: int) -> Array:
    return np.broadcast_to(np.arange(len(index.ids)), (queries, len(index.ids)))


def _ordered(queries: Array, index: Index, place: Array, k: int) -> tuple[Array, Array]:
    """(ids, scores) (q, k): the best of the articles at ``place`` (q, more), equal scores by id, -1 behind them."""
    row = np.repeat(np.arange(len(place)), place.shape[1])
    score = dot(queries, index.vectors, row, np.maximum(place, 0).ravel()).reshape(place.shape)
    score[place < 0] = -np.inf
    order = np.lexsort((place, -score), axis=1)[:, :k]  # ids ascend with places
    at = np.take_along_axis(place, order, 1)
    return np.where(at >= 0, index.ids[np.maximum(at, 0)], 0).astype(np.uint32), np.take_along_axis(score, order, 1)


@numba.njit(parallel=True, cache=True)
def _dot(left: Array, right: Array, left_row: Array, right_row: Array) -> Array:
    out = np.empty(len(left_row), np.float32)
    for k in numba.prange(len(left_row)):
        total = 0.0
        for j in range(left.shape[1]):
            total += np.float64(left[left_row[k], j]) * np.float64(right[right_row[k], j])
        out[k] = total
    return out
