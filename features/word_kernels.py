"""Numba kernel over the words of what a customer bought, and what is usual in the shop."""

from collections.abc import Sequence

import numba
import numpy as np

from features import kernels
from features.kernels import CHUNKS
from retail.log import Array
from retail.shop import Shop
from retail.weeks import History
from retail.wording import Wording

# Columns of ``overlap``, of the customer's decayed purchases of other articles.
COLUMNS = ("sum", "mean", "lift", "best")
SUM, MEAN, LIFT, BEST = range(4)
RARE = 1e-4  # added to a word's usual share: a word that no one buys is no sign of anything
ROUNDING = 1e-9  # of the sum: what is left of a difference that would be 0 without rounding


def usual(history: History, shop: Shop, window: int) -> Array:
    """(words,) float32: what one sale of the last ``window`` days brings of each word, on the average."""
    wording = shop.wording
    sold = sales(history, [window])[:, 0]
    a_sale: Array = (wording.of_words(sold) / max(sold.sum(), 1.0)).astype(np.float32)
    return a_sale


def sales(history: History, windows: Sequence[int]) -> Array:
    """(items, windows + 5) float64: what ``kernels.item_sales`` counts, without decayed sales."""
    log, none = history.log, np.zeros(0)
    asked = np.asarray(windows)
    found = kernels.item_sales(log.item_start, history.item_stop, log.item_day, history.cutoff, asked, none)
    return found.astype(np.float64)


def overlap(
    history: History, wording: Wording, usual: Array, users: Array, ptr: Array, wanted: Array,
    half_lives: Sequence[float],
) -> Array:  # fmt: skip
    """(h, 4, n) float32: what the words of ``wanted[ptr[r]:ptr[r+1]]`` have in common with what ``users[r]`` bought.

    A purchase weighs 2^(-age / half_life); those of the wanted article itself do not count, for other columns know
    of them. With P the weighted sum of the other articles' word weights, w the total weight and t the article's own:
    SUM t . P; MEAN t . P / w, the mean cosine; LIFT the mean over the article's words, by t^2, of log(1 + (P / w) /
    (usual + RARE)); BEST the largest t P / w of one word. 0 where nothing else was bought.
    """
    log = history.log
    ages = np.arange(history.cutoff + 1)
    decay = np.stack([np.exp2(-ages / life) for life in half_lives])  # (h, ages)
    out = np.zeros((len(half_lives), len(COLUMNS), len(wanted)), np.float32)
    _overlap(
        log.start[users], history.stop[users], log.item, log.day, history.cutoff, log.items, decay,
        wording.ptr, wording.word, wording.weight, usual, ptr, wanted, out,
    )  # fmt: skip
    return out


@numba.njit(parallel=True, cache=True)
def _overlap(begin: Array, end: Array, item: Array, day: Array, cutoff: int, items: int, decay: Array, word_ptr: Array,
             word: Array, weight: Array, usual: Array, ptr: Array, wanted: Array, out: Array) -> None:  # fmt: skip
    lives = len(decay)
    for chunk in numba.prange(CHUNKS):
        low, high = chunk * len(begin) // CHUNKS, (chunk + 1) * len(begin) // CHUNKS
        if low == high:
            continue
        said = np.zeros((len(usual), lives))  # weighted sum of the words bought
        mass = np.zeros((items, lives))  # of the customer's purchases of each article
        total = np.zeros(lives)
        for r in range(low, high):
            total[:] = 0
            for p in range(begin[r], end[r]):
                i = item[p]
                for h in range(lives):
                    value = decay[h, cutoff - day[p]]
                    mass[i, h] += value
                    total[h] += value
                    for q in range(word_ptr[i], word_ptr[i + 1]):
                        said[word[q], h] += value * weight[q]
            for k in range(ptr[r], ptr[r + 1]):
                i = wanted[k]
                for h in range(lives):
                    others = total[h] - mass[i, h]
                    least = ROUNDING * total[h]
                    if others <= least:
                        continue
                    for q in range(word_ptr[i], word_ptr[i + 1]):
                        common = said[word[q], h] - mass[i, h] * weight[q]
                        if common > least:
                            out[h, SUM, k] += common * weight[q]
                            unusual = common / others / (usual[word[q]] + RARE)
                            out[h, LIFT, k] += weight[q] * weight[q] * np.log1p(unusual)
                            out[h, BEST, k] = max(out[h, BEST, k], common * weight[q] / others)
                    out[h, MEAN, k] = out[h, SUM, k] / others
            for p in range(begin[r], end[r]):
                i = item[p]
                mass[i] = 0
                for q in range(word_ptr[i], word_ptr[i + 1]):
                    said[word[q]] = 0
