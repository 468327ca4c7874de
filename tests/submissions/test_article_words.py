"""Test the reason that names a word shared with other articles of the customer."""

from test_reasons import make_recommendations
from world import make_named_shop, small

from submissions.explain.reasons.article_words import describe_shared_words


def test_shared_words() -> None:
    names: list[str | None] = ["red heart", "red mug", "red heart box", "heart", "tin box", "plain mug"]
    bought = [(0, 0, 1), (0, 1, 2), (0, 1, 9), (0, 2, 3), (0, 3, 15), (1, 4, 2)]
    shop = make_named_shop(bought, 2, names, 21)
    recommended = make_recommendations(shop, 2, [(0, 0), (0, 2), (0, 3), (0, 4), (1, 5)])
    texts = describe_shared_words(recommended).to_list()
    # customer 0 had bought a, b (twice) and c before day 14; of the words of c, "heart" is in a only, "red" in a and b
    assert texts[0] == 'its name or description contains "red", as do those of 2 other articles you bought'
    assert texts[1] == 'its name or description contains "red", as do those of 2 other articles you bought'
    assert texts[2] == 'its name or description contains "heart", as do those of 2 other articles you bought'
    assert texts[3] is None and texts[4] is None  # "box" is in a single article; customer 1 bought no mug


def test_no_shared_words_in_a_shop_without_texts() -> None:
    shop = small([(0, 0, 0), (0, 1, 0)], 1, 2, 14)
    assert describe_shared_words(make_recommendations(shop, 1, [(0, 0)])).to_list() == [None]
