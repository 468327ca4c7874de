"""Rows of the Ta-Feng table that need no gradient: TIFU-KNN, frequency, item repurchase rate and their product.

A basket is the set of items with a purchase on the same day. Frequency times rate ("FreqRate") is this project's own
reference row: the times the user bought the item, times the smoothed share of training users who bought it again.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from research.case.tafeng import DAYS, Answer, Row, Split, evaluate, visits
from retail.log import Array

SHARE = 0.05  # of all candidates are bought again; the rate of an item never seen
SMOOTHING = (2, 5, 10, 20, 40)  # b, the users that the rate's prior is worth; 160 changes no test figure by .02
NEIGHBOURS, BASKET_DECAYS, GROUP_DECAYS, OWN, GROUPS = (
    (100, 300, 900, 2700),
    (0.9, 1.0),
    (0.7, 1.0),
    (0.03, 0.1, 0.3, 0.7),
    (1, 7),
)


class Tifu(NamedTuple):
    """TIFU-KNN's five settings; these are its authors' for Ta-Feng."""

    neighbours: int = 300
    basket_decay: float = 0.9
    group_decay: float = 0.7
    own: float = 0.7  # alpha, the weight of the user's own vector
    groups: int = 7


def vectors(split: Split, settings: Tifu) -> sp.csr_matrix:
    """(users, items + 1) float64, TIFU-KNN's user vectors (Hu et al., SIGIR 2020, section 3.2; authors' code).

    n baskets, oldest first, the j-th worth basket_decay^(n - j). They fall into m groups of n // m, the last n % m
    groups one longer; where n < m each basket is a group. A group is the mean of its baskets, the vector the mean of
    the k = min(n, m) groups, the g-th worth group_decay^(m - g). Where n < m the oldest group still starts at m - 1, as
    in the authors' code: short histories are short vectors, which matters to distances.
    """
    user = np.repeat(split.user, split.times)  # (m,) one entry for each purchase
    item = np.repeat(split.item, split.times)
    came = visits(split)
    owner = np.repeat(np.arange(split.users), np.diff(came.ptr))  # (visits,)
    n = np.diff(came.ptr)[owner]  # (visits,) baskets of the visit's user
    j = np.arange(len(owner)) - came.ptr[owner]
    m = settings.groups
    size, longer = n // m, n % m  # of a group; the last `longer` groups have one more
    short = (m - longer) * size  # baskets in the shorter groups
    late = j >= short
    group = np.where(late, m - longer + (j - short) // (size + 1), j // np.maximum(size, 1))
    group = np.where(n < m, j, group)
    members = np.where(n < m, 1, size + late)
    weight = settings.basket_decay ** (n - 1 - j) * settings.group_decay ** (m - 1 - group) / members / np.minimum(n, m)
    return sp.csr_matrix((weight[came.of], (user, item)), shape=(split.users, split.items + 1))


def tifu(train: Split, split: Split, settings: Tifu) -> Array:
    """(n,) scores of ``split``'s candidates; the neighbours are training users, nearest by Euclidean distance."""
    return _blend(split, vectors(split, settings), _neighbours(train, split, settings), settings.own)


def _neighbours(train: Split, split: Split, settings: Tifu) -> sp.csr_matrix:
    """(users, items + 1) the mean vector of each user's nearest training users, ties by ascending user."""
    mine, theirs = vectors(split, settings), vectors(train, settings)
    length = np.asarray(theirs.multiply(theirs).sum(axis=1)).ravel()  # (training users,)
    distance = length - 2 * (mine @ theirs.T).toarray()  # (users, training users), less the user's own length
    count = min(settings.neighbours, train.users)
    near = np.argsort(distance, axis=1, kind="stable")[:, :count]
    rows = np.repeat(np.arange(split.users), count)
    return sp.csr_matrix((np.full(near.size, 1 / count), (rows, near.ravel())), shape=distance.shape) @ theirs


def _blend(split: Split, own: sp.csr_matrix, neighbours: sp.csr_matrix, alpha: float) -> Array:
    user = split.user
    mine, theirs = (np.asarray(matrix[user, split.item]).ravel() for matrix in (own, neighbours))
    return np.asarray(alpha * mine + (1 - alpha) * theirs)


def repurchase_rate(train: Split, smoothing: float) -> Array:
    """(items + 1,) float64: (training users who bought it again + .05 b) / (training users who had it + b)."""
    had = np.bincount(train.item, minlength=train.items + 1)
    again = np.bincount(train.item, weights=train.label, minlength=train.items + 1)
    rate: Array = (again + SHARE * smoothing) / (had + smoothing)
    return rate


def recency_tie(split: Split) -> Array:
    """(n,) in [0, 1): larger the later the last purchase, smaller than any difference of two counts."""
    last = np.full(len(split.item), DAYS, np.int64)
    bought = split.times > 0
    last[bought] = split.day[split.day_ptr[:-1][bought]]  # days ascend: the first one is the latest
    return (DAYS - last) / (DAYS + 1)


def tifu_stock_row(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Answer:
    settings = Tifu()
    return tifu(train, validate, settings), tifu(train, test, settings), settings._asdict()


def tifu_tuned_row(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Answer:
    """The grid's best by P@10 on the validation users; all its points stand in the info."""
    tried: list[tuple[Tifu, float]] = []
    for neighbours, basket, group, groups in product(NEIGHBOURS, BASKET_DECAYS, GROUP_DECAYS, GROUPS):
        if groups == 1 and group < 1:
            continue  # one group: its decay is worth 1
        point = Tifu(neighbours, basket, group, OWN[0], groups)
        own, near = vectors(validate, point), _neighbours(train, validate, point)
        for alpha in OWN:
            scores = _blend(validate, own, near, alpha)
            tried.append((point._replace(own=alpha), evaluate(validate, scores).mean[10]["P"]))
    best = max(tried, key=lambda one: one[1])[0]
    info = {"grid": [{**point._asdict(), "P@10": value} for point, value in tried], "chosen": best._asdict()}
    return tifu(train, validate, best), tifu(train, test, best), info


def frequency_row(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Answer:
    """The days on which the user bought the item, ties by the last of them."""
    return validate.times + recency_tie(validate), test.times + recency_tie(test), {}


def rate_row(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Answer:
    """The item's repurchase rate alone, the same for every user."""
    return _smoothed(train, validate, test, lambda split, rate: rate[split.item])


def freq_rate_row(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Answer:
    """Frequency times rate."""
    return _smoothed(train, validate, test, lambda split, rate: split.times * rate[split.item])


def _smoothed(train: Split, validate: Split, test: Split, score: Callable[[Split, Array], Array]) -> Answer:
    """``score`` under the smoothing with the best P@10 on the validation users."""
    tried = {b: evaluate(validate, score(validate, repurchase_rate(train, b))).mean[10]["P"] for b in SMOOTHING}
    best = max(tried, key=lambda b: tried[b])
    rate = repurchase_rate(train, best)
    info = {"grid": [{"smoothing": b, "P@10": value} for b, value in tried.items()], "chosen": {"smoothing": best}}
    return score(validate, rate), score(test, rate), info


ROWS: dict[str, Row] = {
    "Item rebuy rate": rate_row,
    "Frequency": frequency_row,
    "TIFU-KNN, stock": tifu_stock_row,
    "TIFU-KNN, tuned": tifu_tuned_row,
    "FreqRate": freq_rate_row,
}
