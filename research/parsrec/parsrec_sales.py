"""Sales of the PARSRec paper's synthetic shop: sessions whose categories go together as planted, by customer group.

In a session a customer takes the n categories of highest utility, drawn from N(-.5, Sigma) with the Sigma of the
customer's group, and in each the article of highest utility (Gholami et al., KDD 2022, 5.1 and appendix A; the
values that the paper leaves open are those of the authors' released generator).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator as Random

from retail.errors import InputError
from retail.log import Array

CATEGORY_MEAN = -0.5  # alpha_c: the same for all, so it moves no choice
PRICE_WEIGHT = 0.1  # beta_c
TASTE = 2.0  # tau_c: standard deviation of a customer's lasting utility of an article
VINE = (0.2, 1.0)  # Beta of the partial correlations of articles within a category
BASE_PRICE = (0.5, 0.1)  # log-normal
LENGTH = (0.8046973517, 2.0, 1.4738173216)  # Weibull: shape, location, scale
SHORTEST, LONGEST = 3, 10  # articles in a session
AT_ONCE = 32  # customers whose choices are drawn together; another number draws another shop

# Correlations above the diagonal, by pair of categories: those of both groups, then those of each.
BOTH = {
    **{(a, b): -0.25 for a in range(4) for b in range(a + 1, 4)},
    (4, 5): 0.2, (4, 6): 0.5, (4, 7): 0.8, (5, 6): 0.4, (5, 7): 0.7, (6, 7): 0.6,
    (8, 9): -0.4, (11, 12): 0.5, (11, 13): -0.5, (12, 13): -1.0, (14, 15): 0.5, (15, 16): 0.5,
}  # fmt: skip
OF_GROUP = (
    {(8, 10): 0.5, (9, 10): 0.5, (14, 16): -0.3, (18, 19): 0.99},
    {(8, 10): -0.5, (9, 10): -0.5, (14, 16): 1.0, (18, 19): -0.5},
)


@dataclass(frozen=True)
class Settings:
    """How large the shop is; the authors' sample has 1,024 customers, 100 sessions, 100 articles per category."""

    customers: int
    sessions: int  # of each customer
    articles: int  # of each category
    seed: int


@dataclass(frozen=True)
class Sales:
    """Sessions in (customer, time) order; article i is of category i // settings.articles."""

    settings: Settings
    sigmas: tuple[Array, ...]  # each (C, C) float64, of one group of customers
    group: Array  # (customers,) int64
    price: Array  # (items,) float64
    ptr: Array  # (customers * sessions + 1,) int64: session s holds item[ptr[s]:ptr[s+1]], unique, in a drawn order
    item: Array  # (n,) int32

    @property
    def categories(self) -> int:
        return len(self.sigmas[0])

    @property
    def items(self) -> int:
        return self.categories * self.settings.articles


def paper_sigmas() -> tuple[Array, Array]:
    """The two (20, 20) covariances of the authors' generator, of groups A and B."""
    first, second = (covariance(20, {**BOTH, **of}) for of in OF_GROUP)
    return first, second


def covariance(categories: int, pairs: dict[tuple[int, int], float]) -> Array:
    """(C, C) float64: 1 on the diagonal, ``pairs`` on both sides of it, 0 elsewhere."""
    sigma = np.eye(categories)
    for (a, b), value in pairs.items():
        sigma[a, b] = sigma[b, a] = value
    return sigma


def root(covariances: Array) -> Array:
    """(..., n, n) R with R R^T each covariance, singular ones too; InputError where one is no covariance at all."""
    value, vector = np.linalg.eigh(covariances)
    if (value < -1e-8).any() or not np.allclose(covariances, np.swapaxes(covariances, -1, -2)):
        raise InputError("a Sigma is not symmetric and positive semi-definite; mend its correlations")
    rooted: Array = vector * np.sqrt(np.maximum(value, 0))[..., None, :]
    return rooted


def vine(rng: Random, matrices: int, n: int) -> Array:
    """(matrices, n, n) random correlation matrices from partial correlations drawn from Beta(``VINE``).

    The C-vine of Lewandowski, Kurowicka, Joe (2009), section 2.4: the partial correlation of k and i given the articles
    before k is turned into their correlation by taking these away one by one, the latest first.
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


def lengths(rng: Random, sessions: int) -> Array:
    """(sessions,) int64 articles in each session."""
    shape, location, scale = LENGTH
    drawn = np.ceil(location + scale * rng.weibull(shape, sessions)).astype(np.int64)
    return np.clip(drawn, SHORTEST, LONGEST)


def sold(settings: Settings, sigmas: Sequence[Array]) -> Sales:
    """The shop's sales: customers are divided into as many equal groups as there are ``sigmas``, in their order."""
    categories = len(sigmas[0])
    if categories < LONGEST or any(sigma.shape != (categories, categories) for sigma in sigmas):
        raise InputError(f"each Sigma must be C x C with C the same and at least {LONGEST}, the longest session")
    rng = np.random.default_rng(settings.seed)
    group = np.arange(settings.customers) * len(sigmas) // settings.customers
    utility_root = root(np.stack(list(sigmas)))  # (G, C, C)
    taste_root = TASTE * root(vine(rng, categories, settings.articles))  # (C, J, J)
    base = rng.lognormal(*BASE_PRICE, (categories, 1))
    price = base * rng.uniform(0.5, 2.0, (categories, settings.articles))  # (C, J)
    count = lengths(rng, settings.customers * settings.sessions)
    parts = []
    for first in range(0, settings.customers, AT_ONCE):
        some = np.arange(first, min(first + AT_ONCE, settings.customers))
        size = count.reshape(-1, settings.sessions)[some]
        parts.append(_chosen(rng, utility_root[group[some]], taste_root, PRICE_WEIGHT * price, size))
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    return Sales(settings, tuple(sigmas), group, price.ravel(), ptr, np.concatenate(parts))


def _chosen(rng: Random, utility_root: Array, taste_root: Array, price: Array, size: Array) -> Array:
    """(n,) int32 articles of the sessions of U customers, session by session.

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
