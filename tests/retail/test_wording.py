"""Test the weights of the words of names and descriptions, and sums over articles and words."""

from math import log, sqrt

import numpy as np
import polars as pl
import pytest

from retail import wording
from retail.wording import Wording


def weigh(*columns: list[str | None]) -> Wording:
    """Weigh the words of text columns, each with a value per article."""
    return wording.weigh_words([pl.Series(column, dtype=pl.String) for column in columns], len(columns[0]))


def test_the_weights_of_words_by_hand() -> None:
    # "red" is in 3 of 4 articles, "heart" in 2; "x", numbers and words of a single article do not count
    weighed = weigh(["Red HEART", "red mug 12", "x RED heart-heart", None], ["red", "", None, "lone"])
    assert weighed.words == ["heart", "red"]
    heart, red = log(4 / 2), log(4 / 3)
    length = sqrt(heart**2 + red**2)
    assert weighed.ptr.tolist() == [0, 2, 3, 5, 5]
    assert weighed.word.tolist() == [0, 1, 1, 0, 1]
    assert weighed.weight == pytest.approx([heart / length, red / length, 1, heart / length, red / length], rel=1e-6)


def test_accents_and_other_alphabets_are_letters() -> None:
    assert weigh(["Étagère ΚΟΎΠΑ", "étagère κούπα"]).words == ["étagère", "κούπα"]


def test_articles_without_a_text_have_no_words() -> None:
    for weighed in (wording.weigh_words([], 2), weigh(["", None]), weigh(["only", "different"])):
        assert weighed.words == [] and weighed.ptr.tolist() == [0, 0, 0]
        assert weighed.sum_by_article(np.zeros(0)).tolist() == [0, 0] and weighed.sum_by_word(np.ones(2)).tolist() == []


def test_sums_over_articles_and_over_words() -> None:
    weighed = weigh(["Red HEART", "red mug 12", "x RED heart-heart", "lone"])
    table = np.zeros((4, 2))
    table[weighed.article, weighed.word] = weighed.weight
    np.testing.assert_allclose(weighed.sum_by_article(np.array([2.0, 3.0])), table @ [2, 3])
    np.testing.assert_allclose(weighed.sum_by_word(np.array([1.0, 2, 3, 4])), [1, 2, 3, 4] @ table)
