"""Whether LightGBM takes the models' settings in params.yaml: names that it does not know it passes over in silence.

A second name of what the ranker sets itself is passed over, or passes over what was set; such names are refused, too.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import lightgbm as lgb
import numpy as np
from lightgbm import basic

from retail.errors import InputError
from retail.params import Ranker
from stage2_ranker.model import ranker
from stage2_ranker.model.ranker import Rows
from stage2_ranker.model.recipe import Recipe

CUSTOMERS, CANDIDATES = 500, 10  # made up: enough that a small bagging_fraction leaves some
UNKNOWN = "Unknown parameter: "
ONCE = {"verbosity": 0, "num_iterations": 1}  # 0: errors and warnings
STDERR = 2
ELSEWHERE = {  # LightGBM's name -> where it is asked for
    "objective": "'objective' beside 'settings'",
    "seed": "'seed' beside 'settings'",
    "num_iterations": "'ranker.rounds'",
}


def check(recipes: list[Recipe], settings: Ranker) -> None:
    """InputError where LightGBM refuses a model's settings or knows one of them not; each is trained for a round."""
    rows = _rows()
    for one in recipes:
        where = f"params.yaml: 'ranker.models.{one.name}.settings'"
        for main, place in ELSEWHERE.items():
            for name in sorted(basic._ConfigAliases.get(main) & set(one.settings)):
                raise InputError(f"{where}: {name!r} is asked for in another place; set {place}")
        once = one.model_copy(update={"settings": {**one.settings, **ONCE}})
        with _heard() as lines:
            try:
                ranker.fit_one(rows, None, once, settings, 1, [])
            except (basic.LightGBMError, ValueError, OverflowError) as error:
                said = re.sub(r" at \S+, line \d+ *\.\s*$", "", str(error))  # the place in LightGBM's own code
                raise InputError(f"{where}: LightGBM says: {said}; mend it") from error
        if unknown := sorted({line.partition(UNKNOWN)[2] for line in lines if UNKNOWN in line}):
            raise InputError(f"{where}: unknown {', '.join(map(repr, unknown))}; expected names of LightGBM's")


def _rows() -> Rows:
    """Each customer bought the first of its candidates; the one feature is the candidate's place."""
    place = np.tile(np.arange(CANDIDATES), CUSTOMERS)
    groups = np.full(CUSTOMERS, CANDIDATES)
    return Rows(place[:, None].astype(np.float32), (place == 0).astype(np.uint8), np.zeros_like(place), groups, ["x"])


class _Lines(list[str]):
    """A logger that keeps what it is told."""

    def info(self, line: str) -> None:
        self.append(line)

    warning = info


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What LightGBM says meanwhile, instead of printing it; its errors, which it prints past Python too, go nowhere."""
    lines = _Lines()
    before = basic._LOGGER, basic._INFO_METHOD_NAME, basic._WARNING_METHOD_NAME
    stderr = os.dup(STDERR)
    lgb.register_logger(lines)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), STDERR)
        yield lines
    finally:
        os.dup2(stderr, STDERR)
        os.close(stderr)
        lgb.register_logger(*before)
