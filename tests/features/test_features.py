"""Compare each kernel with a slow path in plain polars; check the feature groups by hand.

The slow paths read ``tx.filter(day < cutoff)``; the kernels read the whole log and a cutoff. Their agreement also shows
that features do not depend on later entries.
"""

from typing import Any

import numpy as np
import polars as pl
import pytest
from world import drawn, group_of, random_world, small

from features.engine import group, kernels
from features.engine.rebuy import estimate_rebuys
from retail import weeks
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.shop import Shop
from retail.weeks import History

AT = [
    (seed, week) for seed in (1, 2, 3) for week in (4, 52, 56, 58)
]  # about 403 days are 58 weeks, 0 to 57; week 58 is the submission's
LIVES = [14.0, 90.0]
TURNS = 10  # repetitions of the customers, so that several share a chunk's scratch table in the kernels
at = pytest.mark.parametrize(("seed", "week"), AT)


def make_world(seed: int, week: int) -> tuple[Shop, History, pl.DataFrame]:
    """Make a shop whose log length depends on ``seed``, a week's history, and the rows before its cutoff."""
    world = random_world(seed, days=402 + seed)
    history = weeks.history(world.shop.log, week)
    known = world.tx.filter(pl.col("day") < history.cutoff).with_columns(pl.col("day").cast(pl.Int64))
    known = known.with_columns(age=history.cutoff - pl.col("day")).sort("user", "day", "item")
    return world.shop, history, known


def count_within(days: int) -> pl.Expr:
    return (pl.col("age") <= days).sum()


def make_keys(key: str, n: int) -> pl.DataFrame:
    return pl.DataFrame({key: pl.Series(range(n), dtype=pl.UInt32)})


def align(keys: pl.DataFrame, slow: pl.DataFrame) -> pl.DataFrame:
    """Put ``slow`` in the order of ``keys``, null where it has no row."""
    return keys.join(slow, on=keys.columns, how="left", validate="m:1", maintain_order="left")


def assert_equal(fast: Array, slow: pl.Series, name: str, absolute: float = 1e-7) -> None:
    expected = slow.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    np.testing.assert_allclose(fast, expected, rtol=2e-5, atol=absolute, err_msg=name)


def test_every_kernel_has_its_slow_path_here() -> None:
    public = {
        name
        for name, value in vars(kernels).items()
        if callable(value) and getattr(value, "__module__", "") == kernels.__name__ and not name.startswith("_")
    }
    assert public == {
        "summarise_affinity",
        "count_item_sales",
        "count_rebuys",
        "average_by_item",
        "summarise_customers",
        "find_last_paid",
    }


# affinity


def slow_affinity(known: pl.DataFrame, code: pl.Series) -> pl.DataFrame:
    """Compute the columns of ``kernels.summarise_affinity`` by name: a row per (user, code) that occurs."""
    ago = pl.col("day").rank("dense", descending=True).over("user").cast(pl.Int64)
    visits = known.select("user", "day", "age").unique().with_columns(ago=ago)
    codes = pl.DataFrame({"item": pl.Series(range(len(code)), dtype=pl.UInt32), "code": code})
    entries = known.join(codes, on="item", how="left", validate="m:1").filter(pl.col("code") >= 0)
    days = entries.select("user", "code", "day").unique().join(visits, on=["user", "day"], how="left", validate="m:1")
    gap = pl.col("day").diff()
    return (
        days.sort("user", "code", "day")
        .group_by("user", "code")
        .agg(
            VISITS=pl.len(),
            **{f"D{n}": count_within(n) for n in kernels.WINDOWS},
            YEAR=pl.col("age").is_between(*kernels.YEAR_AGO).sum(),
            LAST_DAY=pl.col("age").min(),
            FIRST_DAY=pl.col("age").max(),
            SQUARES=(gap * gap).sum(),
            GAPS=gap.count(),
            LAST_VISIT=pl.col("ago").min(),
            FIRST_VISIT=pl.col("ago").max(),
            **{f"V{n}": (pl.col("ago") <= n).sum() for n in kernels.LATE_VISITS},
            BY_VISIT=(kernels.VISIT_DECAY ** (pl.col("ago") - 1)).sum(),
            **{f"DECAY{k}": (2.0 ** (-pl.col("age") / life)).sum() for k, life in enumerate(LIVES)},
        )
    )


SINCE = (
    "LAST_DAY",
    "FIRST_DAY",
    "LAST_VISIT",
    "FIRST_VISIT",
)  # NaN for a code that was never bought; the other columns are 0


@at
@pytest.mark.parametrize("attribute", ["item", "product_code", "department_no"])
def test_affinity(seed: int, week: int, attribute: str) -> None:
    shop, history, known = make_world(seed, week)
    items = np.arange(shop.log.items, dtype=np.int32)
    code = items if attribute == "item" else shop.attributes[attribute]
    users = np.tile(np.arange(0, shop.log.users, 2, dtype=np.uint32), TURNS)
    wanted = np.tile(np.arange(-1, code.max() + 1), len(users))  # -1: an article without the attribute
    ptr = np.arange(len(users) + 1) * (code.max() + 2)
    fast = kernels.summarise_affinity(
        history, code, int(code.max()) + 1, users, ptr, wanted, LIVES, range(kernels.DECAY + 2)
    )
    keys = pl.DataFrame({"user": np.repeat(users, np.diff(ptr)), "code": wanted.astype(np.int32)})
    slow = align(keys, slow_affinity(known, pl.Series(code)))
    names = slow.columns[2:]
    column = {name: getattr(kernels, name.rstrip("01") if "DECAY" in name else name) for name in names}
    column["DECAY1"] += 1
    assert sorted(column.values()) == list(range(len(fast)))  # every column is compared
    for name in names:
        empty = float("nan") if name in SINCE else 0
        assert_equal(fast[column[name]], slow[name].cast(pl.Float64).fill_null(empty), name)
    assert (slow["VISITS"] > 1).any() or week == 4


def test_affinity_by_hand() -> None:
    # Customer 0 before day 14: a on days 2, 3 (with b), 9 and 13; four visits. Day 14 is not known.
    shop = drawn(("..aa.....a...aa......", "...b................."), ".....................")
    history = weeks.history(shop.log, 2)
    users, ptr, wanted = np.array([0, 1], np.uint32), np.array([0, 2, 3]), np.array([0, 1, 0])
    items = np.arange(2, dtype=np.int32)
    a, b, never = kernels.summarise_affinity(history, items, 2, users, ptr, wanted, [1.0], range(kernels.DECAY + 1)).T
    assert a[[kernels.VISITS, kernels.D7, kernels.D14, kernels.YEAR]].tolist() == [4, 2, 4, 0]
    assert a[[kernels.LAST_DAY, kernels.FIRST_DAY]].tolist() == [1, 12]
    assert a[[kernels.GAPS, kernels.SQUARES]].tolist() == [3, 1 * 1 + 6 * 6 + 4 * 4]
    assert a[[kernels.LAST_VISIT, kernels.FIRST_VISIT]].tolist() == [1, 4]
    assert a[[kernels.V1, kernels.V3, kernels.V5]].tolist() == [1, 3, 4]
    assert a[kernels.BY_VISIT] == pytest.approx(1 + 0.8 + 0.8**2 + 0.8**3)
    assert a[kernels.DECAY] == pytest.approx(1 / 2 + 1 / 2**5 + 1 / 2**11 + 1 / 2**12)
    assert b[[kernels.VISITS, kernels.LAST_DAY, kernels.LAST_VISIT, kernels.GAPS]].tolist() == [1, 11, 3, 0]
    assert np.isnan(never).sum() == 4 and np.nansum(never) == 0


def test_year_ago_covers_its_label_week_the_week_before_and_eight_days_after() -> None:
    # Bought on every day. Label week 57 begins on day 399; a year ago it began on day 399 - 364 = 35.
    shop = drawn("a" * 399)
    history = weeks.history(shop.log, 57)
    assert history.cutoff == 399
    everything = np.zeros(1, np.int32), 1, np.zeros(1, np.uint32), np.array([0, 1]), np.zeros(1, np.int64)
    year = kernels.summarise_affinity(history, *everything, [1.0], [kernels.YEAR])
    assert year.tolist() == [[7 + 7 + 8]]  # days 28-34, 35-41 and 42-49
    assert kernels.YEAR_AGO == (399 - 49, 399 - 28)


# item_sales


@at
def test_item_sales(seed: int, week: int) -> None:
    shop, history, known = make_world(seed, week)
    log, windows = shop.log, np.array([1, 3, 7, 28, 91])
    fast = kernels.count_item_sales(
        log.item_start, history.item_stop, log.item_day, history.cutoff, windows, np.array(LIVES)
    )
    slow = align(
        make_keys("item", shop.log.items),
        known.group_by("item").agg(
            *[count_within(int(n)).alias(f"d{n}") for n in windows],
            *[(2.0 ** (-pl.col("age") / life)).sum().alias(f"life{life}") for life in LIVES],
            first=pl.col("age").max(),
            last=pl.col("age").min(),
            year_ago_week=pl.col("age").is_between(358, 364).sum(),
            year_ago_4_weeks=pl.col("age").is_between(337, 364).sum(),
            before_4_weeks=pl.col("age").is_between(365, 392).sum(),
        ),
    )
    assert fast.shape == (shop.log.items, len(slow.columns) - 1)
    for k, name in enumerate(slow.columns[1:]):
        assert_equal(fast[:, k], slow[name] if name in ("first", "last") else slow[name].fill_null(0), name)


def test_the_week_a_year_ago_is_the_label_week_52_weeks_earlier() -> None:
    # Label week 53 begins on day 371. A year ago its week was days 7-13, and its month days 7-34.
    shop = drawn("." * 6 + "a" * 30 + "." * 342)
    history = weeks.history(shop.log, 53)
    assert history.cutoff == 371
    log, none = shop.log, np.zeros(0)
    table = kernels.count_item_sales(log.item_start, history.item_stop, log.item_day, 371, none.astype(np.int64), none)
    assert table[0, 2:].tolist() == [7, 28, 1]  # of the month before, only day 6 has a sale


# rebuys


def slow_rebuys(known: pl.DataFrame, windows: Array) -> dict[int, list[float]]:
    """Compute the columns of ``kernels.count_rebuys`` per article, customer by customer and basket by basket."""
    out: dict[int, list[float]] = {}
    for (_user,), rows in known.group_by("user", maintain_order=True):
        bought: dict[int, list[int]] = {}
        for (day,), basket in rows.group_by("day", maintain_order=True):
            age = basket["age"][0]
            for item in bought:
                for w, window in enumerate(windows):
                    if age <= window:
                        out[item][2 * w] += 1
                        out[item][2 * w + 1] += item in basket["item"]
            for item in basket["item"]:
                out.setdefault(item, [0.0] * (2 * len(windows) + 4))
                bought.setdefault(item, []).append(day)
        for item, days in bought.items():
            out[item][-4] += 1
            out[item][-3] += len(days) > 1
            out[item][-2] += days[-1] - days[0]
            out[item][-1] += len(days) - 1
    return out


@at
def test_rebuys(seed: int, week: int) -> None:
    shop, history, known = make_world(seed, week)
    log, windows = shop.log, np.array([14, 28, 91])
    fast = kernels.count_rebuys(log.start[:-1], history.stop, log.item, log.day, history.cutoff, windows, log.items)
    slow = slow_rebuys(known, windows)
    nothing = [0.0] * (2 * len(windows) + 4)
    assert fast.tolist() == [slow.get(item, nothing) for item in range(log.items)]
    assert fast[:, -1].sum() > 0 or week == 4


def test_rebuy_rates_by_hand() -> None:
    # a: bought on days 0, 4 and 6 by customer 0, on day 5 by customer 1, who never returned; b: once, on day 4.
    # Customer 0's visits after the first one with a: days 4 and 6, both with a.
    shop = drawn(("a...a.a.......", "....b........."), ".....a........")
    history = weeks.history(shop.log, 1)
    columns = estimate_rebuys(history, (7, 2), smoothing=1.0)
    # owners' visits in 7 days: a 2 (days 4, 6), b 1 (day 6); rebuys: a 2, b 0. The mean rate: 2/3.
    assert columns["hazard_7d"].tolist() == pytest.approx([(2 + 2 / 3) / (2 + 1), (0 + 2 / 3) / (1 + 1)])
    # in 2 days (from day 5): a 1 of 1, b 0 of 1. The mean rate: 1/2.
    assert columns["hazard_2d"].tolist() == pytest.approx([(1 + 1 / 2) / (1 + 1), (0 + 1 / 2) / (1 + 1)])
    # owners: a 2, of whom 1 bought again; b 1, of whom 0. The mean rate: 1/3.
    assert columns["rebuy_rate"].tolist() == pytest.approx([(1 + 1 / 3) / (2 + 1), (0 + 1 / 3) / (1 + 1)])
    assert columns["owners"].tolist() == [2, 1]
    assert columns["rebuy_gap"][0] == (4 + 2) / 2 and np.isnan(columns["rebuy_gap"][1])


# item_means


@at
def test_item_means(seed: int, week: int) -> None:
    shop, history, known = make_world(seed, week)
    log = shop.log
    value = np.where(log.channel == 1, np.nan, log.price).astype(np.float32)
    fast = kernels.average_by_item(log.item_start, history.item_stop, log.by_item, log.day, value, history.cutoff, 91)
    price = pl.col("price").cast(pl.Float64)
    slow = align(
        make_keys("item", shop.log.items),
        known.filter(pl.col("age") <= 91, pl.col("channel") != 1)
        .sort("item", "day", "user")
        .group_by("item", maintain_order=True)
        .agg(mean=price.mean(), sd=price.std(ddof=0), latest=price.last()),
    )
    assert_equal(fast[:, 0], slow["mean"], "mean")
    assert_equal(fast[:, 1], slow["sd"], "sd", absolute=1e-5)
    assert_equal(fast[:, 2], slow["latest"], "latest")
    assert slow["mean"].null_count() > 0  # at least one article has no known price


# customers


@at
def test_customers(seed: int, week: int) -> None:
    shop, history, known = make_world(seed, week)
    log, users = shop.log, np.tile(np.arange(0, shop.log.users, 3), TURNS)
    fast = kernels.summarise_customers(
        log.start[users], history.stop[users], log.item, log.day, log.price, log.channel, log.quantity, history.cutoff,
        log.items,
    )  # fmt: skip
    visits = known.select("user", "day", "age").unique().sort("user", "day")
    gap = pl.col("day").diff()
    visit_columns = visits.group_by("user").agg(
        C_VISITS=pl.len(), C_D7=count_within(7), C_D28=count_within(28), C_D91=count_within(91),
        C_LAST=pl.col("age").min(), C_FIRST=pl.col("age").max(), C_GAP_SQUARES=(gap * gap).sum(),
    )  # fmt: skip
    price = pl.col("price").cast(pl.Float64)
    entry_columns = known.group_by("user").agg(
        C_ENTRIES=pl.len(), C_PRICE=price.sum(), C_PRICE_SQUARES=(price * price).sum(),
        C_ONLINE=(pl.col("channel") == 2).sum(), C_DISTINCT=pl.col("item").n_unique(),
        C_LAST_BASKET=(pl.col("day") == pl.col("day").max()).sum(),
        C_QUANTITY=pl.col("quantity").cast(pl.Int64).sum(),
        C_LAST_PRICE=price.sort_by("day", "item").last(),
    )  # fmt: skip
    slow = align(make_keys("user", shop.log.users), visit_columns.join(entry_columns, on="user", validate="1:1"))[users]
    names = {name for name in vars(kernels) if name.startswith("C_")}
    assert names == set(slow.columns) - {"user"} and len(names) == fast.shape[1]  # every column is compared
    for name in names:
        empty = None if name in ("C_LAST", "C_FIRST", "C_LAST_PRICE") else 0
        assert_equal(fast[:, getattr(kernels, name)], slow[name].fill_null(empty) if empty == 0 else slow[name], name)


# last_paid


@at
def test_last_paid(seed: int, week: int) -> None:
    shop, history, known = make_world(seed, week)
    log = shop.log
    users = np.tile(np.arange(0, log.users, 3, dtype=np.uint32), TURNS)
    wanted, ptr = np.tile(np.arange(log.items, dtype=np.uint32), len(users)), np.arange(len(users) + 1) * log.items
    fast = kernels.find_last_paid(log.start[users], history.stop[users], log.item, log.price, log.items, ptr, wanted)
    keys = pl.DataFrame({"user": np.repeat(users, log.items), "item": wanted})
    slow = align(keys, known.group_by("user", "item").agg(pl.col("price").sort_by("day").last()))
    assert_equal(fast, slow["price"], "price")
    assert 0 < slow["price"].null_count() < slow.height


# Groups by hand


def compute_columns(name: str, shop: Shop, week: int, pairs: Pairs, **changes: Any) -> dict[str, list[float]]:
    """Compute a group's columns, named without their prefix."""
    module, settings = group_of(name, **changes)
    frame = group.compute(name, module, weeks.history(shop.log, week), shop, pairs, settings)
    return {column.removeprefix(f"{name}__"): frame[column].to_list() for column in frame.columns}


def make_pairs(*runs: tuple[int, list[int]]) -> Pairs:
    return Pairs(
        np.array([user for user, _ in runs], np.uint32),
        np.cumsum([0, *[len(items) for _, items in runs]]),
        np.array([item for _, items in runs for item in items], np.uint32),
    )


def approximate(*values: float) -> Any:
    return pytest.approx(list(values), rel=1e-6, nan_ok=True)


NAN = float("nan")


def test_own_by_hand() -> None:
    # Customer 0 bought a on days 1, 5 and 7 and b on day 7; week 2 begins on day 14.
    shop = drawn((".a...a.a.............", ".......b............."), "....................c")
    columns = compute_columns("own", shop, 2, make_pairs((0, [0, 1, 2]), (1, [0])), half_lives=[7], within=["times"])
    assert columns["times"] == approximate(3, 1, 0, 0)
    assert columns["times_7d"] == approximate(1, 1, 0, 0)  # day 7 is seven days before day 14
    assert columns["times_14d"] == approximate(3, 1, 0, 0)
    assert columns["days_since_last"] == approximate(7, 7, NAN, NAN)
    assert columns["days_since_first"] == approximate(13, 7, NAN, NAN)
    assert columns["decayed_7d"] == approximate(2 ** (-13 / 7) + 2 ** (-9 / 7) + 1 / 2, 1 / 2, 0, 0)
    assert columns["gap_mean"] == approximate((4 + 2) / 2, NAN, NAN, NAN)
    assert columns["gap_sd"] == approximate(((16 + 4) / 2 - 9) ** 0.5, 0, 0, 0)
    assert columns["due_ratio"] == approximate(7 / 3, NAN, NAN, NAN)
    assert columns["visits_since_last"] == approximate(1, 1, NAN, NAN)
    assert columns["times_of_best"] == approximate(1, 1 / 3, 0, 0)
    assert columns["times_place"] == approximate(1, 2, 3, 1)


def test_taste_by_hand() -> None:
    # a and b are of type 0, c of type 1, d of none. Customer 0: a and b on day 0 (one visit with type 0), c on day 4.
    shop = drawn(("a...c.........", "b............."), ".......d......", articles={"product_type_no": [0, 0, 1, -1]})
    pairs, types = make_pairs((0, [0, 2, 3]), (1, [0])), ["product_type_no"]
    columns = compute_columns("taste", shop, 1, pairs, attributes=types, half_life=7)
    assert columns["product_type_no_visits"] == approximate(1, 1, 0, 0)
    assert columns["product_type_no_days_since"] == approximate(7, 3, NAN, NAN)
    assert columns["product_type_no_decayed"] == approximate(1 / 2, 2 ** (-3 / 7), 0, 0)
    assert columns["product_type_no_share"] == approximate(1 / 2, 1 / 2, 0, 0)  # of two visits


def test_item_sales_by_hand() -> None:
    # Known: a on days 5 and 6, b on day 0 and 6, d never. Day 7 is not known.
    shop = drawn("b....aad......", "......b.......")
    columns = compute_columns("item_sales", shop, 1, make_pairs((0, [0, 1, 3])), windows=[1, 7, 28], half_lives=[1])
    assert columns["share_1d"] == approximate(1e4 * 1 / 2, 1e4 * 1 / 2, 0)
    assert columns["share_7d"] == approximate(1e4 * 2 / 4, 1e4 * 2 / 4, 0)
    assert columns["rank_7d"] == approximate(1, 1, 3)  # of four articles, two share rank 1 and two share rank 3
    assert columns["days_since_sale"] == approximate(1, 1, NAN)
    assert columns["days_on_sale"] == approximate(2, 7, NAN)
    decayed = (1 / 2 + 1 / 4, 1 / 2 + 1 / 128)
    assert columns["decayed_1d"] == approximate(*[1e4 * x / max(sum(decayed), 1) for x in decayed], 0)
    assert columns["trend_1d_7d"] == approximate(1, 1, 1)


def test_item_profile_by_hand() -> None:
    rows = [(0, 0, 2, 3.0, 2, 1), (1, 0, 4, 5.0, 1, 1), (1, 1, 4, 1.0, 0, 1), (0, 0, 7, 99.0, 2, 1)]
    shop = small(rows, 2, 3, 14, customers={"age": [20.0, NAN]}, articles={"colour_group_code": [4, -1, 0]})
    columns = compute_columns("item_profile", shop, 1, make_pairs((0, [0, 1, 2])), window=7)
    assert columns["price_mean"] == approximate((3 + 5) / 2, 1, NAN)
    assert columns["price_sd"] == approximate(1, 0, NAN)
    assert columns["price_last"] == approximate(5, 1, NAN)
    assert columns["price_last_to_mean"] == approximate(5 / 4, 1, NAN)
    assert columns["channel_mean"] == approximate(1 / 2, NAN, NAN)  # the share of channel 2; unknown for b
    assert columns["age_mean"] == approximate(20, NAN, NAN)
    assert columns["basket_mean"] == approximate((1 + 2) / 2, 2, NAN)
    assert columns["colour_group_code"] == approximate(4, -1, 0)
    assert compute_columns("item_profile", shop, 1, make_pairs((0, [0])), window=3)["price_mean"] == approximate(5)


def test_user_profile_by_hand() -> None:
    rows = [(0, 0, 1, 2.0, 2, 3), (0, 1, 1, 4.0, 1, 1), (0, 0, 5, 6.0, 2, 1), (0, 0, 8, 99.0, 1, 1), (1, 0, 9)]
    shop = small(rows, 2, 2, 14, customers={"age": [20.0, NAN], "FN": [1, -1]})
    columns = compute_columns("user_profile", shop, 1, make_pairs((0, [0, 1]), (1, [0])))
    assert columns["visits"] == approximate(2, 2, 0)
    assert columns["visits_7d"] == approximate(2, 2, 0)
    assert columns["days_since_last"] == approximate(2, 2, NAN)
    assert columns["gap_mean"] == approximate(4, 4, NAN)
    assert columns["due_ratio"] == approximate(2 / 4, 2 / 4, NAN)
    assert columns["basket_mean"] == approximate(3 / 2, 3 / 2, NAN)
    assert columns["basket_last"] == approximate(1, 1, 0)
    assert columns["distinct"] == approximate(2, 2, 0)
    assert columns["repeat_share"][:2] == approximate(1 / 3, 1 / 3)
    assert columns["price_mean"] == approximate(4, 4, NAN)
    assert columns["price_sd"][:2] == approximate((8 / 3) ** 0.5, (8 / 3) ** 0.5)
    assert columns["price_last"] == approximate(6, 6, NAN)
    assert columns["online_share"][:2] == approximate(2 / 3, 2 / 3)
    assert columns["pieces_mean"] == approximate(5 / 3, 5 / 3, NAN)
    assert columns["age"] == approximate(20, 20, NAN) and columns["FN"] == approximate(1, 1, -1)


def test_match_by_hand() -> None:
    # Customer 0 (20 years) pays 2 and 4. Article b was last sold at 6, to customer 1 (30 years), in channel 1.
    rows = [(0, 0, 1, 2.0, 2, 1), (0, 0, 3, 4.0, 2, 1), (1, 1, 5, 6.0, 1, 1), (1, 0, 5, 4.0, 1, 1)]
    shop = small(rows, 3, 2, 14, customers={"age": [20.0, 30.0, NAN]})
    columns = compute_columns("match", shop, 1, make_pairs((0, [1]), (2, [1])), window=7)
    assert columns["price_to_mean"] == approximate(6 / 3, NAN)
    assert columns["price_to_last"] == approximate(6 / 4, NAN)
    assert columns["channel_difference"][0] == 0 - 1
    assert columns["basket_difference"][0] == 2 - 1
    assert columns["age_difference"] == approximate(20 - 30, NAN)


def test_within_compares_a_column_and_skips_one_that_the_shop_lacks() -> None:
    columns = {"x": np.array([1.0, 4.0, 2.0, 5.0])}
    frame = group.label_columns("g", columns, make_pairs((0, [0, 1, 2]), (1, [0])), ("x", "age"), ("age",))
    assert frame.columns == ["g__x", "g__x_of_best", "g__x_place"]
    assert frame["g__x_of_best"].to_list() == [1 / 4, 4 / 4, 2 / 4, 5 / 5]
    assert frame["g__x_place"].to_list() == [3, 1, 2, 1]


def test_a_misspelt_column_in_within_is_an_error() -> None:
    rows = [(0, 0, 2), (0, 1, 4)]
    full = small(rows, 1, 2, 14, customers={"age": [20.0], "FN": [1]}, articles={"colour_group_code": [0, 1]})
    bare, pairs = small(rows, 1, 2, 14), make_pairs((0, [0, 1]))
    for name, right, wrong in (
        ("item_profile", "age_mean", "age_men"),
        ("item_profile", "colour_group_code", "colour_group_codes"),
        ("user_profile", "FN", "FNN"),
    ):
        assert f"{right}_place" in compute_columns(name, full, 1, pairs, within=[right])
        assert f"{right}_place" not in compute_columns(name, bare, 1, pairs, within=[right])
        with pytest.raises(InputError, match=f"'features.{name}.within' names '{wrong}'; expected one of: .*{right}"):
            compute_columns(name, full, 1, pairs, within=[wrong])


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("taste", {"attributes": ["product_code", "colour"]}, r"attributes\.1' is 'colour'; .*colour_group_code"),
        ("taste", {"attributes": []}, r"attributes' is \[\]; .* at least 1 item"),
        ("own", {"half_lives": []}, r"half_lives' is \[\]; .* at least 1 item"),
        ("item_sales", {"half_lives": []}, r"half_lives' is \[\]; .* at least 1 item"),
    ],
)
def test_invalid_settings_are_rejected_by_name(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"params\.yaml: 'features\.{name}\.{message}"):
        group_of(name, **changes)


def test_an_attribute_that_the_shop_lacks_is_skipped() -> None:
    shop = drawn("a...c..........", articles={"product_type_no": [0, 0, 1]})
    columns = compute_columns("taste", shop, 1, make_pairs((0, [0])), attributes=["product_type_no", "section_no"])
    assert "product_type_no_visits" in columns and not any(name.startswith("section_no") for name in columns)


def test_a_group_without_a_column_is_an_error() -> None:
    shop = drawn("a...c..........", articles={"product_type_no": [0, 0, 1]})
    with pytest.raises(InputError, match=r"'features\.taste' has no column in this shop, which lacks .*section_no"):
        compute_columns("taste", shop, 1, make_pairs((0, [0])), attributes=["section_no"])


def test_the_forecast_extends_the_line_through_four_weeks() -> None:
    # Sales by week, the oldest first: 1, 2, 3, 4 -> 5 next; 4, 3, 2, 1 -> 0; 0, 0, 0, 4 -> 4; 4, 0, 0, 0 -> 0, not -2.
    weekly = {0: [1, 2, 3, 4], 1: [4, 3, 2, 1], 2: [0, 0, 0, 4], 3: [4, 0, 0, 0]}
    rows = [
        (user, item, 7 * week) for item, counts in weekly.items() for week, n in enumerate(counts) for user in range(n)
    ]
    shop = small(rows, 4, 4, 35)
    columns = compute_columns("item_sales", shop, 4, make_pairs((0, [0, 1, 2, 3])))
    assert columns["forecast"] == approximate(5, 0, 4, 0)


def test_age_rank_by_hand() -> None:
    # Ages 20 and 30 are in different bins; customer 3 has no age. Article 0 sells only at 20, article 1 at both.
    rows = [(0, 0, 6), (0, 1, 6), (1, 1, 6), (2, 1, 6)]
    shop = small(rows, 4, 2, 14, customers={"age": [20.0, 30.0, 30.0, NAN]})
    columns = compute_columns("age_rank", shop, 1, make_pairs((0, [0, 1]), (1, [0, 1]), (3, [0])))
    assert columns["share"] == approximate(5000, 5000, 0, 10000, 0)
    assert columns["rank"] == approximate(1, 1, 2, 1, 1)
    assert columns["lift"][:2] == approximate(5000.5 / 2500.5, 5000.5 / 7500.5)  # 1/4 and 3/4 of all sales
    without = compute_columns("age_rank", small(rows, 4, 2, 14), 1, make_pairs((0, [0, 1])))
    assert without["share"] == approximate(2500, 7500) and without["lift"] == approximate(1, 1)
