"""Test the hm shop: exact sizes, statistics close to the competition's, and the planted structure."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from csv_shop import ROOT

from benchmarks import shop_statistics
from benchmarks.shop_statistics import KNOWN
from retail import params
from shops import synthesize
from shops.hm import hm_shop, purchases
from shops.hm.assortment import NEVER, draw_assortment
from shops.hm.visits import draw_visits

SCALE, SEED = 0.01, 1
FIRST = np.datetime64("2020-06-01")
FILES = sorted(synthesize.FILES)

TOLERANCE = 0.1  # relative distance of this shop's statistics from those of the competition, which is 100 times larger
WIDER = {
    # tails of the distributions of visits and baskets
    "rows per customer: 99%": 0.2,
    "baskets per customer: 99%": 0.3,
    "rows per basket: 90%": 0.15,
    "rows per basket: 99%": 0.2,
    "baskets of one row, share": 0.15,
    # two references disagree; the shop lies between them or at the other
    "no purchase in the last 91 days, share": 0.25,
    "buyers in a week, share of customers": 0.2,
    "bought before, share of pairs: product type": 0.3,
    # a tenth as many articles: more rebuys by chance
    "cold buyers, share": 0.15,
    "bought before, share of pairs: article": 0.65,
    "bought before, share of pairs: product code": 0.5,
    # three rows per article and month, where the competition has thirty
    "new articles, share of the week's articles": 1.0,
    "new articles, share of pairs": 0.5,
    "sold in the 30 days before, share of the week's articles": 0.2,
    "top decile of the articles of the 4 weeks before, share of pairs": 0.4,
    "top 20,000 of the week before, share of pairs": 0.25,
    "top 60 of the week before, share of pairs": 0.5,
    "Jaccard of the top 12 with the week before": 1.0,
    "same article in a week, two customers' rows (x articles)": 0.2,
    "the same, 32 weeks apart, ratio": 0.35,
    "age missing, share": 0.6,  # the reference: 12 customers
    # fewer articles than rare attributes
    "product types": 0.2,
    "product groups": 0.15,
    # some product types and sections are larger in the competition than here
    "two rows of anybody, same product type": 0.3,
    "two rows of anybody, same section": 0.25,
    "two rows of anybody, same department": 0.2,
    "two rows of a customer, same product type": 0.5,
    "two rows of a customer, same section": 0.2,
    "two rows of a customer, same department": 0.4,
}
SHRUNK = {"transactions", "customers", "articles", "product codes", "articles never sold, share"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of scale 0.01."""
    shop = tmp_path_factory.mktemp("hm")
    hm_shop.write(shop, SCALE, SEED)
    return shop


@pytest.fixture(scope="module")
def statistics(folder: Path) -> dict[str, float]:
    return shop_statistics.compute_statistics(folder)


@pytest.fixture(scope="module")
def tx(folder: Path) -> pl.DataFrame:
    """Transactions joined with their articles and customers."""
    text = {"article_id": pl.String}
    return (
        pl.read_csv(folder / "transactions_train.csv", schema_overrides=text, try_parse_dates=True)
        .join(pl.read_csv(folder / "articles.csv", schema_overrides=text), on="article_id", validate="m:1")
        .join(pl.read_csv(folder / "customers.csv"), on="customer_id", validate="m:1")
    )


@pytest.mark.parametrize("name", sorted(KNOWN.keys() - SHRUNK))
def test_statistic_is_close_to_the_competition(statistics: dict[str, float], name: str) -> None:
    assert statistics[name] == pytest.approx(KNOWN[name].value, rel=WIDER.get(name, TOLERANCE), abs=0)


def test_rows_customers_and_articles_are_exact(statistics: dict[str, float]) -> None:
    assert statistics["transactions"] == round(31_788_324 * SCALE)
    assert statistics["customers"] == round(1_371_980 * SCALE)
    assert statistics["articles"] == round(105_542 * SCALE**0.5)
    assert statistics["product codes"] == round(47_224 * SCALE**0.5)
    assert (
        statistics["articles never sold, share"] < 0.2
    )  # 0.009 in the competition, of ten times as many rows per article


def test_files_have_the_competitions_columns_and_prices(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == FILES
    heads = {name: (folder / name).open().readline().strip().split(",") for name in FILES}
    assert heads["transactions_train.csv"] == ["t_dat", "customer_id", "article_id", "price", "sales_channel_id"]
    assert heads["sample_submission.csv"] == ["customer_id", "prediction"]
    assert len(heads["articles.csv"]) == 25 and len(heads["customers.csv"]) == 7
    answered = pl.read_csv(folder / "sample_submission.csv")["customer_id"]
    assert answered.equals(pl.read_csv(folder / "customers.csv")["customer_id"])
    assert (
        hm_shop.format_prices(2_999).to_list()[-1] == "0.0508305084745763"
    )  # 2999 / 59000, as in the competition's file


def test_rows_are_sorted_by_day_then_customer(tx: pl.DataFrame) -> None:
    assert tx.select(pl.struct("t_dat", "customer_id").is_sorted()).item()


def test_seasons_and_ages_are_in_the_sales(tx: pl.DataFrame) -> None:
    month = tx["t_dat"].dt.month()
    swimwear = tx["product_group_name"] == "Swimwear"
    assert swimwear.filter(month == 6).mean() > 4 * swimwear.filter(month == 12).mean()  # type: ignore[operator]
    young, old = tx.filter(pl.col("age") < 25), tx.filter(pl.col("age") > 50)
    divided = [float((part["index_group_name"] == "Divided").mean()) for part in (young, old)]  # type: ignore[arg-type]
    assert divided[0] > 2 * divided[1]


def test_early_rebuys_are_mostly_the_same_article() -> None:
    rng = np.random.default_rng(0)
    traits = purchases.pack_traits(draw_assortment(rng, 4, 1, 10))  # one product in four colours
    memory = purchases.Memory(np.array([[2, 0]], np.int32), np.array([[3, 0]], np.int16), np.array([1], np.int32))
    items = [purchases._rebuy(rng, 8, 0, traits, np.ones(4), memory) for _ in range(4000)]
    same = purchases.SWAP + (1 - purchases.SWAP) / 4  # any colour is as likely as another
    assert items.count(2) / 4000 == pytest.approx(same, abs=0.03)
    assert set(items) == {0, 1, 2, 3}
    assert purchases._rebuy(rng, 3, 0, traits, np.ones(4), memory) == -1  # bought today
    assert purchases._rebuy(rng, 8, 0, traits, np.zeros(4), memory) == -1  # not on sale


def test_an_article_is_drawn_by_its_weight() -> None:
    ends = np.array([0.0, 1.0, 1.0, 4.0])  # the second article has no weight
    assert [purchases._draw_position(ends, 0, 3, chance) for chance in (0.0, 0.24, 0.25, 0.99)] == [0, 0, 2, 2]
    assert purchases._draw_position(ends, 1, 3, 0.0) == 2


def test_visits_are_by_day_then_customer_and_their_rows_add_up() -> None:
    visits = draw_visits(np.random.default_rng(1), 500, 20, 9_000, FIRST, 200)
    assert visits.rows.sum() == 9_000 and visits.rows.min() >= 1
    assert len(np.unique(visits.user)) == 480
    for day in range(200):
        today = visits.user[visits.start[day] : visits.start[day + 1]]
        assert (np.diff(today) > 0).all()
    assert visits.start[-1] == len(visits.user)


def test_equally_many_articles_are_on_sale_on_the_first_and_last_day() -> None:
    assortment = draw_assortment(np.random.default_rng(1), 20_000, 9_000, 734)
    assert len(assortment.product) == 20_000 and int(assortment.product[-1]) == 8_999
    on_sale = [
        np.sum((assortment.launch <= day) & (day < assortment.launch + assortment.stay)) for day in (0, 367, 733)
    ]
    assert max(on_sale) < 1.15 * min(on_sale)
    assert np.mean(assortment.launch == 734) == pytest.approx(NEVER, abs=0.003)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["synthesize", *arguments])
    monkeypatch.setattr(params, "read", lambda: SimpleNamespace(seed=SEED))
    synthesize.main()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--scale", "2", "--out", "x"), "synthesize: --scale is 2, expected 0.001 to 1"),
        (("--scale", "nan", "--out", "x"), "synthesize: --scale is nan, expected 0.001 to 1"),
        (("--scale", "all", "--out", "x"), "synthesize: --scale is 'all', expected a number such as 0.1"),
        (("--scale", "0.1"), "synthesize: --preset hm needs --scale and --out"),
        (("--scale", "0.1", "--out", "."), "synthesize: .: contains 'mine.txt', which is no file of a shop; "),
    ],
)
def test_bad_arguments_are_reported_in_one_line(
    arguments: tuple[str, ...],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, "--preset", "hm", *arguments)
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert len(lines) == 1 and lines[0].startswith(line)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_same_seed_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bytes_of = []
    for name in ("one", "two"):
        run(monkeypatch, "--preset", "hm", "--scale", "0.001", "--out", str(tmp_path / name))
        bytes_of.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert bytes_of[0] == bytes_of[1] and sorted(bytes_of[0]) == FILES
    (tmp_path / "three").mkdir()
    hm_shop.write(tmp_path / "three", 0.001, SEED + 1)
    assert (tmp_path / "three/transactions_train.csv").read_bytes() != bytes_of[0]["transactions_train.csv"]


def test_a_killed_run_leaves_no_shop(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "shops.synthesize",
        "--preset",
        "hm",
        "--scale",
        "0.05",
        "--out",
        str(tmp_path / "shop"),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as running:
        part = tmp_path / ".shop.part" / "transactions_train.csv"
        while running.poll() is None and not (part.exists() and part.stat().st_size):
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    assert not (tmp_path / "shop").exists()
