"""Test the cost estimate of two towers: it is the sum of its parts, and ``examples.most`` bounds it."""

import pytest
from world import PARAMS, random_world

from research.two_tower import budget
from retail import weeks
from stage1_candidates.engine import source


def test_the_estimate_by_hand() -> None:
    """Core-seconds: a batch 3, a week 5, all articles 7, a customer vector .002, a search .001."""
    shop = random_world(seed=1).shop
    _, settings = source.load("two_tower", PARAMS)
    answers = {
        "articles": 7.0,
        "1,000 customers": 2.0,
        "search": {settings.answer.search.kind: {"1,000 customers": 1.0}},
    }
    last = range(max(shop.log.weeks - settings.examples.weeks - settings.examples.hold, 1), shop.log.weeks)
    customers = sum(len(set(weeks.truth(shop.log, week)[0])) for week in list(last)[: -settings.examples.hold])
    estimate = budget.estimate(shop, PARAMS, settings, 16, 3.0, 5.0, answers)
    assert estimate["customers of the label weeks"] == customers
    assert estimate["batches per epoch"] == -(-customers // 16)
    validation = settings.examples.hold * (7 + settings.examples.customers * 0.003)
    ready = (settings.examples.weeks + settings.examples.hold) * 5
    number = len(settings.training_weeks(weeks.plan(shop.log, PARAMS.weeks)))
    total = number * (ready + settings.training.epochs * (-(-customers // 16) * 3 + validation))
    assert estimate["minutes of all trainings, all epochs"] == pytest.approx(total / 60)
    assert estimate["minutes of the submission"] == pytest.approx(shop.log.users * 0.005 / 60)
    few = settings.model_copy(update={"examples": settings.examples.model_copy(update={"most": 40})})
    assert budget.estimate(shop, PARAMS, few, 16, 3.0, 5.0, answers)["batches per epoch"] == 3
