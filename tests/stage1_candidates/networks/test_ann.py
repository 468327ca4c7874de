"""Test the search for nearest articles: flat equals brute force with ties by id, the other kinds come close."""

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
    assert ids.tolist() == [[2, 1]] and scores.tolist() == [[2, 1]]  # 1 and 4 have equal scores: the smaller id
    ids, scores = ann.search(index, np.array([[1, 2], [1, 0]], np.float32), 9)  # fewer articles than requested
    assert ids.tolist() == [[2, 1, 4], [4, 1, 2]] and scores.tolist() == [[2, 1, 1], [3, 1, 0]]


def test_flat_equals_brute_force() -> None:
    vectors, queries = random_vectors(500, 1), random_vectors(90, 2)
    ids = np.flatnonzero(np.arange(500) % 3 > 0).astype(np.uint32)
    best, scores = ann.search(ann.build(vectors, ids, FLAT), queries, 40)
    expected_best, expected_scores = brute_force(vectors, ids, queries, 40)
    assert np.array_equal(best, expected_best) and np.allclose(scores, expected_scores, atol=1e-6)


def test_more_ties_than_slack_are_sorted_by_id() -> None:
    """Of 200 articles with equal scores among 400, the first by id are found, wherever faiss stops."""
    vectors = np.repeat(np.array([[1.0, 0.5], [1.0, 0.5], [0.0, 1.0], [0.0, 1.0]], np.float32), 100, axis=0)
    shuffled = np.random.default_rng(1).permutation(400)
    index = ann.build(vectors[shuffled], np.arange(400, dtype=np.uint32), FLAT)
    ids, scores = ann.search(index, np.array([[1, 0], [-1, 0]], np.float32), 10)
    assert ids[0].tolist() == np.flatnonzero(shuffled < 200)[:10].tolist()
    assert ids[1].tolist() == np.flatnonzero(shuffled >= 200)[:10].tolist()
    assert (scores == [[1], [0]]).all()


@pytest.mark.parametrize(("kind", "effort"), [("ivf", 8), ("hnsw", 64)])
def test_approximate_kinds_find_most_articles_with_the_same_scores(kind: str, effort: int) -> None:
    vectors, queries = random_vectors(2000, 1, 8), random_vectors(50, 2, 8)
    ids = np.arange(2000, dtype=np.uint32)
    settings = Search.model_validate({"kind": kind, "effort": effort})
    best, scores = ann.search(ann.build(vectors, ids, settings), queries, 20)
    exact, _ = ann.search(ann.build(vectors, ids, FLAT), queries, 20)
    assert np.mean([np.isin(row, right).mean() for row, right in zip(best, exact, strict=True)]) > 0.8
    assert (np.diff(scores, axis=1) <= 0).all()
    row = np.repeat(np.arange(50), 20)
    assert np.array_equal(scores.ravel(), ann.dot(queries, vectors, row, best.ravel()))
    repeated = ann.search(ann.build(vectors, ids, settings), queries, 20)
    assert np.array_equal(best, repeated[0]) and np.array_equal(scores, repeated[1])


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("articles", [0, 1, 3])
def test_few_articles(kind: str, articles: int) -> None:
    vectors = random_vectors(5, 1)
    index = ann.build(vectors, np.arange(articles, dtype=np.uint32), Search.model_validate({"kind": kind, "effort": 9}))
    ids, scores = ann.search(index, vectors[:2], 4)
    assert ids.shape == scores.shape == (2, articles)
    assert [sorted(row) for row in ids.tolist()] == [list(range(articles))] * 2


def test_results_do_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = random_vectors(300, 1), random_vectors(50, 2)
    index = ann.build(vectors, np.arange(300, dtype=np.uint32), FLAT)
    whole = ann.search(index, queries, 12)
    alone = [ann.search(index, queries[k : k + 1], 12) for k in range(50)]
    monkeypatch.setattr(ann, "CHUNK", 7)
    chunked = ann.search(index, queries, 12)
    for part in (0, 1):
        assert np.array_equal(whole[part], chunked[part])
        assert np.array_equal(whole[part], np.concatenate([result[part] for result in alone]))


def test_no_queries_give_empty_results() -> None:
    index = ann.build(random_vectors(9, 1), np.arange(9, dtype=np.uint32), FLAT)
    assert ann.search(index, np.zeros((0, 16), np.float32), 3)[0].shape == (0, 3)


def test_unsorted_ids_are_refused() -> None:
    with pytest.raises(InputError, match="must ascend"):
        ann.build(random_vectors(5, 1), np.array([3, 1], np.uint32), FLAT)


def test_articles_sold_in_the_last_days() -> None:
    """The cutoff is day 7. Of the last three days, article 1 sold on day 4 and article 3 on day 6.

    Article 0 sold on day 3, which is too early. Article 2 sold on the cutoff itself.
    """
    shop = small([(0, 0, 3), (0, 1, 0), (1, 1, 4), (1, 2, 7), (0, 3, 6), (1, 3, 8)], 2, 5, 21)
    history = weeks.history(shop.log, 1)
    assert history.cutoff == 7
    assert ann.sold_lately(history, 3).tolist() == [1, 3]
    assert ann.sold_lately(history, 4).tolist() == [0, 1, 3]
    assert ann.sold_lately(weeks.history(shop.log, 0), 3).tolist() == []


def test_dot_products_are_summed_in_double_precision() -> None:
    left = np.array([[1e8, 1, -1e8]], np.float32)
    assert ann.dot(left, np.ones((1, 3), np.float32), np.array([0]), np.array([0])).tolist() == [1]


def test_the_gpu_check_tells_ties_from_errors() -> None:
    """Scores 3, 2, 1, 1, 0: exchanging articles 2 and 3 is a tie; missing the article of score 2 is an error."""
    table, query = np.array([[3], [2], [1], [1], [0]], np.float32), np.ones((1, 1), np.float32)
    assert gpu_check.count_differences(table, query, np.array([[0, 1, 2]]), np.array([[0, 1, 3]])) == 0
    assert gpu_check.count_differences(table, query, np.array([[0, 1, 2]]), np.array([[0, 2, 3]])) == 1
    assert gpu_check.count_differences(table, query, np.array([[0, 3, 4]]), np.array([[0, 1, 3]])) == 1


def test_the_gpu_check_ends_without_a_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu_check"])
    gpu_check.main()
    assert capsys.readouterr().out == "no CUDA device was found: nothing to compare\n"
