"""Stage ``summary``: print the tables at the end of a run, write metrics.json, cost.json and the data of two plots.

Costs are kept out of metrics.json: they differ from run to run, whereas equal inputs give an equal metrics.json.
"""

import json
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from retail import paths, stage
from stage1_candidates.pooling.recall import AT, ORACLE
from submissions import cost


def make_score_table(evaluation: dict[str, Any]) -> Table:
    """Make the table of MAP@12: by week, the mean with its interval, the paired differences, and by recency."""
    names = list(evaluation["map12"])
    table = Table("week", "buyers", *names, title="MAP@12 on held-out weeks")
    table.caption = (
        "twelve is this recommender. Baselines: popular, the best sellers for everyone; repurchase_popular, the "
        "customer's past purchases, then best sellers. Higher is better; the maximum is 1. Brackets are 95% intervals. "
        "Last purchase: days before the week; 30 d means 8 to 30 days, older means over 90 days."
    )
    for week, row in evaluation["by_week"].items():
        table.add_row(week, f"{row['buyers']:,}", *[f"{row[name]:.4f}" for name in names])
    table.add_section()
    table.add_row("mean", "", *[f"{evaluation['map12'][name]['mean']:.4f}" for name in names], style="bold")
    table.add_row("95% interval", "", *[_format_interval(evaluation["map12"][name]) for name in names])
    minus = [""] + [f"{d['mean']:+.4f} {_format_interval(d)}" for d in evaluation["twelve_minus"].values()]
    table.add_row("twelve minus baseline", "", *minus)
    table.add_section()
    for segment, row in evaluation["by_recency"].items():
        table.add_row(f"last purchase: {segment}", f"{row['customers']:,}", *[f"{row[name]:.4f}" for name in names])
    return table


def make_recall_table(recall: dict[str, Any], names: list[str]) -> Table:
    """Make the table of each source's recall and of the change in the union's recall without it."""
    title = "Recall of the candidate sources"
    table = Table("source", *[f"recall@{k}" for k in AT], "hit ratio", "candidates", "union@200 without", title=title)
    for name in [*names, "union"]:
        row, union_without = recall[name], recall.get(f"union without {name}")
        without = "" if union_without is None else f"{union_without['recall@200'] - recall['union']['recall@200']:+.4f}"
        cells = [f"{row[f'recall@{k}']:.4f}" for k in AT]
        table.add_row(name, *cells, f"{row['hit_ratio']:.4f}", f"{row['rows']:,.0f}", without)
    table.caption = (
        "recall@N: share of the purchases that are among a customer's first N candidates; higher is better. Hit ratio: "
        "share of the candidates that were bought. Candidates: number per week. Last column: change in the union's "
        f"recall@200 without the source. A perfect ranking of the union would reach MAP@12 {recall[ORACLE]:.4f}."
    )
    return table


def list_sources(recall: dict[str, Any]) -> list[str]:
    """List the candidate sources in ``recall``, in its order."""
    return [name for name in recall if name not in ("union", ORACLE) and not name.startswith("union without ")]


def make_recall_curve(recall: dict[str, Any], names: list[str]) -> pl.DataFrame:
    """Make the points of the recall plot: columns source, k, recall."""
    rows = [(name, k, recall[name][f"recall@{k}"]) for name in [*names, "union"] for k in AT]
    return pl.DataFrame(rows, schema=["source", "k", "recall"], orient="row")


def _format_interval(row: dict[str, float]) -> str:
    return f"[{row['low']:.4f}, {row['high']:.4f}]"


def main() -> None:
    """Print the tables and write the files of outputs/ that they come from."""
    evaluation = json.loads((paths.EVALUATION / "evaluation.json").read_text())
    recall = json.loads((paths.POOL / "recall.json").read_text())
    names = list_sources(recall)
    costs = cost.read_costs()
    with stage.whole_file(paths.METRICS) as part:
        part.write_text(json.dumps({**evaluation, "recall": recall}, indent=1))
    with stage.whole_file(cost.COST) as part:
        part.write_text(json.dumps(cost.to_rows(costs), indent=1))
    weekly = [{"week": int(week), **row} for week, row in evaluation["by_week"].items()]
    with stage.whole_file(paths.OUTPUTS / "map_by_week.csv") as part:
        pl.DataFrame(weekly).write_csv(part)
    with stage.whole_file(paths.OUTPUTS / "recall.csv") as part:
        make_recall_curve(recall, names).write_csv(part)
    console = Console(width=120)
    for table in (make_recall_table(recall, names), make_score_table(evaluation), cost.make_cost_table(costs)):
        console.print(table)
    console.print(f"submission: {paths.SUBMISSION}   metrics: {paths.METRICS}")


if __name__ == "__main__":
    stage.run(main, "summary")
