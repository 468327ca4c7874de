"""Read the shops of the benchmark, which the pipeline's stage ``prepare`` prepares.

The report also needs the calendar's seasons and two columns of articles.csv: the master colour and the index group.
"""

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from ruamel.yaml import YAML

from retail import kept, params, paths, shop, stage, weeks
from retail.errors import InputError
from retail.log import Array
from retail.shop import Shop
from retail_input import prepare
from retail_input.prepare import ARTICLES, CUSTOMERS, TRANSACTIONS
from shops.demo import demo_shop
from shops.hm import hm_shop

ROOT = Path(__file__).parents[2]
HM_SAMPLE = ROOT.parent / "shared/data/hm_sample"
HM_SCALE = 0.01  # share of the competition's number of customers
SECTIONS = {"Menswear": 0, "Ladieswear": 1, "Baby/Children": 2, "Children": 2, "Divided": 3, "Sport": 4}
MENS, LADIES, KIDS, DIVIDED, SPORT = range(5)
WINTER, SPRING, SUMMER, AUTUMN = range(4)


@dataclass(frozen=True, eq=False)
class Store:
    """Hold a shop, its calendar and the article columns that only the report's features read."""

    shop: Shop
    first_day: str  # YYYY-MM-DD of day 0
    colour: Array  # (items,) int32 master colour, -1 where missing
    section: Array  # (items,) int32 code in SECTIONS, -1 for any other index group
    digest: str  # SHA-256 of the CSV files


@dataclass(frozen=True)
class Past:
    """Hold the n log entries before the first day of a label week, one per (customer, article, day)."""

    store: Store
    week: int  # label week
    cutoff: int  # first day of the label week
    user: Array  # (n,) int64
    item: Array  # (n,) int64
    day: Array  # (n,) int64
    price: Array  # (n,) float64
    channel: Array  # (n,) int64
    quarter: Array  # (n,) int64 seasons since winter 1969/70

    @property
    def cutoff_quarter(self) -> int:
        """Return the quarter of the cutoff day."""
        return int(count_quarters(self.store.first_day, np.array([self.cutoff]))[0])


def read_past(store: Store, week: int) -> Past:
    """Read the entries before label week ``week`` from its ``weeks.history``."""
    log, history = store.shop.log, weeks.history(store.shop.log, week)
    known = history.known
    user, item, day, channel = (column[known].astype(np.int64) for column in (log.user, log.item, log.day, log.channel))
    return Past(
        store, week, history.cutoff, user, item, day, log.price[known].astype(np.float64), channel,
        count_quarters(store.first_day, day),
    )  # fmt: skip


def count_quarters(first_day: str, day: Array) -> Array:
    """Count the meteorological seasons (n,) int64 from winter 1969/70 to each day; the count modulo 4 is the season.

    Winter is December to February. ``first_day``: date of day 0; ``day``: (n,) days since then.

    >>> count_quarters("2020-02-29", np.array([0, 1, 93, 276, 306]))  # to March 1, June 1, December 1 and 31
    array([200, 201, 202, 204, 204])
    """
    months = (np.datetime64(first_day) + day).astype("datetime64[M]").astype(np.int64)
    quarter: Array = (months + 1) // 3
    return quarter


def read(name: str, folder: Path) -> tuple[Store, list[Path]]:
    """Read the shop ``name`` (hm_sample, hm or demo) and list its CSV files; prepare it in ``folder`` if missing.

    InputError if the sample's folder does not exist.
    """
    data = HM_SAMPLE if name == "hm_sample" else folder.resolve() / paths.DEMO
    if name == "hm_sample" and not data.is_dir():
        raise InputError(
            f"{data}: no such folder; put the sample of the H&M competition there, or choose other shops with --data"
        )
    settings = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    settings["data"]["folder"] = str(data)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        paths.PARAMS.write_text(json.dumps(settings), encoding="utf-8")  # JSON is valid YAML
        if not data.exists():
            with stage.whole_folder(paths.DEMO) as part:
                write_csvs(name, part)
        if not paths.PREPARED.exists():
            prepare.main()
        files = [data / file for file in (ARTICLES, CUSTOMERS, TRANSACTIONS)]
        return build_store(shop.read(), json.loads(paths.CALENDAR.read_text()), files), files


def write_csvs(name: str, folder: Path) -> None:
    """Write the CSV files of an invented shop, "demo" or "hm", with the seed of params.yaml."""
    settings = params.read()
    if name == "demo":
        demo_shop.write(folder, settings.demo)
    else:
        hm_shop.write(folder, HM_SCALE, settings.seed)


def build_store(whole: Shop, calendar: Mapping[str, str], files: list[Path]) -> Store:
    """Build the store of a prepared shop; ``files``: its CSV files, articles.csv first."""
    articles = pl.read_csv(files[0], infer_schema=False).sort("article_id")  # the order of the article codes
    missing = pl.Series("missing", [None] * articles.height, dtype=pl.String)
    colour = articles["perceived_colour_master_name"] if "perceived_colour_master_name" in articles.columns else missing
    group = articles["index_group_name"] if "index_group_name" in articles.columns else missing
    return Store(
        shop=whole,
        first_day=calendar["first_day"],
        colour=(colour.rank("dense").cast(pl.Int32) - 1).fill_null(-1).to_numpy(),
        section=group.replace_strict(SECTIONS, default=-1, return_dtype=pl.Int32).to_numpy(),
        digest=kept.digest(files),
    )
