"""What an insight reads of a project folder: its prepared shop, the names behind the codes, trained LENS weights."""

import contextlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from safetensors.numpy import load_file

from retail import params as parameters
from retail import paths
from retail import shop as shops
from retail.errors import InputError
from retail.log import Array
from retail.shop import Shop
from stage1_candidates import source
from stage1_candidates.deep import lens

LENS = "lens"


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
            articles["prod_name" if "prod_name" in articles.columns else "article_id"],
            pl.read_parquet(paths.CUSTOMERS)["customer_id"],
            date.fromisoformat(json.loads(paths.CALENDAR.read_text())["first_day"]),
        )


def weights(project: Project, before: int) -> tuple[int, dict[str, Array]] | None:
    """The label week of LENS's last training not after week ``before``, and its weights; None where there is none."""
    files = sorted((project.folder / paths.NETWORKS / LENS).glob("weights_*.safetensors"))
    weeks = [int(file.stem.removeprefix("weights_")) for file in files]
    fitting = [(week, file) for week, file in zip(weeks, files, strict=True) if week <= before]
    return (fitting[-1][0], dict(load_file(fitting[-1][1]))) if fitting else None


def settings(project: Project) -> lens.Params:
    """LENS's block of the project's params.yaml."""
    block: lens.Params = source.load(LENS, parameters.read(project.folder / paths.PARAMS))[1]
    return block
