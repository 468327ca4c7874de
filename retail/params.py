"""Read params.yaml into frozen models. A misspelt key or a value out of range is an error that names it."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from retail import paths
from retail.errors import InputError

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[float, Field(gt=0)]
LIST = 12  # length of a list, as ``metrics.K``, whose module takes a second to import
OnUnknown = Literal["error", "drop"]


class Block(BaseModel):
    """Hold a block of params.yaml: read-only, no unknown keys, no defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Block):
    folder: Path
    unknown_article: OnUnknown
    unknown_customer: OnUnknown


class Demo(Block):
    customers: Positive
    articles: Positive
    weeks: Positive
    seed: NotNegative


class Train(Block):
    most: Positive
    least: Positive
    customers: Positive


class Weeks(Block):
    validation: Positive
    stop: Positive
    stop_customers: Positive
    train: Train


class Pool(Block):
    take: Positive
    rrf: Positive


class Table(Block):
    negatives: Positive
    rows: Positive


class Model(Block):
    objective: Literal["lambdarank", "binary", "rank_xendcg"]
    seed: NotNegative
    weight: Annotated[float, Field(gt=0)]
    settings: dict[str, int | float | bool]


Average = Literal["scores", "ranks"]


class Ranker(Block):
    half_life: Days
    rounds: Positive
    patience: Positive
    smooth: Positive
    retrain: bool
    retrain_rounds: Positive
    average: Average
    models: dict[str, Model]


class Tuning(Block):
    trials: NotNegative
    weeks: Positive
    customers: Positive
    rows: Positive


class Evaluate(Block):
    bootstrap: Positive
    half_life: Days


class Cascade(Block):
    rounds: Positive
    keep: NotNegative

    @field_validator("keep")
    @classmethod
    def _leave_a_whole_list(cls, keep: int) -> int:
        if 0 < keep < LIST:
            raise ValueError(f"expected 0, which switches the cascade off, or at least {LIST}, the length of a list")
        return keep


class Submit(Block):
    shard: Positive
    cascade: Cascade


class Explain(Block):
    customers: NotNegative


class Params(Block):
    """Hold all of params.yaml. Each plug-in checks its block with its own model."""

    seed: NotNegative
    data: Data
    demo: Demo
    weeks: Weeks
    sources: dict[str, dict[str, Any]]
    networks: dict[str, dict[str, Any]]
    pool: Pool
    features: dict[str, dict[str, Any]]
    table: Table
    ranker: Ranker
    tuning: Tuning
    evaluate: Evaluate
    submit: Submit
    explain: Explain


B = TypeVar("B", bound=BaseModel)


def read(path: Path = paths.PARAMS) -> Params:
    """Read params.yaml into frozen models; InputError names a key that is missing, unknown or out of range."""
    if not path.exists():
        raise InputError(f"{path}: no such file; run from the project's root, where params.yaml lies")
    try:
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        raise InputError(
            f"{path}: byte 0x{byte:02x} in line {line} is not UTF-8, expected UTF-8; save the file again as UTF-8"
        ) from error
    except YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({error}); fix the line it names") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}: expected blocks such as 'data:' and 'weeks:', found {type(raw).__name__}")
    return validate_block(Params, raw, "")


def validate_block(model: type[B], raw: dict[str, Any], under: str) -> B:
    """Check ``raw`` with ``model``, as the block ``under``; InputError names the key and what was expected."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # a misspelt key is both unknown and missing: report the unknown key, which the file contains
        first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in (under, *first["loc"]) if part != "")
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(_siblings(model, first["loc"])))
            raise InputError(f"params.yaml: unknown key '{key}'; expected one of: {known}") from error
        if first["type"] == "missing":
            raise InputError(f"params.yaml: key '{key}' is missing; add it") from error
        raise InputError(f"params.yaml: '{key}' is {first['input']!r}; {first['msg']}") from error


def _siblings(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """List the field names of the block that holds the last part of ``location``."""
    block: Any = model
    for part in location[:-1]:
        field = getattr(block, "model_fields", {}).get(part)
        if field is None:
            continue  # a name inside a dict of blocks
        block = field.annotation
        arguments = getattr(block, "__args__", ())
        if arguments:
            block = arguments[-1]
    return list(getattr(block, "model_fields", {}))
