"""Score the rows of the Ta-Feng table that need no gradient: TIFU-KNN, frequency, repurchase rate, their product.

A basket is the set of items with a purchase on the same day. Frequency times rate ("FreqRate") is this project's own
baseline. It multiplies two numbers: the number of days on which the user bought the item, and the smoothed share
of training users who bought the item again.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from research.case.tafeng import DAYS, Result, Row, Split, evaluate, group_visits
from retail.log import Array
from retail.ragged import place_in_row, row_of

SHARE = 0.05  # share of all candidates that are bought again; the rate of an unknown item
SMOOTHING = (2, 5, 10, 20, 40)  # grid of b, the weight of the prior in users; b = 160 changes no test metric by .02
# The grid of TIFU-KNN, tuned: see ``Tifu``
NEIGHBOURS = (100, 300, 900, 2700)
BASKET_DECAYS = (0.9, 1.0)
GROUP_DECAYS = (0.7, 1.0)
OWN = (0.03, 0.1, 0.3, 0.7)
GROUPS = (1, 7)


class Tifu(NamedTuple):
    """The five settings of TIFU-KNN; the defaults are those of its authors for Ta-Feng."""

    neighbours: int = 300
    basket_decay: float = 0.9
    group_decay: float = 0.7
    own: float = 0.7  # alpha, the weight of the user's own vector
    groups: int = 7


def build_vectors(split: Split, settings: Tifu) -> sp.csr_matrix:
    """Build TIFU-KNN's user vectors (users, items + 1) float64 (Hu et al., SIGIR 2020, section 3.2; authors' code).

    A user has n baskets, oldest first. The j-th basket has the weight basket_decay^(n - j). The baskets form m groups
    of n // m baskets; the last n % m groups have one basket more. If n < m, each basket is a group. A group is the mean
    of its baskets. The vector is the mean of the k = min(n, m) groups, where the g-th group has the weight
    group_decay^(m - g). If n < m, the oldest group still has the exponent m - 1, as in the authors' code: short
    histories have short vectors, which changes the distances.
    """
    user = np.repeat(split.user, split.times)  # (m,) one entry per purchase
    item = np.repeat(split.item, split.times)
    visits = group_visits(split)
    owner = row_of(visits.ptr)  # (visits,) user of each visit
    n = np.diff(visits.ptr)[owner]  # (visits,) number of baskets of the user
    j = place_in_row(visits.ptr)
    m = settings.groups
    size, longer = n // m, n % m  # a group has `size` baskets; the last `longer` groups have one more
    short = (m - longer) * size  # baskets in the shorter groups
    in_longer = j >= short
    group = np.where(in_longer, m - longer + (j - short) // (size + 1), j // np.maximum(size, 1))
    group = np.where(n < m, j, group)
    members = np.where(n < m, 1, size + in_longer)
    weight = settings.basket_decay ** (n - 1 - j) * settings.group_decay ** (m - 1 - group) / members / np.minimum(n, m)
    return sp.csr_matrix((weight[visits.visit], (user, item)), shape=(split.users, split.items + 1))


def score_tifu(train: Split, split: Split, settings: Tifu) -> Array:
    """Score (n,) the candidates of ``split``; the neighbours are the nearest training users by Euclidean distance."""
    return _blend(split, build_vectors(split, settings), _average_neighbours(train, split, settings), settings.own)


def _average_neighbours(train: Split, split: Split, settings: Tifu) -> sp.csr_matrix:
    """Average the vectors (users, items + 1) of each user's nearest training users, ties by ascending user."""
    queries, keys = build_vectors(split, settings), build_vectors(train, settings)
    length = np.asarray(keys.multiply(keys).sum(axis=1)).ravel()  # (training users,) squared
    distance = length - 2 * (queries @ keys.T).toarray()  # (users, training users) squared, minus the user's own length
    count = min(settings.neighbours, train.users)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    rows = np.repeat(np.arange(split.users), count)
    return sp.csr_matrix((np.full(nearest.size, 1 / count), (rows, nearest.ravel())), shape=distance.shape) @ keys


def _blend(split: Split, own: sp.csr_matrix, neighbours: sp.csr_matrix, alpha: float) -> Array:
    user = split.user
    own_score, neighbour_score = (np.asarray(matrix[user, split.item]).ravel() for matrix in (own, neighbours))
    return np.asarray(alpha * own_score + (1 - alpha) * neighbour_score)


def compute_repurchase_rates(train: Split, smoothing: float) -> Array:
    """Compute the smoothed share (items + 1,) float64 of the training users with an item who bought it again.

    rate = (users who bought it again + .05 b) / (users with the item + b), b = ``smoothing``.
    """
    owners = np.bincount(train.item, minlength=train.items + 1)
    rebuyers = np.bincount(train.item, weights=train.label, minlength=train.items + 1)
    rate: Array = (rebuyers + SHARE * smoothing) / (owners + smoothing)
    return rate


def score_recency(split: Split) -> Array:
    """Score (n,) the recency of the last purchase, in [0, 1), so that it only breaks ties of counts."""
    last = np.full(len(split.item), DAYS, np.int64)
    bought = split.times > 0
    last[bought] = split.day[split.day_ptr[:-1][bought]]  # days back ascend, so the first one is the latest
    return (DAYS - last) / (DAYS + 1)


def score_tifu_stock(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Score TIFU-KNN with the settings of its authors."""
    settings = Tifu()
    return score_tifu(train, validate, settings), score_tifu(train, test, settings), settings._asdict()


def score_tifu_tuned(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Score TIFU-KNN with the settings that have the best P@10 on the validation users; the info lists the grid."""
    tried: list[tuple[Tifu, float]] = []
    for neighbours, basket, group, groups in product(NEIGHBOURS, BASKET_DECAYS, GROUP_DECAYS, GROUPS):
        if groups == 1 and group < 1:
            continue  # with one group the decay has no effect
        point = Tifu(neighbours, basket, group, OWN[0], groups)
        own, neighbours_mean = build_vectors(validate, point), _average_neighbours(train, validate, point)
        for alpha in OWN:
            scores = _blend(validate, own, neighbours_mean, alpha)
            tried.append((point._replace(own=alpha), evaluate(validate, scores).mean[10]["P"]))
    best = max(tried, key=lambda trial: trial[1])[0]
    info = {"grid": [{**point._asdict(), "P@10": value} for point, value in tried], "chosen": best._asdict()}
    return score_tifu(train, validate, best), score_tifu(train, test, best), info


def score_frequency(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Score the number of days on which the user bought the item, ties by the latest day."""
    return validate.times + score_recency(validate), test.times + score_recency(test), {}


def score_rate(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Score the repurchase rate of the item alone, the same for every user."""
    return _tune_smoothing(train, validate, test, lambda split, rate: rate[split.item])


def score_freq_rate(train: Split, validate: Split, test: Split, seed: int, folder: Path) -> Result:
    """Score frequency times repurchase rate."""
    return _tune_smoothing(train, validate, test, lambda split, rate: split.times * rate[split.item])


def _tune_smoothing(train: Split, validate: Split, test: Split, score: Callable[[Split, Array], Array]) -> Result:
    """Apply ``score`` with the smoothing that has the best P@10 on the validation users."""
    tried = {
        b: evaluate(validate, score(validate, compute_repurchase_rates(train, b))).mean[10]["P"] for b in SMOOTHING
    }
    best = max(tried, key=lambda b: tried[b])
    rate = compute_repurchase_rates(train, best)
    info = {"grid": [{"smoothing": b, "P@10": value} for b, value in tried.items()], "chosen": {"smoothing": best}}
    return score(validate, rate), score(test, rate), info


ROWS: dict[str, Row] = {
    "Item rebuy rate": score_rate,
    "Frequency": score_frequency,
    "TIFU-KNN, stock": score_tifu_stock,
    "TIFU-KNN, tuned": score_tifu_tuned,
    "FreqRate": score_freq_rate,
}
