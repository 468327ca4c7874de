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
from submissions.page.figure import Figure, Section

TITLE = ("company", "What goes with what")
SHOWN, GROUPS = 10, 2  # categories; groups of customers, the largest
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
    figures = []
    for one in range(min(GROUPS, int(group.max(initial=-1)) + 1)):
        figures.append(_figure(of, network, group == one, one, shown, seed))
    return Section(*TITLE, text, figures=figures)


def _figure(of: Categories, network: Trained, member: Array, one: int, shown: Array, seed: int) -> Figure:
    visits = network.visits
    some = np.flatnonzero(member[visits.user] & (visits.length > 1))
    if len(some) > ASKED:
        some = np.sort(np.random.default_rng([seed, one]).choice(some, ASKED, replace=False))
    place = np.full(len(of.names), -1)
    place[shown] = np.arange(len(shown))
    torch.manual_seed(seed)
    none = np.zeros(len(member), np.int64)
    heat = attention.heat(network.network, visits.chosen(some), place[of.of_item], len(shown), none).attention[0]
    names = [drawing.shortened(of.names[k], drawing.CATEGORY) for k in shown]
    text = [[f"{100 * value:.0f}" if value == value else "" for value in row] for row in heat]
    figure: Any = drawing.squares(np.nan_to_num(heat), names, names, text, ("attends to", "names"))
    figure.update_xaxes(tickangle=-60)
    figure.update_layout(height=figure.layout.height + 90)
    return Figure(
        f"attention-{one}",
        f"Customers of group {one}",
        figure,
        f"{len(some):,} visits of the last weeks. A row is the category of the article that is named; its squares are "
        "the shares, in per cent, of its attention to articles of each category named before it, and add up to 100.",
    )
