"""Test that the reasons are true: by hand on small shops, by plain loops on a random shop, and blind to the future."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from world import PARAMS, World, drawn, random_world, small, source_of

from retail import weeks
from retail.log import Array
from retail.pairs import Pairs, build_pairs
from retail.shop import Shop
from stage1_candidates.engine.loaded import Loaded
from submissions.explain.reasons import article, format_numbers, labels, others, past, topics, votes
from submissions.explain.reasons.recommendations import Recommendations
from submissions.explain.reasons.strongest import DESCRIBE_TOPIC, choose_strongest


def name_articles(items: int, **columns: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"article_id": [f"0{i:09d}" for i in range(items)], "name": [f"A{i}" for i in range(items)],
                         **columns})  # fmt: skip


def make_recommendations(
    shop: Shop, cutoff_week: int, pairs: list[tuple[int, int]], articles: pl.DataFrame | None = None,
    columns: dict[str, list[float]] | None = None, contributions: list[list[float]] | None = None,
    sources: Mapping[str, Loaded] | None = None,
) -> Recommendations:  # fmt: skip
    """Return the recommendations ``pairs``: (user, item), ascending; every customer has ten candidates."""
    user, item = np.array(pairs, np.uint32).reshape(-1, 2).T
    features = pl.DataFrame(columns or {}, schema_overrides=dict.fromkeys(columns or {}, pl.Float32))
    return Recommendations(
        history=weeks.history(shop.log, cutoff_week),
        shop=shop,
        pairs=build_pairs(user, item) if len(user) else Pairs(user, np.zeros(1, np.int64), item),
        features=features,
        contributions=np.array(contributions if contributions else np.zeros((len(pairs), features.width)), np.float32),
        candidates=np.full(len(pairs), 10),
        sources=sources or {},
        articles=name_articles(shop.log.items) if articles is None else articles,
    )


def test_numbers_are_written_in_words() -> None:
    n = pl.DataFrame({"n": [1, 2, 3]})
    assert n.select(format_numbers.format_times(pl.col("n"))).to_series().to_list() == ["once", "twice", "3 times"]
    assert n.select(format_numbers.format_days(pl.col("n"))).to_series().to_list() == ["1 day", "2 days", "3 days"]
    assert n.select(format_numbers.format_interval(pl.col("n"))).to_series().to_list() == [
        "every day",
        "every 2 days",
        "every 3 days",
    ]
    prices = np.array([12.754, 2.5, 0.3, 0.05, 0.016932, 0.0203220], np.float32)
    assert format_numbers.format_money(prices).to_list() == ["12.75", "2.50", "0.30", "0.05", "0.0169", "0.0203"]


# The customer's own past. Eight weeks; the cutoff is day 56, later days are the future.


def describe(days: list[int]) -> str | None:
    """Return the text about an article that was bought on ``days``."""
    shop = small([(0, 0, day) for day in days] + [(1, 1, 62)], users=2, items=2, days=63)
    return str(past.describe_own_purchases(make_recommendations(shop, 8, [(0, 0)]))[0])


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ([44], "you bought it once, 12 days ago"),
        ([55, 57], "you bought it once, 1 day ago"),  # day 57 is in the future
        ([20, 44], "you bought it twice, 24 days apart, most recently 12 days ago"),
        ([10, 20, 32, 42], "you bought it 4 times, every 11 days; due 3 days ago"),  # 32 / 3 = 10.7 days; 14 days ago
        ([12, 27, 42], "you bought it 3 times, every 15 days; due in 1 day"),
        ([28, 42], "you bought it twice, 14 days apart, most recently 14 days ago"),
        ([14, 28, 42], "you bought it 3 times, every 14 days; due now"),
        ([53, 54, 55], "you bought it 3 times, every day; due now"),
        ([1, 26, 51], "you bought it 3 times, every 25 days, most recently 5 days ago"),  # due in 20 days, not soon
        ([10, 15, 20], "you bought it 3 times, every 5 days, most recently 36 days ago"),  # 7 intervals ago
    ],
)  # fmt: skip
def test_own_purchases(days: list[int], text: str) -> None:
    assert describe(days) == text


def test_own_purchases_of_an_article_not_bought() -> None:
    shop = drawn("a......", "b......")
    assert past.describe_own_purchases(make_recommendations(shop, 1, [(0, 1), (1, 0)])).to_list() == [None, None]


def test_price_paid() -> None:
    # customer 0 paid 2.55 first, then 3.00; the article's latest sale was at 2.10
    seen = [(0, 0, 1, 2.55), (0, 0, 3, 3.0), (1, 0, 6, 2.1), (1, 1, 2, 4.0), (0, 2, 2, 1.0), (1, 2, 4, 2.0)]
    rows = [(*row, 2, 1) for row in [*seen, (2, 0, 8, 9.0)]]  # day 8 is in the future
    recommended = make_recommendations(small(rows, users=3, items=3, days=14), 1, [(0, 0), (0, 1), (0, 2), (1, 1)])
    assert past.describe_price_paid(recommended).to_list() == [
        "cheaper than when you last bought it: 2.10 now, 3.00 then",
        None,  # never bought
        None,  # more expensive
        "same price as when you last bought it: 4.00",
    ]


def test_same_product() -> None:
    shop = drawn("ab..c..", items=4, articles={"product_code": [0, 0, 0, 1], "colour_group_code": [0, 1, 1, 2]})
    recommended = make_recommendations(shop, 1, [(0, 0), (0, 1), (0, 2), (0, 3)])
    assert past.describe_same_product(recommended).to_list() == [
        "another colour of A2, which you bought 3 days ago",  # the last bought variant
        "another variant of A2, which you bought 3 days ago",
        "another variant of A1, which you bought 6 days ago",
        None,
    ]
    articles = name_articles(4, colour_group_code=["", "RED", "RED", "BLUE"])
    recommended = make_recommendations(shop, 1, [(0, 0)], articles)  # the colour of the first article is unknown
    assert past.describe_same_product(recommended).to_list() == ["another variant of A2, which you bought 3 days ago"]


def test_taste_names_the_attribute_with_the_largest_contribution() -> None:
    kinds = {"product_type_no": [0, 0, 1], "colour_group_code": [0, 1, 0]}
    shop = drawn("a.b.a..", ".c.....", items=3, articles=kinds)
    columns = {"taste__product_type_no_share": [0.0] * 3, "taste__colour_group_code_share": [0.0] * 3}
    labelled = name_articles(3, product_type_no=["BAG", "BAG", "CUP"])
    recommended = make_recommendations(shop, 1, [(0, 1), (0, 2), (1, 0)], labelled, columns, [[2, 1], [1, 2], [2, 1]])
    assert past.describe_taste(recommended).to_list() == [
        "you bought this type (BAG) in 3 of your 3 baskets, most recently 3 days ago",
        "you bought this colour in 2 of your 3 baskets, most recently 3 days ago",
        "you bought this colour in your only basket, 6 days ago",  # the type contributes more, but was not bought
    ]
    unknown = name_articles(3, product_type_no=["", "BAG", "CUP"])
    recommended = make_recommendations(shop, 1, [(0, 0)], unknown, columns, [[2, 1]])
    assert past.describe_taste(recommended).to_list() == [
        "you bought this colour in 2 of your 3 baskets, most recently 3 days ago"
    ]


def test_no_taste_in_a_shop_without_attributes() -> None:
    assert past.describe_taste(make_recommendations(drawn("ab....."), 1, [(0, 0)])).to_list() == [None]


# The article


def make_sales(*sale_days: list[int], days: int = 63) -> Shop:
    """Return a shop that sold article i on the days ``sale_days[i]``, each time to another customer."""
    rows = [(user, item, day) for item, sales in enumerate(sale_days) for user, day in enumerate(sales)]
    return small(rows, users=1 + max(row[0] for row in rows), items=len(sale_days), days=days)


def test_sales() -> None:
    best, old = [50] * 20, [[1, 50]] * 8  # ten articles sold in the week: the best seller alone is a tenth of them
    shop = make_sales(best, [50, 51, 2], *old, [5, 40], [30, 30, 3], [2], [50, 50, 50, 45, 2], [60])
    recommended = make_recommendations(shop, 8, [(0, i) for i in (0, 1, 10, 11, 12, 13, 14)])
    assert article.describe_sales(recommended).to_list() == [
        "one of the best sellers of the last 7 days (rank 1)",
        "sold twice in the last 7 days",
        "sold once in the last 28 days",
        "sold twice in the last 28 days",
        "sold once so far, most recently 54 days ago",
        "sales are rising: 3 in the last 7 days, 1 in the 7 days before",
        None,  # day 60 is in the future
    ]


def test_a_new_article() -> None:
    shop = make_sales([1, 50], [40, 50, 50], [1, 2])
    assert article.describe_sales(make_recommendations(shop, 8, [(0, 1)])).to_list() == [
        "new: first sold 16 days ago, sold 3 times so far"
    ]
    young = make_sales([1, 8], [3], days=14)  # two weeks of data cannot show that an article is new
    assert article.describe_sales(make_recommendations(young, 1, [(0, 1)])).to_list() == [
        "sold once in the last 7 days"
    ]


def test_season() -> None:
    # the cutoff is day 371: days 7 to 13 lie 364 to 358 days back
    shop = make_sales([7, 10, 13], [10, 13], [6, 10, 13], [14, 10, 13], days=371)
    text = "sold 3 times in the same week a year ago"
    assert article.describe_season(make_recommendations(shop, 53, [(0, i) for i in range(4)])).to_list() == [
        text,
        None,
        None,
        None,
    ]


def test_repurchases() -> None:
    # a: customers 0 to 2 buy again after 2, 4 and (2 + 2) days, customer 3 does not: 10 days over 4 gaps
    shop = drawn("a.a....b......", "a...a..b......", "a.a.a.........", "a.............", "b.......a.....", items=2)
    text = "3 of its 4 buyers bought it again, after 2 days on average"  # 2.5, rounded to even
    assert article.describe_repurchases(make_recommendations(shop, 1, [(0, 0), (0, 1)])).to_list() == [text, None]


def test_type_share() -> None:
    shop = drawn("aab....", "b.c....", items=4, articles={"product_type_no": [0, 0, 1, -1]})
    labelled = name_articles(4, product_type_no=["BAG", "BAG", "", ""])
    recommended = make_recommendations(shop, 1, [(0, 0), (0, 2), (0, 3)], labelled)
    assert article.describe_type_share(recommended).to_list() == [
        "its type (BAG) accounts for 80% of the sales of the last 28 days",
        None,
        None,
    ]


def test_price() -> None:
    # customer 0 pays 10 on average; customer 3 has bought nothing; the median price of the week is 8
    rows = [
        (0, 0, 1, 8.0, 2, 1),
        (0, 1, 2, 12.0, 2, 1),
        (1, 2, 3, 3.0, 2, 1),
        (1, 3, 3, 8.0, 2, 1),
        (1, 4, 3, 20, 2, 1),
    ]
    recommended = make_recommendations(
        small(rows, users=4, items=6, days=14), 1, [*((0, i) for i in range(6)), (3, 2), (3, 4)]
    )
    assert article.describe_price(recommended).to_list() == [
        "costs 8.00, close to the 10.00 you pay on average",
        "costs 12.00, close to the 10.00 you pay on average",
        "costs 3.00, less than the 10.00 you pay on average",
        "costs 8.00, close to the 10.00 you pay on average",
        None,  # more expensive
        None,  # never sold
        "costs 3.00, less than most purchases of the last 7 days",
        None,
    ]


def test_basket_size_and_channel() -> None:
    rows = [(0, 0, 1), (0, 1, 1), (1, 2, 1), (1, 3, 1), (2, 4, 1, 1.0, 1, 1)]
    recommended = make_recommendations(small(rows, users=3, items=5, days=14), 1, [(0, 2), (0, 4), (2, 4)])
    like = "usually bought in baskets about as large as yours: 2 articles on average"
    assert article.describe_basket_size(recommended).to_list() == [like, None, None]
    online = "mostly sold online, like most of what you buy"
    assert article.describe_channel(recommended).to_list() == [online, None, None]


# Other customers


def test_bought_together() -> None:
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
    recommended = make_recommendations(shop, 1, [(0, 2), (0, 4), (0, 5), (5, 0)])
    assert others.describe_bought_together(recommended).to_list() == [
        None,  # apart from customer 0, c and d have only customer 1 in common
        "2 of 3 other recent buyers of A2, an article in your last basket, also bought it",
        None,
        None,
    ]


def test_age_group() -> None:
    ages = {"age": [27.0, 25.0, 29.0, 40.0, float("nan"), 60.0]}
    shop = drawn("..d....", "a.a....", "ab.....", "b......", "b......", "c......", customers=ages)
    recommended = make_recommendations(shop, 1, [(0, 0), (0, 1), (0, 2), (4, 1)])
    assert others.describe_age_group(recommended).to_list() == [
        "popular in your age group, 25 to 29, in the last 7 days (rank 1)",
        None,  # a single sale in the age group, and its buyers are 34.5 on average
        None,  # its buyer is 60
        None,  # the customer's age is unknown
    ]
    near = make_recommendations(drawn("..b....", "a......", customers={"age": [44.0, 40.0]}), 1, [(0, 0)])
    assert others.describe_age_group(near).to_list() == ["its buyers are about your age: 40 years on average"]


def test_no_age_group_in_a_shop_without_ages() -> None:
    shop = drawn("a......", "a......")
    assert others.describe_age_group(make_recommendations(shop, 1, [(0, 0)])).to_list() == [None]
    places = topics.group_columns(["age_rank__share", "item_sales__share_7d"], PARAMS, shop)
    assert places == {"sales": [0, 1]}


def test_segment() -> None:
    kinds = {"product_type_no": [0, 0, 1, 1]}
    shop = drawn("a.a.c..", "a......", "c......", "c......", "c......", ".......", items=4, articles=kinds,
                 customers={"postal_code": [0, 0, 1, 1, 2, 2]})  # fmt: skip
    labelled = name_articles(4, product_type_no=["BAG", "BAG", "CUP", "CUP"])
    recommended = make_recommendations(shop, 1, [(0, 0), (3, 2), (4, 2), (5, 2)], labelled)
    assert others.describe_segment(recommended).to_list() == [
        "a best seller of the last 7 days in your postal code area (rank 1)",
        "a best seller of the last 7 days in your postal code area (rank 1)",
        "a best seller of the last 7 days among customers who, like you, buy CUP most often (rank 1)",
        None,  # a single sale in this postal code, and no favourite type
    ]


@pytest.fixture(scope="module")
def world() -> World:
    return random_world(5, users=60, items=30)


WEEK = 50


def recommend_everything(world: World) -> Recommendations:
    """Return every customer with every article, with two sources."""
    history = weeks.history(world.shop.log, WEEK)
    sources = {}
    for name in ("tifu_knn", "popular"):
        module, block = source_of(name)
        sources[name] = Loaded.fit(module, block, history, world.shop)
    users, items = world.shop.log.users, world.shop.log.items
    pairs = [(user, item) for user in range(users) for item in range(items)]
    columns = {f"taste__{name}_share": [0.0] * len(pairs) for name in past.ATTRIBUTE_NAMES}
    columns |= {"popular__rank": [1.0] * len(pairs), "tifu_knn__rank": [1.0] * len(pairs)}
    rng = np.random.default_rng(1)
    contributions = rng.random((len(pairs), len(columns))).astype(np.float32).tolist()
    return make_recommendations(world.shop, WEEK, pairs, None, columns, contributions, sources)


def list_purchases(recommended: Recommendations, days: int) -> dict[int, set[int]]:
    """Return customer -> articles bought in the last ``days`` days before the cutoff."""
    history = recommended.history
    log, purchases = history.log, {user: set[int]() for user in range(recommended.shop.log.users)}
    for user, item, day in zip(log.user.tolist(), log.item.tolist(), log.day.tolist(), strict=True):
        if history.cutoff - days <= day < history.cutoff:
            purchases[user].add(item)
    return purchases


def test_bought_together_equals_a_plain_count(world: World) -> None:
    recommended = recommend_everything(world)
    purchases, log = list_purchases(recommended, others.BUYER_DAYS), recommended.history.log
    texts = others.describe_bought_together(recommended).to_list()
    assert len(set(texts)) > 50
    pairs = recommended.pairs
    for user, item, text in zip(pairs.user.tolist(), pairs.items.tolist(), texts, strict=True):
        own = slice(log.start[user], recommended.history.stop[user])
        last = log.day[own].max() if len(log.day[own]) else None
        counts = []
        for other in set(log.item[own][log.day[own] == last].tolist()) - {item}:
            buyers = {buyer for buyer, items in purchases.items() if other in items} - {user}
            counts.append((-sum(item in purchases[buyer] for buyer in buyers), len(buyers), other))
        counts = [count for count in counts if -count[0] >= others.LEAST_BUYERS]
        if not counts:
            assert text is None
            continue
        both, buyer_count, other = min(counts)
        buyers_of_other = f"{-both} of {buyer_count} other recent buyers of A{other}"
        assert text == f"{buyers_of_other}, an article in your last basket, also bought it"


def test_neighbours_equals_a_plain_count(world: World) -> None:
    recommended = recommend_everything(world)
    purchases, log = list_purchases(recommended, others.NEIGHBOUR_DAYS), recommended.history.log
    settings = recommended.sources["tifu_knn"].settings
    vectors = np.zeros((log.users, log.items))
    for user in range(log.users):
        own = slice(log.start[user], recommended.history.stop[user])
        ago = (recommended.history.cutoff - 1 - log.day[own].astype(int)) // 7
        for item, week in set(zip(log.item[own].tolist(), ago.tolist(), strict=True)):
            vectors[user, item] += settings.decay**week
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosine = vectors @ vectors.T
    texts = others.describe_neighbours(recommended).to_list()
    assert len(set(texts)) > 5
    pairs = recommended.pairs
    for user, item, text in zip(pairs.user.tolist(), pairs.items.tolist(), texts, strict=True):
        near = [
            other
            for other in np.argsort(-cosine[user], kind="stable").tolist()
            if other != user and cosine[user, other] > 0
        ]
        near = near[: settings.neighbours]
        count = sum(item in purchases[other] for other in near)
        expected = f"{count} of the {len(near)} customers most similar to you bought it in the last 28 days"
        assert text == (expected if count >= others.LEAST_BUYERS else None)


# All topics


@pytest.mark.parametrize("topic", DESCRIBE_TOPIC)
@pytest.mark.parametrize("bare", [False, True])
def test_reasons_are_blind_to_the_future(topic: str, bare: bool, world: World) -> None:
    base = world.bare if bare else world
    cutoff = weeks.history(base.shop.log, WEEK).cutoff
    before = DESCRIBE_TOPIC[topic](recommend_everything(base))
    assert before.dtype == pl.String and len(before) == 60 * 30
    assert before.equals(DESCRIBE_TOPIC[topic](recommend_everything(base.rewritten(cutoff, 1))))
    assert before.equals(DESCRIBE_TOPIC[topic](recommend_everything(base)))


@pytest.mark.parametrize("topic", DESCRIBE_TOPIC)
def test_no_recommendations_give_no_reasons(topic: str, world: World) -> None:
    everything = recommend_everything(world)
    columns: dict[str, list[float]] = {name: [] for name in everything.features.columns}
    empty = make_recommendations(world.shop, WEEK, [], None, columns, [], everything.sources)
    assert DESCRIBE_TOPIC[topic](empty).len() == 0


# Topics, and the choice of the strongest


def test_columns_belong_to_the_topic_of_their_longest_prefix() -> None:
    shop = drawn("a......", customers={"age": [30.0]})
    columns = [
        "item_sales__share_7d", "item_sales__year_ago_week", "own__times", "repurchase__place", "case__score",
        "user_profile__visits", "two_tower__score", "match__age_z", "taste__product_code_share", "weather__rain",
    ]  # fmt: skip
    assert topics.group_columns(columns, PARAMS, shop) == {
        "age": [7], "own": [2, 3, 4], "product": [8], "sales": [0], "season": [1], "two_tower": [6], "weather": [9],
    }  # fmt: skip


def test_contributions_are_summed_by_topic() -> None:
    total = topics.sum_by_topic(np.array([[1, 2, 4]], np.float32), {"a": [0, 2], "b": [1]})
    assert total.tolist() == [[5, 2]] and total.dtype == np.float32


def test_every_source_and_group_has_a_topic_or_a_meaning() -> None:
    prefixes = {prefix.split("__")[0] for prefix in topics.PREFIXES}
    described = prefixes | set(votes.MEANING) | {"user_profile"}
    assert {*PARAMS.sources, *PARAMS.networks, *PARAMS.features} <= described


def test_the_strongest_topics_with_a_text_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    recommended = make_recommendations(drawn("a......", items=3), 1, [(0, 0), (0, 1), (0, 2)])
    texts: dict[str, list[str | None]] = {
        "a": ["a0", "a1", None], "b": ["b0", "b1", "b2"], "c": ["c0", "c1", "c2"], "d": ["d0", "d1", None],
    }  # fmt: skip
    series = {topic: pl.Series(rows, dtype=pl.String) for topic, rows in texts.items()}
    monkeypatch.setattr("submissions.explain.reasons.strongest._describe", lambda _, topic: series[topic])
    weight: dict[str, Array] = {
        "a": np.array([1, 3, 9], np.float32),
        "b": np.array([2, 3, -1], np.float32),
        "c": np.array([4, 3, 0.5], np.float32),
        "d": np.array([3, 3, 8], np.float32),
    }
    assert choose_strongest(recommended, weight).rows() == [
        ("c0", "d0", "b0"),
        ("a1", "b1", "c1"),  # ties by name
        ("c2", "", ""),  # a and d have no text, b has a negative contribution
    ]
    two = {name: weight[name] for name in ("a", "b")}
    assert choose_strongest(recommended, two).rows() == [("b0", "a0", ""), ("a1", "b1", ""), ("", "", "")]


def test_choose_strongest_without_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = np.zeros(0, np.float32)
    recommended = make_recommendations(world.shop, WEEK, [])
    monkeypatch.setattr("submissions.explain.reasons.strongest._describe", lambda *_: pl.Series([], dtype=pl.String))
    for weight in ({"a": empty, "b": empty}, {"own": empty}):
        reasons = choose_strongest(recommended, weight)
        assert reasons.columns == ["reason_1", "reason_2", "reason_3"] and reasons.height == 0


def test_votes() -> None:
    columns = {f"{name}__rank": [1.0, float("nan")] for name in ("popular", "ease", "two_tower")}
    columns |= {"two_tower__place": [2.0, 3.0], "two_tower__score": [0.5, 0.4], "ease__rank": [float("nan"), 4.0]}
    module, block = source_of("popular")
    sources = dict.fromkeys(("popular", "ease", "two_tower"), Loaded(module, block, {}))
    recommended = make_recommendations(drawn("a......", "......."), 1, [(0, 0), (1, 0)], None, columns, None, sources)
    assert votes.describe_proposals(recommended).to_list() == ["proposed by 2 of the 3 candidate sources", None]
    assert votes.describe_rank_or_group(recommended, "two_tower").to_list() == [
        "matches your taste (two_tower ranks it number 2 of your 10 candidates)",
        None,
    ]
    assert votes.describe_rank_or_group(recommended, "ease").to_list() == [None, None]  # it does not rank
    text = 'its feature group "rain_fall" raises the score'
    assert votes.describe_rank_or_group(recommended, "rain_fall").to_list() == [text] * 2
    columns |= {"two_tower__place": [1.0, 1.0], "two_tower__score": [0.0, 0.4]}
    first = make_recommendations(recommended.shop, 1, [(0, 0), (1, 0)], None, columns, None, sources)
    new = "suits a new customer (two_tower ranks it number 1 of your 10 candidates)"
    # all candidates of score 0 share place 1, so the first customer gets no reason
    assert votes.describe_rank_or_group(first, "two_tower").to_list() == [None, new]


def test_labels(tmp_path: Path) -> None:
    (tmp_path / "articles.csv").write_text(
        "article_id,product_type_name,colour_group_name,prod_name\n2,BAG,NONE,x\n1,Unknown,Red,y\n", encoding="utf-8"
    )
    table = labels.read_labels(tmp_path, pl.DataFrame({"article_id": ["1", "2"], "name": ["y", "x"]}))
    assert table.to_dict(as_series=False) == {
        "article_id": ["1", "2"],
        "name": ["y", "x"],
        "product_type_no": ["", "BAG"],
        "colour_group_code": ["Red", ""],
    }
