"""Simulate the sales of the PARSRec paper's synthetic shop, with planted correlations of categories.

Category utilities are drawn from N(-.5, Sigma), with the Sigma of the customer's group. A session consists of the n
categories with the highest utility, and of the article with the highest utility in each (Gholami et al., KDD 2022, 5.1
and appendix A). Values that the paper leaves open are those of the authors' released generator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator as Random

from retail import ragged
from retail.errors import InputError
from retail.log import Array

CATEGORY_MEAN = -0.5  # alpha_c; equal for all categories, so it changes no choice
PRICE_WEIGHT = 0.1  # beta_c
TASTE = 2.0  # tau_c: standard deviation of a customer's lasting utility of an article
VINE = (0.2, 1.0)  # Beta distribution of the partial correlations of articles within a category
BASE_PRICE = (0.5, 0.1)  # log-normal
LENGTH = (0.8046973517, 2.0, 1.4738173216)  # Weibull: shape, location, scale
SHORTEST, LONGEST = 3, 10  # articles in a session
AT_ONCE = 32  # customers simulated together; another number gives another shop

# Correlations above the diagonal, by pair of categories: first those of both groups, then those of one group.
BOTH = {
    **{(a, b): -0.25 for a in range(4) for b in range(a + 1, 4)},
    (4, 5): 0.2, (4, 6): 0.5, (4, 7): 0.8, (5, 6): 0.4, (5, 7): 0.7, (6, 7): 0.6,
    (8, 9): -0.4, (11, 12): 0.5, (11, 13): -0.5, (12, 13): -1.0, (14, 15): 0.5, (15, 16): 0.5,
}  # fmt: skip
BY_GROUP = (
    {(8, 10): 0.5, (9, 10): 0.5, (14, 16): -0.3, (18, 19): 0.99},
    {(8, 10): -0.5, (9, 10): -0.5, (14, 16): 1.0, (18, 19): -0.5},
)


@dataclass(frozen=True)
class Settings:
    """The size of the shop."""

    customers: int
    sessions: int  # of each customer
    articles: int  # of each category
    seed: int


@dataclass(frozen=True)
class Sales:
    """Sessions in (customer, time) order; article i is of category i // settings.articles."""

    settings: Settings
    sigmas: tuple[Array, ...]  # one (C, C) float64 covariance per customer group
    group: Array  # (customers,) int64
    price: Array  # (items,) float64
    ptr: Array  # (customers * sessions + 1,) int64: session s holds item[ptr[s]:ptr[s+1]], unique, in random order
    item: Array  # (n,) int32

    @property
    def categories(self) -> int:
        """Return the number of categories C."""
        return len(self.sigmas[0])

    @property
    def items(self) -> int:
        """Return the number of articles."""
        return self.categories * self.settings.articles


def make_paper_sigmas() -> tuple[Array, Array]:
    """Return the two (20, 20) covariances of the authors' generator, of groups A and B."""
    first, second = (make_covariance(20, {**BOTH, **pairs}) for pairs in BY_GROUP)
    return first, second


def make_covariance(categories: int, pairs: dict[tuple[int, int], float]) -> Array:
    """Return a covariance (C, C) float64: 1 on the diagonal, ``pairs`` on both sides of it, 0 elsewhere."""
    sigma = np.eye(categories)
    for (a, b), value in pairs.items():
        sigma[a, b] = sigma[b, a] = value
    return sigma


def compute_root(covariances: Array) -> Array:
    """Return R (..., n, n) with R R^T = covariance, also for singular ones; InputError for an invalid covariance."""
    value, vector = np.linalg.eigh(covariances)
    if (value < -1e-8).any() or not np.allclose(covariances, np.swapaxes(covariances, -1, -2)):
        raise InputError("a Sigma is not symmetric and positive semi-definite; fix its correlations")
    root: Array = vector * np.sqrt(np.maximum(value, 0))[..., None, :]
    return root


def draw_correlations(rng: Random, matrices: int, n: int) -> Array:
    """Draw random correlation matrices (matrices, n, n) from partial correlations drawn from Beta(``VINE``).

    This is the C-vine of Lewandowski, Kurowicka, Joe (2009), section 2.4. The partial correlation of k and i given the
    articles before k becomes their correlation by removing these articles one by one, the latest first.
    """
    partial = np.triu(rng.beta(*VINE, (matrices, n, n)), 1)
    out = np.broadcast_to(np.eye(n), partial.shape).copy()
    for k in range(n - 1):
        rho = partial[:, k, k + 1 :]  # (matrices, n - k - 1)
        for given in range(k - 1, -1, -1):
            with_i, with_k = partial[:, given, k + 1 :], partial[:, given, k, None]
            rho = rho * np.sqrt((1 - with_i**2) * (1 - with_k**2)) + with_i * with_k
        out[:, k, k + 1 :] = out[:, k + 1 :, k] = rho
    return out


def draw_lengths(rng: Random, sessions: int) -> Array:
    """Draw the number of articles (sessions,) int64 in each session."""
    shape, location, scale = LENGTH
    drawn = np.ceil(location + scale * rng.weibull(shape, sessions)).astype(np.int64)
    return np.clip(drawn, SHORTEST, LONGEST)


def simulate(settings: Settings, sigmas: Sequence[Array]) -> Sales:
    """Simulate the shop's sales; customers are split into equal groups, one for each of ``sigmas``, in order.

    InputError where a Sigma is too small, of another size, or no covariance.
    """
    categories = len(sigmas[0])
    if categories < LONGEST or any(sigma.shape != (categories, categories) for sigma in sigmas):
        raise InputError(f"each Sigma must be C x C with C the same and at least {LONGEST}, the longest session")
    rng = np.random.default_rng(settings.seed)
    group = np.arange(settings.customers) * len(sigmas) // settings.customers
    utility_root = compute_root(np.stack(list(sigmas)))  # (G, C, C)
    taste_root = TASTE * compute_root(draw_correlations(rng, categories, settings.articles))  # (C, J, J)
    base = rng.lognormal(*BASE_PRICE, (categories, 1))
    price = base * rng.uniform(0.5, 2.0, (categories, settings.articles))  # (C, J)
    count = draw_lengths(rng, settings.customers * settings.sessions)
    parts = []
    for first in range(0, settings.customers, AT_ONCE):
        user = np.arange(first, min(first + AT_ONCE, settings.customers))
        size = count.reshape(-1, settings.sessions)[user]
        parts.append(_simulate_choices(rng, utility_root[group[user]], taste_root, PRICE_WEIGHT * price, size))
    ptr = ragged.offsets(count)
    return Sales(settings, tuple(sigmas), group, price.ravel(), ptr, np.concatenate(parts))


def _simulate_choices(rng: Random, utility_root: Array, taste_root: Array, price: Array, size: Array) -> Array:
    """Simulate the articles (n,) int32 of the sessions of U customers, session by session.

    ``utility_root`` (U, C, C), ``taste_root`` (C, J, J), ``price`` (C, J) already weighted, ``size`` (U, T).
    """
    users, sessions = size.shape
    categories, articles = price.shape
    draws = rng.standard_normal((users, sessions, categories))
    wish = CATEGORY_MEAN + draws @ np.swapaxes(utility_root, 1, 2)  # (U, T, C) @ (U, C, C) -> (U, T, C)
    rank = np.argsort(np.argsort(-wish, axis=2, kind="stable"), axis=2)
    user, session, category = np.nonzero(rank < size[..., None])
    lasting = np.einsum("ucj,ckj->uck", rng.standard_normal((users, categories, articles)), taste_root)
    fleeting = rng.standard_normal((len(user), articles), dtype=np.float32)
    best = (lasting[user, category] - price[category] + fleeting).argmax(1)
    shuffled = np.lexsort((rng.random(len(user)), session, user))
    item: Array = (category * articles + best)[shuffled].astype(np.int32)
    return item
