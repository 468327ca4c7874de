"""The shops of the benchmark, prepared by the pipeline's own stage, and what the report alone reads of them.

That is the calendar's seasons, and two columns of articles.csv by name: the master colour and the index group.
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
HM_SCALE = 0.01  # of the competition's customers
SECTIONS = {"Menswear": 0, "Ladieswear": 1, "Baby/Children": 2, "Children": 2, "Divided": 3, "Sport": 4}
MENS, LADIES, KIDS, DIVIDED, SPORT = range(5)
WINTER, SPRING, SUMMER, AUTUMN = range(4)


@dataclass(frozen=True, eq=False)
class Store:
    """A shop with its calendar and the names that the report's features read."""

    shop: Shop
    first_day: str  # YYYY-MM-DD of day 0
    colour: Array  # (items,) int32 master colour, -1 where missing
    section: Array  # (items,) int32 of SECTIONS, -1 where it is none of them
    mark: str  # digest of the CSV files


@dataclass(frozen=True)
class Past:
    """What is known before the first day of a label week, one entry per (customer, article, day)."""

    store: Store
    week: int
    cutoff: int
    user: Array  # (n,) int64
    item: Array  # (n,) int64
    day: Array  # (n,) int64
    price: Array  # (n,) float64
    channel: Array  # (n,) int64
    quarter: Array  # (n,) int64 seasons since winter 1969/70

    @property
    def now(self) -> int:
        """The quarter of the cutoff's day."""
        return int(quarters(self.store.first_day, np.array([self.cutoff]))[0])


def past(store: Store, week: int) -> Past:
    """The past of label week ``week``, through the project's one door."""
    log, history = store.shop.log, weeks.history(store.shop.log, week)
    at = history.known
    user, item, day, channel = (column[at].astype(np.int64) for column in (log.user, log.item, log.day, log.channel))
    return Past(
        store, week, history.cutoff, user, item, day, log.price[at].astype(np.float64), channel,
        quarters(store.first_day, day),
    )  # fmt: skip


def quarters(first_day: str, day: Array) -> Array:
    """(n,) int64 meteorological seasons since winter 1969/70, December to February being one; % 4 is the season.

    >>> quarters("2020-02-29", np.array([0, 1, 93, 276, 306]))  # to March 1, June 1, December 1 and 31
    array([200, 201, 202, 204, 204])
    """
    months = (np.datetime64(first_day) + day).astype("datetime64[M]").astype(np.int64)
    found: Array = (months + 1) // 3
    return found


def read(name: str, folder: Path) -> tuple[Store, list[Path]]:
    """The shop ``name`` (hm_sample, hm or demo), prepared in ``folder`` unless it lies there; its CSV files."""
    data = HM_SAMPLE if name == "hm_sample" else folder.resolve() / paths.DEMO
    if name == "hm_sample" and not data.is_dir():
        raise InputError(
            f"{data}: no such folder; put the sample of the H&M competition there, or leave it out: --data"
        )
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["data"]["folder"] = str(data)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        paths.PARAMS.write_text(json.dumps(raw), encoding="utf-8")  # JSON is YAML too
        if not data.exists():
            with stage.whole_folder(paths.DEMO) as part:
                make(name, part)
        if not paths.PREPARED.exists():
            prepare.main()
        files = [data / name for name in (ARTICLES, CUSTOMERS, TRANSACTIONS)]
        return of_files(shop.read(), json.loads(paths.CALENDAR.read_text()), files), files


def make(name: str, folder: Path) -> None:
    """The CSV files of a made-up shop; the seed is that of params.yaml."""
    asked = params.read()
    if name == "demo":
        demo_shop.write(folder, asked.demo)
    else:
        hm_shop.write(folder, HM_SCALE, asked.seed)


def of_files(whole: Shop, calendar: Mapping[str, str], files: list[Path]) -> Store:
    """The store of a prepared shop and its CSV files."""
    text = pl.read_csv(files[0], infer_schema=False).sort("article_id")  # the order of the prepared codes
    empty = pl.Series("absent", [None] * text.height, dtype=pl.String)
    colour = text["perceived_colour_master_name"] if "perceived_colour_master_name" in text.columns else empty
    group = text["index_group_name"] if "index_group_name" in text.columns else empty
    return Store(
        shop=whole,
        first_day=calendar["first_day"],
        colour=(colour.rank("dense").cast(pl.Int32) - 1).fill_null(-1).to_numpy(),
        section=group.replace_strict(SECTIONS, default=-1, return_dtype=pl.Int32).to_numpy(),
        mark=kept.digest(files),
    )
