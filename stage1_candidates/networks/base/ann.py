"""Search the nearest articles by dot product with faiss, on the GPU or the CPU, with the same ids on both.

faiss selects the candidates. Their scores and order come from our own dot product. A score thus depends on the two
vectors only, and equal scores are sorted by id.
"""

from dataclasses import dataclass
from typing import Any, Literal

import faiss
import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.errors import InputError
from retail.log import Array
from retail.params import Block, Positive
from retail.weeks import History

Kind = Literal["flat", "ivf", "hnsw"]
CHUNK = 4096  # queries at a time
SLACK = 16  # additional neighbours requested from faiss, because its rounding may change the order
ROUNDING = 1e-5  # largest error of faiss's dot product, relative to the product of the norms
GPU_MOST = 2048  # neighbours that faiss finds on a GPU at most
LINKS = 32  # per article in the graph of kind hnsw
PER_CELL = 39  # articles that faiss needs per cell of kind ivf


class Search(Block):
    """How articles are searched."""

    kind: Kind  # flat: all articles; ivf: those of the nearest cells; hnsw: a search in a graph of neighbours
    effort: Positive  # ivf: cells visited; hnsw: length of the candidate list; flat: no effect


@dataclass(frozen=True)
class Index:
    """The articles ``ids``, ascending, their vectors, and the index of faiss."""

    ids: Array  # (n,) uint32
    vectors: Array  # (n, d) float32
    kind: Kind
    faiss: Any


def sold_lately(history: History, days: int) -> Array:
    """Select the articles (n,) uint32 with a sale in the last ``days`` before the cutoff, ascending."""
    log = history.log
    last = np.maximum(history.item_stop - 1, 0)
    sold = history.item_stop > log.item_start[:-1]
    if not sold.any():
        return np.zeros(0, np.uint32)
    return np.flatnonzero(sold & (log.item_day[last] >= history.cutoff - days)).astype(np.uint32)


def build(vectors: Array, ids: Array, settings: Search) -> Index:
    """Build an index over the rows ``ids`` (ascending) of ``vectors`` (items, d); raise InputError for other ids.

    The same input gives the same index: the cells of ivf are trained with a fixed seed, and the graph of hnsw is built
    by one thread. The graph stays on the CPU, because faiss has no GPU version of it.
    """
    if len(ids) > 1 and (np.diff(ids.astype(np.int64)) <= 0).any():
        raise InputError("the ids of an index must ascend without repeats; expected sorted unique articles; sort them")
    rows = np.ascontiguousarray(vectors[ids], dtype=np.float32)
    size = vectors.shape[1]
    structure: Any
    if settings.kind == "hnsw":
        structure = faiss.IndexHNSWFlat(size, LINKS, faiss.METRIC_INNER_PRODUCT)
        structure.hnsw.efSearch = settings.effort
        _add_single_threaded(structure, rows)
    elif settings.kind == "ivf":
        cells = int(np.clip(4 * np.sqrt(len(rows)), 1, max(len(rows) // PER_CELL, 1)))
        structure = faiss.IndexIVFFlat(faiss.IndexFlatIP(size), size, cells, faiss.METRIC_INNER_PRODUCT)
        structure.nprobe = min(settings.effort, cells)
        structure.cp.min_points_per_centroid = 1  # suppresses the warning for a small shop
        if len(rows):
            structure.train(rows)
            structure.add(rows)
    else:
        structure = faiss.IndexFlatIP(size)
        structure.add(rows)
    if settings.kind != "hnsw" and faiss.get_num_gpus() > 0:
        structure = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, structure)
    return Index(ids, rows, settings.kind, structure)


def search(index: Index, queries: Array, take: int) -> tuple[Array, Array]:
    """Search the k best articles of every query (q, d) float32, where k is ``take`` or the number of articles.

    Returns ids (q, k) uint32 and scores (q, k) float32, best first, equal scores by id. Kinds ivf and hnsw may find
    fewer than k; the rest of such a row has score -inf and id 0. Kind flat is exact with the scores of ``dot``.
    """
    k = min(take, len(index.ids))
    ids = np.zeros((len(queries), k), np.uint32)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    if k == 0:
        return ids, scores
    largest_norm = np.linalg.norm(index.vectors, axis=1).max()
    for begin in range(0, len(queries), CHUNK):
        chunk = np.ascontiguousarray(queries[begin : begin + CHUNK], dtype=np.float32)
        place, faiss_score = _find_candidates(index, chunk, k)
        best, score = _sort_by_score(chunk, index, place, k)
        if index.kind == "flat" and place.shape[1] < len(index.ids):
            # An article that faiss left out scores at most its last score plus the rounding error. Where this reaches
            # the last kept score, all articles are scored.
            error = ROUNDING * largest_norm * np.linalg.norm(chunk, axis=1)
            for row in np.flatnonzero(faiss_score[:, -1] + error >= score[:, -1]):
                best[row], score[row] = _sort_by_score(chunk[row : row + 1], index, _list_all(index, 1), k)
        ids[begin : begin + CHUNK], scores[begin : begin + CHUNK] = best, score
    return ids, scores


def dot(left: Array, right: Array, left_row: Array, right_row: Array) -> Array:
    """Compute the dot products (n,) float32 of ``left[left_row]`` and ``right[right_row]``, summed in float64."""
    out = np.empty(len(left_row), np.float32)
    rows = left_row.astype(np.int64, copy=False), right_row.astype(np.int64, copy=False)
    chunks.run(_dot, len(out), (left, right, *rows), (out,))
    return out


def _add_single_threaded(index: Any, rows: Array) -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index.add(rows)
    finally:
        faiss.omp_set_num_threads(before)


def _find_candidates(index: Index, queries: Array, k: int) -> tuple[Array, Array]:
    """Find (q, more) places in the index, -1 where there is none, and the scores of faiss, best first."""
    more = min(k + SLACK, len(index.ids))
    if more > GPU_MOST and index.kind != "hnsw" and faiss.get_num_gpus() > 0:
        return _list_all(index, len(queries)), np.zeros((len(queries), 0), np.float32)
    score, place = index.faiss.search(queries, more)
    return place, score


def _list_all(index: Index, queries: int) -> Array:
    return np.broadcast_to(np.arange(len(index.ids)), (queries, len(index.ids)))


def _sort_by_score(queries: Array, index: Index, place: Array, k: int) -> tuple[Array, Array]:
    """Sort the articles at ``place`` (q, more) by score, then id; return the ids and scores (q, k) of the best."""
    row = np.repeat(np.arange(len(place)), place.shape[1])
    score = dot(queries, index.vectors, row, np.maximum(place, 0).ravel()).reshape(place.shape)
    score[place < 0] = -np.inf
    order = np.lexsort((place, -score), axis=1)[:, :k]  # ids ascend with places
    best = np.take_along_axis(place, order, 1)
    return np.where(best >= 0, index.ids[np.maximum(best, 0)], 0).astype(np.uint32), np.take_along_axis(score, order, 1)


@kernel
def _dot(low: int, high: int, left: Array, right: Array, left_row: Array, right_row: Array, out: Array) -> None:
    for k in range(low, high):
        total = 0.0
        for j in range(left.shape[1]):
            total += np.float64(left[left_row[k], j]) * np.float64(right[right_row[k], j])
        out[k] = total
