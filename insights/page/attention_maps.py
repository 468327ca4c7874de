"""Build the section "Bought together": PARSRec's attention between categories, by group of customers."""

from typing import Any

import numpy as np
import torch

from insights import attention, parsrec
from insights.categories import Categories
from insights.page import drawing
from insights.parsrec import Trained
from insights.project import suggest_training
from retail.errors import InputError
from retail.log import Array
from stage1_candidates.networks.parsrec.sessions import Sessions
from submissions.report.figure import Figure, Section

TITLE = ("together", "Bought together")
CATEGORIES, GROUPS = 10, 2  # best-selling categories and groups with the most visits that are shown, at most
VISITS = 5000  # of each group, at most


def build_section(categories: Categories, network: Trained | None, group: Array, seed: int) -> Section:
    """Build the section; ``group`` (users,): each customer's segment, -1 for none.

    Raises InputError if PARSRec is not trained.
    """
    if network is None:
        raise InputError(f"PARSRec is not trained: to see its attention, {suggest_training(parsrec.PARSREC)}")
    text = (
        f"PARSRec, trained on the weeks before week {network.week}, predicts the articles of a visit one by one. It "
        "attends to the earlier articles of the visit. Attention shows what is bought together and little more. Where "
        "the truth is planted (make bench-parsrec), uniform attention to the whole visit agrees with it just as well."
    )
    sold = np.bincount(categories.item_category[network.visits.item], minlength=len(categories.names))
    shown = np.lexsort((np.arange(len(sold)), -sold))[: min(CATEGORIES, int((sold > 0).sum()))]
    several = network.visits.select(network.visits.length > 1)
    count = np.bincount(group[several.user] + 1, minlength=1)[1:]  # visits of each group
    largest = [int(number) for number in np.lexsort((np.arange(len(count)), -count))[:GROUPS] if count[number]]
    figures = []
    for place, number in enumerate(largest):
        visits = _sample_visits(several.select(group[several.user] == number), seed)
        plot = _draw_attention(categories, network, visits, shown, seed)
        caption = (
            f"{len(visits.user):,} visits of the last year. A row is the category of the predicted article. Its "
            "squares are the shares, in per cent, of its attention to earlier articles of each category."
        )
        figures.append(Figure(f"attention-{place}", f"Customers of group {number}", plot, caption))
    return Section(*TITLE, text, figures=figures)


def _sample_visits(visits: Sessions, seed: int) -> Sessions:
    if len(visits.user) <= VISITS:
        return visits
    return visits.select(np.sort(np.random.default_rng(seed).choice(len(visits.user), VISITS, replace=False)))


def _draw_attention(categories: Categories, network: Trained, visits: Sessions, shown: Array, seed: int) -> Any:
    place = np.full(len(categories.names), -1)
    place[shown] = np.arange(len(shown))
    torch.manual_seed(seed)
    single_group = np.zeros(network.network.user.num_embeddings, np.int64)
    category = place[categories.item_category]
    heat = attention.measure_attention(network.network, visits, category, len(shown), single_group).attention[0]
    names = [drawing.shorten(categories.names[k], drawing.CATEGORY) for k in shown]
    cells = [["" if np.isnan(value) else f"{100 * value:.0f}" for value in row] for row in heat]
    figure = drawing.draw_heat_map(np.nan_to_num(heat), names, names, cells, ("attends to", "predicts"))
    figure.update_xaxes(tickangle=-60)
    figure.update_layout(height=figure.layout.height + 90)
    return figure
