"""Stages ``source@<name>`` and ``deep@<name>``: what a source or network knows at each label week, and what it proposes
to the week's buyers.

Writes data/sources/<name>/: state_<week>.npz for every week of the plan, the submission's included, and, where it
proposes, candidates_<week>.parquet (user, item, score; best first within a customer) for every week whose truth is
known.
"""

import sys
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import load_file
from tqdm import tqdm

from retail import params as parameters
from retail import paths, schema, shop, stage, weeks
from retail.log import Array
from retail.weeks import Plan
from stage1_candidates import source
from stage1_candidates.lists import Lists
from stage1_candidates.refits import trainings


def frame(users: Array, best: Lists) -> pl.DataFrame:
    """Rows user, item, score of lists whose row r belongs to ``users[r]``."""
    return pl.DataFrame(
        {"user": users[best.key_of_rows()].astype(np.uint32), "item": best.target, "score": best.weight}
    )


def load_state(name: str, week: int) -> dict[str, Array]:
    """What source ``name`` learned from the past of ``week``."""
    with np.load(paths.of_week(paths.SOURCES / name, "state", week, "npz")) as stored:
        return dict(stored)


def load_weights(name: str, plan: Plan, week: int, refit: int) -> dict[str, Array]:
    """What network ``name`` learned in its last training before ``week``; {}: nothing."""
    trained = max(one for one in trainings(plan, refit) if one <= week)
    return dict(load_file(paths.of_week(paths.NETWORKS / name, "weights", trained, "safetensors")))


def main() -> None:
    name = sys.argv[1]
    params = parameters.read()
    module, settings = source.load(name, params)
    with stage.whole_folder(paths.SOURCES / name) as folder:
        if not (settings.proposes or settings.scores):
            (folder / "off").touch()
            return
        whole = shop.read()
        plan = weeks.plan(whole.log, params.weeks)
        for week in tqdm(plan.all, desc=f"source {name}", unit="week"):
            history = weeks.history(whole.log, week)
            learned = (load_weights(name, plan, week, settings.refit),) if name in params.networks else ()
            state: dict[str, Any] = source.fitted(module, history, whole, settings, *learned)
            np.savez(paths.of_week(folder, "state", week, "npz"), **state)
            if week == plan.submission or not settings.proposes:
                continue  # at the submission every customer is answered in shards, later
            users = weeks.customers(whole.log, plan, week, params.weeks, params.seed)
            best = source.proposals(module, history, whole, state, users, settings)
            rows = schema.check(frame(users, best), schema.CANDIDATES, f"source {name}", key=("user", "item"))
            rows.write_parquet(paths.of_week(folder, "candidates", week))


if __name__ == "__main__":
    stage.run(main, f"source_{sys.argv[1]}")
