"""What the sales of other categories become when one leaves the assortment: the paper's what-if (5.5.2, figure 4).

C2 goes with C0 in group A (covariance .6) and with nothing else; C1 goes with nothing. The network is trained with all
categories. Then the test sessions with C0 are taken out, and C0's articles are named no more; the sales of C1 and C2
in the sessions that are left are estimated from what the network recommends, one article for each that was bought.
"""

from typing import Any

import numpy as np

from research.parsrec import parsrec_sales, protocol, rows
from research.parsrec.ours import scorer
from research.parsrec.parsrec_sales import Sales
from research.parsrec.protocol import Task
from retail.log import Array
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Sessions

C0, C1, C2 = 0, 1, 2
CASES = {"C2, group A": (C2, 0), "C2, group B": (C2, 1), "C1, group A": (C1, 0), "C1, group B": (C1, 1)}
PUBLISHED = (3.5, 1.0, 3.8, 3.7)
CATEGORIES, TEST = 20, 32  # test sessions per customer: 256 customers' are as many as the paper's 8,192 test sessions
SHOP = {"customers": 256, "sessions": 73, "articles": 20}
PHASES = tuple(one.model_copy(update={"epochs": epochs}) for one, epochs in zip(rows.PHASES, (10, 3, 2), strict=True))
K = 10
ESTIMATES = {  # of one step's sales
    "best of the pool": "the category of the best-ranked article of the 100-article pool",
    "best of all": "the category of the best-ranked article of the whole assortment",
    "chance": "the network's chance of each category, over the whole assortment",
    "naive, sessions without C0": "shares of the training sessions that hold no C0",
    "naive, all sessions": "shares of all training sessions, C0 left out: blind to the spillover",
    "counted, step by step": "at each place of a session, shares of the training steps there that come after no C0 and "
    "are none; no C0 so far is all that a model of the next article is told, so it misses what no C0 at all would tell",
}


def sales(seed: int) -> Sales:
    """A shop of the paper's kind with the what-if's two Sigmas."""
    together = parsrec_sales.covariance(CATEGORIES, {(C0, C2): 0.6})
    apart = parsrec_sales.covariance(CATEGORIES, {})
    return parsrec_sales.sold(parsrec_sales.Settings(**SHOP, seed=seed), (together, apart))


def run(seed: int) -> dict[str, Any]:
    """Absolute percentage errors of each estimate in the four cases, and the drop there is to be seen."""
    shop = sales(seed)
    task = protocol.task(shop, TEST)
    network, info = rows.parsrec(shop, task, rows.SHAPES[rows.CODES], PHASES, seed)
    left = task.test.chosen(~_holds(task.test, shop, C0))
    group = shop.group[left.user]
    units = _units(left, shop, np.ones(len(left.user), bool))
    estimates = estimated(network, left, shop, seed) | naive(task, left, shop) | counted(task, left, shop)
    errors = {
        name: [100 * abs(found[g, c] / units[g, c] - 1) for c, g in CASES.values()] for name, found in estimates.items()
    }
    before = _units(task.test, shop, np.ones(len(task.test.user), bool))
    share = [units[:, c] / np.bincount(group) / (before[:, c] / np.bincount(shop.group[task.test.user])) - 1
             for c in (C1, C2)]  # fmt: skip
    return {
        "errors": errors,
        "units": [float(units[g, c]) for c, g in CASES.values()],
        "change": [100 * float(share[c == C2][g]) for c, g in CASES.values()],
        **info,
    }


def estimated(network: Parsrec, left: Sessions, shop: Sales, seed: int) -> dict[str, Array]:
    """Each (G, C): units by the network's estimates, sessions being given away as in the protocol."""
    gone = np.flatnonzero(np.arange(shop.items) // shop.settings.articles == C0)
    pool = protocol.others(left, shop.items, seed, gone)
    score = scorer(network, left)
    given = protocol.walked(score, left, pool, K).given
    names = list(ESTIMATES)[:3]
    total = {name: np.zeros((2, shop.categories)) for name in names}
    for j in range(given.shape[1]):
        some = np.flatnonzero(left.length > j)
        at = score(some, given[some, :j])
        at[:, gone] = -np.inf
        group = shop.group[left.user[some]]
        end = left.length[some, None]
        remaining = np.where(np.arange(j, given.shape[1]) < end, given[some, j:], given[some, j, None])
        options = np.concatenate([pool[some], remaining], axis=1)  # a repeated article changes no maximum
        best = np.take_along_axis(options, np.take_along_axis(at, options, axis=1).argmax(1)[:, None], axis=1)[:, 0]
        chance = np.exp(at - at.max(1, keepdims=True))
        chance = (chance / chance.sum(1, keepdims=True)).reshape(len(some), shop.categories, -1).sum(2)
        for name, code in ((names[0], best), (names[1], at.argmax(1))):
            np.add.at(total[name], (group, code // shop.settings.articles), 1)
        np.add.at(total[names[2]], group, chance)
    return total


def naive(task: Task, left: Sessions, shop: Sales) -> dict[str, Array]:
    """Each (G, C): the steps there are, by the shares of categories in training sessions."""
    steps = np.bincount(shop.group[left.user], weights=left.length)[:, None]
    names = list(ESTIMATES)[3:5]
    out = {}
    for name, some in zip(names, (~_holds(task.train, shop, C0), np.ones(len(task.train.user), bool)), strict=True):
        units = _units(task.train, shop, some)
        units[:, C0] = 0
        out[name] = steps * units / units.sum(1, keepdims=True)
    return out


def counted(task: Task, left: Sessions, shop: Sales) -> dict[str, Array]:
    """(G, C): the steps there are, by the shares of categories in training steps before which C0 was not met."""
    session, place, category = _steps(task.train, shop)
    met = np.cumsum(category == C0)
    start = np.flatnonzero(place == 0)
    none_yet = met == (met - (category == C0))[start][session]  # nor is the step itself of C0
    shape = (len(shop.sigmas), int(task.train.length.max()), shop.categories)
    units = np.zeros(shape)
    np.add.at(units, (shop.group[task.train.user[session]], place, category), none_yet)
    session, place, _ = _steps(left, shop)
    steps = np.zeros(shape[:2])
    np.add.at(steps, (shop.group[left.user[session]], place), 1)
    share = units / np.maximum(units.sum(2, keepdims=True), 1)
    return {list(ESTIMATES)[5]: (steps[:, :, None] * share).sum(1)}


def _steps(of: Sessions, shop: Sales) -> tuple[Array, Array, Array]:
    """Each (n,) int64: of every article bought its session, its place in it, its category."""
    session = np.repeat(np.arange(len(of.user)), of.length)
    place = np.arange(len(session)) - np.repeat(np.cumsum(of.length) - of.length, of.length)
    return session, place, of.item[of.begin[session] + place] // shop.settings.articles


def _holds(of: Sessions, shop: Sales, category: int) -> Array:
    """(s,) bool: the session holds an article of ``category``."""
    found = np.concatenate([np.zeros(1, np.int64), np.cumsum(of.item // shop.settings.articles == category)])
    held: Array = found[of.end] > found[of.begin]
    return held


def _units(of: Sessions, shop: Sales, some: Array) -> Array:
    """(G, C) float64 articles sold in the sessions ``some``."""
    chosen = of.chosen(some)
    session, _, category = _steps(chosen, shop)
    out = np.zeros((len(shop.sigmas), shop.categories))
    np.add.at(out, (shop.group[chosen.user[session]], category), 1)
    return out
