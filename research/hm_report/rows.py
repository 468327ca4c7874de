"""The rows of the table: which model makes each, on which label weeks, and its lists after masks and overlap."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from research.hm_report import features, groups
from research.hm_report.answers import Asked
from research.hm_report.block import Block, asked_of, members_of
from research.hm_report.inputs import Wanted
from research.hm_report.shops import Store
from research.hm_report.trained import Answers, Model, Perceptron, Towers, answers
from retail import weeks
from retail.log import Array
from retail.metrics import K
from submissions.answering import answer
from submissions.scoring import baselines

BLOCK = 4  # label weeks that one training answers
RARE = 50  # customers below which a group is left to the rest: with fewer there is little to learn from
HALF_LIFE = 180  # days, of the pipeline's own baseline
EVERY = Wanted(tuple(features.CUSTOMER), tuple(features.ARTICLE))
MODELS: Mapping[str, Model] = {
    "embedding": Towers("embedding"),
    "base": Towers("base"),
    "deep": Towers("deep"),
    "articles diversified": Towers("deep", Wanted(article=tuple(features.ARTICLE))),
    "diversified": Towers("both deep", EVERY),
    "diversified, as published": Towers("both deep", EVERY, as_published=True),
    "MLP": Perceptron((100,), published=True),
    "MLP, two layers": Perceptron((500, 100), published=True),
    "MLP, mended": Perceptron((100,), published=False),
}
ORDER = ("MLP", "embedding", "base", "deep", "diversified")  # as published, the worst first
PERSONALISED = "personalised"
RESTRICTED = ("deep", "diversified", PERSONALISED)  # rows that are also answered from what was bought before
MEASURED = ("recent", "auc", "bought", "month")


@dataclass(frozen=True)
class Choice:
    """What a group's customers are answered by, and how well it did on the label weeks before."""

    shape: str
    among: str  # recent or personal
    precision: float


def blocks(store: Store, reported: int) -> list[Block]:
    """``reported`` blocks at the end of the log, and one before them on which the groups choose their models."""
    last = store.shop.log.weeks
    return [
        Block(store, tuple(range(first, first + BLOCK))) for first in range(last - BLOCK * (reported + 1), last, BLOCK)
    ]


def personalised(before: Block, block: Block, seed: int, folder: Path) -> tuple[Answers, Mapping[str, Choice]]:
    """Every group's best of four, by precision in the block ``before``, laid over each other in ``block``."""
    choices = {name: chosen(before, name, seed, folder) for name in serving(block)}
    found = {name: answers(block, group_model(name, choices[name].shape), seed, folder) for name in choices}
    out: dict[str, Array] = {}
    for week in block.weeks:
        of = asked_of(block.store, week)
        member = membership(of, list(choices))
        precision = [choice.precision for choice in choices.values()]
        for what in ("recent", "bought", "month"):
            kind = {name: choice.among if what == "recent" else what for name, choice in choices.items()}
            lists = [found[name][f"{week}/{kind[name]}"] for name in choices]
            out[f"{week}/{what}"] = groups.overlaid(lists, member, precision)
        best = groups.overlaid([found[name][f"{week}/auc"][:, None] for name in choices], member, precision)
        out[f"{week}/auc"] = best[:, 0]
    out["seconds"] = np.array(sum(float(of["seconds"]) for of in found.values()))
    return out, choices


def serving(block: Block) -> list[str]:
    """The groups with customers enough to learn from before the cut, the rest last."""
    member = members_of(block.store, block.cut)
    return [name for name in groups.NAMES if name == groups.REST or member[name].sum() >= RARE]


def membership(of: Asked, names: list[str]) -> list[Array]:
    """(b,) bool for each of ``names``: the buyers in the group; those in none are in the last one."""
    member = members_of(of.past.store, of.past.week)
    mine = [member[name][of.users] for name in names[:-1]]
    return [*mine, ~np.any(mine, axis=0) if mine else np.ones(len(of.users), bool)]


def chosen(before: Block, name: str, seed: int, folder: Path) -> Choice:
    """The network and candidates with most hits among the group's buyers in the label weeks of ``before``."""
    found = []
    for shape in ("deep", "both deep"):
        made = answers(before, group_model(name, shape), seed, folder)
        found += [Choice(shape, among, precision(before, name, made, among)) for among in ("recent", "personal")]
    return max(found, key=lambda choice: choice.precision)  # the first of equals


def precision(block: Block, name: str, made: Answers, among: str) -> float:
    """Hits over 12 x buyers of the group, in all label weeks; 0 without a buyer."""
    hits = buyers = 0
    for week in block.weeks:
        of = asked_of(block.store, week)
        mine = members_of(block.store, week)[name][of.users]
        hit = (made[f"{week}/{among}"][:, :, None] == of.recent) & of.hits[:, None, :]
        hits, buyers = hits + int(hit[mine].sum()), buyers + int(mine.sum())
    return hits / max(K * buyers, 1)


def group_model(name: str, shape: str) -> Towers:
    return Towers("deep" if shape == "deep" else "both deep", EVERY, group=name)


def baseline_rows(of: Asked) -> Mapping[str, Array]:
    """(b, 12) lists of the rows without a network."""
    history = weeks.history(of.past.store.shop.log, of.past.week)
    users = of.users.astype(np.uint32)
    rng = np.random.default_rng(of.past.week)
    return {
        "at random": of.recent[rng.random((len(users), len(of.recent))).argsort(1)[:, :K]],
        "best sellers of the week": baselines.recommend_popular(history, users),
        "repurchase, then best sellers": baselines.recommend_repurchase(history, users, HALF_LIFE),
        "last active week, then best sellers": last_active_week(of),
    }


def last_active_week(of: Asked) -> Array:
    """(b, 12): what the customer bought in the seven days up to the last visit, by the last week's sales; best sellers.

    The candidates of the heuristic that the report is measured against (R. Osmulski), ranked as its one tree does.
    """
    past, items = of.past, of.past.store.shop.log.items
    last = np.full(past.store.shop.log.users, -1)
    np.maximum.at(last, past.user, past.day)
    known = np.isin(past.user, of.users) & (past.day > last[past.user] - 7)
    sales = np.bincount(past.item[past.day >= past.cutoff - 7], minlength=items)
    pair = np.unique(past.user[known] * items + past.item[known])
    row, item = np.searchsorted(of.users, pair // items), pair % items
    order = np.lexsort((item, -sales[item], row))
    row, item = row[order], item[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    lists = np.full((len(of.users), K), -1, np.int64)
    lists[row[rank < K], rank[rank < K]] = item[rank < K]
    return filled(lists, of)


def filled(lists: Array, of: Asked) -> Array:
    """``lists`` with their -1 replaced by the best sellers of the last week."""
    return answer.fill(lists, answer.list_best_sellers(weeks.history(of.past.store.shop.log, of.past.week)))


def ablations() -> Iterator[tuple[str, Model]]:
    """The diversified network without each feature, and without all of a side."""
    for name in (*features.CUSTOMER, *features.ARTICLE):
        yield f"without {name}", Towers("both deep", EVERY.without(name))
    yield "without all of customers", Towers("both deep", Wanted(article=EVERY.article))
    yield "without all of articles", Towers("both deep", Wanted(customer=EVERY.customer))
    yield "without any", Towers("both deep")
