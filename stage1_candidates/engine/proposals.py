"""Compute and store what a source proposes: the work that stages ``propose@`` and ``propose_network@`` share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from tqdm import tqdm

from retail import params as parameters
from retail import paths, schema, shop, stage, weeks
from retail.log import Array
from retail.weeks import Plan
from stage1_candidates.engine import source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded
from stage1_candidates.engine.plugin_types import State, Weights

WeightsOf = Callable[[Plan, int], Weights | None]  # (plan, label week) -> a network's weights, None for a plain source


def frame(users: Array, best: Lists) -> pl.DataFrame:
    """Rows user, item, score of lists whose row r belongs to ``users[r]``."""
    return pl.DataFrame(
        {"user": users[best.key_of_rows()].astype(np.uint32), "item": best.target, "score": best.weight}
    )


def load_state(name: str, week: int) -> State:
    """Load what source ``name`` learned from the past of ``week``."""
    with np.load(paths.of_week(paths.SOURCES / name, "state", week, "npz")) as stored:
        return dict(stored)


def write_off(folder: Path) -> None:
    """Write the folder of a plug-in that is off: the one setting that later stages depend on."""
    with stage.whole_folder(folder) as part:
        (part / paths.SETTINGS).write_text('{"use": false}')


def write(name: str, weights_of: WeightsOf) -> None:
    """Write data/sources/<name>/, whole or not at all.

    state_<week>.npz for every week of the plan, the submission's included. Where the source proposes, also
    candidates_<week>.parquet (user, item, score; best first within a customer) for every week whose truth is known.
    settings.json holds the block of params.yaml, so that every stage that reads the folder depends on the settings.
    """
    params = parameters.read()
    module, settings = source.load(name, params)
    with stage.whole_folder(paths.SOURCES / name) as folder:
        (folder / paths.SETTINGS).write_text(settings.model_dump_json(indent=1))
        if not (settings.proposes or settings.scores):
            return
        whole = shop.read()
        plan = weeks.plan(whole.log, params.weeks)
        for week in tqdm(plan.all, desc=f"propose {name}", unit="week"):
            history = weeks.history(whole.log, week)
            fitted = Loaded.fit(module, settings, history, whole, weights_of(plan, week))
            np.savez(paths.of_week(folder, "state", week, "npz"), **fitted.state)  # type: ignore[arg-type]
            if week == plan.submission or not settings.proposes:
                continue  # at the submission every customer is answered in shards, later
            users = weeks.customers(whole.log, plan, week, params.weeks, params.seed)
            best = fitted.propose(history, whole, users)
            rows = schema.check(frame(users, best), schema.CANDIDATES, f"source {name}", key=("user", "item"))
            rows.write_parquet(paths.of_week(folder, "candidates", week))
