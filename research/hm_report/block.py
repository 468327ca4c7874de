"""Group label weeks that share a training, and cache what all models read of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from research.hm_report import shops, tower_inputs
from research.hm_report.groups import find_members
from research.hm_report.ranking import LabelWeek, read_label_week
from research.hm_report.shops import Past, Store
from research.hm_report.tower_inputs import FeatureNames, InputTable
from retail.log import Array

ERA = 4  # weeks; the training purchases of an era get the features as of its first day


@dataclass(frozen=True, eq=False)
class Block:
    """Hold label weeks that share a training, which uses the log before the first of them."""

    store: Store
    weeks: tuple[int, ...]

    @property
    def cut(self) -> int:
        """Return the first label week; training ends before it."""
        return self.weeks[0]

    @property
    def eras(self) -> range:
        """Return the label weeks whose first days begin the eras; the last era ends at the cut."""
        return range(self.cut % ERA - ERA if self.cut % ERA else 0, self.cut, ERA)


@lru_cache(maxsize=2)
def build_tables(block: Block, names: FeatureNames, as_published: bool) -> tuple[InputTable, InputTable]:
    """Build the tables of customers and articles at each era of the block; only at the cut if ``as_published``."""
    pasts = [load_past(block.store, week) for week in ([block.cut] if as_published else block.eras)]
    return (
        tower_inputs.encode_customers(pasts if names.customer else pasts[:1], names.customer),
        tower_inputs.encode_articles(pasts if names.article else pasts[:1], names.article),
    )


@lru_cache(maxsize=64)
def load_past(store: Store, week: int) -> Past:
    """Read the past of a label week, or take it from the cache."""
    return shops.read_past(store, week)


@lru_cache(maxsize=32)
def load_members(store: Store, week: int) -> Mapping[str, Array]:
    """Find the groups' members as of a label week, or take them from the cache."""
    return find_members(load_past(store, week))


@lru_cache(maxsize=32)
def load_label_week(store: Store, week: int) -> LabelWeek:
    """Read a label week, or take it from the cache."""
    return read_label_week(store, week)
