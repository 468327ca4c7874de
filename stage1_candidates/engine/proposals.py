"""Compute and store the candidates of a source for the stages ``propose@`` and ``propose_network@``."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

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
    """Convert lists, row r of ``users[r]``, to a table of user, item and score."""
    return pl.DataFrame(
        {"user": users[best.key_of_rows()].astype(np.uint32), "item": best.target, "score": best.weight}
    )


def load_state(name: str, week: int) -> State:
    """Load the state of source ``name`` for ``week``.

    ``np.savez`` stores arrays uncompressed. They are read from the file itself, at half the cost of ``np.load``, which
    reads small parts and sums their bits.
    """
    state = {}
    with paths.of_week(paths.SOURCES / name, "state", week, "npz").open("rb") as file, ZipFile(file) as stored:
        for member in stored.infolist():
            file.seek(member.header_offset + 26)  # the lengths of the name and of a field, which precede the array
            file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)
            state[member.filename.removesuffix(".npy")] = np.lib.format.read_array(file)
    return state


def write_off(folder: Path) -> None:
    """Write the folder of a plug-in that is off: the one setting that later stages depend on."""
    with stage.whole_folder(folder) as part:
        (part / paths.SETTINGS).write_text('{"use": false}')


def write(name: str, weights_of: WeightsOf) -> None:
    """Write data/sources/<name>/ atomically.

    state_<week>.npz exists for every week of the plan and for the submission. candidates_<week>.parquet exists for a
    source that proposes, in every label week: user, item, score, best first within a customer. settings.json holds the
    block of params.yaml, so that stages that read the folder depend on the settings.
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
                continue  # the submission computes its candidates in shards
            users = weeks.customers(whole.log, plan, week, params.weeks, params.seed)
            best = fitted.propose(history, whole, users)
            rows = schema.check(frame(users, best), schema.CANDIDATES, f"source {name}", key=("user", "item"))
            rows.write_parquet(paths.of_week(folder, "candidates", week))
