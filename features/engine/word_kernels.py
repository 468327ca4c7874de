"""Compare an article's words with those of a customer's purchases and of the shop's average sale."""

from collections.abc import Sequence

import numpy as np

from features.engine import kernels
from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from retail.shop import Shop
from retail.weeks import History
from retail.wording import Wording

# The second axis of ``compare_words``
COLUMNS = ("sum", "mean", "lift", "best")
SUM, MEAN, LIFT, BEST = range(4)
RARE = 1e-4  # added to a word's share in the shop, so that a word without sales gives no large lift
TINY = 1e-300  # replaces a total weight of 0, to which very old purchases decay in float64
ROUNDING = 1e-9  # a difference below this fraction of the total is a rounding error and counts as 0


def average_words(history: History, shop: Shop, window: int) -> Array:
    """Average the word weights of the sales of the last ``window`` days: (words,) float32."""
    wording = shop.wording
    sold = count_sales(history, [window])[:, 0]
    mean: Array = (wording.sum_by_word(sold) / max(sold.sum(), 1.0)).astype(np.float32)
    return mean


def count_sales(history: History, windows: Sequence[int]) -> Array:
    """Count sales as ``kernels.count_item_sales`` does, without decayed sales: (items, windows + 5) float64."""
    log, no_half_lives = history.log, np.zeros(0)
    days = np.asarray(windows)
    sales = kernels.count_item_sales(
        log.item_start, history.item_stop, log.item_day, history.cutoff, days, no_half_lives
    )
    return sales.astype(np.float64)


def compare_words(
    history: History, wording: Wording, average: Array, users: Array, ptr: Array, wanted: Array,
    half_lives: Sequence[float],
) -> Array:  # fmt: skip
    """Compare the words of each article ``wanted[ptr[r]:ptr[r+1]]`` with those of the purchases of ``users[r]``.

    Returns (h, 4, n) float32: half-life, column, pair. ``average`` (words,) is the result of ``average_words``. A
    purchase weighs 2^(-age / half_life). Purchases of the wanted article itself are left out, since group ``own``
    covers them. Let t be the word weights of the wanted article, P the weighted sum of the word weights of the other
    purchases, and w the total weight of these purchases. All columns are 0 if there is no other purchase.

    SUM    t . P
    MEAN   t . P / w, the mean cosine
    LIFT   the sum over words of t^2 log(1 + (P / w) / (average + RARE))
    BEST   the largest t P / w of a single word
    """
    log = history.log
    ages = np.arange(history.cutoff + 1)
    decay = np.stack([np.exp2(-ages / life) for life in half_lives])  # (h, ages)
    out = np.zeros((len(half_lives), len(COLUMNS), len(wanted)), np.float32)
    words, lives = len(average), len(half_lives)
    chunks.run(
        _compare_words, len(users),
        (log.start[users], history.stop[users], log.item, log.day, history.cutoff, decay, wording.ptr, wording.word,
         wording.weight, average, ptr, wanted),
        (out,),
        lambda: (
            np.zeros((words, lives)), np.zeros((log.items, lives)), np.zeros((words, lives)), np.zeros(lives),
            np.zeros((len(COLUMNS), lives)),
        ),
    )  # fmt: skip
    return out


@kernel
def _compare_words(
    low: int, high: int, begin: Array, end: Array, item: Array, day: Array, cutoff: int, decay: Array, word_ptr: Array,
    word: Array, weight: Array, average: Array, ptr: Array, wanted: Array, out: Array, bought: Array, mass: Array,
    lift: Array, total: Array, sums: Array,
) -> None:  # fmt: skip
    """Fill ``out`` as ``compare_words`` says, with zeros in the scratch arrays at the start and the end.

    ``bought`` (words, h): weighted sum of the word weights of the customer's purchases. ``mass`` (items, h): total
    weight of the customer's purchases of each article. ``lift`` (words, h): LIFT's logarithm for an article that the
    customer did not buy.
    """
    lives = len(decay)
    for r in range(low, high):
        for h in range(lives):
            total[h] = 0
        for p in range(begin[r], end[r]):
            i = item[p]
            for h in range(lives):
                value = decay[h, cutoff - day[p]]
                mass[i, h] += value
                total[h] += value
                for q in range(word_ptr[i], word_ptr[i + 1]):
                    bought[word[q], h] += value * weight[q]
        for p in range(begin[r], end[r]):
            i = item[p]
            for q in range(word_ptr[i], word_ptr[i + 1]):
                c = word[q]
                if lift[c, 0] == 0:  # logarithms dominate the cost: compute them once per customer and word
                    for h in range(lives):
                        lift[c, h] = np.log1p(bought[c, h] / max(total[h], TINY) / (average[c] + RARE))
        for k in range(ptr[r], ptr[r + 1]):
            i = wanted[k]
            for h in range(lives):
                for c in range(len(sums)):
                    sums[c, h] = 0
            for q in range(word_ptr[i], word_ptr[i + 1]):
                c, own = word[q], weight[q]
                for h in range(lives):
                    common = bought[c, h] - mass[i, h] * own
                    if common > ROUNDING * total[h]:
                        step = lift[c, h]
                        if mass[i, h] > 0:
                            others = total[h] - mass[i, h]
                            step = np.log1p(common / others / (average[c] + RARE))
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
            for h in range(lives):
                mass[i, h] = 0
                for q in range(word_ptr[i], word_ptr[i + 1]):
                    bought[word[q], h] = 0
                    lift[word[q], h] = 0
