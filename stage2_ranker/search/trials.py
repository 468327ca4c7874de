"""Store a search's trials as plain records without times, so that the same search writes the same bytes."""

import json
from pathlib import Path
from typing import Any

import optuna
import polars as pl
from optuna import Study
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from retail import paths

TUNING = paths.DATA / "tuning"  # trials.json, and trials.csv for a reader


def make_records(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    """Return one record per trial, by number.

    ``value``: MAP@12 on the tuning weeks, the last reported value for a pruned trial. ``reports``: round -> MAP@12.
    ``model``: the name in params.yaml, None for a trial that the sampler proposed.
    """
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "value": trial.value,
            "model": trial.user_attrs.get("model"),
            "rounds": trial.user_attrs.get("rounds"),
            "spread": trial.user_attrs.get("spread"),
            "params": trial.params,
            "distributions": {name: distribution_to_json(values) for name, values in trial.distributions.items()},
            "reports": {str(rounds): value for rounds, value in sorted(trial.intermediate_values.items())},
        }
        for trial in trials
    ]


def write(records: list[dict[str, Any]], folder: Path) -> None:
    """Write trials.json, which ``read`` reads, and trials.csv: number, state, value, model, rounds, parameters."""
    (folder / "trials.json").write_text(json.dumps(records, indent=1, sort_keys=True) + "\n")
    names = sorted({name for record in records for name in record["params"]})
    keys = ("number", "state", "value", "model", "rounds")
    rows = [
        {**{key: record[key] for key in keys}, **{name: record["params"].get(name) for name in names}}
        for record in records
    ]
    pl.DataFrame(rows, schema=None if rows else list(keys), infer_schema_length=None).write_csv(folder / "trials.csv")


def read(folder: Path = TUNING) -> list[dict[str, Any]]:
    """Read the records of trials.json; the list is empty where no search ran."""
    records: list[dict[str, Any]] = json.loads((folder / "trials.json").read_text())
    return records


def make_study(records: list[dict[str, Any]]) -> Study:
    """Make a study in memory from ``records``, for Optuna's plots."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        optuna.trial.create_trial(
            state=TrialState[record["state"]],
            value=record["value"],
            params=record["params"],
            distributions={name: json_to_distribution(text) for name, text in record["distributions"].items()},
            user_attrs={key: record[key] for key in ("model", "rounds", "spread") if record[key] is not None},
            intermediate_values={int(rounds): value for rounds, value in record["reports"].items()},
        )
        for record in records
    )
    return study
