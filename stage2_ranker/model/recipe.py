"""What each model of the ranker is made of: stage ``tune`` writes it down, ``train`` and ``train_final`` follow it."""

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
    """One model of the blend."""

    name: str
    objective: Objective
    seed: NotNegative
    weight: Annotated[float, Field(gt=0)]
    half_life: Days  # weeks after which a training week weighs half
    weeks: Positive | None  # newest training weeks that it sees; None: all
    negatives: Positive | None  # per positive, at most; None: as many as the table holds
    settings: dict[str, int | float | bool]  # LightGBM's


class Judgement(Block):
    """The blend that the search found, and how blends found likewise, by other customers, did on the tuning weeks."""

    weeks: list[int]
    found: dict[str, float]  # model -> weight, chosen by all customers
    map12: dict[str, float]  # "found": of each customer by what others chose; "params.yaml"; mean over the weeks
    difference: float
    standard_error: float  # of the difference, customers drawn again


class Best(Block):
    """The content of best.json."""

    models: list[Recipe]
    kept: Literal["found", "params.yaml"]
    why: str
    judgement: Judgement | None  # None where nothing was searched


def of_params(settings: Ranker) -> list[Recipe]:
    """The models of params.yaml, which see every week and every sampled row."""
    if not settings.models:
        raise InputError("params.yaml: 'ranker.models' is empty; expected at least one model")
    whole: dict[str, Any] = {"half_life": settings.half_life, "weeks": None, "negatives": None}
    return [Recipe(name=name, **whole, **one.model_dump()) for name, one in settings.models.items()]


def write(best: Best, path: Path = BEST) -> None:
    """best.json; the same search gives the same bytes."""
    with stage.whole_file(path) as part:
        part.write_text(json.dumps(best.model_dump(), indent=1, sort_keys=True) + "\n")


def read(path: Path = BEST) -> list[Recipe]:
    """The models of best.json in their order; InputError where the file is missing or of another form."""
    try:
        return Best.model_validate_json(path.read_bytes()).models
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run `dvc repro`") from error
    except ValidationError as error:
        raise InputError(f"{path}: {error.errors()[0]['msg']}; run `dvc repro -f tune`") from error
