"""Check that LightGBM accepts the models' settings in params.yaml; LightGBM itself ignores unknown names silently.

Aliases of parameters the ranker sets itself would be ignored or would override it, so they are rejected.
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

CUSTOMERS, CANDIDATES = 500, 10  # of the artificial table: enough rows that a small bagging_fraction leaves one
UNKNOWN = "Unknown parameter: "
SINGLE_ROUND = {"verbosity": 0, "num_iterations": 1}  # verbosity 0: errors and warnings
STDERR = 2
SET_ELSEWHERE = {  # LightGBM's name -> the key of params.yaml that sets it
    "objective": "'objective' next to 'settings'",
    "seed": "'seed' next to 'settings'",
    "num_iterations": "'ranker.rounds'",
    "early_stopping_round": "'ranker.patience'",
}


def check(recipes: list[Recipe], settings: Ranker) -> None:
    """Train each model for one round; InputError where LightGBM rejects a setting or does not know its name."""
    rows = _make_rows()
    for recipe in recipes:
        where = f"params.yaml: 'ranker.models.{recipe.name}.settings'"
        for main, place in SET_ELSEWHERE.items():
            for name in sorted(basic._ConfigAliases.get(main) & set(recipe.settings)):
                raise InputError(f"{where}: {name!r} does not belong here; set {place} instead")
        short = recipe.model_copy(update={"settings": {**recipe.settings, **SINGLE_ROUND}})
        with _capture_log() as lines:
            try:
                ranker.fit_model(rows, None, short, settings, 1)
            except (basic.LightGBMError, ValueError, OverflowError) as error:
                message = re.sub(r" at \S+, line \d+ *\.\s*$", "", str(error))  # the place in LightGBM's own code
                raise InputError(f"{where}: LightGBM says: {message}; fix it") from error
        if unknown := sorted({line.partition(UNKNOWN)[2] for line in lines if UNKNOWN in line}):
            raise InputError(f"{where}: unknown {', '.join(map(repr, unknown))}; expected names of LightGBM's")


def _make_rows() -> Rows:
    """Make an artificial table: each customer bought the first candidate, the one feature is the candidate's place."""
    place = np.tile(np.arange(CANDIDATES), CUSTOMERS)
    groups = np.full(CUSTOMERS, CANDIDATES)
    return Rows(place[:, None].astype(np.float32), (place == 0).astype(np.uint8), np.zeros_like(place), groups, ["x"])


class _Lines(list[str]):
    """A logger that stores its messages."""

    def info(self, line: str) -> None:
        self.append(line)

    warning = info


@contextmanager
def _capture_log() -> Iterator[list[str]]:
    """Yield the list of LightGBM's messages instead of printing them; drop errors that it prints to stderr itself."""
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
