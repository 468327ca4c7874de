"""Numba kernel over the words of what a customer bought, and what is usual in the shop."""

from collections.abc import Sequence

import numba
import numpy as np

from features.engine import kernels
from retail.chunks import CHUNKS, bounds
from retail.log import Array
from retail.shop import Shop
from retail.weeks import History
from retail.wording import Wording

# Columns of ``overlap``, of the customer's decayed purchases of other articles.
COLUMNS = ("sum", "mean", "lift", "best")
SUM, MEAN, LIFT, BEST = range(4)
RARE = 1e-4  # added to a word's usual share: a word that no one buys is no sign of anything
TINY = 1e-300  # purchases so old that 2^(-age / half_life) is 0
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
        low, high = bounds(chunk, len(begin))
        if low == high:
            continue
        said = np.zeros((len(usual), lives))  # weighted sum of the words bought
        mass = np.zeros((items, lives))  # of the customer's purchases of each article
        rise = np.zeros((len(usual), lives))  # what LIFT's logarithm is for an article that was not bought
        total, sums = np.zeros(lives), np.zeros((len(COLUMNS), lives))
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
            for p in range(begin[r], end[r]):
                i = item[p]
                for q in range(word_ptr[i], word_ptr[i + 1]):
                    c = word[q]
                    if rise[c, 0] == 0:  # a logarithm costs more than all the rest: once a customer and word
                        for h in range(lives):
                            rise[c, h] = np.log1p(said[c, h] / max(total[h], TINY) / (usual[c] + RARE))
            for k in range(ptr[r], ptr[r + 1]):
                i = wanted[k]
                sums[:] = 0
                for q in range(word_ptr[i], word_ptr[i + 1]):
                    c, own = word[q], weight[q]
                    for h in range(lives):
                        common = said[c, h] - mass[i, h] * own
                        if common > ROUNDING * total[h]:
                            step = rise[c, h]
                            if mass[i, h] > 0:
                                others = total[h] - mass[i, h]
                                step = np.log1p(common / others / (usual[c] + RARE))
                            sums[SUM, h] += common * own
                            sums[LIFT, h] += own * own * step
                            sums[BEST, h] = max(sums[BEST, h], common * own)
                for h in range(lives):
                    others = total[h] - mass[i, h]
                    if others > ROUNDING * total[h]:
                        out[h, SUM, k], out[h, MEAN, k] = sums[SUM, h], sums[SUM, h] / others
                        out[h, LIFT, k], out[h, BEST, k] = sums[LIFT, h], sums[BEST, h] / others
            for p in range(begin[r], end[r]):
                i = item[p]
                mass[i] = 0
                for q in range(word_ptr[i], word_ptr[i + 1]):
                    said[word[q]] = 0
                    rise[word[q]] = 0
