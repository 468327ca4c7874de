"""PARSRec as the graph trained it, asked by category about visits."""

from dataclasses import dataclass

import numpy as np
import torch

from insights import project as projects
from insights.project import Project
from retail import weeks
from retail.log import Array
from retail.weeks import History
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.parsrec import label_weeks, sessions
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Sessions

PARSREC = "parsrec"
AT_ONCE = 256


@dataclass(frozen=True)
class Trained:
    network: Parsrec
    week: int  # the label week before which it learned
    sold: Array  # (items,) bool: articles that sold lately then; it may name no other one
    visits: Sessions  # the latest ones, each with what was bought before it


def trained(project: Project, week: int, since: int, seed: int) -> Trained | None:
    """The last training that knows nothing of label week ``week``, and the visits from ``since`` on; None without one.

    A visit is a customer's label week, of at most ``examples.longest`` articles; a customer's first is none.
    """
    found = projects.weights(project, PARSREC, week)
    if found is None:
        return None
    log, settings = project.shop.log, projects.settings(project, PARSREC)
    network = Parsrec(log.users, log.items, settings.model)
    stored.with_arrays(network, found[1])
    sold = np.zeros(log.items, bool)
    sold[ann.sold_lately(weeks.history(log, week), settings.answer.sold_days)] = True
    return Trained(network, found[0], sold, _visits(weeks.history(log, log.weeks), since, settings.examples, seed))


def _visits(history: History, since: int, examples: label_weeks.Examples, seed: int) -> Sessions:
    late = examples.model_copy(update={"hold": history.week - since, "most": max(len(history.known), 1)})
    return label_weeks.split_sessions(history, late, seed)[1]


def by_category(of: Trained, asked: Sessions, of_item: Array, categories: int, gone: int, seed: int) -> Array:
    """(s, C) float64 chance that a step of each visit names each category, the articles of ``gone`` being none.

    The mean over the visit's steps, each article given once it is due, in the order of 4.5 of the paper.
    """
    torch.manual_seed(seed)
    device = stored.device()
    dead = torch.from_numpy(~of.sold | (of_item == gone)).to(device)
    category = torch.from_numpy(of_item).to(device)
    out = np.zeros((len(asked.user), categories))
    order = np.argsort(asked.length, kind="stable")
    for begin in range(0, len(order), AT_ONCE):
        rows = order[begin : begin + AT_ONCE]
        batch = sessions.Batch(*(part.to(device) for part in sessions.make_batch(asked.select(rows))))
        total = torch.zeros((len(rows), categories), dtype=torch.float64, device=device)
        with torch.no_grad():
            for step in of.network.iterate_steps(batch):
                chance = step.logits[:, : len(dead)].masked_fill(dead, -torch.inf).softmax(1)  # (B, V)
                total.index_add_(1, category, chance.double() * step.due[:, None])
        out[rows] = total.cpu().numpy() / asked.length[rows, None]
    return out
