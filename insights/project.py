"""What an insight reads of a project folder: its prepared shop, the names behind the codes, trained weights."""

import contextlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from safetensors.numpy import load_file

from retail import params as parameters
from retail import paths
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.params import Params
from retail.shop import Shop, called
from stage1_candidates.engine import source


@dataclass(frozen=True)
class Project:
    """A shop whose stage ``prepare`` has run."""

    folder: Path
    shop: Shop
    article_id: pl.Series  # of each article
    name: pl.Series  # of each article: what it is called, or else its id
    customer_id: pl.Series  # of each customer
    first: date  # of day 0

    def date(self, day: int) -> date:
        return self.first + timedelta(days=day)


def read(folder: Path) -> Project:
    """The project in ``folder``; an InputError where it has no prepared shop."""
    if not (folder / paths.CALENDAR).exists():
        raise InputError(
            f"{folder / paths.PREPARED}: no prepared shop; run `dvc repro prepare` there, or name a project's folder "
            "by --project"
        )
    with contextlib.chdir(folder):
        articles = pl.read_parquet(paths.ARTICLES)
        return Project(
            folder,
            shops.read(),
            articles["article_id"],
            articles.select(called(articles.columns)).to_series(),
            pl.read_parquet(paths.CUSTOMERS)["customer_id"],
            date.fromisoformat(json.loads(paths.CALENDAR.read_text())["first_day"]),
        )


def weights(project: Project, network: str, before: int) -> tuple[int, dict[str, Array]] | None:
    """The label week of the network's last training not after week ``before``, and its weights; None where it has
    learned nothing by then."""
    files = sorted((project.folder / paths.NETWORKS / network).glob("weights_*.safetensors"))
    weeks = [int(file.stem.removeprefix("weights_")) for file in files]
    fitting = [(week, file) for week, file in zip(weeks, files, strict=True) if week <= before]
    found = dict(load_file(fitting[-1][1])) if fitting else {}
    return (fitting[-1][0], found) if found else None


def params(project: Project) -> Params:
    """The project's params.yaml."""
    return parameters.read(project.folder / paths.PARAMS)


def settings(project: Project, network: str) -> Any:
    """The network's block of the project's params.yaml."""
    return source.load(network, params(project))[1]


def untrained(project: Project, network: str, before: int) -> str:
    """That the network has no weights of a week up to ``before``, and what to do, in a line."""
    return f"{project.folder / paths.NETWORKS / network}: no weights of week {before} or earlier; {switch(network)}"


def switch(network: str) -> str:
    """What turns the network on."""
    return f"set networks.{network}.use to true in params.yaml and run `dvc repro train_network@{network}`"
