"""When a network is trained: before the first label week, every few weeks after it, and before the submission."""

from retail.weeks import Plan


def trainings(plan: Plan, refit: int) -> list[int]:
    """Label weeks before whose first day a network is trained, ascending; a week uses the last one not after it.

    ``refit``: weeks from one training to the next, fewer as long as fewer lie before it, so that a short log is not
    served by what was learned from its first days; 0: one for all labelled weeks, one for the submission.
    """
    asked = [plan.labelled[0]]
    while refit and (later := asked[-1] + min(refit, asked[-1] + 1)) < plan.submission:
        asked.append(later)
    return [*asked, plan.submission]
