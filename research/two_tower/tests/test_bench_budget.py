"""What two towers would cost: the estimate is the sum of its parts, and most examples bound it."""

import pytest
from world import PARAMS, random_world

from research.two_tower import budget
from retail import weeks
from stage1_candidates.engine import source


def test_the_estimate_by_hand() -> None:
    """A batch takes 3 core-seconds, a week 5, the articles 7, a customer's vector .002 and its search .001."""
    shop = random_world(seed=1).shop
    _, settings = source.load("two_tower", PARAMS)
    answers = {"articles": 7.0, "1,000 customers": 2.0, "search": {settings.search.kind: {"1,000 customers": 1.0}}}
    last = range(max(shop.log.weeks - settings.examples.weeks - settings.examples.hold, 1), shop.log.weeks)
    customers = sum(len(set(weeks.truth(shop.log, week)[0])) for week in list(last)[: -settings.examples.hold])
    found = budget.estimate(shop, PARAMS, settings, 16, 3.0, 5.0, answers)
    assert found["customers of the label weeks"] == customers
    assert found["batches an epoch"] == -(-customers // 16)
    look = settings.examples.hold * (7 + settings.examples.customers * 0.003)
    ready = (settings.examples.weeks + settings.examples.hold) * 5
    number = len(settings.training_weeks(weeks.plan(shop.log, PARAMS.weeks)))
    whole = number * (ready + settings.training.epochs * (-(-customers // 16) * 3 + look))
    assert found["minutes of all trainings, all epochs"] == pytest.approx(whole / 60)
    assert found["minutes of the submission"] == pytest.approx(shop.log.users * 0.005 / 60)
    few = settings.model_copy(update={"examples": settings.examples.model_copy(update={"most": 40})})
    assert budget.estimate(shop, PARAMS, few, 16, 3.0, 5.0, answers)["batches an epoch"] == 3
