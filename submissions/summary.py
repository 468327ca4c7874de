"""Stage ``summary``: the table at the end of a run, the figures in metrics.json, the costs of every stage in cost.json.

The costs are no metric: they differ from run to run, and the figures that are compared and committed do not.
"""

import json
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from retail import params as parameters
from retail import paths, stage
from stage1_candidates.pooling.recall import AT, ORACLE
from submissions import cost


def score_table(evaluation: dict[str, Any]) -> Table:
    """MAP@12 of each list by week, their mean with its interval, and the paired difference."""
    names = list(evaluation["map12"])
    table = Table("week", "buyers", *names, title="MAP@12 on the label weeks that no ranker was trained on")
    for week, row in evaluation["by_week"].items():
        table.add_row(week, f"{row['buyers']:,}", *[f"{row[name]:.4f}" for name in names])
    table.add_section()
    table.add_row("mean", "", *[f"{evaluation['map12'][name]['mean']:.4f}" for name in names], style="bold")
    table.add_row("95%", "", *[_interval(evaluation["map12"][name]) for name in names])
    minus = [""] + [f"{d['mean']:+.4f} {_interval(d)}" for d in evaluation["twelve_minus"].values()]
    table.add_row("twelve minus", "", *minus)
    table.add_section()
    for segment, row in evaluation["by_recency"].items():
        table.add_row(f"last bought {segment}", f"{row['customers']:,}", *[f"{row[name]:.4f}" for name in names])
    return table


def recall_table(recall: dict[str, Any], names: list[str]) -> Table:
    """Recall of each source and what the union would lose without it."""
    table = Table("source", *[f"recall@{k}" for k in AT], "hit ratio", "rows a week", "union@200 without it")
    for name in [*names, "union"]:
        row, rest = recall[name], recall.get(f"union without {name}")
        without = "" if rest is None else f"{rest['recall@200'] - recall['union']['recall@200']:+.4f}"
        cells = [f"{row[f'recall@{k}']:.4f}" for k in AT]
        table.add_row(name, *cells, f"{row['hit_ratio']:.4f}", f"{row['rows']:,.0f}", without)
    table.caption = f"a perfect ranker of this pool: MAP@12 {recall[ORACLE]:.4f}"
    return table


def proposing(recall: dict[str, Any]) -> list[str]:
    """Names of the sources that propose, in alphabetical order."""
    return [name for name in recall if name not in ("union", ORACLE) and not name.startswith("union without ")]


def curve(recall: dict[str, Any], names: list[str]) -> pl.DataFrame:
    """Rows source, k, recall for the plot."""
    rows = [(name, k, recall[name][f"recall@{k}"]) for name in [*names, "union"] for k in AT]
    return pl.DataFrame(rows, schema=["source", "k", "recall"], orient="row")


def _interval(row: dict[str, float]) -> str:
    return f"[{row['low']:.4f}, {row['high']:.4f}]"


def main() -> None:
    params = parameters.read()
    evaluation = json.loads((paths.EVALUATION / "evaluation.json").read_text())
    recall = json.loads((paths.POOL / "recall.json").read_text())
    names = proposing(recall)
    spent = cost.of_stages(params)
    with stage.whole_file(paths.METRICS) as part:
        part.write_text(json.dumps({**evaluation, "recall": recall}, indent=1))
    with stage.whole_file(cost.COST) as part:
        part.write_text(json.dumps(spent, indent=1))
    weekly = [{"week": int(week), **row} for week, row in evaluation["by_week"].items()]
    with stage.whole_file(paths.OUTPUTS / "map_by_week.csv") as part:
        pl.DataFrame(weekly).write_csv(part)
    with stage.whole_file(paths.OUTPUTS / "recall.csv") as part:
        curve(recall, names).write_csv(part)
    console = Console(width=120)
    for table in (recall_table(recall, names), score_table(evaluation), cost.table(spent)):
        console.print(table)
    console.print(f"submission: {paths.SUBMISSION}   metrics: {paths.METRICS}")


if __name__ == "__main__":
    stage.run(main, "summary")
