"""What is known of a candidate before the network looks: the user's own record of it, and how others came back to it.

An item's return rate counts labels, so for a user whose label is to be learnt it must come from other users: ``by_fold``
cuts the users into folds and counts each fold's items on all the others. Leaving out one user at a time would not
do: of two users of an item the one who came back then sees the lower rate, and the network learns the rate backwards.
"""

import numpy as np

from retail.log import Array
from stage1_candidates.networks.case.batches import Candidates, users

NEAR = (7, 14, 28, 56)  # days: shares of an item's purchases that are as young as this
WEIGHT = 80  # users that the average return rate is worth in an item's own
FEW = 20  # the same for the other shares, of users or purchases
FADES = (14, 30)  # days in which a purchase loses all but 1 / e of its weight
HISTORY = (
    "times", "last", "first", "gap", "phase", "baskets since last", "baskets since first", "basket at last",
    "share of baskets", "faded 14", "faded 30", "weekday cos", "weekday sin", "again", "in last basket", "per basket",
    "per basket since first",
)  # fmt: skip
ITEM = (
    "rate", "users", "returns", "rate if once", "rate if again", "rate if recent", "bought again", "times a user",
    "within 7", "within 14", "within 28", "within 56",
)  # fmt: skip
FREQUENCY_RATE = ("times x rate", "share of times x rate")
FEATURES = HISTORY + ITEM + FREQUENCY_RATE
ROWS = 11 + len(NEAR)


def history(known: Candidates) -> Array:
    """(n, 17) float32, columns ``HISTORY``, from the user's own days; a candidate without any has a row of zeros.

    "phase" is the time since the last purchase in mean gaps of the candidate; a basket is what the user bought on one
    day; "share of baskets" sums over the purchases 1 / (items in the basket).
    """
    n, times = len(known.item), np.diff(known.day_ptr)
    row = np.repeat(np.arange(n), times)  # (m,)
    owner, day = users(known)[row], known.day.astype(np.int64)
    horizon = int(day.max(initial=0)) + 1
    visit, of, size = np.unique(owner * horizon + day, return_inverse=True, return_counts=True)  # baskets, latest first
    begin = np.searchsorted(visit // horizon, np.arange(len(known.ptr)))
    since = of - begin[owner]  # (m,) baskets since
    bought = times > 0
    newest, oldest = known.day_ptr[:-1][bought], known.day_ptr[1:][bought] - 1
    last, first, often = day[newest], day[oldest], times[bought]
    gap = (first - last) / np.maximum(often - 1, 1)
    phase = np.where(often > 1, (last + 1) / np.maximum(gap, 1), 0)
    angle = 2 * np.pi * (last + 1) / 7
    total = np.diff(begin)[owner[newest]]  # baskets of the user
    weighted = [np.bincount(row, w, minlength=n)[bought] for w in (1 / size[of], *(np.exp(-day / f) for f in FADES))]
    columns = [
        np.log1p(often), np.log1p(last), np.log1p(first), np.log1p(gap), np.log1p(phase), np.log1p(since[newest]),
        np.log1p(since[oldest]), np.log1p(size[of][newest]), *weighted, np.cos(angle), np.sin(angle), often > 1,
        since[newest] == 0, often / total, often / (since[oldest] + 1),
    ]  # fmt: skip
    out = np.zeros((n, len(HISTORY)), np.float32)
    out[bought] = np.stack(columns, 1)
    return out


def counts(known: Candidates, items: int) -> Array:
    """(15, items + 1) float64, sums over users by item: the counts that ``rates`` turns into features."""
    times, item = np.diff(known.day_ptr), known.item
    event_item, label = np.repeat(item, times), known.label.astype(np.float64)
    last = np.full(len(item), np.iinfo(np.int64).max)
    np.minimum.at(last, np.repeat(np.arange(len(item)), times), known.day.astype(np.int64))
    again, recent = times > 1, last < NEAR[1]

    def by_item(weight: Array) -> Array:
        return np.bincount(item, weight, minlength=items + 1)

    ones = np.ones(len(item))
    parts = (again, ~again, recent)
    rows = [by_item(ones), by_item(label), *(by_item(x) for part in parts for x in (part * ones, part * label))]
    young = [np.bincount(event_item, known.day < near, minlength=items + 1) for near in NEAR]
    return np.stack([*rows, by_item(times), *young])
