"""When a network is trained: before the first label week, every few weeks after it, and before the submission."""

from retail.weeks import Plan


def trainings(plan: Plan, refit: int) -> list[int]:
    """Label weeks before whose first day a network is trained, ascending; a week uses the last one not after it.

    ``refit``: weeks from one training to the next; 0: one for all labelled weeks, one for the submission.
    """
    first = plan.labelled[0]
    between = range(first, plan.submission, refit) if refit else [first]
    return [*between, plan.submission]
