"""The trials of a search as plain records: without times, so that the same search leaves the same bytes."""

import json
from pathlib import Path
from typing import Any

import optuna
import polars as pl
from optuna import Study
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from retail import paths

TUNING = paths.DATA / "tuning"  # trials.json, and trials.csv to look at


def records(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    """One record per trial, by number.

    ``value``: MAP@12 on the tuning weeks, of a pruned trial the last one before its end; ``reports``: round -> MAP@12;
    ``model``: its name in params.yaml, where it is one of those.
    """
    return [
        {
            "number": one.number,
            "state": one.state.name,
            "value": one.value,
            "model": one.user_attrs.get("model"),
            "rounds": one.user_attrs.get("rounds"),
            "spread": one.user_attrs.get("spread"),
            "params": one.params,
            "distributions": {name: distribution_to_json(of) for name, of in one.distributions.items()},
            "reports": {str(rounds): value for rounds, value in sorted(one.intermediate_values.items())},
        }
        for one in trials
    ]


def write(found: list[dict[str, Any]], folder: Path) -> None:
    """trials.json, which ``read`` reads, and trials.csv: number, state, value, model, rounds, and the parameters."""
    (folder / "trials.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    names = sorted({name for one in found for name in one["params"]})
    keys = ("number", "state", "value", "model", "rounds")
    rows = [{**{key: one[key] for key in keys}, **{name: one["params"].get(name) for name in names}} for one in found]
    pl.DataFrame(rows, schema=None if rows else list(keys), infer_schema_length=None).write_csv(folder / "trials.csv")


def read(folder: Path = TUNING) -> list[dict[str, Any]]:
    """The records of trials.json; none where nothing was searched."""
    found: list[dict[str, Any]] = json.loads((folder / "trials.json").read_text())
    return found


def study_of(found: list[dict[str, Any]]) -> Study:
    """A study in memory with these trials, for optuna's own plots."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        optuna.trial.create_trial(
            state=TrialState[one["state"]],
            value=one["value"],
            params=one["params"],
            distributions={name: json_to_distribution(text) for name, text in one["distributions"].items()},
            user_attrs={key: one[key] for key in ("model", "rounds", "spread") if one[key] is not None},
            intermediate_values={int(rounds): value for rounds, value in one["reports"].items()},
        )
        for one in found
    )
    return study
