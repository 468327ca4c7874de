"""Estimate the sales of other categories when one leaves the assortment: the paper's what-if (5.5.2, figure 4).

C2 is correlated with C0 in group A (covariance .6) and with nothing else; C1 is correlated with nothing. The network is
trained with all categories. Then the test sessions with C0 are removed, and C0's articles may not be recommended. The
sales of C1 and C2 in the remaining sessions are estimated from one recommendation per article bought.
"""

from typing import Any

import numpy as np

from research.parsrec import parsrec_sales, protocol, rows
from research.parsrec.ours import make_scorer
from research.parsrec.parsrec_sales import Sales
from research.parsrec.protocol import Task
from retail import ragged
from retail.log import Array
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Sessions

C0, C1, C2 = 0, 1, 2
CASES = {"C2, group A": (C2, 0), "C2, group B": (C2, 1), "C1, group A": (C1, 0), "C1, group B": (C1, 1)}
PUBLISHED = (3.5, 1.0, 3.8, 3.7)  # absolute errors in %, in the order of CASES
CATEGORIES, TEST = 20, 32  # categories; test sessions per customer: with 256 customers, 8,192 as in the paper
SHOP = {"customers": 256, "sessions": 73, "articles": 20}
PHASES = tuple(
    phase.model_copy(update={"epochs": epochs}) for phase, epochs in zip(rows.PHASES, (10, 3, 2), strict=True)
)
K = 10  # articles recommended at each step
ESTIMATES = {  # how the sale of one step is estimated
    "best of the pool": "the category of the best-ranked article of the 100-article pool",
    "best of all": "the category of the best-ranked article of the whole assortment",
    "chance": "the network's probability of each category, over the whole assortment",
    "naive, sessions without C0": "shares of the training sessions that hold no C0",
    "naive, all sessions": "shares of all training sessions without the articles of C0: ignores the spillover",
    "counted, step by step": "at each place of a session, shares of the training steps of sessions without C0 so far; "
    "like a model of the next article, it does not know whether C0 comes later",
}


def simulate_sales(seed: int) -> Sales:
    """Simulate a shop of the paper's kind with the two Sigmas of the what-if."""
    together = parsrec_sales.make_covariance(CATEGORIES, {(C0, C2): 0.6})
    apart = parsrec_sales.make_covariance(CATEGORIES, {})
    return parsrec_sales.simulate(parsrec_sales.Settings(**SHOP, seed=seed), (together, apart))


def run_what_if(seed: int) -> dict[str, Any]:
    """Return the absolute errors (%) of each estimate in the four cases, the units sold and their true change (%)."""
    shop = simulate_sales(seed)
    task = protocol.split_sales(shop, TEST)
    network, info = rows.train_parsrec(shop, task, rows.SHAPES[rows.CODES], PHASES, seed)
    remaining = task.test.select(~_contains(task.test, shop, C0))
    group = shop.group[remaining.user]
    units = _count_units(remaining, shop, np.ones(len(remaining.user), bool))
    estimates = estimate_by_network(network, remaining, shop, seed)
    estimates |= estimate_by_shares(task, remaining, shop) | estimate_by_steps(task, remaining, shop)
    errors = {
        name: [100 * abs(estimate[g, c] / units[g, c] - 1) for c, g in CASES.values()]
        for name, estimate in estimates.items()
    }
    before = _count_units(task.test, shop, np.ones(len(task.test.user), bool))
    share = [units[:, c] / np.bincount(group) / (before[:, c] / np.bincount(shop.group[task.test.user])) - 1
             for c in (C1, C2)]  # fmt: skip
    return {
        "errors": errors,
        "units": [float(units[g, c]) for c, g in CASES.values()],
        "change": [100 * float(share[c == C2][g]) for c, g in CASES.values()],
        **info,
    }


def estimate_by_network(network: Parsrec, remaining: Sessions, shop: Sales, seed: int) -> dict[str, Array]:
    """Estimate units (G, C) from the network's recommendations; sessions are replayed as in the protocol."""
    gone = np.flatnonzero(np.arange(shop.items) // shop.settings.articles == C0)
    pool = protocol.sample_pools(remaining, shop.items, seed, gone)
    scorer = make_scorer(network, remaining)
    given = protocol.replay(scorer, remaining, pool, K).given
    names = list(ESTIMATES)[:3]
    total = {name: np.zeros((2, shop.categories)) for name in names}
    for j in range(given.shape[1]):
        active = np.flatnonzero(remaining.length > j)
        score = scorer(active, given[active, :j])
        score[:, gone] = -np.inf
        group = shop.group[remaining.user[active]]
        end = remaining.length[active, None]
        upcoming = np.where(np.arange(j, given.shape[1]) < end, given[active, j:], given[active, j, None])
        options = np.concatenate([pool[active], upcoming], axis=1)  # a repeated article changes no maximum
        top = np.take_along_axis(score, options, axis=1).argmax(1)[:, None]
        best = np.take_along_axis(options, top, axis=1)[:, 0]
        probability = np.exp(score - score.max(1, keepdims=True))
        probability /= probability.sum(1, keepdims=True)
        probability = probability.reshape(len(active), shop.categories, -1).sum(2)
        for name, item in ((names[0], best), (names[1], score.argmax(1))):
            np.add.at(total[name], (group, item // shop.settings.articles), 1)
        np.add.at(total[names[2]], group, probability)
    return total


def estimate_by_shares(task: Task, remaining: Sessions, shop: Sales) -> dict[str, Array]:
    """Estimate units (G, C) as the number of steps times the shares of categories in training sessions."""
    steps = np.bincount(shop.group[remaining.user], weights=remaining.length)[:, None]
    names = list(ESTIMATES)[3:5]
    out = {}
    masks = (~_contains(task.train, shop, C0), np.ones(len(task.train.user), bool))
    for name, mask in zip(names, masks, strict=True):
        units = _count_units(task.train, shop, mask)
        units[:, C0] = 0
        out[name] = steps * units / units.sum(1, keepdims=True)
    return out


def estimate_by_steps(task: Task, remaining: Sessions, shop: Sales) -> dict[str, Array]:
    """Estimate units (G, C) as the steps at each place times category shares of training steps without C0 so far."""
    session, place, category = _list_steps(task.train, shop)
    seen = np.cumsum(category == C0)
    start = np.flatnonzero(place == 0)
    none_yet = seen == (seen - (category == C0))[start][session]  # the step itself is not of C0 either
    shape = (len(shop.sigmas), int(task.train.length.max()), shop.categories)
    units = np.zeros(shape)
    np.add.at(units, (shop.group[task.train.user[session]], place, category), none_yet)
    session, place, _ = _list_steps(remaining, shop)
    steps = np.zeros(shape[:2])
    np.add.at(steps, (shop.group[remaining.user[session]], place), 1)
    share = units / np.maximum(units.sum(2, keepdims=True), 1)
    return {list(ESTIMATES)[5]: (steps[:, :, None] * share).sum(1)}


def _list_steps(sessions: Sessions, shop: Sales) -> tuple[Array, Array, Array]:
    """Return session, place in it and category of every article bought, each (n,) int64."""
    session = np.repeat(np.arange(len(sessions.user)), sessions.length)
    place = np.arange(len(session)) - np.repeat(np.cumsum(sessions.length) - sessions.length, sessions.length)
    return session, place, sessions.item[sessions.begin[session] + place] // shop.settings.articles


def _contains(sessions: Sessions, shop: Sales, category: int) -> Array:
    """Return a mask (s,) bool of the sessions with an article of ``category``."""
    before = ragged.offsets(sessions.item // shop.settings.articles == category)
    contains: Array = before[sessions.end] > before[sessions.begin]
    return contains


def _count_units(sessions: Sessions, shop: Sales, mask: Array) -> Array:
    """Count the articles (G, C) float64 sold in the sessions of ``mask`` (s,) bool."""
    chosen = sessions.select(mask)
    session, _, category = _list_steps(chosen, shop)
    out = np.zeros((len(shop.sigmas), shop.categories))
    np.add.at(out, (shop.group[chosen.user[session]], category), 1)
    return out
