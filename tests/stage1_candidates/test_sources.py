"""Test each source against hand-computed scores on the checkerboard, or the dense formula on a random shop."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from test_lists import rows_of
from threadpoolctl import threadpool_limits
from world import BOARD, PARAMS, drawn, random_world, source_of

from retail import weeks
from retail.errors import InputError
from retail.log import Array
from retail.pairs import Pairs
from retail.shop import Shop
from retail.weeks import History
from stage1_candidates.engine import lists, source
from stage1_candidates.engine.lists import Lists
from stage1_candidates.engine.loaded import Loaded

# Decayed sales of the board's articles when a week is over and half of a sale is left after a day: a on days 0, 4, 0.
A, B, C, D = 2**-7 + 2**-3 + 2**-7, 2**-6 + 2**-2, 2**-5 + 2**-1 + 2**-5, 2**-4
OWN = ({0: 2**-7 + 2**-3, 2: 2**-5 + 2**-1}, {1: B, 3: D}, {0: 2**-7, 2: 2**-5})  # the same for each customer
DAY = {"half_life": 1}


def propose_to_all(name: str, shop: Shop, week: int = 1, **changes: Any) -> list[dict[int, float]]:
    """Compute the candidates of each customer, best first, with changed keys in the source's block."""
    module, settings = source_of(name, **changes)
    history = weeks.history(shop.log, week)
    users = np.arange(shop.log.users, dtype=np.uint32)
    return rows_of(Loaded.fit(module, settings, history, shop).propose(history, shop, users))


def assert_ranked(result: dict[int, float], *best_first: tuple[int, float]) -> None:
    """Assert the order and the scores of the articles."""
    assert list(result) == [item for item, _ in best_first]
    assert list(result.values()) == pytest.approx([score for _, score in best_first], rel=1e-6)


def test_popular() -> None:
    for row in propose_to_all("popular", drawn(*BOARD, "......."), **DAY, depth=10, take=10):
        assert_ranked(row, (2, C), (1, B), (0, A), (3, D))
    for row in propose_to_all("popular", drawn(*BOARD), **DAY, depth=2, take=10):
        assert list(row) == [2, 1]


def test_repurchase_decays_and_lifts_what_sells() -> None:
    result = propose_to_all("repurchase", drawn(*BOARD, "......."), **DAY, sales_half_life=1, lift=2)
    assert_ranked(result[0], (2, OWN[0][2] * (1 + 2 * C / C)), (0, OWN[0][0] * (1 + 2 * A / C)))
    assert_ranked(result[1], (1, B * (1 + 2 * B / C)), (3, D * (1 + 2 * D / C)))
    assert result[3] == {}


def test_segment_of_an_age() -> None:
    # Customers 0, 1 and the cold 3 are in their twenties; 2 is not.
    shop = drawn(*BOARD, ".......", customers={"age": [22.0, 22.0, 50.0, 22.0]})
    result = propose_to_all("segment", shop, **DAY, smoothing=1, depth=10, take=10)
    n, total = {0: OWN[0][0], 1: B, 2: OWN[0][2], 3: D}, A + B + C + D
    share = {item: (n[item] + 1 * sold / total) / (sum(n.values()) + 1) for item, sold in enumerate((A, B, C, D))}
    assert_ranked(result[3], *[(item, share[item]) for item in (2, 1, 0, 3)])
    assert result[0] == result[1] == result[3]
    of_old = 2**-7 + 2**-5
    assert_ranked(result[2], *[(i, (OWN[2][i] + 1 * sold / total) / (of_old + 1)) for i, sold in ((2, C), (0, A))])


def test_segment_of_a_favourite() -> None:
    # b is of type 0, the others of type 1: customer 1 bought most of type 0, customers 0 and 2 only of type 1.
    shop = drawn(*BOARD, ".......", articles={"product_type_no": [1, 0, 1, 1]})
    result = propose_to_all("segment", shop, **DAY, taste_half_life=1, smoothing=1, depth=10, take=10)
    assert list(result[1]) == [1, 3]  # b and d, bought by the customers whose favourite is type 0
    assert list(result[0]) == list(result[2]) == [2, 0]
    assert result[3] == {}  # without a past there is no favourite


def test_segment_without_any_kind_of_segment() -> None:
    assert propose_to_all("segment", drawn(*BOARD)) == [{}, {}, {}]


def test_variants_are_articles_of_the_same_product_that_were_not_bought() -> None:
    shop = drawn(*BOARD, ".......", articles={"product_code": [0, 0, 1, 1]})
    result = propose_to_all("variants", shop, **DAY, sales_half_life=1, depth=10)
    assert_ranked(result[0], (1, OWN[0][0] * B / (A + B)), (3, OWN[0][2] * D / (C + D)))
    assert_ranked(result[1], (0, B * A / (A + B)), (2, D * C / (C + D)))
    assert result[3] == {}


def test_category_best_sellers_and_an_article_without_a_category() -> None:
    shop = drawn(*BOARD, articles={"product_type_no": [0, 0, 0, -1]})
    result = propose_to_all("category", shop, **DAY, sales_half_life=1, depth=10)
    assert_ranked(result[1], *[(item, B * sold / (A + B + C)) for item, sold in ((2, C), (1, B), (0, A))])
    assert list(propose_to_all("category", shop, **DAY, sales_half_life=1, depth=1)[1]) == [2]


def test_category_is_the_product_where_there_is_no_type() -> None:
    result = propose_to_all("category", drawn(*BOARD), **DAY, sales_half_life=1, depth=10)
    assert_ranked(result[1], (1, B), (3, D))


def test_item_cf_keeps_the_colours_of_the_board_apart() -> None:
    shop = drawn(*BOARD, "a......", "...b...")
    result = propose_to_all("item_cf", shop, neighbours=5)
    assert [list(row) for row in result] == [[], [], [], [2], [3]]  # articles bought before are skipped


def test_tifu_knn_on_the_board() -> None:
    # Customers 0 and 2 have the same vector (1, 0, 1, 0) / sqrt(2); customer 1 shares nothing with them.
    result = propose_to_all("tifu_knn", drawn(*BOARD, "......."), alpha=0.75, neighbours=2)
    assert_ranked(result[0], (0, (0.75 + 0.25 / 2) / 2**0.5), (2, (0.75 + 0.25 / 2) / 2**0.5))
    assert_ranked(result[1], (1, 0.75 / 2**0.5), (3, 0.75 / 2**0.5))
    assert result[3] == {}


def test_tifu_knn_counts_weeks_not_days() -> None:
    # a: in weeks 0 and 1; b: on two days of week 1, which count once. The label week is 2, decay 1/2.
    result = propose_to_all("tifu_knn", drawn(".a......b.ab.."), week=2, decay=0.5, alpha=1.0)
    length = (1.5**2 + 1**2) ** 0.5
    assert_ranked(result[0], (0, (1 + 1 / 2) / length), (1, 1 / length))


def test_neighbours_recent_is_what_the_neighbours_bought_recently() -> None:
    result = propose_to_all("neighbours_recent", drawn(*BOARD, "......."), **DAY, neighbours=5)
    assert_ranked(result[0], (2, 2**-5), (0, 2**-7))  # what customer 2 bought: cosine 1
    assert_ranked(result[2], (2, OWN[0][2]), (0, OWN[0][0]))
    assert result[1] == result[3] == {}


def test_next_basket_by_hand() -> None:
    # Within three days a led to b once (customer 0) and to c once (customer 1, out of a basket of two).
    shop = drawn("a.b..c.", ("a..c...", "d......"))
    result = propose_to_all("next_basket", shop, **DAY, within=3, profile_half_life=1, neighbours=9, popularity=0)
    a, b, d = 2 * 2**-7, 2**-5, 2**-7  # sales
    a_to_b, a_to_c, b_to_c, d_to_c = 2**-5 / a, 2**-4 / 2 / a, 2**-2 / b, 2**-4 / 2 / d
    assert_ranked(result[0], (2, 2**-7 * a_to_c + 2**-5 * b_to_c), (1, 2**-7 * a_to_b))
    assert_ranked(result[1], (2, 2**-7 * a_to_c + 2**-7 * d_to_c), (1, 2**-7 * a_to_b))


# Against the formula


def at(name: str, **changes: Any) -> tuple[Shop, History, Loaded]:
    shop = random_world(6).shop
    history = weeks.history(shop.log, 55)
    module, settings = source_of(name, **changes)
    return shop, history, Loaded.fit(module, settings, history, shop)


def board_history(*rows: str) -> tuple[History, Shop]:
    """Draw a shop of one week, and return its whole history."""
    shop = drawn(*rows)
    return weeks.history(shop.log, shop.log.weeks), shop


def dense(result: Lists, targets: int) -> Array:
    weight = result.weight.astype(np.float64)
    rows: Array = scipy.sparse.csr_array((weight, result.target, result.ptr), (result.keys, targets)).toarray()
    return rows


def scores(shop: Shop, history: History, fitted: Loaded) -> Array:
    """Compute the source's score of every pair: (users, items)."""
    users, items = np.arange(shop.log.users, dtype=np.uint32), shop.log.items
    every = np.tile(np.arange(items, dtype=np.uint32), len(users))
    ptr = np.arange(len(users) + 1) * items
    return fitted.score(history, shop, Pairs(users, ptr, every)).reshape(-1, items)


@pytest.mark.parametrize(("popularity", "basket"), [(0.0, 0.0), (0.3, 1.0), (1.0, 0.5)])
def test_item_cf_is_its_formula(popularity: float, basket: float) -> None:
    options = {"popularity": popularity, "basket": basket, "neighbours": 99, "half_life": 50, "profile_half_life": 20}
    shop, history, fitted = at("item_cf", **options)
    everyone = np.arange(shop.log.users)
    w = dense(lists.own(history, everyone, 50), shop.log.items)  # (users, items)
    of_user = np.maximum(np.linalg.norm(w, axis=1), 1e-9) ** basket
    norm = np.maximum(np.linalg.norm(w, axis=0), 1e-9)
    similarity = (w / of_user[:, None]).T @ w / np.outer(norm ** (1 - popularity), norm**popularity)
    np.fill_diagonal(similarity, 0)
    assert dense(Lists.of(fitted.state, "near"), shop.log.items) == pytest.approx(similarity, rel=1e-4)
    profile = dense(lists.own(history, everyone, 20), shop.log.items)
    assert scores(shop, history, fitted) == pytest.approx(profile @ similarity, rel=1e-4)


def test_item_cf_keeps_the_most_similar() -> None:
    few = at("item_cf", neighbours=3)[2].state
    every = at("item_cf", neighbours=99)[2].state
    heads = [dict(sorted(row.items(), key=lambda pair: (-pair[1], pair[0]))[:3])
             for row in rows_of(Lists.of(every, "near"))]  # fmt: skip
    assert rows_of(Lists.of(few, "near")) == heads  # as dicts: the order of neighbours does not matter


def test_item_cf_learns_from_the_last_purchases_alone() -> None:
    # Customer 0's last two purchases are a and d; customer 1 has b and c. Weights are 1, norms of articles, too.
    flat = {"half_life": 1e9, "basket": 0, "popularity": 0}
    fitted = Loaded.fit(*source_of("item_cf", purchases=2, **flat), *board_history("b.c.a.d", "...b..c"))
    assert rows_of(Lists.of(fitted.state, "near")) == [{3: 1}, {2: 1}, {1: 1}, {0: 1}]
    fitted = Loaded.fit(*source_of("item_cf", purchases=1, **flat), *board_history("b.c.a.d", "...b..c"))
    assert rows_of(Lists.of(fitted.state, "near")) == [{}, {}, {}, {}]


def test_item_cf_counts_repeated_purchases_of_an_article_together() -> None:
    flat = {"half_life": 1e9, "basket": 0, "popularity": 0, "purchases": 3}
    fitted = Loaded.fit(*source_of("item_cf", **flat), *board_history("bc.a.aa"))  # a: 3 purchases, the only article
    assert rows_of(Lists.of(fitted.state, "near")) == [{}, {}, {}]
    fitted = Loaded.fit(*source_of("item_cf", **{**flat, "purchases": 4}), *board_history("bc.a.aa"))
    # w_a = 3, w_c = 1; |a| = 3, |c| = 1: similarity(a, c) = 3 * 1 / |a|, similarity(c, a) = 3 * 1 / |c|
    assert rows_of(Lists.of(fitted.state, "near")) == [{2: pytest.approx(1)}, {}, {0: pytest.approx(3)}]


def test_tifu_knn_is_its_formula() -> None:
    shop, history, fitted = at("tifu_knn", alpha=0.6, neighbours=4, decay=0.9, reference=10**6)
    log, known = shop.log, history.known
    ago = (history.cutoff - 1 - log.day[known].astype(int)) // 7
    triples = np.unique(np.stack([log.user[known], log.item[known], ago]), axis=1).astype(int)
    v = np.zeros((log.users, log.items))
    np.add.at(v, (triples[0], triples[1]), 0.9 ** triples[2])
    u = v / np.maximum(np.linalg.norm(v, axis=1), 1e-12)[:, None]
    cosine = u @ u.T  # (users, users)
    np.fill_diagonal(cosine, 0)
    expected = 0.6 * u
    for user in range(log.users):
        order = np.argsort(-cosine[user], kind="stable")
        expected[user] += sum(0.4 / 4 * u[n] for n in order[:4] if cosine[user, n] > 0)
        assert cosine[user, order[3]] - cosine[user, order[4]] > 1e-6 or cosine[user, order[3]] == 0  # no near tie
    assert scores(shop, history, fitted) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_tifu_knn_looks_for_neighbours_among_the_most_recent_customers() -> None:
    # All have the vector of a; customers 1 and 2 bought last; the tie goes to customer 1.
    shop = drawn("a......", "......a", "......a", ".a.....")
    history = weeks.history(shop.log, 1)
    module, settings = source_of("tifu_knn", reference=2, neighbours=3)
    assert module.fit(history, shop, settings)["reference"].tolist() == [1, 2]
    module, settings = source_of("tifu_knn", reference=3, neighbours=3)
    assert module.fit(history, shop, settings)["reference"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("popularity", [0.0, 0.3, 1.0])
def test_next_basket_is_a_plain_loop(popularity: float) -> None:
    shop, history, fitted = at("next_basket", half_life=90, within=30, neighbours=99, popularity=popularity)
    log, known = shop.log, history.known
    baskets: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    sales = np.full(log.items, 0.0)
    for user, item, day in zip(*(x[known].tolist() for x in (log.user, log.item, log.day)), strict=True):
        baskets[user][day].append(item)
        sales[item] += 2 ** (-(history.cutoff - day) / 90)
    follows = np.zeros((log.items, log.items))
    for of_user in baskets.values():
        for first, leaders in of_user.items():
            for second, followers in of_user.items():
                if 1 <= second - first <= 30:
                    for i in leaders:
                        follows[i, followers] += 2 ** (-(history.cutoff - second) / 90) / len(leaders)
    sales = np.maximum(sales, 1e-9)
    expected = follows / np.outer(sales ** (1 - popularity), sales**popularity)
    assert (expected > 0).sum() > 100
    assert dense(Lists.of(fitted.state, "near"), log.items) == pytest.approx(expected, rel=1e-4)


def test_next_basket_pairs_a_purchase_with_its_first_followers() -> None:
    flat = {"half_life": 1e9, "within": 9, "popularity": 0, "neighbours": 9}
    sales = np.array([1, 2, 1])  # of a, b, c: follows(i, j) is a share of the sales of i
    for followers, pairs in ((1, "ab bc cb"), (2, "ab bc cb ac bb"), (9, "ab bc cb ac bb ab")):
        fitted = Loaded.fit(*source_of("next_basket", followers=followers, **flat), *board_history("a.b.c.b"))
        follows = np.zeros((3, 3))
        for pair in pairs.split():
            follows["abc".index(pair[0]), "abc".index(pair[1])] += 1
        assert dense(Lists.of(fitted.state, "near"), 3) == pytest.approx(follows / sales[:, None], rel=1e-6)


def test_ease_is_its_formula() -> None:
    options = {"half_life": 60, "articles": 25, "sales_half_life": 30, "ridge": 2.0, "neighbours": 99, "own": 0.4}
    shop, history, fitted = at("ease", **options)
    log, known = shop.log, history.known
    sales = np.bincount(log.item[known], 2.0 ** (-(history.cutoff - log.day[known].astype(int)) / 30), log.items)
    selected = np.sort(np.lexsort((np.arange(log.items), -sales))[:25])
    whole = dense(lists.own(history, np.arange(log.users), 60), log.items)
    x = whole[:, selected]  # (users, articles)
    p = np.linalg.inv(x.T @ x + 2.0 * np.eye(25))
    b = -p / np.diag(p)  # B_ij = -P_ij / P_jj
    np.fill_diagonal(b, 0.4)
    weights = np.zeros((log.items, log.items))
    weights[np.ix_(selected, selected)] = np.maximum(b, 0)
    assert dense(Lists.of(fitted.state, "near"), log.items) == pytest.approx(weights, rel=1e-3, abs=1e-5)
    assert scores(shop, history, fitted) == pytest.approx(whole @ weights, rel=1e-3, abs=1e-4)


def test_ease_is_the_same_to_the_last_bit_with_any_number_of_blas_threads() -> None:
    shop = random_world(seed=6, users=300, items=200, entries=9000).shop
    module, block = source_of("ease", articles=200, ridge=5.0)
    result = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            result.append(module.fit(weeks.history(shop.log, shop.log.weeks), shop, block))
    for name, values in result[0].items():
        np.testing.assert_array_equal(values, result[1][name])


# Loading of sources


def test_an_unknown_source_and_an_unknown_key_are_named() -> None:
    with pytest.raises(InputError, match=r"unknown key 'sources\.popular\.dept'; expected one of: .*depth"):
        source_of("popular", dept=3)
    block = {"use": True, "take": 3}
    with pytest.raises(InputError, match=r"unknown 'sources\.populer'"):
        source.load("populer", PARAMS.model_copy(update={"sources": {"populer": block}}))
    with pytest.raises(InputError, match=r"'sources\.popular' is missing; add its block"):
        source.load("popular", PARAMS.model_copy(update={"sources": {}}))
