"""Test the demo shop: the competition's exact format, the same bytes for a seed, and the planted structure."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from retail import params
from shops import csv_columns, synthesize
from shops.demo import demo_shop
from shops.demo.assortment import KINDS, Assortment, compute_demand, compute_prices, draw_assortment
from shops.demo.shoppers import Simulation, draw_crowd, draw_proposals
from shops.sales import group_articles

DEMO = params.Demo(customers=3000, articles=1500, weeks=60, seed=7)
DAYS = 7 * DEMO.weeks
FILES = ("articles.csv", "customers.csv", "sample_submission.csv", "transactions_train.csv")


def write_shop(folder: Path, **sizes: int) -> dict[str, bytes]:
    """Write a shop of these ``sizes``; return the bytes of each file."""
    folder.mkdir()
    demo_shop.write(folder, params.Demo(**sizes))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """The four files as frames of strings."""
    folder = tmp_path_factory.mktemp("demo")
    demo_shop.write(folder, DEMO)
    return {name: pl.read_csv(folder / name, infer_schema=False) for name in FILES}


@pytest.fixture(scope="module")
def tx(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Transactions with typed columns; ``week`` counts down to 0, the last seven days of data."""
    article = tables["articles.csv"].select(
        "article_id", "product_code", kind="product_type_name", index="index_group_name"
    )
    customer = tables["customers.csv"].select("customer_id", pl.col("age").cast(pl.Int32), "postal_code")
    return (
        tables["transactions_train.csv"]
        .with_columns(pl.col("t_dat").str.to_date(), pl.col("price").cast(pl.Float64))
        .with_columns(week=(pl.lit(date(2020, 9, 22)) - pl.col("t_dat")).dt.total_days() // 7)
        .join(article, on="article_id", validate="m:1", maintain_order="left")
        .join(customer, on="customer_id", validate="m:1", maintain_order="left")
    )


@pytest.fixture(scope="module")
def hidden() -> tuple[Assortment, pl.DataFrame]:
    """A shop before it is written: the assortment with its latent styles, and (day, user, item) of each row."""
    rng = np.random.default_rng(3)
    assortment, crowd = draw_assortment(rng, DEMO.articles, DAYS), draw_crowd(rng, DEMO.customers, DAYS)
    first = csv_columns.LAST_DATE - DAYS + 1
    rows = [
        pl.DataFrame({"user": day.user, "item": day.item}).with_columns(day=pl.lit(day.day))
        for day in Simulation(rng, assortment, crowd).simulate_days(first, DAYS)
    ]
    return assortment, pl.concat(rows)


def compute_shares(tx: pl.DataFrame, week: int) -> tuple[float, float, float]:
    """Compute shares of a week's unique pairs (rebought; another colour of a product) and the share of new buyers."""
    past = tx.filter(pl.col("week") > week)
    truth = tx.filter(pl.col("week") == week).unique(["customer_id", "article_id"])
    again = truth.join(past, on=["customer_id", "article_id"], how="semi")
    fresh = truth.join(past, on=["customer_id", "article_id"], how="anti")
    variant = fresh.join(past, on=["customer_id", "product_code"], how="semi")
    buyers = truth.unique("customer_id")
    cold = buyers.join(past, on="customer_id", how="anti")
    return again.height / truth.height, variant.height / truth.height, cold.height / buyers.height


def test_articles_have_the_competitions_columns_and_ids(tables: dict[str, pl.DataFrame]) -> None:
    articles = tables["articles.csv"]
    assert ",".join(articles.columns) == (
        "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,"
        "graphical_appearance_no,graphical_appearance_name,colour_group_code,colour_group_name,"
        "perceived_colour_value_id,perceived_colour_value_name,perceived_colour_master_id,"
        "perceived_colour_master_name,department_no,department_name,index_code,index_name,index_group_no,"
        "index_group_name,section_no,section_name,garment_group_no,garment_group_name,detail_desc"
    )
    assert articles.height == articles["article_id"].n_unique() == DEMO.articles
    assert articles["article_id"].str.contains(r"^0[1-9]\d{8}$").all()
    assert (articles["article_id"].str.slice(1, 6) == articles["product_code"]).all()
    assert articles.drop("detail_desc").null_count().sum_horizontal().item() == 0
    for number, name in (
        ("product_type_no", "product_type_name"),
        ("department_no", "department_name"),
        ("section_no", "section_name"),
        ("garment_group_no", "garment_group_name"),
        ("colour_group_code", "colour_group_name"),
    ):  # a code means one name and a name one code
        assert articles.select(number, name).n_unique() == articles[number].n_unique() == articles[name].n_unique()


def test_customers_have_the_competitions_columns_ids_and_gaps(tables: dict[str, pl.DataFrame]) -> None:
    customers = tables["customers.csv"]
    assert customers.columns == [
        "customer_id",
        "FN",
        "Active",
        "club_member_status",
        "fashion_news_frequency",
        "age",
        "postal_code",
    ]
    assert customers.height == customers["customer_id"].n_unique() == DEMO.customers
    for column in ("customer_id", "postal_code"):
        assert customers[column].str.contains(r"^[0-9a-f]{64}$").all()
    assert set(customers["FN"].unique()) == {None, "1.0"}
    assert 0.55 < customers["FN"].null_count() / customers.height < 0.75
    assert 0 < customers["age"].null_count() < 0.03 * customers.height
    assert customers["age"].drop_nulls().cast(pl.Int32).is_between(16, 90).all()
    sizes = customers["postal_code"].value_counts(sort=True)["count"]
    assert sizes[0] > 4 * sizes[1]  # one huge default group


def test_transactions_name_known_ids_dates_in_range_and_prices(tables: dict[str, pl.DataFrame]) -> None:
    log = tables["transactions_train.csv"]
    assert log.columns == ["t_dat", "customer_id", "article_id", "price", "sales_channel_id"]
    assert log["customer_id"].is_in(tables["customers.csv"]["customer_id"].to_list()).all()
    assert log["article_id"].is_in(tables["articles.csv"]["article_id"].to_list()).all()
    assert log["t_dat"].str.contains(r"^\d{4}-\d\d-\d\d$").all()
    assert log["t_dat"].is_sorted()
    assert (log["t_dat"].min(), log["t_dat"].max()) == ("2019-07-31", "2020-09-22")
    price = log["price"].cast(pl.Float64)
    assert price.is_between(0, 0.6, closed="right").all()
    assert set(log["sales_channel_id"]) == {"1", "2"}


def test_sample_submission_lists_every_customer_with_twelve_known_articles(tables: dict[str, pl.DataFrame]) -> None:
    sample = tables["sample_submission.csv"]
    assert sample.columns == ["customer_id", "prediction"]
    assert sample["customer_id"].equals(tables["customers.csv"]["customer_id"])
    listed = sample["prediction"].str.split(" ").explode().unique()
    assert sample["prediction"].str.contains(r"^(\d{10} ){11}\d{10}$").all()
    assert listed.is_in(tables["articles.csv"]["article_id"].to_list()).all()


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    sizes = {"customers": 200, "articles": 150, "weeks": 20}
    first = write_shop(tmp_path / "first", **sizes, seed=1)
    assert tuple(first) == FILES
    assert write_shop(tmp_path / "repeated", **sizes, seed=1) == first
    other = write_shop(tmp_path / "other", **sizes, seed=2)
    assert all(other[name] != first[name] for name in FILES)


@pytest.mark.parametrize(("customers", "articles", "weeks"), [(1, 1, 1), (20, 15, 2), (300, 5, 3), (5, 300, 3)])
def test_tiny_shops_are_written(tmp_path: Path, customers: int, articles: int, weeks: int) -> None:
    folder = tmp_path / "tiny"
    write_shop(folder, customers=customers, articles=articles, weeks=weeks, seed=5)
    assert pl.read_csv(folder / "articles.csv", infer_schema=False)["article_id"].n_unique() == articles
    assert pl.read_csv(folder / "customers.csv", infer_schema=False)["customer_id"].n_unique() == customers
    assert pl.read_csv(folder / "transactions_train.csv").columns[0] == "t_dat"


def test_ids_stay_unique_in_a_large_shop() -> None:
    rng = np.random.default_rng(1)
    assert csv_columns.draw_tokens(rng, 200_000).n_unique() == 200_000
    assortment = draw_assortment(rng, 100_000, 700)
    _, ids = csv_columns.draw_article_codes(rng, assortment.product, assortment.variant)
    assert ids.n_unique() == 100_000
    assert ids.str.contains(r"^0\d{9}$").all()


def test_main_writes_the_folder_and_prints_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    block = params.Demo(customers=50, articles=40, weeks=4, seed=1)
    monkeypatch.setattr(params, "read", lambda: SimpleNamespace(demo=block))
    synthesize.write_demo()
    assert tuple(sorted(path.name for path in Path("data/demo").iterdir())) == FILES
    assert "last week: buyers" in capsys.readouterr().out


def test_customers_buy_again_change_colour_and_arrive(tx: pl.DataFrame) -> None:
    again, variant, cold = np.mean([compute_shares(tx, week) for week in range(4)], axis=0)
    assert 0.10 < again < 0.25
    assert 0.03 < variant < 0.12
    assert 0.03 < cold < 0.20


def test_the_week_has_buyers_baskets_and_a_skew(tx: pl.DataFrame) -> None:
    buyers = (
        tx.filter(pl.col("week") < 10).group_by("week").agg(pl.col("customer_id").n_unique())["customer_id"].to_numpy()
    )
    assert len(buyers) == 10
    assert buyers.min() >= 150
    visits = tx.group_by("t_dat", "customer_id").agg(rows=pl.len(), articles=pl.col("article_id").n_unique())
    rows, articles = visits["rows"].to_numpy(), visits["articles"].to_numpy()
    assert 0.05 < 1 - articles.sum() / rows.sum() < 0.15  # quantity: repeated rows
    assert 1.5 < articles.mean() < 4
    sold = tx.filter(pl.col("week") < 4).group_by("article_id").len().sort("len", descending=True)["len"].to_numpy()
    assert 0.45 < sold[: DEMO.articles // 10].sum() / sold.sum() < 0.8
    assert 0.002 < 1 - tx["customer_id"].n_unique() / DEMO.customers < 0.03  # never bought
    activity = tx.group_by("customer_id").len().sort("len", descending=True)["len"].to_numpy()
    assert activity[: len(activity) // 10].sum() / activity.sum() > 0.3  # heavy tail


def test_articles_are_launched_until_the_last_weeks_and_their_sales_decay(tx: pl.DataFrame) -> None:
    first_sold = tx.group_by("article_id").agg(pl.col("week").max())["week"]
    assert all((first_sold == week).any() for week in range(4))
    last_sold = tx.group_by("article_id").agg(pl.col("week").min())["week"].to_numpy()
    assert (last_sold > 8).mean() > 0.25
    by_age = tx.sort("t_dat").group_by("article_id", maintain_order=True).agg(
        early=pl.col("price").first(), late=pl.col("price").last(), rows=pl.len()
    )  # fmt: skip
    assert by_age.filter(pl.col("rows") > 30).select((pl.col("late") < 0.85 * pl.col("early")).mean()).item() > 0.3


def test_sales_are_seasonal(tx: pl.DataFrame) -> None:
    def share(kinds: list[str], months: list[int]) -> float:
        rows = tx.filter(pl.col("t_dat").dt.month().is_in(months))
        return rows.filter(pl.col("kind").is_in(kinds)).height / rows.height

    summer, winter = [6, 7], [12, 1]
    assert share(["Shorts", "Bikini"], summer) > 3 * share(["Shorts", "Bikini"], winter)
    assert share(["Coat", "Scarf", "Sweater"], winter) > 2 * share(["Coat", "Scarf", "Sweater"], summer)


def test_consumables_are_rebought_at_regular_intervals(tx: pl.DataFrame) -> None:
    basics = [kind.name for kind in KINDS if kind.rebuy >= 0.25]
    gaps = (
        tx.filter(pl.col("kind").is_in(basics))
        .unique(["customer_id", "article_id", "t_dat"])
        .sort("customer_id", "article_id", "t_dat")
        .group_by("customer_id", "article_id", maintain_order=True)
        .agg(gap=pl.col("t_dat").diff().dt.total_days().drop_nulls())
        .filter(pl.col("gap").list.len() >= 3)
    )
    assert gaps.height > 50
    spread = gaps.select(pl.col("gap").list.std() / pl.col("gap").list.mean()).to_series().to_numpy()
    assert np.median(spread) < 0.35  # 1.0 if purchases came at random
    between = gaps["gap"].list.mean().to_numpy()
    assert between.std() / between.mean() > 0.25  # but each pair has its own interval


def test_age_and_place_matter(tx: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> None:
    age = tx.group_by("index").agg(pl.col("age").mean())["age"].to_numpy()
    assert age.max() - age.min() > 5
    default = tables["customers.csv"]["postal_code"].value_counts(sort=True)["postal_code"][0]
    styles = tables["articles.csv"].select("article_id", "section_name")
    here = tx.filter(pl.col("postal_code") != default).join(styles, on="article_id", validate="m:1")
    overall = here["section_name"].value_counts().with_columns(pl.col("count") / here.height)
    local = here.group_by("postal_code", "section_name").agg(count=pl.len())
    local = local.with_columns(pl.col("count") / pl.col("count").sum().over("postal_code"))
    joined = local.join(overall, on="section_name", validate="m:1")
    lift = (joined["count"] ** 2 / joined["count_right"]).sum() / local["postal_code"].n_unique()
    assert lift > 1.1  # 1 if every area bought the same


def test_styles_connect_articles_of_different_departments(hidden: tuple[Assortment, pl.DataFrame]) -> None:
    assortment, rows = hidden
    style, department = assortment.style, assortment.department
    pairs = rows.unique(["day", "user", "item"], maintain_order=True)
    pairs = pairs.join(pairs, on=["day", "user"]).filter(pl.col("item") < pl.col("item_right"))
    left, right = pairs["item"].to_numpy(), pairs["item_right"].to_numpy()
    apart = department[left] != department[right]
    together = (style[left] == style[right])[apart].mean()
    shuffled = np.random.default_rng(1).permutation(right)  # the same popularity, another basket
    apart = department[left] != department[shuffled]
    assert together / (style[left] == style[shuffled])[apart].mean() > 1.5


def test_demand_is_zero_before_launch_then_decays_and_is_seasonal() -> None:
    assortment = draw_assortment(np.random.default_rng(1), 200, 100)
    place = int(np.flatnonzero(assortment.launch > 10)[0])
    launch, half = int(assortment.launch[place]), float(assortment.half_life[place])
    assert compute_demand(assortment, launch - 1, 100)[place] == 0
    day, later = compute_demand(assortment, launch, 100)[place], compute_demand(assortment, launch + 10, 100)[place]
    assert later / day == pytest.approx(2 ** (-10 / half))
    assert compute_demand(assortment, launch + int(7 * half), 100)[place] == 0  # 2^-7 is below 2%
    best = compute_demand(assortment, launch, round(float(assortment.peak[place])))[place] / assortment.pull[place]
    assert best == pytest.approx(np.exp(assortment.swing[place]), rel=0.01)


def test_prices_fall_in_three_steps() -> None:
    assortment = draw_assortment(np.random.default_rng(1), 50, 100)
    place = int(np.argmin(assortment.half_life))
    launch, half, cents = (
        int(assortment.launch[place]),
        float(assortment.half_life[place]),
        int(assortment.cents[place]),
    )
    prices = [
        int(compute_prices(assortment, np.array([place]), launch + int(np.ceil(n * half)))[0])
        for n in (0, 1.5, 2.5, 3.5)
    ]
    assert prices == [cents, round(cents * 0.8), round(cents * 0.6), round(cents * 0.4)]


def test_proposals_come_from_the_group_or_from_all_articles_if_it_is_empty() -> None:
    rng = np.random.default_rng(1)
    group = np.array([1, 0, 1, 2, 0])
    weight = np.array([3.0, 1.0, 1.0, 0.0, 0.0])  # group 0 sells article 1 only, group 2 sells nothing
    shown = draw_proposals(rng, group_articles(group, 3), weight, np.array([0] * 400 + [1] * 400 + [2] * 400)).reshape(
        3, -1
    )
    assert set(shown[0]) == {1}
    assert set(shown[1]) == {0, 2}
    assert (shown[1] == 0).mean() == pytest.approx(3 / 4, abs=0.03)
    assert set(shown[2]) == {0, 1, 2}
