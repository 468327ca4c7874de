"""Store the recipe of each model of the ranker: stage ``tune`` writes it, ``train`` and ``train_final`` read it."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from retail import stage
from retail.errors import InputError
from retail.params import Block, Days, NotNegative, Positive, Ranker

BEST = Path("data/tuned/best.json")
Objective = Literal["lambdarank", "binary", "rank_xendcg"]


class Recipe(Block):
    """The objective, weight, training rows and settings of one model of the blend."""

    name: str
    objective: Objective
    seed: NotNegative
    weight: Annotated[float, Field(gt=0)]
    half_life: Days  # weeks after which a training week weighs half
    weeks: Positive | None  # newest training weeks that it is trained on; None: all
    negatives: Positive | None  # per positive, at most; None: as many as the table holds
    settings: dict[str, int | float | bool]  # LightGBM's


class Judgement(Block):
    """The blend found, and its cross-validated score: each customer is scored with a blend of the other folds."""

    weeks: list[int]
    found: dict[str, float]  # model -> weight, chosen on all customers
    map12: dict[str, float]  # "found": cross-validated; "params.yaml"; means over the weeks
    difference: float
    standard_error: float  # of the difference, bootstrapped over customers


class Best(Block):
    """The content of best.json."""

    models: list[Recipe]
    kept: Literal["found", "params.yaml"]
    why: str
    judgement: Judgement | None  # None without a search


def of_params(settings: Ranker) -> list[Recipe]:
    """Return the models of params.yaml, which are trained on every week and every sampled row."""
    if not settings.models:
        raise InputError("params.yaml: 'ranker.models' is empty; expected at least one model")
    all_rows: dict[str, Any] = {"half_life": settings.half_life, "weeks": None, "negatives": None}
    return [Recipe(name=name, **all_rows, **model.model_dump()) for name, model in settings.models.items()]


def write(best: Best, path: Path = BEST) -> None:
    """Write best.json; the same search gives the same bytes."""
    with stage.whole_file(path) as part:
        part.write_text(json.dumps(best.model_dump(), indent=1, sort_keys=True) + "\n")


def read(path: Path = BEST) -> list[Recipe]:
    """Read the models of best.json in their order; InputError where the file is missing or malformed."""
    try:
        return Best.model_validate_json(path.read_bytes()).models
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run `dvc repro`") from error
    except ValidationError as error:
        raise InputError(f"{path}: {error.errors()[0]['msg']}; run `dvc repro -f tune`") from error
