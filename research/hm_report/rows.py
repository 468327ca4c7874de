"""Define the rows of the table: their models, the label weeks, the groups' combined lists and the baselines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from research.hm_report import features, groups
from research.hm_report.block import Block, load_label_week, load_members
from research.hm_report.ranking import LabelWeek
from research.hm_report.shops import Store
from research.hm_report.tower_inputs import FeatureNames
from research.hm_report.towers import Shape
from research.hm_report.train import Model, Perceptron, Rankings, Towers, load_or_train
from retail import weeks
from retail.log import Array
from retail.metrics import K
from submissions.answering import answer
from submissions.scoring import baselines

BLOCK = 4  # label weeks that one training serves
MIN_CUSTOMERS = 50  # a group with fewer customers has no model; they join group REST
HALF_LIFE = 180  # days, as in the pipeline's own baseline
ALL_FEATURES = FeatureNames(tuple(features.CUSTOMER_FEATURES), tuple(features.ARTICLE_FEATURES))
MODELS: Mapping[str, Model] = {
    "embedding": Towers("embedding"),
    "base": Towers("base"),
    "deep": Towers("deep"),
    "articles diversified": Towers("deep", FeatureNames(article=tuple(features.ARTICLE_FEATURES))),
    "diversified": Towers("both deep", ALL_FEATURES),
    "diversified, as published": Towers("both deep", ALL_FEATURES, as_published=True),
    "MLP": Perceptron((100,), published=True),
    "MLP, two layers": Perceptron((500, 100), published=True),
    "MLP, mended": Perceptron((100,), published=False),  # fixed loss; the name is a key of recorded results
}
ORDER = ("MLP", "embedding", "base", "deep", "diversified")  # the published order, worst first
PERSONALISED = "personalised"
RESTRICTED = ("deep", "diversified", PERSONALISED)  # models that also rank only what was bought before


@dataclass(frozen=True)
class Choice:
    """Hold a group's chosen network and candidates, and their precision on the block before."""

    shape: Shape
    kind: str  # "recent" or "personal", see ranking.rank_articles
    precision: float


def list_blocks(store: Store, reported: int) -> list[Block]:
    """List the last ``reported`` blocks of the log after one block on which the groups choose their models."""
    last = store.shop.log.weeks
    return [
        Block(store, tuple(range(first, first + BLOCK))) for first in range(last - BLOCK * (reported + 1), last, BLOCK)
    ]


def rank_personalised(before: Block, block: Block, seed: int, folder: Path) -> tuple[Rankings, Mapping[str, Choice]]:
    """Rank the label weeks of ``block`` with one model per group; return the rankings and the groups' choices.

    Each group has the best of four combinations of network and candidates, by precision in the block ``before``.
    """
    choices = {name: choose_model(before, name, seed, folder) for name in list_groups(block)}
    ranked = {
        name: load_or_train(block, build_group_model(name, choice.shape), seed, folder)
        for name, choice in choices.items()
    }
    precision = [choice.precision for choice in choices.values()]
    out: dict[str, Array] = {}
    for week in block.weeks:
        member = assign_members(load_label_week(block.store, week), list(choices))
        for kind in ("recent", "bought", "month"):
            source = {name: choice.kind if kind == "recent" else kind for name, choice in choices.items()}
            lists = [ranked[name][f"{week}/{source[name]}"] for name in choices]
            out[f"{week}/{kind}"] = groups.overlay_lists(lists, member, precision)
        auc = groups.overlay_lists([ranked[name][f"{week}/auc"][:, None] for name in choices], member, precision)
        out[f"{week}/auc"] = auc[:, 0]
    out["seconds"] = np.array(sum(float(rankings["seconds"]) for rankings in ranked.values()))
    return out, choices


def list_groups(block: Block) -> list[str]:
    """List the groups with at least MIN_CUSTOMERS members at the cut, then group REST."""
    member = load_members(block.store, block.cut)
    return [name for name in groups.NAMES if name == groups.REST or member[name].sum() >= MIN_CUSTOMERS]


def assign_members(label_week: LabelWeek, names: list[str]) -> list[Array]:
    """Mark each group's buyers (b,) bool, in the order of ``names``; buyers of no group are in the last one."""
    users = label_week.users
    member = load_members(label_week.past.store, label_week.past.week)
    marks = [member[name][users] for name in names[:-1]]
    return [*marks, ~np.any(marks, axis=0) if marks else np.ones(len(users), bool)]


def choose_model(before: Block, name: str, seed: int, folder: Path) -> Choice:
    """Choose the network and candidates with the highest precision for the group's buyers in ``before``."""
    choices = []
    shapes: tuple[Shape, ...] = ("deep", "both deep")
    for shape in shapes:
        rankings = load_or_train(before, build_group_model(name, shape), seed, folder)
        for kind in ("recent", "personal"):
            choices.append(Choice(shape, kind, compute_precision(before, name, rankings, kind)))
    return max(choices, key=lambda choice: choice.precision)  # the first if equal


def compute_precision(block: Block, name: str, rankings: Rankings, kind: str) -> float:
    """Compute the precision@12 of the group's buyers over all label weeks; 0 without a buyer."""
    hits = buyers = 0
    for week in block.weeks:
        label_week = load_label_week(block.store, week)
        member = load_members(block.store, week)[name][label_week.users]
        hit = (rankings[f"{week}/{kind}"][:, :, None] == label_week.recent) & label_week.hits[:, None, :]  # (b, 12, r)
        hits, buyers = hits + int(hit[member].sum()), buyers + int(member.sum())
    return hits / max(K * buyers, 1)


def build_group_model(name: str, shape: Shape) -> Towers:
    """Describe the model of a group: all features, trained on the group's customers."""
    return Towers(shape, ALL_FEATURES, group=name)


def rank_baselines(label_week: LabelWeek) -> Mapping[str, Array]:
    """Rank with the methods without a network: row name -> lists (b, 12)."""
    past, recent = label_week.past, label_week.recent
    history = weeks.history(past.store.shop.log, past.week)
    users = label_week.users.astype(np.uint32)
    rng = np.random.default_rng(past.week)
    return {
        "at random": recent[rng.random((len(users), len(recent))).argsort(1)[:, :K]],
        "best sellers of the week": baselines.recommend_popular(history, users),
        "repurchase, then best sellers": baselines.recommend_repurchase(history, users, HALF_LIFE),
        "last active week, then best sellers": rank_last_active_week(label_week),
    }


def rank_last_active_week(label_week: LabelWeek) -> Array:
    """Rank the customer's purchases of the seven days up to the last visit, (b, 12), then the best sellers.

    The purchases are in order of the shop's sales in the last week. Source: R. Osmulski's heuristic, with which the
    report compares its networks. The candidates are those of the heuristic, the order that of its single tree.
    """
    past, items = label_week.past, label_week.past.store.shop.log.items
    last = np.full(past.store.shop.log.users, -1)
    np.maximum.at(last, past.user, past.day)
    known = np.isin(past.user, label_week.users) & (past.day > last[past.user] - 7)
    sales = np.bincount(past.item[past.day >= past.cutoff - 7], minlength=items)
    pair = np.unique(past.user[known] * items + past.item[known])
    row, item = np.searchsorted(label_week.users, pair // items), pair % items
    order = np.lexsort((item, -sales[item], row))
    row, item = row[order], item[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    lists = np.full((len(label_week.users), K), -1, np.int64)
    lists[row[rank < K], rank[rank < K]] = item[rank < K]
    return fill_lists(lists, label_week)


def fill_lists(lists: Array, label_week: LabelWeek) -> Array:
    """Replace each -1 in ``lists`` (b, 12) by a best seller of the last week."""
    past = label_week.past
    return answer.fill(lists, answer.list_best_sellers(weeks.history(past.store.shop.log, past.week)))


def list_ablations() -> Iterator[tuple[str, Model]]:
    """Yield the ablations of the diversified network: without each feature, without one side's, and without any."""
    for name in (*features.CUSTOMER_FEATURES, *features.ARTICLE_FEATURES):
        yield f"without {name}", Towers("both deep", ALL_FEATURES.without(name))
    yield "without all of customers", Towers("both deep", FeatureNames(article=ALL_FEATURES.article))
    yield "without all of articles", Towers("both deep", FeatureNames(customer=ALL_FEATURES.customer))
    yield "without any", Towers("both deep")
