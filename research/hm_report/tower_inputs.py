"""Encode customers and articles as inputs of the towers: constant codes, and features as of several cutoffs.

The report computes its features once, from all purchases, training purchases included. Here a training purchase gets
the features as of the first day of its era. ``block.build_tables`` with ``as_published`` follows the report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from research.hm_report.features import ARTICLE_FEATURES, CODE_COUNTS, CUSTOMER_FEATURES, Feature
from research.hm_report.shops import Past
from retail import ragged
from retail.log import Array

AGE_SCALE = 20.0  # years; the report leaves the age unscaled
ATTRIBUTES = (
    "product_type_no", "graphical_appearance_no", "department_no", "index_code", "section_no", "garment_group_no",
)  # fmt: skip
TRAITS = ("FN", "Active", "club_member_status", "fashion_news_frequency")


@dataclass(frozen=True)
class InputTable:
    """Hold the inputs of n customers or articles as of S cutoffs.

    All codes index the rows of one weight table. Each coded column has its own range of rows; the first row of the
    range means missing.
    """

    fixed_codes: Array  # (n, k) int32, equal at all cutoffs
    codes: Array  # (S, n, j) int32
    numbers: Array  # (S, n, f) float32
    rows: int  # rows of the weight table
    columns: tuple[int, ...]  # first row of each coded column

    def lookup(self, era: Array, ids: Array) -> tuple[Tensor, Tensor]:
        """Return the codes (b, k + j) int64 and the numbers (b, f) of ``ids`` (b,), each as of its ``era`` (b,).

        A table with one cutoff gives the same values for every era.
        """
        era = np.minimum(era, len(self.numbers) - 1)
        codes = np.concatenate([self.fixed_codes[ids], self.codes[era, ids]], 1)
        return torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(self.numbers[era, ids])


@dataclass(frozen=True)
class FeatureNames:
    """Name the report's features that a model reads."""

    customer: tuple[str, ...] = ()
    article: tuple[str, ...] = ()

    def without(self, name: str) -> "FeatureNames":
        """Return the names without ``name``."""
        kept = (tuple(feature for feature in names if feature != name) for names in (self.customer, self.article))
        return FeatureNames(*kept)


def encode_customers(pasts: Sequence[Past], names: Sequence[str]) -> InputTable:
    """Encode the customers' traits, age, and features ``names`` as of each of ``pasts``."""
    store = pasts[0].store
    age = np.full(store.shop.log.users, np.nan) if store.shop.age is None else store.shop.age.astype(np.float64)
    median = np.nanmedian(age) if not np.isnan(age).all() else 0.0
    scaled = np.where(np.isnan(age), 0.0, (age - median) / AGE_SCALE)[:, None]
    traits = [store.shop.traits[name] for name in TRAITS if name in store.shop.traits]
    return _encode(pasts, names, CUSTOMER_FEATURES, traits, scaled.astype(np.float32))


def encode_articles(pasts: Sequence[Past], names: Sequence[str]) -> InputTable:
    """Encode the articles' attributes, and features ``names`` as of each of ``pasts``."""
    store = pasts[0].store
    attributes = [store.shop.attributes[name] for name in ATTRIBUTES if name in store.shop.attributes]
    no_numbers = np.zeros((len(store.colour), 0), np.float32)
    return _encode(pasts, names, ARTICLE_FEATURES, [*attributes, store.colour], no_numbers)


def _encode(
    pasts: Sequence[Past], names: Sequence[str], features: Mapping[str, Feature], fixed: list[Array], numbers: Array
) -> InputTable:
    """Build a table from constant codes ``fixed``, constant ``numbers`` (n, f) and the features ``names``."""
    values = [[features[name](past) for name in names] for past in pasts]
    coded = [k for k, name in enumerate(names) if name in CODE_COUNTS]
    counts = [int(column.max(initial=-1)) + 1 for column in fixed] + [CODE_COUNTS[names[k]](pasts[0]) for k in coded]
    first = ragged.offsets(np.array(counts, np.int64) + 1).astype(np.int32)  # the extra row of a column: missing
    n, offset = len(numbers), first[len(fixed) : -1]
    return InputTable(
        fixed_codes=np.column_stack([*fixed]).astype(np.int32) + 1 + first[: len(fixed)]
        if fixed
        else np.zeros((n, 0), np.int32),
        codes=np.stack([_stack([row[k] for k in coded], n) + 1 + offset for row in values]).astype(np.int32),
        numbers=np.stack(
            [np.column_stack([numbers, *(row[k] for k in range(len(names)) if k not in coded)]) for row in values]
        ).astype(np.float32),
        rows=int(first[-1]),
        columns=tuple(int(row) for row in first[:-1]),
    )


def _stack(columns: list[Array], n: int) -> Array:
    """Stack columns (n,) of codes into (n, j) int32; j may be 0."""
    return np.column_stack(columns).astype(np.int32) if columns else np.zeros((n, 0), np.int32)
