"""Read what the insights need from a project folder: the prepared shop, names and ids, trained weights."""

import contextlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from safetensors.numpy import load_file

from retail import params, paths, shop
from retail.errors import InputError
from retail.log import Array
from retail.params import Params
from retail.shop import Shop
from stage1_candidates.engine import source


@dataclass(frozen=True)
class Project:
    """A shop on which stage ``prepare`` has run."""

    folder: Path
    shop: Shop
    article_id: pl.Series  # (items,) String
    name: pl.Series  # (items,) String, the product name, or the id where there is none
    customer_id: pl.Series  # (users,) String
    first_date: date  # date of day 0

    def date(self, day: int) -> date:
        """Convert a day of the log to a date."""
        return self.first_date + timedelta(days=day)


def read_project(folder: Path) -> Project:
    """Read the project in ``folder``; raise InputError if stage ``prepare`` has not run."""
    if not (folder / paths.CALENDAR).exists():
        raise InputError(
            f"{folder / paths.PREPARED}: no prepared shop; run `dvc repro prepare` there, or name a project's folder "
            "by --project"
        )
    with contextlib.chdir(folder):
        articles = pl.read_parquet(paths.ARTICLES)
        return Project(
            folder,
            shop.read(),
            articles["article_id"],
            articles.select(shop.name_article(articles.columns)).to_series(),
            pl.read_parquet(paths.CUSTOMERS)["customer_id"],
            date.fromisoformat(json.loads(paths.CALENDAR.read_text())["first_day"]),
        )


def read_params(project: Project) -> Params:
    """Read the project's params.yaml."""
    return params.read(project.folder / paths.PARAMS)


def read_weights(project: Project, network: str, before: int) -> tuple[int, dict[str, Array]] | None:
    """Read the network's last weights whose label week is at most ``before``: (label week, weights).

    None if params.yaml has no block for the network, if no such file exists, or if the training had no examples.
    """
    if network not in read_params(project).networks:
        return None
    files = (project.folder / paths.NETWORKS / network).glob("weights_*.safetensors")
    by_week = {int(file.stem.removeprefix("weights_")): file for file in files}
    week = max((week for week in by_week if week <= before), default=None)
    if week is None:
        return None
    weights = dict(load_file(by_week[week]))
    return (week, weights) if weights else None


def read_settings(project: Project, network: str) -> Any:
    """Read the network's block of the project's params.yaml; call it only if ``read_weights`` returned weights."""
    return source.load(network, read_params(project))[1]


def describe_untrained(project: Project, network: str, before: int) -> str:
    """Say in one line that the network has no weights up to week ``before``, and how to train it."""
    folder = project.folder / paths.NETWORKS / network
    return f"{folder}: no weights of week {before} or earlier; {suggest_training(network)}"


def suggest_training(network: str) -> str:
    """Say how to switch the network on and train it."""
    return f"run `make network-on NAME={network}`, then `dvc repro train_network@{network}`"
