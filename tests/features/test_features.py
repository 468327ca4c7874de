"""Features: each kernel against a slow path in plain polars over a log cut off at the week, and groups by hand.

The slow paths read ``tx.filter(day < cutoff)``: that they agree with kernels over the whole log and a cutoff shows,
too, that features of the full history equal those of the truncated one.
"""

from typing import Any

import numpy as np
import polars as pl
import pytest
from world import drawn, group_of, random_world, small

from features.engine import group, kernels
from features.engine.rebuy import hazards
from retail import weeks
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.shop import Shop
from retail.weeks import History

AT = [(seed, week) for seed in (1, 2, 3) for week in (4, 52, 56, 58)]  # 403 days are 58 weeks; 58 is the submission
LIVES = [14.0, 90.0]
TURNS = 10  # times that customers are repeated, so that several share the scratch space of one of the kernels' chunks
at = pytest.mark.parametrize(("seed", "week"), AT)


def given(seed: int, week: int) -> tuple[Shop, History, pl.DataFrame]:
    """A shop of another length for each seed, the history of a week, and the rows before its cutoff with their age."""
    world = random_world(seed, days=402 + seed)
    history = weeks.history(world.shop.log, week)
    known = world.tx.filter(pl.col("day") < history.cutoff).with_columns(pl.col("day").cast(pl.Int64))
    known = known.with_columns(age=history.cutoff - pl.col("day")).sort("user", "day", "item")
    return world.shop, history, known


def within(days: int) -> pl.Expr:
    return (pl.col("age") <= days).sum()


def every(key: str, n: int) -> pl.DataFrame:
    return pl.DataFrame({key: pl.Series(range(n), dtype=pl.UInt32)})


def aligned(keys: pl.DataFrame, slow: pl.DataFrame) -> pl.DataFrame:
    """``slow`` in the order of ``keys``, null where it has no row."""
    return keys.join(slow, on=keys.columns, how="left", validate="m:1", maintain_order="left")


def assert_equal(fast: Array, slow: pl.Series, what: str, absolute: float = 1e-7) -> None:
    expected = slow.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    np.testing.assert_allclose(fast, expected, rtol=2e-5, atol=absolute, err_msg=what)


def test_every_kernel_has_its_slow_path_here() -> None:
    public = {
        name
        for name, value in vars(kernels).items()
        if callable(value) and getattr(value, "__module__", "") == kernels.__name__ and not name.startswith("_")
    }
    assert public == {"affinity", "item_sales", "rebuys", "item_means", "customers", "last_paid"}


# affinity


def slow_affinity(known: pl.DataFrame, code: pl.Series) -> pl.DataFrame:
    """One row per (user, code) met: the columns of ``kernels.affinity`` by their names."""
    ago = pl.col("day").rank("dense", descending=True).over("user").cast(pl.Int64)
    visits = known.select("user", "day", "age").unique().with_columns(ago=ago)
    codes = pl.DataFrame({"item": pl.Series(range(len(code)), dtype=pl.UInt32), "code": code})
    met = known.join(codes, on="item", how="left", validate="m:1").filter(pl.col("code") >= 0)
    days = met.select("user", "code", "day").unique().join(visits, on=["user", "day"], how="left", validate="m:1")
    gap = pl.col("day").diff()
    return (
        days.sort("user", "code", "day")
        .group_by("user", "code")
        .agg(
            VISITS=pl.len(),
            **{f"D{n}": within(n) for n in kernels.WINDOWS},
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


SINCE = ("LAST_DAY", "FIRST_DAY", "LAST_VISIT", "FIRST_VISIT")  # NaN where never met, the other columns 0


@at
@pytest.mark.parametrize("attribute", ["item", "product_code", "department_no"])
def test_affinity(seed: int, week: int, attribute: str) -> None:
    shop, history, known = given(seed, week)
    items = np.arange(shop.log.items, dtype=np.int32)
    code = items if attribute == "item" else shop.attributes[attribute]
    users = np.tile(np.arange(0, shop.log.users, 2, dtype=np.uint32), TURNS)
    wanted = np.tile(np.arange(-1, code.max() + 1), len(users))  # -1: an article without the attribute
    ptr = np.arange(len(users) + 1) * (code.max() + 2)
    fast = kernels.affinity(history, code, int(code.max()) + 1, users, ptr, wanted, LIVES, range(kernels.DECAY + 2))
    keys = pl.DataFrame({"user": np.repeat(users, np.diff(ptr)), "code": wanted.astype(np.int32)})
    slow = aligned(keys, slow_affinity(known, pl.Series(code)))
    names = slow.columns[2:]
    column = {name: getattr(kernels, name.rstrip("01") if "DECAY" in name else name) for name in names}
    column["DECAY1"] += 1
    assert sorted(column.values()) == list(range(len(fast)))  # no column goes unseen
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
    a, b, never = kernels.affinity(history, items, 2, users, ptr, wanted, [1.0], range(kernels.DECAY + 1)).T
    assert a[[kernels.VISITS, kernels.D7, kernels.D14, kernels.YEAR]].tolist() == [4, 2, 4, 0]
    assert a[[kernels.LAST_DAY, kernels.FIRST_DAY]].tolist() == [1, 12]
    assert a[[kernels.GAPS, kernels.SQUARES]].tolist() == [3, 1 * 1 + 6 * 6 + 4 * 4]
    assert a[[kernels.LAST_VISIT, kernels.FIRST_VISIT]].tolist() == [1, 4]
    assert a[[kernels.V1, kernels.V3, kernels.V5]].tolist() == [1, 3, 4]
    assert a[kernels.BY_VISIT] == pytest.approx(1 + 0.8 + 0.8**2 + 0.8**3)
    assert a[kernels.DECAY] == pytest.approx(1 / 2 + 1 / 2**5 + 1 / 2**11 + 1 / 2**12)
    assert b[[kernels.VISITS, kernels.LAST_DAY, kernels.LAST_VISIT, kernels.GAPS]].tolist() == [1, 11, 3, 0]
    assert np.isnan(never).sum() == 4 and np.nansum(never) == 0


def test_the_time_of_a_year_ago_is_its_label_week_the_week_before_and_eight_days_after() -> None:
    # Bought on every day; label week 57 begins on day 399, that of a year before on day 399 - 364 = 35.
    shop = drawn("a" * 399)
    history = weeks.history(shop.log, 57)
    assert history.cutoff == 399
    everything = np.zeros(1, np.int32), 1, np.zeros(1, np.uint32), np.array([0, 1]), np.zeros(1, np.int64)
    year = kernels.affinity(history, *everything, [1.0], [kernels.YEAR])
    assert year.tolist() == [[7 + 7 + 8]]  # days 28-34, 35-41 and 42-49
    assert kernels.YEAR_AGO == (399 - 49, 399 - 28)


# item_sales


@at
def test_item_sales(seed: int, week: int) -> None:
    shop, history, known = given(seed, week)
    log, windows = shop.log, np.array([1, 3, 7, 28, 91])
    fast = kernels.item_sales(log.item_start, history.item_stop, log.item_day, history.cutoff, windows, np.array(LIVES))
    slow = aligned(
        every("item", shop.log.items),
        known.group_by("item").agg(
            *[within(int(n)).alias(f"d{n}") for n in windows],
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


def test_the_week_a_year_ago_is_the_label_week_52_weeks_before() -> None:
    # Label week 53 begins on day 371; 364 days before, on day 7, began its week: days 7-13, and its month: days 7-34.
    shop = drawn("." * 6 + "a" * 30 + "." * 342)
    history = weeks.history(shop.log, 53)
    assert history.cutoff == 371
    log, none = shop.log, np.zeros(0)
    table = kernels.item_sales(log.item_start, history.item_stop, log.item_day, 371, none.astype(np.int64), none)
    assert table[0, 2:].tolist() == [7, 28, 1]  # day 6 alone is left of the month before


# rebuys


def slow_rebuys(known: pl.DataFrame, windows: Array) -> dict[int, list[float]]:
    """Per article the columns of ``kernels.rebuys``, customer by customer and basket by basket."""
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
    shop, history, known = given(seed, week)
    log, windows = shop.log, np.array([14, 28, 91])
    fast = kernels.rebuys(log.start[:-1], history.stop, log.item, log.day, history.cutoff, windows, log.items)
    slow = slow_rebuys(known, windows)
    nothing = [0.0] * (2 * len(windows) + 4)
    assert fast.tolist() == [slow.get(item, nothing) for item in range(log.items)]
    assert fast[:, -1].sum() > 0 or week == 4


def test_rebuy_rates_by_hand() -> None:
    # a: bought on days 0, 4 and 6 by customer 0, on day 5 by customer 1, who never came back; b: once, on day 4.
    # Customer 0's visits after the first one with a: days 4 and 6, both with a.
    shop = drawn(("a...a.a.......", "....b........."), ".....a........")
    history = weeks.history(shop.log, 1)
    found = hazards(history, (7, 2), smoothing=1.0)
    # visits of owners in 7 days: a 2 (days 4, 6), b 1 (day 6); again: a 2, b 0. The mean article: 2/3.
    assert found["hazard_7d"].tolist() == pytest.approx([(2 + 2 / 3) / (2 + 1), (0 + 2 / 3) / (1 + 1)])
    # in 2 days (from day 5): a 1 of 1, b 0 of 1. The mean article: 1/2.
    assert found["hazard_2d"].tolist() == pytest.approx([(1 + 1 / 2) / (1 + 1), (0 + 1 / 2) / (1 + 1)])
    # owners: a 2, of whom 1 bought again; b 1, of whom 0. The mean article: 1/3.
    assert found["rebuy_rate"].tolist() == pytest.approx([(1 + 1 / 3) / (2 + 1), (0 + 1 / 3) / (1 + 1)])
    assert found["owners"].tolist() == [2, 1]
    assert found["rebuy_gap"][0] == (4 + 2) / 2 and np.isnan(found["rebuy_gap"][1])


# item_means


@at
def test_item_means(seed: int, week: int) -> None:
    shop, history, known = given(seed, week)
    log = shop.log
    value = np.where(log.channel == 1, np.nan, log.price).astype(np.float32)
    fast = kernels.item_means(log.item_start, history.item_stop, log.by_item, log.day, value, history.cutoff, 91)
    price = pl.col("price").cast(pl.Float64)
    slow = aligned(
        every("item", shop.log.items),
        known.filter(pl.col("age") <= 91, pl.col("channel") != 1)
        .sort("item", "day", "user")
        .group_by("item", maintain_order=True)
        .agg(mean=price.mean(), sd=price.std(ddof=0), latest=price.last()),
    )
    assert_equal(fast[:, 0], slow["mean"], "mean")
    assert_equal(fast[:, 1], slow["sd"], "sd", absolute=1e-5)
    assert_equal(fast[:, 2], slow["latest"], "latest")
    assert slow["mean"].null_count() > 0  # an article without a known price is among them


# customers


@at
def test_customers(seed: int, week: int) -> None:
    shop, history, known = given(seed, week)
    log, users = shop.log, np.tile(np.arange(0, shop.log.users, 3), TURNS)
    fast = kernels.customers(
        log.start[users], history.stop[users], log.item, log.day, log.price, log.channel, log.quantity, history.cutoff,
        log.items,
    )  # fmt: skip
    visits = known.select("user", "day", "age").unique().sort("user", "day")
    gap = pl.col("day").diff()
    of_visits = visits.group_by("user").agg(
        C_VISITS=pl.len(), C_D7=within(7), C_D28=within(28), C_D91=within(91),
        C_LAST=pl.col("age").min(), C_FIRST=pl.col("age").max(), C_GAP_SQUARES=(gap * gap).sum(),
    )  # fmt: skip
    price = pl.col("price").cast(pl.Float64)
    of_entries = known.group_by("user").agg(
        C_ENTRIES=pl.len(), C_PRICE=price.sum(), C_PRICE_SQUARES=(price * price).sum(),
        C_ONLINE=(pl.col("channel") == 2).sum(), C_DISTINCT=pl.col("item").n_unique(),
        C_LAST_BASKET=(pl.col("day") == pl.col("day").max()).sum(),
        C_QUANTITY=pl.col("quantity").cast(pl.Int64).sum(),
        C_LAST_PRICE=price.sort_by("day", "item").last(),
    )  # fmt: skip
    slow = aligned(every("user", shop.log.users), of_visits.join(of_entries, on="user", validate="1:1"))[users]
    names = {name for name in vars(kernels) if name.startswith("C_")}
    assert names == set(slow.columns) - {"user"} and len(names) == fast.shape[1]  # no column goes unseen
    for name in names:
        empty = None if name in ("C_LAST", "C_FIRST", "C_LAST_PRICE") else 0
        assert_equal(fast[:, getattr(kernels, name)], slow[name].fill_null(empty) if empty == 0 else slow[name], name)


# last_paid


@at
def test_last_paid(seed: int, week: int) -> None:
    shop, history, known = given(seed, week)
    log = shop.log
    users = np.tile(np.arange(0, log.users, 3, dtype=np.uint32), TURNS)
    wanted, ptr = np.tile(np.arange(log.items, dtype=np.uint32), len(users)), np.arange(len(users) + 1) * log.items
    fast = kernels.last_paid(log.start[users], history.stop[users], log.item, log.price, log.items, ptr, wanted)
    keys = pl.DataFrame({"user": np.repeat(users, log.items), "item": wanted})
    slow = aligned(keys, known.group_by("user", "item").agg(pl.col("price").sort_by("day").last()))
    assert_equal(fast, slow["price"], "price")
    assert 0 < slow["price"].null_count() < slow.height


# Groups by hand


def columns_of(name: str, shop: Shop, week: int, pairs: Pairs, **changes: Any) -> dict[str, list[float]]:
    """The group's columns without their prefix, rounded by float32 only."""
    module, settings = group_of(name, **changes)
    frame = group.compute(name, module, weeks.history(shop.log, week), shop, pairs, settings)
    return {column.removeprefix(f"{name}__"): frame[column].to_list() for column in frame.columns}


def pairs_of(*runs: tuple[int, list[int]]) -> Pairs:
    return Pairs(
        np.array([user for user, _ in runs], np.uint32),
        np.cumsum([0, *[len(items) for _, items in runs]]),
        np.array([item for _, items in runs for item in items], np.uint32),
    )


def near(*values: float) -> Any:
    return pytest.approx(list(values), rel=1e-6, nan_ok=True)


NAN = float("nan")


def test_own_by_hand() -> None:
    # Customer 0 bought a on days 1, 5 and 7 and b on day 7; week 2 begins on day 14.
    shop = drawn((".a...a.a.............", ".......b............."), "....................c")
    found = columns_of("own", shop, 2, pairs_of((0, [0, 1, 2]), (1, [0])), half_lives=[7], within=["times"])
    assert found["times"] == near(3, 1, 0, 0)
    assert found["times_7d"] == near(1, 1, 0, 0)  # day 7 is seven days before day 14
    assert found["times_14d"] == near(3, 1, 0, 0)
    assert found["days_since_last"] == near(7, 7, NAN, NAN)
    assert found["days_since_first"] == near(13, 7, NAN, NAN)
    assert found["decayed_7d"] == near(2 ** (-13 / 7) + 2 ** (-9 / 7) + 1 / 2, 1 / 2, 0, 0)
    assert found["gap_mean"] == near((4 + 2) / 2, NAN, NAN, NAN)
    assert found["gap_sd"] == near(((16 + 4) / 2 - 9) ** 0.5, 0, 0, 0)
    assert found["due_ratio"] == near(7 / 3, NAN, NAN, NAN)
    assert found["visits_since_last"] == near(1, 1, NAN, NAN)
    assert found["times_of_best"] == near(1, 1 / 3, 0, 0)
    assert found["times_place"] == near(1, 2, 3, 1)


def test_taste_by_hand() -> None:
    # a and b are of type 0, c of type 1, d of none. Customer 0: a and b on day 0 (one visit with type 0), c on day 4.
    shop = drawn(("a...c.........", "b............."), ".......d......", articles={"product_type_no": [0, 0, 1, -1]})
    pairs, types = pairs_of((0, [0, 2, 3]), (1, [0])), ["product_type_no"]
    found = columns_of("taste", shop, 1, pairs, attributes=types, half_life=7)
    assert found["product_type_no_visits"] == near(1, 1, 0, 0)
    assert found["product_type_no_days_since"] == near(7, 3, NAN, NAN)
    assert found["product_type_no_decayed"] == near(1 / 2, 2 ** (-3 / 7), 0, 0)
    assert found["product_type_no_share"] == near(1 / 2, 1 / 2, 0, 0)  # of two visits


def test_item_sales_by_hand() -> None:
    # Known: a on days 5 and 6, b on day 0 and 6, d never. Day 7 is not known.
    shop = drawn("b....aad......", "......b.......")
    found = columns_of("item_sales", shop, 1, pairs_of((0, [0, 1, 3])), windows=[1, 7, 28], half_lives=[1])
    assert found["share_1d"] == near(1e4 * 1 / 2, 1e4 * 1 / 2, 0)
    assert found["share_7d"] == near(1e4 * 2 / 4, 1e4 * 2 / 4, 0)
    assert found["rank_7d"] == near(1, 1, 3)  # of four articles two tie for the first place, two for the third
    assert found["days_since_sale"] == near(1, 1, NAN)
    assert found["days_on_sale"] == near(2, 7, NAN)
    decayed = (1 / 2 + 1 / 4, 1 / 2 + 1 / 128)
    assert found["decayed_1d"] == near(*[1e4 * x / max(sum(decayed), 1) for x in decayed], 0)
    assert found["trend_1d_7d"] == near(1, 1, 1)


def test_item_profile_by_hand() -> None:
    rows = [(0, 0, 2, 3.0, 2, 1), (1, 0, 4, 5.0, 1, 1), (1, 1, 4, 1.0, 0, 1), (0, 0, 7, 99.0, 2, 1)]
    shop = small(rows, 2, 3, 14, customers={"age": [20.0, NAN]}, articles={"colour_group_code": [4, -1, 0]})
    found = columns_of("item_profile", shop, 1, pairs_of((0, [0, 1, 2])), window=7)
    assert found["price_mean"] == near((3 + 5) / 2, 1, NAN)
    assert found["price_sd"] == near(1, 0, NAN)
    assert found["price_last"] == near(5, 1, NAN)
    assert found["price_last_to_mean"] == near(5 / 4, 1, NAN)
    assert found["channel_mean"] == near(1 / 2, NAN, NAN)  # the share of channel 2; unknown for b
    assert found["age_mean"] == near(20, NAN, NAN)
    assert found["basket_mean"] == near((1 + 2) / 2, 2, NAN)
    assert found["colour_group_code"] == near(4, -1, 0)
    assert columns_of("item_profile", shop, 1, pairs_of((0, [0])), window=3)["price_mean"] == near(5)


def test_user_profile_by_hand() -> None:
    rows = [(0, 0, 1, 2.0, 2, 3), (0, 1, 1, 4.0, 1, 1), (0, 0, 5, 6.0, 2, 1), (0, 0, 8, 99.0, 1, 1), (1, 0, 9)]
    shop = small(rows, 2, 2, 14, customers={"age": [20.0, NAN], "FN": [1, -1]})
    found = columns_of("user_profile", shop, 1, pairs_of((0, [0, 1]), (1, [0])))
    assert found["visits"] == near(2, 2, 0)
    assert found["visits_7d"] == near(2, 2, 0)
    assert found["days_since_last"] == near(2, 2, NAN)
    assert found["gap_mean"] == near(4, 4, NAN)
    assert found["due_ratio"] == near(2 / 4, 2 / 4, NAN)
    assert found["basket_mean"] == near(3 / 2, 3 / 2, NAN)
    assert found["basket_last"] == near(1, 1, 0)
    assert found["distinct"] == near(2, 2, 0)
    assert found["repeat_share"][:2] == near(1 / 3, 1 / 3)
    assert found["price_mean"] == near(4, 4, NAN)
    assert found["price_sd"][:2] == near((8 / 3) ** 0.5, (8 / 3) ** 0.5)
    assert found["price_last"] == near(6, 6, NAN)
    assert found["online_share"][:2] == near(2 / 3, 2 / 3)
    assert found["pieces_mean"] == near(5 / 3, 5 / 3, NAN)
    assert found["age"] == near(20, 20, NAN) and found["FN"] == near(1, 1, -1)


def test_match_by_hand() -> None:
    # Customer 0 (20 years) pays 2 and 4; article b was last sold at 6, to customer 1 (30 years), in a shop.
    rows = [(0, 0, 1, 2.0, 2, 1), (0, 0, 3, 4.0, 2, 1), (1, 1, 5, 6.0, 1, 1), (1, 0, 5, 4.0, 1, 1)]
    shop = small(rows, 3, 2, 14, customers={"age": [20.0, 30.0, NAN]})
    found = columns_of("match", shop, 1, pairs_of((0, [1]), (2, [1])), window=7)
    assert found["price_to_mean"] == near(6 / 3, NAN)
    assert found["price_to_last"] == near(6 / 4, NAN)
    assert found["channel_difference"][0] == 0 - 1
    assert found["basket_difference"][0] == 2 - 1
    assert found["age_difference"] == near(20 - 30, NAN)


def test_a_column_compared_within_the_customers_candidates_and_one_that_the_shop_lacks() -> None:
    columns = {"x": np.array([1.0, 4.0, 2.0, 5.0])}
    frame = group.named("g", columns, pairs_of((0, [0, 1, 2]), (1, [0])), ("x", "age"), ("age",))
    assert frame.columns == ["g__x", "g__x_of_best", "g__x_place"]
    assert frame["g__x_of_best"].to_list() == [1 / 4, 4 / 4, 2 / 4, 5 / 5]
    assert frame["g__x_place"].to_list() == [3, 1, 2, 1]


def test_a_misspelt_column_is_named_where_the_shop_has_what_it_is_made_of() -> None:
    rows = [(0, 0, 2), (0, 1, 4)]
    full = small(rows, 1, 2, 14, customers={"age": [20.0], "FN": [1]}, articles={"colour_group_code": [0, 1]})
    bare, pairs = small(rows, 1, 2, 14), pairs_of((0, [0, 1]))
    for name, right, wrong in (
        ("item_profile", "age_mean", "age_men"),
        ("item_profile", "colour_group_code", "colour_group_codes"),
        ("user_profile", "FN", "FNN"),
    ):
        assert f"{right}_place" in columns_of(name, full, 1, pairs, within=[right])
        assert f"{right}_place" not in columns_of(name, bare, 1, pairs, within=[right])
        with pytest.raises(InputError, match=f"'features.{name}.within' names '{wrong}'; expected one of: .*{right}"):
            columns_of(name, full, 1, pairs, within=[wrong])


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("taste", {"attributes": ["product_code", "colour"]}, r"attributes\.1' is 'colour'; .*colour_group_code"),
        ("taste", {"attributes": []}, r"attributes' is \[\]; .* at least 1 item"),
        ("own", {"half_lives": []}, r"half_lives' is \[\]; .* at least 1 item"),
        ("item_sales", {"half_lives": []}, r"half_lives' is \[\]; .* at least 1 item"),
    ],
)
def test_settings_without_a_meaning_are_refused_by_name(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"params\.yaml: 'features\.{name}\.{message}"):
        group_of(name, **changes)


def test_an_attribute_that_the_shop_lacks_is_left_out() -> None:
    shop = drawn("a...c..........", articles={"product_type_no": [0, 0, 1]})
    found = columns_of("taste", shop, 1, pairs_of((0, [0])), attributes=["product_type_no", "section_no"])
    assert "product_type_no_visits" in found and not any(name.startswith("section_no") for name in found)


def test_a_group_that_is_left_without_a_column_says_so() -> None:
    shop = drawn("a...c..........", articles={"product_type_no": [0, 0, 1]})
    with pytest.raises(InputError, match=r"'features\.taste' makes no column of this shop, which lacks .*section_no"):
        columns_of("taste", shop, 1, pairs_of((0, [0])), attributes=["section_no"])


def test_the_forecast_is_the_line_through_four_weeks() -> None:
    # Sales by week, the oldest first: 1, 2, 3, 4 -> 5 next; 4, 3, 2, 1 -> 0; 0, 0, 0, 4 -> 4; 4, 0, 0, 0 -> 0, not -2.
    weekly = {0: [1, 2, 3, 4], 1: [4, 3, 2, 1], 2: [0, 0, 0, 4], 3: [4, 0, 0, 0]}
    rows = [
        (user, item, 7 * week) for item, counts in weekly.items() for week, n in enumerate(counts) for user in range(n)
    ]
    shop = small(rows, 4, 4, 35)
    found = columns_of("item_sales", shop, 4, pairs_of((0, [0, 1, 2, 3])))
    assert found["forecast"] == near(5, 0, 4, 0)


def test_age_rank_by_hand() -> None:
    # Ages 20 and 30 fall in unlike bins, customer 3 has none. Article 0 sells to the young alone, article 1 to both.
    rows = [(0, 0, 6), (0, 1, 6), (1, 1, 6), (2, 1, 6)]
    shop = small(rows, 4, 2, 14, customers={"age": [20.0, 30.0, 30.0, NAN]})
    found = columns_of("age_rank", shop, 1, pairs_of((0, [0, 1]), (1, [0, 1]), (3, [0])))
    assert found["share"] == near(5000, 5000, 0, 10000, 0)
    assert found["rank"] == near(1, 1, 2, 1, 1)
    assert found["lift"][:2] == near(5000.5 / 2500.5, 5000.5 / 7500.5)  # a quarter of all sales, three quarters
    without = columns_of("age_rank", small(rows, 4, 2, 14), 1, pairs_of((0, [0, 1])))
    assert without["share"] == near(2500, 7500) and without["lift"] == near(1, 1)
