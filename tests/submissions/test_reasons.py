"""What the reasons say is true: worked by hand on shops one can see, by plain loops on a random one, blind to the
future."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from world import PARAMS, World, drawn, random_world, small, source_of

from retail import weeks
from retail.log import Array
from retail.pairs import Pairs, of_columns
from retail.shop import Shop
from stage1_candidates.engine.loaded import Loaded
from submissions.explain.reasons import article, labels, others, past, topics, votes, words
from submissions.explain.reasons.chosen import Chosen
from submissions.explain.reasons.strongest import SAID_BY, strongest


def names(items: int, **columns: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"article_id": [f"0{i:09d}" for i in range(items)], "name": [f"A{i}" for i in range(items)],
                         **columns})  # fmt: skip


def chosen(
    shop: Shop, cutoff_week: int, pairs: list[tuple[int, int]], articles: pl.DataFrame | None = None,
    columns: dict[str, list[float]] | None = None, contributions: list[list[float]] | None = None,
    sources: Mapping[str, Loaded] | None = None,
) -> Chosen:  # fmt: skip
    """``pairs``: (user, item), ascending; every customer has ten candidates."""
    user, item = np.array(pairs, np.uint32).reshape(-1, 2).T
    features = pl.DataFrame(columns or {}, schema_overrides=dict.fromkeys(columns or {}, pl.Float32))
    return Chosen(
        history=weeks.history(shop.log, cutoff_week),
        shop=shop,
        pairs=of_columns(user, item) if len(user) else Pairs(user, np.zeros(1, np.int64), item),
        features=features,
        contributions=np.array(contributions if contributions else np.zeros((len(pairs), features.width)), np.float32),
        candidates=np.full(len(pairs), 10),
        sources=sources or {},
        articles=names(shop.log.items) if articles is None else articles,
    )


def test_words() -> None:
    n = pl.DataFrame({"n": [1, 2, 3]})
    assert n.select(words.times(pl.col("n"))).to_series().to_list() == ["once", "twice", "3 times"]
    assert n.select(words.days(pl.col("n"))).to_series().to_list() == ["1 day", "2 days", "3 days"]
    assert n.select(words.every(pl.col("n"))).to_series().to_list() == ["every day", "every 2 days", "every 3 days"]
    prices = np.array([12.754, 2.5, 0.3, 0.05, 0.016932, 0.0203220], np.float32)
    assert words.money(prices).to_list() == ["12.75", "2.50", "0.30", "0.05", "0.0169", "0.0203"]


# The customer's own past. Eight weeks; the cutoff is day 56, whatever stands behind it is not known.


def said_of(days: list[int]) -> str | None:
    """What is said of an article that was bought on ``days``."""
    shop = small([(0, 0, day) for day in days] + [(1, 1, 62)], users=2, items=2, days=63)
    return str(past.own(chosen(shop, 8, [(0, 0)]))[0])


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ([44], "bought once, 12 days ago"),
        ([55, 57], "bought once, 1 day ago"),  # day 57 is yet to come
        ([20, 44], "bought twice, 24 days apart, last 12 days ago"),
        ([10, 20, 32, 42], "bought 4 times, every 11 days, due 3 days ago"),  # 32 / 3 = 10.7 days; 14 days ago
        ([12, 27, 42], "bought 3 times, every 15 days, due in 1 day"),
        ([28, 42], "bought twice, 14 days apart, last 14 days ago"),
        ([14, 28, 42], "bought 3 times, every 14 days, due now"),
        ([53, 54, 55], "bought 3 times, every day, due now"),
        ([1, 26, 51], "bought 3 times, every 25 days, last 5 days ago"),  # due in 20 days: not this week
        ([10, 15, 20], "bought 3 times, every 5 days, last 36 days ago"),  # seven rhythms over
    ],
)  # fmt: skip
def test_own(days: list[int], text: str) -> None:
    assert said_of(days) == text


def test_own_is_silent_where_nothing_was_bought() -> None:
    shop = drawn("a......", "b......")
    assert past.own(chosen(shop, 1, [(0, 1), (1, 0)])).to_list() == [None, None]


def test_paid() -> None:
    # customer 0 paid 2.55 at first, 3.00 last; the article's latest sale was at 2.10
    seen = [(0, 0, 1, 2.55), (0, 0, 3, 3.0), (1, 0, 6, 2.1), (1, 1, 2, 4.0), (0, 2, 2, 1.0), (1, 2, 4, 2.0)]
    rows = [(*row, 2, 1) for row in [*seen, (2, 0, 8, 9.0)]]  # day 8 is yet to come
    of = chosen(small(rows, users=3, items=3, days=14), 1, [(0, 0), (0, 1), (0, 2), (1, 1)])
    assert past.paid(of).to_list() == [
        "cheaper than when you bought it: 2.10, then 3.00",
        None,  # never bought
        None,  # dearer
        "still at the price that you paid, 4.00",
    ]


def test_product() -> None:
    shop = drawn("ab..c..", items=4, articles={"product_code": [0, 0, 0, 1], "colour_group_code": [0, 1, 1, 2]})
    of = chosen(shop, 1, [(0, 0), (0, 1), (0, 2), (0, 3)])
    assert past.product(of).to_list() == [
        "the same product as A2 in another colour, bought 3 days ago",  # the latest other one
        "the same product as A2, bought 3 days ago",
        "the same product as A1, bought 6 days ago",
        None,
    ]
    nameless = names(4, colour_group_code=["", "RED", "RED", "BLUE"])
    of = chosen(shop, 1, [(0, 0)], nameless)  # who knows that the first is of another colour
    assert past.product(of).to_list() == ["the same product as A2, bought 3 days ago"]


def test_taste_names_the_kind_that_counted_most() -> None:
    kinds = {"product_type_no": [0, 0, 1], "colour_group_code": [0, 1, 0]}
    shop = drawn("a.b.a..", ".c.....", items=3, articles=kinds)
    columns = {"taste__product_type_no_share": [0.0] * 3, "taste__colour_group_code_share": [0.0] * 3}
    labelled = names(3, product_type_no=["BAG", "BAG", "CUP"])
    of = chosen(shop, 1, [(0, 1), (0, 2), (1, 0)], labelled, columns, [[2, 1], [1, 2], [2, 1]])
    assert past.taste(of).to_list() == [
        "its type (BAG) is in 3 of your 3 baskets, last 3 days ago",
        "its colour is in 2 of your 3 baskets, last 3 days ago",
        "its colour is in your only basket, 6 days ago",  # the type counted more, but the customer bought none of it
    ]
    unknown = names(3, product_type_no=["", "BAG", "CUP"])
    of = chosen(shop, 1, [(0, 0)], unknown, columns, [[2, 1]])
    assert past.taste(of).to_list() == ["its colour is in 2 of your 3 baskets, last 3 days ago"]


def test_taste_is_silent_in_a_shop_without_kinds() -> None:
    assert past.taste(chosen(drawn("ab....."), 1, [(0, 0)])).to_list() == [None]


# The article


def sold(*days_of: list[int], days: int = 63) -> Shop:
    """Article i was sold on the days of ``days_of[i]``, each time to another customer."""
    rows = [(user, item, day) for item, sales in enumerate(days_of) for user, day in enumerate(sales)]
    return small(rows, users=1 + max(row[0] for row in rows), items=len(days_of), days=days)


def test_sales() -> None:
    best, old = [50] * 20, [[1, 50]] * 8  # ten articles sold in the week: the best seller alone is a tenth of them
    shop = sold(best, [50, 51, 2], *old, [5, 40], [30, 30, 3], [2], [50, 50, 50, 45, 2], [60])
    of = chosen(shop, 8, [(0, i) for i in (0, 1, 10, 11, 12, 13, 14)])
    assert article.sales(of).to_list() == [
        "one of the week's best sellers (rank 1)",
        "sold twice in the last 7 days",
        "sold once in the last 28 days",
        "sold twice in the last 28 days",
        "sold once so far, last 54 days ago",
        "selling faster: 3 in the last 7 days, 1 in the 7 before",
        None,  # day 60 is yet to come
    ]


def test_a_new_article() -> None:
    shop = sold([1, 50], [40, 50, 50], [1, 2])
    assert article.sales(chosen(shop, 8, [(0, 1)])).to_list() == ["new: first sold 16 days ago, 3 times since"]
    begun = sold([1, 8], [3], days=14)  # two weeks of data cannot tell
    assert article.sales(chosen(begun, 1, [(0, 1)])).to_list() == ["sold once in the last 7 days"]


def test_season() -> None:
    # the cutoff is day 371: days 7 to 13 lie 364 to 358 days back
    shop = sold([7, 10, 13], [10, 13], [6, 10, 13], [14, 10, 13], days=371)
    text = "sold 3 times in this week a year ago"
    assert article.season(chosen(shop, 53, [(0, i) for i in range(4)])).to_list() == [text, None, None, None]


def test_rebuy() -> None:
    # a: customers 0 to 2 come back after 2, 4 and (2 + 2) days, customer 3 does not: 10 days over 4 gaps
    shop = drawn("a.a....b......", "a...a..b......", "a.a.a.........", "a.............", "b.......a.....", items=2)
    text = "3 of its 4 buyers bought it again, after 2 days on average"  # 2.5, to the even number
    assert article.rebuy(chosen(shop, 1, [(0, 0), (0, 1)])).to_list() == [text, None]


def test_kind() -> None:
    shop = drawn("aab....", "b.c....", items=4, articles={"product_type_no": [0, 0, 1, -1]})
    labelled = names(4, product_type_no=["BAG", "BAG", "", ""])
    of = chosen(shop, 1, [(0, 0), (0, 2), (0, 3)], labelled)
    assert article.kind(of).to_list() == ["its type (BAG) makes 80% of the last four weeks' sales", None, None]


def test_price() -> None:
    # customer 0 pays 10 on average; customer 3 has bought nothing; the week's middle price is 8
    rows = [
        (0, 0, 1, 8.0, 2, 1),
        (0, 1, 2, 12.0, 2, 1),
        (1, 2, 3, 3.0, 2, 1),
        (1, 3, 3, 8.0, 2, 1),
        (1, 4, 3, 20, 2, 1),
    ]
    of = chosen(small(rows, users=4, items=6, days=14), 1, [*((0, i) for i in range(6)), (3, 2), (3, 4)])
    assert article.price(of).to_list() == [
        "its price, 8.00, is near what you usually pay (10.00)",
        "its price, 12.00, is near what you usually pay (10.00)",
        "costs 3.00, less than you usually pay (10.00)",
        "its price, 8.00, is near what you usually pay (10.00)",
        None,  # dearer
        None,  # never sold
        "costs 3.00, less than most of what the shop sold this week",
        None,
    ]


def test_baskets_and_channel() -> None:
    rows = [(0, 0, 1), (0, 1, 1), (1, 2, 1), (1, 3, 1), (2, 4, 1, 1.0, 1, 1)]
    of = chosen(small(rows, users=3, items=5, days=14), 1, [(0, 2), (0, 4), (2, 4)])
    like = "bought in baskets about as large as yours, of 2 articles on average"
    assert article.baskets(of).to_list() == [like, None, None]
    online = "mostly sold online, as most of what you buy"
    assert article.channel(of).to_list() == [online, None, None]


# The others


def test_together() -> None:
    # the last basket of customer 0 is c and d; e was bought by customers 1 and 2 with c, by 1 with d; f by one
    baskets: list[str | tuple[str, ...]] = [
        ("b..c...", "...d..."),
        ("c.e....", ".d....."),
        ("c....e.", "......f"),
        "c......",
        "d......",
        "a......",
    ]
    shop = drawn(*baskets, items=6)
    of = chosen(shop, 1, [(0, 2), (0, 4), (0, 5), (5, 0)])
    assert others.together(of).to_list() == [
        None,  # c and d have customer 1 alone in common, but for customer 0
        "sold with articles in your last basket: 2 of 3 other recent buyers of A2 bought it too",
        None,
        None,
    ]


def test_age() -> None:
    ages = {"age": [27.0, 25.0, 29.0, 40.0, float("nan"), 60.0]}
    shop = drawn("..d....", "a.a....", "ab.....", "b......", "b......", "c......", customers=ages)
    of = chosen(shop, 1, [(0, 0), (0, 1), (0, 2), (4, 1)])
    assert others.age(of).to_list() == [
        "popular with customers of your age this week (rank 1 among those of 25 to 29)",
        None,  # one sale in the bin is chance, and its buyers are 34.5 on average
        None,  # its buyer is 60
        None,  # nobody knows the customer's age
    ]
    near = chosen(drawn("..b....", "a......", customers={"age": [44.0, 40.0]}), 1, [(0, 0)])
    assert others.age(near).to_list() == ["bought by customers of about your age, 40 on average"]


def test_a_shop_without_ages_never_speaks_of_them() -> None:
    shop = drawn("a......", "a......")
    assert others.age(chosen(shop, 1, [(0, 0)])).to_list() == [None]
    of = topics.topics(["age_rank__share", "item_sales__share_7d"], PARAMS, shop)
    assert of == {"sales": [0, 1]}


def test_segment() -> None:
    kinds = {"product_type_no": [0, 0, 1, 1]}
    shop = drawn("a.a.c..", "a......", "c......", "c......", "c......", ".......", items=4, articles=kinds,
                 customers={"postal_code": [0, 0, 1, 1, 2, 2]})  # fmt: skip
    labelled = names(4, product_type_no=["BAG", "BAG", "CUP", "CUP"])
    of = chosen(shop, 1, [(0, 0), (3, 2), (4, 2), (5, 2)], labelled)
    assert others.segment(of).to_list() == [
        "a best seller of the week at your postal code (rank 1)",  # three sales: two to the customer on two days
        "a best seller of the week at your postal code (rank 1)",
        "a best seller of the week with customers who, like you, buy CUP most (rank 1)",
        None,  # one sale at this postal code, and no favourite
    ]


@pytest.fixture(scope="module")
def world() -> World:
    return random_world(5, users=60, items=30)


WEEK = 50


def everybody(world: World) -> Chosen:
    """Every customer with every article, as two sources see them."""
    history = weeks.history(world.shop.log, WEEK)
    sources = {}
    for name in ("tifu_knn", "popular"):
        module, block = source_of(name)
        sources[name] = Loaded.fit(module, block, history, world.shop)
    users, items = world.shop.log.users, world.shop.log.items
    pairs = [(user, item) for user in range(users) for item in range(items)]
    columns = {f"taste__{name}_share": [0.0] * len(pairs) for name in past.KINDS}
    columns |= {"popular__rank": [1.0] * len(pairs), "tifu_knn__rank": [1.0] * len(pairs)}
    rng = np.random.default_rng(1)
    contributions = rng.random((len(pairs), len(columns))).astype(np.float32).tolist()
    return chosen(world.shop, WEEK, pairs, None, columns, contributions, sources)


def bought_lately(of: Chosen, days: int) -> dict[int, set[int]]:
    """Customer -> articles of the last ``days`` days before the cutoff."""
    log, found = of.history.log, {user: set[int]() for user in range(of.shop.log.users)}
    for user, item, day in zip(log.user.tolist(), log.item.tolist(), log.day.tolist(), strict=True):
        if of.history.cutoff - days <= day < of.history.cutoff:
            found[user].add(item)
    return found


def test_together_is_a_plain_count(world: World) -> None:
    of = everybody(world)
    lately, log = bought_lately(of, others.SOLD_TOGETHER), of.history.log
    texts = others.together(of).to_list()
    assert len(set(texts)) > 50
    for user, item, text in zip(of.pairs.user.tolist(), of.pairs.items.tolist(), texts, strict=True):
        mine = slice(log.start[user], of.history.stop[user])
        last = log.day[mine].max() if len(log.day[mine]) else None
        counts = []
        for other in set(log.item[mine][log.day[mine] == last].tolist()) - {item}:
            buyers = {one for one, items in lately.items() if other in items} - {user}
            counts.append((-sum(item in lately[one] for one in buyers), len(buyers), other))
        counts = [one for one in counts if -one[0] >= others.FEW]
        if not counts:
            assert text is None
            continue
        both, buyers_of, other = min(counts)
        count = f"{-both} of {buyers_of} other recent buyers of A{other} bought it too"
        assert text == f"sold with articles in your last basket: {count}"


def test_neighbours_is_a_plain_count(world: World) -> None:
    of = everybody(world)
    lately, log = bought_lately(of, others.LATELY), of.history.log
    settings = of.sources["tifu_knn"].settings
    vectors = np.zeros((of.shop.log.users, of.shop.log.items))
    for user in range(of.shop.log.users):
        mine = slice(log.start[user], of.history.stop[user])
        ago = (of.history.cutoff - 1 - log.day[mine].astype(int)) // 7
        for item, week in set(zip(log.item[mine].tolist(), ago.tolist(), strict=True)):
            vectors[user, item] += settings.decay**week
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosine = vectors @ vectors.T
    texts = others.neighbours(of).to_list()
    assert len(set(texts)) > 5
    for user, item, text in zip(of.pairs.user.tolist(), of.pairs.items.tolist(), texts, strict=True):
        near = [
            one for one in np.argsort(-cosine[user], kind="stable").tolist() if one != user and cosine[user, one] > 0
        ]
        near = near[: settings.neighbours]
        count = sum(item in lately[one] for one in near)
        says = f"customers with a taste like yours bought it lately: {count} of the {len(near)} nearest"
        assert text == (says if count >= others.FEW else None)


# All of them


@pytest.mark.parametrize("topic", SAID_BY)
@pytest.mark.parametrize("bare", [False, True])
def test_reasons_are_blind_to_the_future(topic: str, bare: bool, world: World) -> None:
    of = world.bare if bare else world
    cutoff = weeks.history(of.shop.log, WEEK).cutoff
    before = SAID_BY[topic](everybody(of))
    assert before.dtype == pl.String and len(before) == 60 * 30
    assert before.equals(SAID_BY[topic](everybody(of.rewritten(cutoff, 1))))
    assert before.equals(SAID_BY[topic](everybody(of)))


@pytest.mark.parametrize("topic", SAID_BY)
def test_nobody_is_told_nothing(topic: str, world: World) -> None:
    of = everybody(world)
    none = chosen(world.shop, WEEK, [], None, {name: [] for name in of.features.columns}, [], of.sources)
    assert SAID_BY[topic](none).len() == 0


# Topics and the choice among them


def test_columns_belong_to_the_topic_of_their_longest_prefix() -> None:
    shop = drawn("a......", customers={"age": [30.0]})
    columns = [
        "item_sales__share_7d", "item_sales__year_ago_week", "own__times", "repurchase__place", "case__score",
        "user_profile__visits", "two_tower__score", "match__age_z", "taste__product_code_share", "weather__rain",
    ]  # fmt: skip
    assert topics.topics(columns, PARAMS, shop) == {
        "age": [7], "own": [2, 3, 4], "product": [8], "sales": [0], "season": [1], "two_tower": [6], "weather": [9],
    }  # fmt: skip


def test_topics_add_up() -> None:
    found = topics.summed(np.array([[1, 2, 4]], np.float32), {"a": [0, 2], "b": [1]})
    assert found.tolist() == [[5, 2]] and found.dtype == np.float32


def test_every_source_and_group_has_words_or_a_name_to_say(world: World) -> None:
    prefixes = {prefix.split("__")[0] for prefix in topics.PREFIXES}
    spoken = prefixes | set(votes.MEANING) | {"user_profile"}
    assert {*PARAMS.sources, *PARAMS.networks, *PARAMS.features} <= spoken


def test_the_strongest_that_have_words(monkeypatch: pytest.MonkeyPatch) -> None:
    of = chosen(drawn("a......", items=3), 1, [(0, 0), (0, 1), (0, 2)])
    said: dict[str, list[str | None]] = {
        "a": ["a0", "a1", None], "b": ["b0", "b1", "b2"], "c": ["c0", "c1", "c2"], "d": ["d0", "d1", None],
    }  # fmt: skip
    texts = {topic: pl.Series(of_rows, dtype=pl.String) for topic, of_rows in said.items()}
    monkeypatch.setattr("submissions.explain.reasons.strongest._said", lambda _, topic: texts[topic])
    weight: dict[str, Array] = {
        "a": np.array([1, 3, 9], np.float32),
        "b": np.array([2, 3, -1], np.float32),
        "c": np.array([4, 3, 0.5], np.float32),
        "d": np.array([3, 3, 8], np.float32),
    }
    assert strongest(of, weight).rows() == [
        ("c0", "d0", "b0"),
        ("a1", "b1", "c1"),  # ties by name
        ("c2", "", ""),  # a and d have nothing to say, b speaks against it
    ]
    two = {name: weight[name] for name in ("a", "b")}
    assert strongest(of, two).rows() == [("b0", "a0", ""), ("a1", "b1", ""), ("", "", "")]


def test_nobody_has_no_reasons(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    none = np.zeros(0, np.float32)
    of = chosen(world.shop, WEEK, [])
    monkeypatch.setattr("submissions.explain.reasons.strongest._said", lambda *_: pl.Series([], dtype=pl.String))
    for weight in ({"a": none, "b": none}, {"own": none}):
        found = strongest(of, weight)
        assert found.columns == ["reason_1", "reason_2", "reason_3"] and found.height == 0


def test_votes() -> None:
    columns = {f"{name}__rank": [1.0, float("nan")] for name in ("popular", "ease", "two_tower")}
    columns |= {"two_tower__place": [2.0, 3.0], "two_tower__score": [0.5, 0.4], "ease__rank": [float("nan"), 4.0]}
    module, block = source_of("popular")
    sources = dict.fromkeys(("popular", "ease", "two_tower"), Loaded(module, block, {}))
    of = chosen(drawn("a......", "......."), 1, [(0, 0), (1, 0)], None, columns, None, sources)
    assert votes.pool(of).to_list() == ["proposed by 2 of the 3 sources", None]
    assert votes.by_name(of, "two_tower").to_list() == [
        "close to your taste (no. 2 of your 10 candidates by two_tower)",
        None,
    ]
    assert votes.by_name(of, "ease").to_list() == [None, None]  # it has no place
    assert votes.by_name(of, "rain_fall").to_list() == ["its rain fall speaks for it"] * 2
    columns |= {"two_tower__place": [1.0, 1.0], "two_tower__score": [0.0, 0.4]}
    first = chosen(of.shop, 1, [(0, 0), (1, 0)], None, columns, None, sources)
    new = "right for a new customer (no. 1 of your 10 candidates by two_tower)"
    assert votes.by_name(first, "two_tower").to_list() == [None, new]  # all of score 0 stand at place 1


def test_labels(tmp_path: Path) -> None:
    (tmp_path / "articles.csv").write_text(
        "article_id,product_type_name,colour_group_name,prod_name\n2,BAG,NONE,x\n1,Unknown,Red,y\n", encoding="utf-8"
    )
    found = labels.labels(tmp_path, pl.DataFrame({"article_id": ["1", "2"], "name": ["y", "x"]}))
    assert found.to_dict(as_series=False) == {
        "article_id": ["1", "2"],
        "name": ["y", "x"],
        "product_type_no": ["", "BAG"],
        "colour_group_code": ["Red", ""],
    }
