"""Compute and store the candidates of one source or network; stage ``propose`` runs it for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from retail import paths, schema, weeks
from retail.log import Array
from retail.params import Params
from retail.shop import Shop
from retail.weeks import History, Plan
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.engine.plugin_types import SourceModule, State, Weights

WeightsOf = Callable[[int], Weights | None]  # label week -> a network's weights, None for a plain source


def frame(users: Array, best: Lists) -> pl.DataFrame:
    """Convert lists, row r of ``users[r]``, to a table of user, item and score."""
    return pl.DataFrame(
        {"user": users[best.key_of_rows()].astype(np.uint32), "item": best.target, "score": best.weight}
    )


def load_state(name: str, week: int) -> State:
    """Load the state of source ``name`` for ``week``."""
    with np.load(paths.of_week(paths.SOURCES / name, "state", week, "npz")) as stored:
        return dict(stored)


@dataclass(frozen=True)
class Proposer:
    """Fit one source or network week by week, and store its state and candidates."""

    name: str
    module: SourceModule
    settings: Any  # the module's own Params
    whole: Shop
    plan: Plan
    params: Params
    weights_of: WeightsOf

    def write_week(self, week: int, history: History, folder: Path) -> None:
        """Write the files of ``week`` to ``folder``.

        state_<week>.npz exists for every week of the plan and for the submission. candidates_<week>.parquet exists for
        a source that proposes, in every label week: user, item, score, best first within a customer.
        """
        fitted = Loaded.fit(self.module, self.settings, history, self.whole, self.weights_of(week))
        np.savez(paths.of_week(folder, "state", week, "npz"), **fitted.state)  # type: ignore[arg-type]
        if week == self.plan.submission or not self.settings.proposes:
            return  # the submission computes its candidates in shards
        users = weeks.customers(self.whole.log, self.plan, week, self.params.weeks, self.params.seed)
        best = fitted.propose(history, self.whole, users)
        rows = schema.check(frame(users, best), schema.CANDIDATES, f"source {self.name}", key=("user", "item"))
        rows.write_parquet(paths.of_week(folder, "candidates", week), compression=paths.COMPRESSION)
