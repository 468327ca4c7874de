"""What the towers read of customers and articles: codes that are always so, and features as of several cutoffs.

The report computes its features once, from all purchases, those to be learned from included. Here a training purchase
sees them as they were on the first day of its own era; ``as_published`` is the report's way, for comparison.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from research.hm_report.features import ARTICLE, CUSTOMER, KINDS, Feature
from research.hm_report.shops import Past
from retail.log import Array

AGE_SCALE = 20.0  # years; the report leaves the age unscaled
ATTRIBUTES = (
    "product_type_no", "graphical_appearance_no", "department_no", "index_code", "section_no", "garment_group_no",
)  # fmt: skip
TRAITS = ("FN", "Active", "club_member_status", "fashion_news_frequency")


@dataclass(frozen=True)
class Table:
    """Customers or articles as of S cutoffs; a coded column has rows of its own in one table, its first: missing."""

    codes: Array  # (n, k) int32
    moving: Array  # (S, n, j) int32, codes that differ between cutoffs
    numbers: Array  # (S, n, f) float32
    rows: int  # of the table
    columns: tuple[int, ...]  # first row of each coded column

    def at(self, era: Array, of: Array) -> tuple[Tensor, Tensor]:
        """(b, k + j) int64 rows of the table and (b, f) numbers of ``of`` (b,), each as of ``era`` (b,).

        What is known of one cutoff alone is so for every era.
        """
        era = np.minimum(era, len(self.numbers) - 1)
        codes = np.concatenate([self.codes[of], self.moving[era, of]], 1)
        return torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(self.numbers[era, of])


@dataclass(frozen=True)
class Wanted:
    """Which of the report's features a model reads."""

    customer: tuple[str, ...] = ()
    article: tuple[str, ...] = ()

    def without(self, name: str) -> "Wanted":
        kept = (tuple(one for one in names if one != name) for names in (self.customer, self.article))
        return Wanted(*kept)


def customers(pasts: Sequence[Past], names: Sequence[str]) -> Table:
    """Traits and age, and the features ``names`` as of each of ``pasts``."""
    store = pasts[0].store
    age = np.full(store.shop.log.users, np.nan) if store.shop.age is None else store.shop.age.astype(np.float64)
    middle = np.nanmedian(age) if not np.isnan(age).all() else 0.0
    scaled = np.where(np.isnan(age), 0.0, (age - middle) / AGE_SCALE)[:, None]
    traits = [store.shop.traits[name] for name in TRAITS if name in store.shop.traits]
    return _table(pasts, names, CUSTOMER, traits, scaled.astype(np.float32))


def articles(pasts: Sequence[Past], names: Sequence[str]) -> Table:
    """Attributes, and the features ``names`` as of each of ``pasts``."""
    store = pasts[0].store
    attributes = [store.shop.attributes[name] for name in ATTRIBUTES if name in store.shop.attributes]
    return _table(pasts, names, ARTICLE, [*attributes, store.colour], np.zeros((len(store.colour), 0), np.float32))


def _table(
    pasts: Sequence[Past], names: Sequence[str], known: Mapping[str, Feature], fixed: list[Array], numbers: Array
) -> Table:
    found = [[known[name](past) for name in names] for past in pasts]
    coded = [k for k, name in enumerate(names) if name in KINDS]
    kinds = [int(column.max(initial=-1)) + 1 for column in fixed] + [KINDS[names[k]](pasts[0]) for k in coded]
    first = np.concatenate([[0], np.cumsum(np.array(kinds, np.int64) + 1)]).astype(np.int32)
    n, offset = len(numbers), first[len(fixed) : -1]
    return Table(
        codes=np.column_stack([*fixed]).astype(np.int32) + 1 + first[: len(fixed)]
        if fixed
        else np.zeros((n, 0), np.int32),
        moving=np.stack([_stacked([of[k] for k in coded], n, np.int32) + 1 + offset for of in found]).astype(np.int32),
        numbers=np.stack(
            [np.column_stack([numbers, *(of[k] for k in range(len(names)) if k not in coded)]) for of in found]
        ).astype(np.float32),
        rows=int(first[-1]),
        columns=tuple(int(row) for row in first[:-1]),
    )


def _stacked(columns: list[Array], n: int, dtype: type) -> Array:
    return np.column_stack(columns).astype(dtype) if columns else np.zeros((n, 0), dtype)
