"""Nearest articles: the flat index is the brute force with ties by id, the others come near it."""

import numpy as np
import pytest
import torch
from world import small

from benchmarks import gpu_check
from retail import weeks
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base.ann import Search

FLAT = Search(kind="flat", effort=1)


def random_vectors(n: int, seed: int, size: int = 16) -> Array:
    return np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)


def brute_force(vectors: Array, ids: Array, queries: Array, take: int) -> tuple[Array, Array]:
    scores = (queries.astype(np.float64) @ vectors[ids].astype(np.float64).T).astype(np.float32)
    order = np.lexsort((np.broadcast_to(ids, scores.shape), -scores), axis=1)[:, :take]
    return ids[order], np.take_along_axis(scores, order, 1)


def test_by_hand() -> None:
    """Articles 1, 2, 4 are indexed of five; query (1, 2): 1*1 + 2*0 = 1, 0 + 2 = 2, 3 - 2 = 1."""
    vectors = np.array([[9, 9], [1, 0], [0, 1], [9, 9], [3, -1]], np.float32)
    index = ann.build(vectors, np.array([1, 2, 4], np.uint32), FLAT)
    ids, scores = ann.search(index, np.array([[1, 2]], np.float32), 2)
    assert ids.tolist() == [[2, 1]] and scores.tolist() == [[2, 1]]  # 1 and 4 are equal: the smaller id
    ids, scores = ann.search(index, np.array([[1, 2], [1, 0]], np.float32), 9)  # fewer articles than asked for
    assert ids.tolist() == [[2, 1, 4], [4, 1, 2]] and scores.tolist() == [[2, 1, 1], [3, 1, 0]]


def test_flat_is_brute_force() -> None:
    vectors, queries = random_vectors(500, 1), random_vectors(90, 2)
    ids = np.flatnonzero(np.arange(500) % 3 > 0).astype(np.uint32)
    found = ann.search(ann.build(vectors, ids, FLAT), queries, 40)
    expected = brute_force(vectors, ids, queries, 40)
    assert np.array_equal(found[0], expected[0]) and np.allclose(found[1], expected[1], atol=1e-6)


def test_more_ties_than_slack_stand_by_id() -> None:
    """Of 200 equal articles among 400 the first by id are found, wherever faiss would have cut."""
    vectors = np.repeat(np.array([[1.0, 0.5], [1.0, 0.5], [0.0, 1.0], [0.0, 1.0]], np.float32), 100, axis=0)
    shuffled = np.random.default_rng(1).permutation(400)
    index = ann.build(vectors[shuffled], np.arange(400, dtype=np.uint32), FLAT)
    ids, scores = ann.search(index, np.array([[1, 0], [-1, 0]], np.float32), 10)
    assert ids[0].tolist() == np.flatnonzero(shuffled < 200)[:10].tolist()
    assert ids[1].tolist() == np.flatnonzero(shuffled >= 200)[:10].tolist()
    assert (scores == [[1], [0]]).all()


@pytest.mark.parametrize(("kind", "effort"), [("ivf", 8), ("hnsw", 64)])
def test_approximate_kinds_find_most_and_score_alike(kind: str, effort: int) -> None:
    vectors, queries = random_vectors(2000, 1, 8), random_vectors(50, 2, 8)
    ids = np.arange(2000, dtype=np.uint32)
    settings = Search.model_validate({"kind": kind, "effort": effort})
    found, scores = ann.search(ann.build(vectors, ids, settings), queries, 20)
    exact, _ = ann.search(ann.build(vectors, ids, FLAT), queries, 20)
    assert np.mean([np.isin(row, right).mean() for row, right in zip(found, exact, strict=True)]) > 0.8
    assert (np.diff(scores, axis=1) <= 0).all()
    row = np.repeat(np.arange(50), 20)
    assert np.array_equal(scores.ravel(), ann.dot(queries, vectors, row, found.ravel()))
    again = ann.search(ann.build(vectors, ids, settings), queries, 20)
    assert np.array_equal(found, again[0]) and np.array_equal(scores, again[1])


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("articles", [0, 1, 3])
def test_few_articles(kind: str, articles: int) -> None:
    vectors = random_vectors(5, 1)
    index = ann.build(vectors, np.arange(articles, dtype=np.uint32), Search.model_validate({"kind": kind, "effort": 9}))
    ids, scores = ann.search(index, vectors[:2], 4)
    assert ids.shape == scores.shape == (2, articles)
    assert [sorted(row) for row in ids.tolist()] == [list(range(articles))] * 2


def test_chunks_and_single_queries_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = random_vectors(300, 1), random_vectors(50, 2)
    index = ann.build(vectors, np.arange(300, dtype=np.uint32), FLAT)
    whole = ann.search(index, queries, 12)
    alone = [ann.search(index, queries[k : k + 1], 12) for k in range(50)]
    monkeypatch.setattr(ann, "CHUNK", 7)
    chunked = ann.search(index, queries, 12)
    for part in (0, 1):
        assert np.array_equal(whole[part], chunked[part])
        assert np.array_equal(whole[part], np.concatenate([one[part] for one in alone]))


def test_nobody_asks() -> None:
    index = ann.build(random_vectors(9, 1), np.arange(9, dtype=np.uint32), FLAT)
    assert ann.search(index, np.zeros((0, 16), np.float32), 3)[0].shape == (0, 3)


def test_ids_out_of_order_are_refused() -> None:
    with pytest.raises(InputError, match="must ascend"):
        ann.build(random_vectors(5, 1), np.array([3, 1], np.uint32), FLAT)


def test_articles_sold_in_the_last_days() -> None:
    """Days 0..20; week 2 begins on day 7: of its last three days, 4 to 6, article 1 was sold on day 4, article 3 on
    day 6; article 0 on day 3 is too old, article 2 was sold on the cutoff itself."""
    shop = small([(0, 0, 3), (0, 1, 0), (1, 1, 4), (1, 2, 7), (0, 3, 6), (1, 3, 8)], 2, 5, 21)
    history = weeks.history(shop.log, 1)
    assert history.cutoff == 7
    assert ann.sold_lately(history, 3).tolist() == [1, 3]
    assert ann.sold_lately(history, 4).tolist() == [0, 1, 3]
    assert ann.sold_lately(weeks.history(shop.log, 0), 3).tolist() == []


def test_a_product_is_summed_in_double_precision() -> None:
    left = np.array([[1e8, 1, -1e8]], np.float32)
    assert ann.dot(left, np.ones((1, 3), np.float32), np.array([0]), np.array([0])).tolist() == [1]


def test_the_check_of_a_gpu_tells_ties_from_faults() -> None:
    """Scores 3, 2, 1, 1, 0: articles 2 and 3 are a tie, an article of score 2 that is missing is a fault."""
    table, asked = np.array([[3], [2], [1], [1], [0]], np.float32), np.ones((1, 1), np.float32)
    assert gpu_check.count_differences(table, asked, np.array([[0, 1, 2]]), np.array([[0, 1, 3]])) == 0
    assert gpu_check.count_differences(table, asked, np.array([[0, 1, 2]]), np.array([[0, 2, 3]])) == 1
    assert gpu_check.count_differences(table, asked, np.array([[0, 3, 4]]), np.array([[0, 1, 3]])) == 1


def test_the_check_of_a_gpu_is_short_where_there_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu_check"])
    gpu_check.main()
    assert capsys.readouterr().out == "no CUDA device was found: nothing to compare\n"
