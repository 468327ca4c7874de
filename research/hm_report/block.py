"""Label weeks that share a training, and what all models read of them, made once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from research.hm_report import inputs, shops
from research.hm_report.answers import Asked, asked
from research.hm_report.groups import members
from research.hm_report.inputs import Table, Wanted
from research.hm_report.shops import Past, Store
from retail.log import Array

ERA = 4  # weeks for which a training purchase sees features of the same day


@dataclass(frozen=True, eq=False)
class Block:
    """Label weeks that are answered by one training, on the log cut at the first of them."""

    store: Store
    weeks: tuple[int, ...]

    @property
    def cut(self) -> int:
        return self.weeks[0]

    @property
    def eras(self) -> range:
        """Label weeks whose first days begin the eras, the last of them the eve of the cut."""
        return range(self.cut % ERA - ERA if self.cut % ERA else 0, self.cut, ERA)


@lru_cache(maxsize=2)
def tables(block: Block, wanted: Wanted, as_published: bool) -> tuple[Table, Table]:
    """Customers and articles at every era of the block; at the cut alone where that is how it was published."""
    pasts = [past_of(block.store, week) for week in ([block.cut] if as_published else block.eras)]
    return (
        inputs.customers(pasts if wanted.customer else pasts[:1], wanted.customer),
        inputs.articles(pasts if wanted.article else pasts[:1], wanted.article),
    )


@lru_cache(maxsize=64)
def past_of(store: Store, week: int) -> Past:
    return shops.past(store, week)


@lru_cache(maxsize=32)
def members_of(store: Store, week: int) -> Mapping[str, Array]:
    return members(past_of(store, week))


@lru_cache(maxsize=32)
def asked_of(store: Store, week: int) -> Asked:
    return asked(store, week)
