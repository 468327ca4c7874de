"""Build the prior features of a candidate: the user's own record of it, and how often other users bought it again.

The repurchase rate of an item counts labels. In training, a user's rates must therefore come from other users:
``build_features_by_fold`` splits the users into folds and counts the items of each fold on all other folds. Leaving out
one user at a time would fail. Of two users of an item, the one who bought it again would see the lower rate, and the
network would learn the opposite of the truth.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from research.case.tafeng import Split
from retail.log import Array
from retail.ragged import offsets

NEAR = (7, 14, 28, 56)  # days: windows of the share of recent purchases of an item
RECENT = 14  # days: candidates bought within them have a repurchase rate of their own
WEIGHTS = (20, 80)  # users: weight of the mean repurchase rate in the rate of an item
ONCE_WEIGHT, AGAIN_WEIGHT, RECENT_WEIGHT = 60, 20, 60  # users: the same for the rates of subsets of users
SHARE_WEIGHT = 20  # users: the same for other shares
SPREADS = (2, 10)  # ids: widths of means over neighbouring ids; ids ascend by product code, that is by maker
DECAYS = (14, 30)  # days in which the weight of a purchase falls to 1 / e
HORIZON = 364  # days: length of the purchase signal


def describe_candidates(split: Split) -> Array:
    """Describe each candidate by the user's own record of it, (n, 18) float32; every candidate needs a purchase.

    The phase is the time since the last purchase divided by the mean gap between purchases. A basket holds the
    purchases of one day; the weight of a candidate in it is 1 / its size.
    """
    times, n = split.times, len(split.item)
    row, day = np.repeat(np.arange(n), times), split.day.astype(np.int64)  # (m,)
    owner = split.user[row]
    basket, basket_of, size = np.unique(owner * HORIZON + day, return_inverse=True, return_counts=True)  # latest first
    begin = np.searchsorted(basket // HORIZON, np.arange(split.users + 1))
    since = basket_of - begin[owner]  # (m,) later baskets of the user
    newest, oldest = split.day_ptr[:-1], split.day_ptr[1:] - 1
    last, first = day[newest], day[oldest]
    gap = np.where(times > 1, (first - last) / np.maximum(times - 1, 1), 0)
    phase = np.where(times > 1, (last + 1) / np.maximum(gap, 1), 0)
    decayed = [np.bincount(row, np.exp(-day / days), minlength=n) for days in DECAYS]
    share = np.bincount(row, 1 / size[basket_of], minlength=n)
    angle = 2 * np.pi * (last + 1) / 7
    baskets = np.diff(begin)[split.user]
    logs = (times, last, first, gap, phase, since[newest], since[oldest], size[basket_of][newest])
    columns = [
        *(np.log1p(column) for column in logs), share, *decayed, np.cos(angle), np.sin(angle), times > 1,
        since[newest] == 0, times / baskets, times / (since[oldest] + 1), np.log(times),
    ]  # fmt: skip
    return np.stack(columns, 1).astype(np.float32)


def count_by_item(split: Split) -> Array:
    """Count (13, items + 1) float64 users, repurchases and purchases by item, the input of ``compute_rates``."""
    times, last = split.times, split.day[split.day_ptr[:-1]]
    event = np.repeat(split.item, times)
    label = split.label.astype(np.float64)

    def sum_by_item(item: Array, weight: Array) -> Array:
        return np.asarray(np.bincount(item, weight.astype(np.float64), minlength=split.items + 1))

    groups = (np.ones(len(times)), times == 1, times > 1, last < RECENT)
    users = [sum_by_item(split.item, group) for group in groups]
    repurchases = [sum_by_item(split.item, group * label) for group in groups]
    recent_counts = [sum_by_item(event, split.day < days) for days in NEAR]
    return np.stack([*users, *repurchases, sum_by_item(split.item, times), *recent_counts])


def compute_rates(sums: Array) -> Array:
    """Compute the features (items + 1, 15) float32 of every item; each share is smoothed towards that of all items."""
    (users, once, again, recent, repurchases, repurchases_once, repurchases_again, repurchases_recent, purchases,
     *recent_counts) = sums  # fmt: skip

    def smooth(hits: Array, cases: Array, weight: float) -> Array:
        mean = hits.sum() / max(cases.sum(), 1)
        return np.asarray((hits + weight * mean + 1e-3) / (cases + weight + 1))

    pairs = [(repurchases, users, weight) for weight in WEIGHTS]
    pairs += [
        (repurchases_once, once, ONCE_WEIGHT),
        (repurchases_again, again, AGAIN_WEIGHT),
        (repurchases_recent, recent, RECENT_WEIGHT),
    ]
    for spread in SPREADS:
        near = [gaussian_filter1d(row, spread, truncate=6) * 3 * spread for row in (repurchases, users)]
        pairs.append((near[0], near[1], 40))
    shares = np.stack([smooth(*pair) for pair in pairs])
    odds = np.log(shares / (1 - shares))
    others = [smooth(again, users, SHARE_WEIGHT), smooth(purchases, users, SHARE_WEIGHT)]
    others += [smooth(part, purchases, SHARE_WEIGHT) for part in recent_counts]
    return np.stack([*odds, *others, np.log1p(users), np.log1p(repurchases)], 1).astype(np.float32)


def build_features(split: Split, item_rates: Array) -> Array:
    """Build the features (n, 35) float32 from the user's record and ``item_rates`` (n, 15) of each candidate.

    The last two columns are log(times x rate) and the log of its share among the candidates of the user.
    """
    own = describe_candidates(split)
    rate = item_rates[:, len(WEIGHTS) - 1]  # log-odds of the more strongly smoothed rate
    score = own[:, -1] - np.log1p(np.exp(-rate))  # log times + log rate
    share = score - np.log(np.bincount(split.user, np.exp(score), minlength=split.users))[split.user]
    return np.concatenate([own, item_rates, score[:, None], share[:, None]], 1).astype(np.float32)


def build_features_by_fold(split: Split, folds: int, seed: int) -> tuple[Array, Array]:
    """Build the features (n, 35) of each candidate from the users of other folds; also return all users' rates."""
    fold = np.random.default_rng(seed).integers(0, folds, split.users)
    parts = [count_by_item(select_users(split, fold == number)) for number in range(folds)]
    whole = np.sum(parts, 0)
    item_rates = np.empty((len(split.item), compute_rates(whole).shape[1]), np.float32)
    for number, part in enumerate(parts):
        inside = fold[split.user] == number
        item_rates[inside] = compute_rates(whole - part)[split.item[inside]]
    return build_features(split, item_rates), compute_rates(whole)


def select_users(split: Split, mask: Array) -> Split:
    """Select the users where ``mask`` (users,) is true."""
    kept = mask[split.user]
    event = np.repeat(kept, split.times)
    ptr = offsets(np.diff(split.ptr)[mask])
    day_ptr = offsets(split.times[kept])
    return Split(ptr, split.item[kept], split.label[kept], day_ptr, split.day[event], split.items)
