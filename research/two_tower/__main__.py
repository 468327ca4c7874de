"""Compare the recall of two towers with other methods and time the search: ``python -m research.two_tower``.

The network is trained once, on label weeks before the last WEEKS. The lists of a week use the history before that week.
The settings of ALS and BPR are tuned on the TUNING weeks before the last WEEKS. The settings of the network are those
of params.yaml, which were also chosen on earlier weeks.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from benchmarks import record
from research.two_tower import lists_of_week, rates, report
from research.two_tower.lists_of_week import Als, Bpr
from research.two_tower.recall import CUTOFFS, Hits, compute_recalls, count_hits, tabulate
from retail import params as parameters
from retail import paths, shop, stage, weeks
from retail.errors import InputError
from retail.log import Array
from retail.params import Params
from retail.shop import Shop
from retail_input import prepare
from retail_input.prepare import ARTICLES, CUSTOMERS, TRANSACTIONS
from stage1_candidates.engine import source
from stage1_candidates.networks.base import ann
from stage1_candidates.networks.base.ann import Search
from stage1_candidates.networks.two_tower.vectors import compute_customer_vectors

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared/data/online_retail"
WEEKS = 8  # reported label weeks, the last ones
METHOD = "candidate"  # key of the lists in ``Hits`` while a baseline is tuned
TUNING = 2  # label weeks before them, on which ALS and BPR are tuned
ALS = [
    Als(factors, 10.0, alpha, half_life)
    for factors in (64, 128)
    for alpha in (1.0, 10.0)
    for half_life in (np.inf, 90.0)
]  # fmt: skip
BPR = [Bpr(128, 0.05, 0.01, 60, 10_000), Bpr(256, 0.05, 0.01, 60, 10_000), Bpr(128, 0.05, 0.01, 60, 180)]
REFERENCE = ("item_cf", "tifu_knn", "ease")  # compared sources of this project
KINDS = [  # approximate searches
    Search(kind="ivf", effort=4),
    Search(kind="ivf", effort=16),
    Search(kind="ivf", effort=64),
    Search(kind="hnsw", effort=256),
]


def main() -> None:
    """Train, tune, rank and time; write two_tower.json, two_tower.md and two_tower.png; print the tables."""
    arguments = parse_arguments()
    if not arguments.data.is_dir():
        raise InputError(
            f"{arguments.data}: no such folder; expected articles.csv, customers.csv and transactions_train.csv of "
            "UCI Online Retail II; put them there or name their folder with --data"
        )
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        whole, params = read(arguments.data, Path(folder))
        last = whole.log.weeks
        reported, tuning = range(last - WEEKS, last), range(last - WEEKS - TUNING, last - WEEKS)
        module, settings = source.load_network("two_tower", params)
        with time_step(seconds, "training"):
            weights = module.train(weeks.history(whole.log, reported[0]), whole, settings, params.seed, Path(folder))
    with time_step(seconds, "tuning"):
        als, bpr, tried = tune_baselines(whole, tuning, settings.answer.sold_days, params.seed)
    parts = []
    with time_step(seconds, "lists"):
        for week in reported:
            parts.append(evaluate_week(whole, week, params, module, settings, weights, als, bpr))
            print(f"week {week}: {len(parts[-1].user)} buyers")
    with time_step(seconds, "search"):
        search = rates.time_search(arguments.queries, arguments.pairs)
        approximate = measure_approximate(whole, params, module, settings, weights)
    figures = {
        "data": arguments.data.name, "weeks": list(reported), "tuning_weeks": list(tuning),
        "buyers": sum(len(part.user) for part in parts), "pairs": int(sum(part.bought.sum() for part in parts)),
        "sold_days": settings.answer.sold_days, "network": settings.model_dump(mode="json"),
        "recall": tabulate(parts, "two_tower", params.seed),
        "tuning": tried, "search": search, "approximate": approximate, "seconds": seconds,
    }  # fmt: skip
    files = [arguments.data / name for name in (ARTICLES, CUSTOMERS, TRANSACTIONS)]
    command = " ".join(["python -m research.two_tower", *sys.argv[1:]])
    origin = record.describe_origin(files, [params.seed], command, sum(seconds.values()))
    report.write(origin, figures, arguments.out)
    print(report.render_markdown(figures))


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m research.two_tower", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the shop's CSV files (%(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / record.RESULTS, help="folder for the results (%(default)s)")
    parser.add_argument("--queries", type=int, default=100_000, help="queries of the search (%(default)s)")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each search method (%(default)s)")
    return parser.parse_args()


def read(data: Path, folder: Path) -> tuple[Shop, Params]:
    """Read the shop of ``data``, prepared in ``folder`` by the pipeline's own stage, and the project's params.yaml."""
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["data"]["folder"] = str(data.resolve())
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        paths.PARAMS.write_text(json.dumps(raw), encoding="utf-8")  # JSON is YAML too
        prepare.main()
        return shop.read(), parameters.read()


@contextlib.contextmanager
def time_step(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Time the body of a ``with`` statement as ``seconds[name]`` and print it."""
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started
    print(f"{name}: {seconds[name]:.0f} s")


def tune_baselines(whole: Shop, tuning: range, sold_days: int, seed: int) -> tuple[Als, Bpr, list[dict[str, Any]]]:
    """Tune ALS and BPR by pooled recall@100 on the tuning weeks; also return all trials."""
    tried: list[dict[str, Any]] = []

    def select_best(rank: Callable[..., Array], grid: list[Any]) -> Any:
        values = []
        for choice in grid:
            parts = []
            for week in tuning:
                history, users = weeks.history(whole.log, week), weeks.buyers(whole.log, week)
                ranked = rank(history, users, choice, ann.sold_lately(history, sold_days), seed)
                parts.append(count_hits(whole.log, week, {METHOD: ranked}))
            values.append(compute_recalls(parts, METHOD, seed)["pooled"][0, CUTOFFS.index(100)])
            tried.append(
                {"method": type(choice).__name__.upper(), "settings": str(choice), "recall": float(values[-1])}
            )
        return grid[int(np.argmax(values))]

    return select_best(lists_of_week.rank_als, ALS), select_best(lists_of_week.rank_bpr, BPR), tried


def evaluate_week(
    whole: Shop, week: int, params: Params, module: Any, settings: Any, weights: dict[str, Array], als: Als, bpr: Bpr
) -> Hits:
    """Count the hits of every method in label week ``week``."""
    history, users = weeks.history(whole.log, week), weeks.buyers(whole.log, week)
    sold = ann.sold_lately(history, settings.answer.sold_days)
    ranked = {
        "two_tower": lists_of_week.rank_two_tower(module, history, whole, users, settings, weights),
        "popular, 7 days": lists_of_week.rank_popular(history, users),
        "ALS": lists_of_week.rank_als(history, users, als, sold, params.seed),
        "BPR": lists_of_week.rank_bpr(history, users, bpr, sold, params.seed),
    }
    for name in REFERENCE:
        ranked[name] = lists_of_week.rank_source(name, history, whole, users, params, sold)
    return count_hits(whole.log, week, ranked)


def measure_approximate(
    whole: Shop, params: Params, module: Any, settings: Any, weights: dict[str, Array]
) -> dict[str, list[dict[str, Any]]]:
    """Measure ivf and hnsw on the shop's own vectors in its last week, and on as many vectors as H&M has articles."""
    history = weeks.history(whole.log, whole.log.weeks - 1)
    state = module.fit(history, whole, settings, weights)
    users = np.arange(whole.log.users, dtype=np.uint32)
    ready = module.prepare(history, whole, state, settings)
    customers = compute_customer_vectors(ready.network, history, ready.shop, users, settings.model.bag)
    random_articles = rates.make_vectors(rates.ARTICLES, 1)
    return {
        f"Learned vectors: {len(state['sold']):,} articles, {len(customers):,} customers": rates.measure_kinds(
            state["vectors"], state["sold"], customers, KINDS
        ),
        f"Clustered random vectors: {rates.ARTICLES:,} articles, 2,000 queries": rates.measure_kinds(
            random_articles, np.arange(rates.ARTICLES, dtype=np.uint32), rates.make_vectors(2000, 2), KINDS
        ),
    }


if __name__ == "__main__":
    stage.guarded(main, "research.two_tower")
