"""Section "What goes with what": PARSRec's attention from category to category, by group of customers."""

from typing import Any

import numpy as np
import torch

from insights import attention, parsrec
from insights import project as projects
from insights.categories import Categories
from insights.page import drawing
from insights.parsrec import Trained
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.networks.parsrec.sessions import Sessions
from submissions.report.figure import Figure, Section

TITLE = ("company", "What goes with what")
SHOWN, GROUPS = 10, 2  # categories; groups of customers, those with most visits
ASKED = 5000  # visits of each group, at most


def section(of: Categories, network: Trained | None, group: Array, seed: int) -> Section:
    """``group`` (users,): segment of each customer, -1 of none; an InputError where PARSRec is not trained."""
    if network is None:
        raise InputError(f"PARSRec's attention, by category: {projects.switch(parsrec.PARSREC)}")
    text = (
        f"PARSRec, trained on what lies before week {network.week}, names the articles of a visit one by one and "
        "attends to those named before. It shows what is bought together and little beyond: where the truth is planted "
        "(make bench-parsrec), equal attention to the whole visit agrees with it just as well."
    )
    sold = np.bincount(of.of_item[network.visits.item], minlength=len(of.names))
    shown = np.lexsort((np.arange(len(sold)), -sold))[: min(SHOWN, int((sold > 0).sum()))]
    several = network.visits.chosen(network.visits.length > 1)
    asked = np.bincount(group[several.user] + 1, minlength=1)[1:]  # visits of each group
    groups = [int(one) for one in np.lexsort((np.arange(len(asked)), -asked))[:GROUPS] if asked[one]]
    figures = []
    for number, one in enumerate(groups):
        visits = _sample(several.chosen(group[several.user] == one), seed)
        plot = _squares(of, network, visits, shown, seed)
        says = (
            f"{len(visits.user):,} visits of the last year. A row is the category of the article that is named; its "
            "squares are the shares, in per cent, of its attention to articles of each category named before it."
        )
        figures.append(Figure(f"attention-{number}", f"Customers of group {one}", plot, says))
    return Section(*TITLE, text, figures=figures)


def _sample(visits: Sessions, seed: int) -> Sessions:
    if len(visits.user) <= ASKED:
        return visits
    return visits.chosen(np.sort(np.random.default_rng(seed).choice(len(visits.user), ASKED, replace=False)))


def _squares(of: Categories, network: Trained, visits: Sessions, shown: Array, seed: int) -> Any:
    place = np.full(len(of.names), -1)
    place[shown] = np.arange(len(shown))
    torch.manual_seed(seed)
    everyone = np.zeros(network.network.user.num_embeddings, np.int64)
    heat = attention.heat(network.network, visits, place[of.of_item], len(shown), everyone).attention[0]
    names = [drawing.shortened(of.names[k], drawing.CATEGORY) for k in shown]
    text = [[f"{100 * value:.0f}" if value == value else "" for value in row] for row in heat]
    figure = drawing.squares(np.nan_to_num(heat), names, names, text, ("attends to", "names"))
    figure.update_xaxes(tickangle=-60)
    figure.update_layout(height=figure.layout.height + 90)
    return figure
