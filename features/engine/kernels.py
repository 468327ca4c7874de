"""Summarise the log per article, customer or pair with numba. Kernels read only the entries before the cutoff."""

from collections.abc import Sequence

import numpy as np

from retail import chunks
from retail.chunks import kernel
from retail.log import Array
from retail.selection import find_first
from retail.weeks import History

# Columns of ``summarise_affinity``, the statistics of a (user, code) pair. Days and visits count back from the cutoff.
# A visit with a code is a day on which the customer bought an article of the code.
#   VISITS            visits with the code
#   D7, D14, D28, D91 visits with it in the last 7, 14, 28, 91 days
#   YEAR              visits with it about a year ago, at the ages YEAR_AGO
#   LAST_DAY, FIRST_DAY      days since the last and the first visit with it
#   SQUARES, GAPS     sum of squared gaps (days^2) between consecutive visits with it, and their number
#   LAST_VISIT, FIRST_VISIT  the customer's visits since then; 1 is the customer's latest visit
#   V1, V3, V5, V10   visits with it among the customer's last 1, 3, 5, 10 visits
#   BY_VISIT          sum of VISIT_DECAY^(visits since - 1)
#   DECAY             sum of 2^(-age / half-life); a column per half-life, from DECAY on
VISITS, D7, D14, D28, D91, YEAR, LAST_DAY, FIRST_DAY, SQUARES, GAPS = range(10)
LAST_VISIT, FIRST_VISIT, V1, V3, V5, V10, BY_VISIT, DECAY = range(10, 18)

# The next four constants shape the model but are not settings of params.yaml. The kernel has a fixed column for each
# window, and feature names contain the numbers (``times_7d``, ``in_last_3``). YEAR_AGO follows from the calendar: the
# label week a year ago began 52 weeks before the cutoff. VISIT_DECAY has never been tuned; params.yaml sets the
# half-lives of DECAY instead.
WINDOWS = (7, 14, 28, 91)  # days
LATE_VISITS = (1, 3, 5, 10)  # visits
VISIT_DECAY = 0.8  # weight of a visit relative to the next later one
YEAR_AGO = (350, 371)  # ages in days: 365-371 before the label week a year ago, 358-364 in it, 350-357 after it


def summarise_affinity(
    history: History, code: Array, codes: int, users: Array, ptr: Array, wanted: Array, half_lives: Sequence[float],
    columns: Sequence[int],
) -> Array:  # fmt: skip
    """Summarise the purchases of customer ``users[r]`` by each code ``wanted[ptr[r]:ptr[r+1]]``.

    ``code`` (items,) int32 groups articles, for example by type; -1: no code. ``wanted`` (n,) int64. Returns (c, n)
    float32, one row per entry of ``columns``, which the comment above defines. For a code that the customer never
    bought, LAST_DAY, FIRST_DAY, LAST_VISIT and FIRST_VISIT are NaN and all other columns are 0.
    """
    log = history.log
    ages = np.arange(history.cutoff + 1)
    decay = np.stack([np.exp2(-ages / life) for life in half_lives])  # (h, ages)
    column = np.asarray(columns)
    empty = np.where(np.isin(column, (LAST_DAY, FIRST_DAY, LAST_VISIT, FIRST_VISIT)), np.nan, 0.0).astype(np.float32)
    out = np.empty((len(column), len(wanted)), np.float32)
    chunks.run(
        _summarise_affinity, len(users),
        (log.start[users], history.stop[users], log.item, log.day, log.visit, history.cutoff,
         code.astype(np.int32, copy=False), decay, ptr, wanted, column, empty),
        (out,), lambda: (np.zeros((codes, DECAY + len(decay)), np.float32),),
    )  # fmt: skip
    return out


@kernel
def _summarise_affinity(
    low: int, high: int, begin: Array, end: Array, item: Array, day: Array, visit: Array, cutoff: int, code: Array,
    decay: Array, ptr: Array, wanted: Array, columns: Array, empty: Array, out: Array, stats: Array,
) -> None:  # fmt: skip
    width = stats.shape[1]
    for r in range(low, high):
        visits = visit[end[r] - 1] + 1 if end[r] > begin[r] else 0
        for p in range(begin[r], end[r]):
            c = code[item[p]]
            if c < 0:
                continue
            row = stats[c]
            ago = visits - visit[p]  # 1: the latest visit
            if row[VISITS] > 0 and row[LAST_VISIT] == ago:
                continue  # another article of the code in the same visit
            age = cutoff - day[p]
            if row[VISITS] > 0:
                gap = row[LAST_DAY] - age
                row[SQUARES] += gap * gap
                row[GAPS] += 1
            else:
                row[FIRST_DAY], row[FIRST_VISIT] = age, ago
            row[VISITS] += 1
            row[LAST_DAY], row[LAST_VISIT] = age, ago
            row[D7] += age <= WINDOWS[0]
            row[D14] += age <= WINDOWS[1]
            row[D28] += age <= WINDOWS[2]
            row[D91] += age <= WINDOWS[3]
            row[YEAR] += YEAR_AGO[0] <= age <= YEAR_AGO[1]
            row[V1] += ago <= LATE_VISITS[0]
            row[V3] += ago <= LATE_VISITS[1]
            row[V5] += ago <= LATE_VISITS[2]
            row[V10] += ago <= LATE_VISITS[3]
            row[BY_VISIT] += VISIT_DECAY ** (ago - 1)
            for h in range(len(decay)):
                row[DECAY + h] += decay[h, age]
        for k in range(ptr[r], ptr[r + 1]):
            if wanted[k] < 0 or stats[wanted[k], VISITS] == 0:
                for c in range(len(columns)):
                    out[c, k] = empty[c]
            else:
                row = stats[wanted[k]]
                for c in range(len(columns)):
                    out[c, k] = row[columns[c]]
        for p in range(begin[r], end[r]):
            c = code[item[p]]
            if c >= 0:
                for h in range(width):
                    stats[c, h] = 0


def count_item_sales(
    item_start: Array, item_stop: Array, item_day: Array, cutoff: int, windows: Array, lives: Array
) -> Array:
    """Count the sales of each article: (items, windows + lives + 5) float32.

    Columns: sales in each of ``windows`` (days); sales decayed by each half-life in ``lives`` (days); days since the
    first and since the last sale, NaN if there is none; sales in the label week a year ago; in the 4 weeks
    that begin with it; in the 4 weeks before it. A sale is a customer's purchase of the article on a day.
    """
    out = np.zeros((len(item_stop), len(windows) + len(lives) + 5), np.float32)
    chunks.run(_count_item_sales, len(out), (item_start, item_stop, item_day, cutoff, windows, lives), (out,))
    return out


@kernel
def _count_item_sales(low: int, high: int, item_start: Array, item_stop: Array, item_day: Array, cutoff: int,
                      windows: Array, lives: Array, out: Array) -> None:  # fmt: skip
    first, last = len(windows) + len(lives), len(windows) + len(lives) + 1
    for i in range(low, high):
        begin, end = item_start[i], item_stop[i]
        out[i, first] = cutoff - item_day[begin] if end > begin else np.nan
        out[i, last] = cutoff - item_day[end - 1] if end > begin else np.nan
        for w in range(len(windows)):
            out[i, w] = end - find_first(item_day, begin, end, cutoff - windows[w])
        for p in range(begin, end):
            age = cutoff - item_day[p]
            for h in range(len(lives)):
                out[i, len(windows) + h] += 2.0 ** (-age / lives[h])
            out[i, last + 1] += 358 <= age <= 364
            out[i, last + 2] += 337 <= age <= 364
            out[i, last + 3] += 365 <= age <= 392


def count_rebuys(begin: Array, stop: Array, item: Array, day: Array, cutoff: int, windows: Array, items: int) -> Array:
    """Count how owners of each article buy it again: (items, 2 w + 4) float64.

    An owner is a customer who bought the article. An owner's visits count from the one after the first purchase.
    Columns: for each of the w ``windows`` (days), the owners' visits in the window, and the visits with the article;
    then owners; owners who bought it again; the sum of gaps between purchases in days; the number of gaps.
    """
    out = np.zeros((items, 2 * len(windows) + 4))
    scratch = np.full(items, -1), np.zeros(items, np.int64), np.empty(items, np.uint32)
    chunks.call(_count_rebuys, (begin, stop, item, day, cutoff, windows), (out, *scratch))
    return out


@kernel
def _count_rebuys(begin: Array, stop: Array, item: Array, day: Array, cutoff: int, windows: Array, out: Array,
                  last: Array, times: Array, owned: Array) -> None:  # fmt: skip
    """``last`` and ``times``: the day of this customer's latest purchase of an article, and the number of purchases."""
    n = len(windows)
    for u in range(len(begin)):
        count, p = 0, begin[u]
        while p < stop[u]:
            basket_end = p
            while basket_end < stop[u] and day[basket_end] == day[p]:
                basket_end += 1
            age = cutoff - day[p]
            for w in range(n):
                if age <= windows[w]:
                    for k in range(count):
                        out[owned[k], 2 * w] += 1
            for q in range(p, basket_end):
                i = item[q]
                if times[i] > 0:
                    out[i, 2 * n + 2] += day[q] - last[i]
                    out[i, 2 * n + 3] += 1
                    for w in range(n):
                        out[i, 2 * w + 1] += age <= windows[w]
                else:
                    owned[count] = i
                    count += 1
                times[i] += 1
                last[i] = day[q]
            p = basket_end
        for k in range(count):
            i = owned[k]
            out[i, 2 * n] += 1
            out[i, 2 * n + 1] += times[i] > 1
            times[i] = 0


def average_by_item(item_start: Array, item_stop: Array, by_item: Array, day: Array, value: Array, cutoff: int,
                    window: int) -> Array:  # fmt: skip
    """Compute each article's mean, standard deviation and latest ``value`` in the last ``window`` days.

    ``value`` (n,) float32 is in the log's order, NaN where unknown. Returns (items, 3) float32, NaN for an article
    without a known value in the window.
    """
    out = np.full((len(item_stop), 3), np.nan, np.float32)
    chunks.run(_average_by_item, len(out), (item_start, item_stop, by_item, day, value, cutoff, window), (out,))
    return out


@kernel
def _average_by_item(low: int, high: int, item_start: Array, item_stop: Array, by_item: Array, day: Array, value: Array,
                     cutoff: int, window: int, out: Array) -> None:  # fmt: skip
    for i in range(low, high):
        n, total, squares = 0, 0.0, 0.0
        for p in range(item_stop[i] - 1, item_start[i] - 1, -1):
            entry = by_item[p]
            if cutoff - day[entry] > window:
                break
            if np.isnan(value[entry]):
                continue
            if n == 0:
                out[i, 2] = value[entry]
            n += 1
            total += value[entry]
            squares += np.float64(value[entry]) ** 2  # float32 would give equal values a variance
        if n > 0:
            out[i, 0] = total / n
            out[i, 1] = np.sqrt(max(squares / n - (total / n) ** 2, 0.0))


def find_last_paid(begin: Array, end: Array, item: Array, price: Array, items: int, ptr: Array, wanted: Array) -> Array:
    """Find the price that the customer last paid for each wanted article: (n,) float32, NaN if never bought.

    Customer r has the entries ``begin[r]:end[r]`` of the log and the articles ``wanted[ptr[r]:ptr[r+1]]``.
    """
    paid = np.full(len(wanted), np.nan, np.float32)
    chunks.run(
        _find_last_paid, len(begin), (begin, end, item, price, ptr, wanted), (paid,),
        lambda: (np.full(items, np.nan, np.float32),),
    )  # fmt: skip
    return paid


@kernel
def _find_last_paid(low: int, high: int, begin: Array, end: Array, item: Array, price: Array, ptr: Array, wanted: Array,
                    paid: Array, latest: Array) -> None:  # fmt: skip
    for r in range(low, high):
        for p in range(begin[r], end[r]):
            latest[item[p]] = price[p]
        for k in range(ptr[r], ptr[r + 1]):
            paid[k] = latest[wanted[k]]
        for p in range(begin[r], end[r]):
            latest[item[p]] = np.nan


# Columns of ``summarise_customers``, per customer at the cutoff:
#   C_VISITS, C_ENTRIES        days with a purchase; entries of the log
#   C_D7, C_D28, C_D91         visits in the last 7, 28, 91 days
#   C_LAST, C_FIRST            days since the last and the first visit
#   C_GAP_SQUARES              sum of squared gaps between consecutive visits, days^2
#   C_PRICE, C_PRICE_SQUARES   sum of prices and of their squares
#   C_ONLINE                   entries of sales channel 2
#   C_DISTINCT                 distinct articles
#   C_LAST_BASKET              entries of the last visit
#   C_QUANTITY                 pieces
#   C_LAST_PRICE               price of the last entry
(C_VISITS, C_ENTRIES, C_D7, C_D28, C_D91, C_LAST, C_FIRST, C_GAP_SQUARES, C_PRICE, C_PRICE_SQUARES, C_ONLINE,
 C_DISTINCT, C_LAST_BASKET, C_QUANTITY, C_LAST_PRICE) = range(15)  # fmt: skip


def summarise_customers(
    begin: Array, stop: Array, item: Array, day: Array, price: Array, channel: Array, quantity: Array, cutoff: int,
    items: int,
) -> Array:  # fmt: skip
    """Summarise each customer's history: (r, 15) float64, with the columns defined above.

    C_LAST, C_FIRST and C_LAST_PRICE are NaN for a customer without a purchase; the other columns are 0.
    """
    out = np.zeros((len(begin), 15))
    chunks.run(
        _summarise_customers, len(begin), (begin, stop, item, day, price, channel, quantity, cutoff), (out,),
        lambda: (np.full(items, -1),),
    )  # fmt: skip
    return out


@kernel
def _summarise_customers(low: int, high: int, begin: Array, stop: Array, item: Array, day: Array, price: Array,
                         channel: Array, quantity: Array, cutoff: int, out: Array, seen_by: Array) -> None:  # fmt: skip
    for r in range(low, high):
        row = out[r]
        row[C_LAST] = row[C_FIRST] = row[C_LAST_PRICE] = np.nan
        previous = -1
        for p in range(begin[r], stop[r]):
            age = cutoff - day[p]
            if day[p] != previous:
                if previous >= 0:
                    row[C_GAP_SQUARES] += (day[p] - previous) ** 2
                else:
                    row[C_FIRST] = age
                previous = day[p]
                row[C_VISITS] += 1
                row[C_D7] += age <= 7
                row[C_D28] += age <= 28
                row[C_D91] += age <= 91
                row[C_LAST_BASKET] = 0
                row[C_LAST] = age
            row[C_LAST_BASKET] += 1
            row[C_ENTRIES] += 1
            row[C_PRICE] += price[p]
            row[C_PRICE_SQUARES] += np.float64(price[p]) ** 2
            row[C_ONLINE] += channel[p] == 2
            row[C_QUANTITY] += quantity[p]
            row[C_LAST_PRICE] = price[p]
            if seen_by[item[p]] != r:
                seen_by[item[p]] = r
                row[C_DISTINCT] += 1
