"""What is known of a candidate before the network looks: the user's own record of it, and how others came back to it.

An item's return rate counts labels, so for a user whose label is to be learnt it must come from other users:
``by_fold`` cuts the users into folds and counts each fold's items on all the others. Leaving out one user at a time
would not do: of two users of an item the one who came back then sees the lower rate, and it is learnt backwards.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from research.case.tafeng import Split
from retail.log import Array

NEAR = (7, 14, 28, 56)  # days: the shares of an item's purchases that are as young as this
RECENT = 14  # days: a candidate bought since has a return rate of its own
WEIGHTS = (20, 80)  # users that the average return rate is worth in an item's
ONCE, AGAIN, LATELY, FEW = 60, 20, 60, 20  # the same in the rates of parts of the users, and in the other shares
BESIDE = (2, 10)  # ids: spreads of the mean over neighbours, since the ids ascend by product code, that is by maker
FADES = (14, 30)  # days in which a purchase loses all but 1 / e of its weight
HORIZON = 364  # days


def known(split: Split) -> Array:
    """(n, 18) float32: the user's own record of each candidate, in ``columns``' order; every candidate has a day.

    The phase is the time since the last purchase in the candidate's own mean gaps. A basket is all bought on one day;
    a candidate's weight in it is 1 / its size.
    """
    times, n = split.times, len(split.item)
    row, day = np.repeat(np.arange(n), times), split.day.astype(np.int64)  # (m,)
    owner = split.user[row]
    visit, of, size = np.unique(owner * HORIZON + day, return_inverse=True, return_counts=True)  # latest first
    begin = np.searchsorted(visit // HORIZON, np.arange(split.users + 1))
    since = of - begin[owner]  # (m,) baskets since
    newest, oldest = split.day_ptr[:-1], split.day_ptr[1:] - 1
    last, first = day[newest], day[oldest]
    gap = np.where(times > 1, (first - last) / np.maximum(times - 1, 1), 0)
    phase = np.where(times > 1, (last + 1) / np.maximum(gap, 1), 0)
    faded = [np.bincount(row, np.exp(-day / days), minlength=n) for days in FADES]
    share = np.bincount(row, 1 / size[of], minlength=n)
    angle = 2 * np.pi * (last + 1) / 7
    baskets = np.diff(begin)[split.user]
    logs = (times, last, first, gap, phase, since[newest], since[oldest], size[of][newest])
    columns = [
        *(np.log1p(column) for column in logs), share, *faded, np.cos(angle), np.sin(angle), times > 1,
        since[newest] == 0, times / baskets, times / (since[oldest] + 1), np.log(times),
    ]  # fmt: skip
    return np.stack(columns, 1).astype(np.float32)


def counts(split: Split) -> Array:
    """(13, items + 1) float64: sums over the users by item, of which ``rates`` makes features."""
    times, last = split.times, split.day[split.day_ptr[:-1]]
    event = np.repeat(split.item, times)
    label = split.label.astype(np.float64)

    def total(item: Array, weight: Array) -> Array:
        return np.asarray(np.bincount(item, weight.astype(np.float64), minlength=split.items + 1))

    of = (np.ones(len(times)), times == 1, times > 1, last < RECENT)
    users = [total(split.item, part) for part in of]
    returns = [total(split.item, part * label) for part in of]
    return np.stack([*users, *returns, total(split.item, times), *(total(event, split.day < near) for near in NEAR)])


def rates(sums: Array) -> Array:
    """(items + 1, 15) float32 features of every item, each share smoothed towards that of all items."""
    users, once, again, lately, returns, once_returns, again_returns, lately_returns, purchases, *young = sums

    def smooth(hits: Array, cases: Array, weight: float) -> Array:
        mean = hits.sum() / max(cases.sum(), 1)
        return np.asarray((hits + weight * mean + 1e-3) / (cases + weight + 1))

    pairs = [(returns, users, weight) for weight in WEIGHTS]
    pairs += [(once_returns, once, ONCE), (again_returns, again, AGAIN), (lately_returns, lately, LATELY)]
    for spread in BESIDE:
        near = [gaussian_filter1d(row, spread, truncate=6) * 3 * spread for row in (returns, users)]
        pairs.append((near[0], near[1], 40))
    shares = np.stack([smooth(*pair) for pair in pairs])
    odds = np.log(shares / (1 - shares))
    others = [smooth(again, users, FEW), smooth(purchases, users, FEW), *(smooth(one, purchases, FEW) for one in young)]
    return np.stack([*odds, *others, np.log1p(users), np.log1p(returns)], 1).astype(np.float32)


def columns(split: Split, of_item: Array) -> Array:
    """(n, 35) float32: ``known``, ``of_item`` (n, 15), log(times x rate) and its share among the user's candidates."""
    own = known(split)
    score = own[:, -1] - np.log1p(np.exp(-of_item[:, len(WEIGHTS) - 1]))  # log times + log of the smoother rate
    share = score - np.log(np.bincount(split.user, np.exp(score), minlength=split.users))[split.user]
    return np.concatenate([own, of_item, score[:, None], share[:, None]], 1).astype(np.float32)


def by_fold(split: Split, folds: int, seed: int) -> tuple[Array, Array]:
    """Each candidate's features, (n, 35), from the users of the other folds; and ``rates`` of all users."""
    fold = np.random.default_rng(seed).integers(0, folds, split.users)
    parts = [counts(subset(split, fold == number)) for number in range(folds)]
    whole = np.sum(parts, 0)
    of_item = np.empty((len(split.item), rates(whole).shape[1]), np.float32)
    for number, part in enumerate(parts):
        inside = fold[split.user] == number
        of_item[inside] = rates(whole - part)[split.item[inside]]
    return columns(split, of_item), rates(whole)


def subset(split: Split, chosen: Array) -> Split:
    """The users where ``chosen`` (users,) is true."""
    kept = chosen[split.user]
    event = np.repeat(kept, split.times)
    ends = [np.zeros(1, np.int64)]
    ptr = np.concatenate([*ends, np.cumsum(np.diff(split.ptr)[chosen])])
    day_ptr = np.concatenate([*ends, np.cumsum(split.times[kept])])
    return Split(ptr, split.item[kept], split.label[kept], day_ptr, split.day[event], split.items)
