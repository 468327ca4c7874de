"""Read the PARSRec network that the graph trained, and predict the categories of visits."""

from dataclasses import dataclass

import numpy as np
import torch

from insights.project import Project, read_settings, read_weights
from retail import weeks
from retail.log import Array
from retail.weeks import History
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.parsrec import label_weeks, sessions
from stage1_candidates.networks.parsrec.network import Parsrec
from stage1_candidates.networks.parsrec.sessions import Sessions

PARSREC = "parsrec"
BATCH = 256  # visits


@dataclass(frozen=True)
class Trained:
    """A trained network and the visits on which it is evaluated."""

    network: Parsrec
    week: int  # label week: it was trained on the weeks before
    sold: Array  # (items,) bool: articles sold shortly before that week, the only ones that it may predict
    visits: Sessions  # the latest visits, each with the customer's purchases before it


def read_trained(project: Project, week: int, first: int, seed: int) -> Trained | None:
    """Read the last network trained on weeks before ``week``, and the visits of weeks ``first`` on; None without one.

    A visit is a customer's label week, cut to ``examples.longest`` articles. A customer's first week is no visit.
    """
    trained = read_weights(project, PARSREC, week)
    if trained is None:
        return None
    log, settings = project.shop.log, read_settings(project, PARSREC)
    network = Parsrec(log.users, log.items, settings.model)
    stored.with_arrays(network, trained[1])
    sold = np.zeros(log.items, bool)
    sold[ann.sold_lately(weeks.history(log, week), settings.answer.sold_days)] = True
    visits = _collect_visits(weeks.history(log, log.weeks), first, settings.examples, seed)
    return Trained(network, trained[0], sold, visits)


def _collect_visits(history: History, first: int, examples: label_weeks.Examples, seed: int) -> Sessions:
    late = examples.model_copy(update={"hold": history.week - first, "most": max(len(history.known), 1)})
    return label_weeks.split_sessions(history, late, seed)[1]


def predict_categories(
    trained: Trained, visits: Sessions, item_category: Array, categories: int, removed: int, seed: int
) -> Array:
    """Predict (s, C) float64 the mean probability of each category over the steps of each visit.

    Articles of category ``removed`` have probability 0 (-1: none is removed). At each step the network knows the
    visit's earlier articles, in the order of section 4.5 of the paper.
    """
    torch.manual_seed(seed)
    device = stored.device()
    excluded = torch.from_numpy(~trained.sold | (item_category == removed)).to(device)
    category = torch.from_numpy(item_category).to(device)
    out = np.zeros((len(visits.user), categories))
    order = np.argsort(visits.length, kind="stable")
    for begin in range(0, len(order), BATCH):
        rows = order[begin : begin + BATCH]
        batch = sessions.Batch(*(part.to(device) for part in sessions.make_batch(visits.select(rows))))
        total = torch.zeros((len(rows), categories), dtype=torch.float64, device=device)
        with torch.no_grad():
            for step in trained.network.iterate_steps(batch):
                chance = step.logits[:, : len(excluded)].masked_fill(excluded, -torch.inf).softmax(1)  # (B, V)
                total.index_add_(1, category, chance.double() * step.due[:, None])
        out[rows] = total.cpu().numpy() / visits.length[rows, None]
    return out
