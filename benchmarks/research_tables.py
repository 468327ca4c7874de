"""Turn the figures of the paper benchmarks (research/<paper>) into Markdown tables.

Each function takes the parsed JSON of one file in benchmarks/results and returns Markdown; none reads a file.
"""

from collections.abc import Mapping
from statistics import mean, stdev
from typing import Any

from benchmarks.record import markdown_table
from benchmarks.result_tables import Json, format_figure

PLACES = ("1", "5", "10")  # list lengths that the tables show
ROW_NAMES = {"MLP, mended": "MLP, fixed"}  # recorded row names -> names of today


def tabulate_case(figures: Json) -> str:
    """Make CASE's table of precision, recall and NDCG, published rows in italics, and the paired differences."""
    rows = []
    for name, row in figures["rows"].items():
        seeds = "" if row.get("deterministic") else str(row["seeds"])
        rows.append([name, seeds, *(_format_metrics(row["mean"][k]) for k in PLACES)])
        if name in figures["published"]:
            published = figures["published"][name]
            rows.append(["*published*", "", *(f"*{_format_metrics(published[k])}*" for k in PLACES)])
    table = markdown_table(["row", "seeds", *(f"P, R, N @{k}" for k in PLACES)], rows)
    differences = [
        [f"{row['row']} minus {row['minus']}", row["figure"], format_figure(row, "+")] for row in figures["differences"]
    ]
    checks = "\n".join(_format_check(row) for row in figures["check"])
    return f"{table}\n\n{checks}\n\n{markdown_table(['rows', 'figure', 'difference'], differences)}"


def _format_metrics(row: Json) -> str:
    return " ".join(f"{row[what]:.4f}" for what in "PRN")


def _format_check(row: Json) -> str:
    figures = f"{row['reached']} of {len(row['cells'])} figures"
    return f"{row['row']} reaches the published row less one standard error in {figures}."


def tabulate_trex(figures: Json) -> str:
    """Make T-REX's table of recall@10 and precision@10 per shop, and the paired differences."""
    parts = []
    for shop, block in figures["data"].items():
        rows = [
            [name, str(len(row["seeds"]) or ""), *(f"{row['test'][what][9]:.4f}" for what in ("recall", "precision"))]
            for name, row in block["rows"].items()
        ]
        parts.append(f"**{shop}**: {block['about']}.")
        parts.append(markdown_table(["row", "seeds", "recall@10", "precision@10"], rows))
        differences = [
            [f"{ours} minus {theirs}", format_figure(row["recall"], "+"), format_figure(row["precision"], "+")]
            for ours, others in block["differences"].items()
            for theirs, row in others.items()
        ]
        parts.append(markdown_table(["rows", "recall@10", "precision@10"], differences))
    return "\n\n".join(parts)


def tabulate_two_tower(figures: Json) -> str:
    """Make the table of recall of the two towers and of the other methods."""
    budgets = ("recall@12", "recall@100", "recall@200")
    rows = []
    for name, row in figures["recall"].items():
        pooled = row["pooled"]
        lead = pooled["recall@100"]
        low, high = lead["lead_interval"]
        minus = "" if name == "two_tower" else f"{lead['lead']:+.4f} [{low:+.4f}, {high:+.4f}]"
        rows.append([name, *(f"{pooled[k]['value']:.4f}" for k in budgets), minus])
    about = f"{len(figures['weeks'])} label weeks, {figures['buyers']:,} buyers, {figures['pairs']:,} bought pairs."
    search = figures["search"]
    speed = [
        [name, *(f"{row[which]:,.0f}" for which in ("median", "least", "most"))]
        for name, row in search["per_second"].items()
    ]
    ratio = search["faiss_over_torch"]
    speed.append(["faiss / torch", *(f"{ratio[which]:.2f}" for which in ("median", "least", "most"))])
    return "\n\n".join(
        [
            about,
            markdown_table(["list", *budgets, "two_tower minus it, @100"], rows),
            f"Exact search of the {search['take']} best of {search['articles']:,} vectors:",
            markdown_table(["queries per second", "median", "least", "most"], speed),
        ]
    )


def tabulate_lens(figures: Json) -> str:
    """Make LENS's tables: the next basket per shop, the days until it, and the checks of alerts and anomalies."""
    parts = []
    for shop, block in figures["baskets"].items():
        rows = []
        for name, row in block["rows"].items():
            cells = [f"{row['free'][what]:.4f}" for what in ("recall", "precision", "f1")]
            forced = f"{row['forced']['f1']:.4f}" if "forced" in row else ""
            rows.append([name, str(len(row.get("seeds", [])) or ""), *cells, forced])
        parts.append(f"**{shop}**: {block['about']}.")
        parts.append(markdown_table(["row", "seeds", "recall", "precision", "F1", "teacher-forced F1"], rows))
    days = [
        [f"{shop}: {name}", f"{row['days']:.1f}"]
        for shop, block in figures["times"].items()
        for name, row in block["rows"].items()
    ]
    parts.append(markdown_table(["days until the next basket", "mean absolute error"], days))
    checks = [
        [f"{shop}: {model}", *(f"{row['anomalies'][what]['within']:.3f}" for what in ("articles", "time")),
         f"{row['alerts']['per day']['precision']:.2f}", f"{row['alerts']['per day']['share of all days']:.2f}"]
        for shop, models in figures["insights"].items()
        for model, row in models.items()
    ]  # fmt: skip
    header = ["model", "AUC, swapped baskets", "AUC, longer gaps", "precision of alerts", "share of short days"]
    parts.append(markdown_table(header, checks))
    return "\n\n".join(parts)


def tabulate_parsrec(figures: Json) -> str:
    """Make PARSRec's tables: ranking at three list lengths, and the error of the what-if in which a category leaves."""
    rows = []
    for name, row in figures["rows"].items():
        hits = [f"{row['figures'][k]['HR']:.4f}" for k in PLACES]
        ndcg = f"{row['figures']['10']['NDCG']:.4f}"
        rows.append([name, *hits, f"{row['figures']['10']['HR error']:.4f}", ndcg])
    for name, values in figures["published"].items():  # HR@1, 5, 10, NDCG@5, 10, then session precision
        cells = [f"*{values[k]:.4f}*" for k in (0, 1, 2, 4)]
        rows.append([f"*{name}, published*", *cells[:3], "", cells[3]])
    ranking = markdown_table(["row", *(f"HR@{k}" for k in PLACES), "error of HR@10", "NDCG@10"], rows)
    errors: dict[str, list[list[float]]] = {}
    for run in figures["spillover"].values():
        for name, values in run["errors"].items():
            errors.setdefault(name, []).append(values)
    header = ["estimate, error in % of units sold", "C2, group A", "C2, group B", "C1, group A", "C1, group B"]
    leaving = [[name, *_format_spread(values)] for name, values in errors.items()]
    return f"{ranking}\n\n{markdown_table(header, leaving)}"


def _format_spread(runs: list[list[float]]) -> list[str]:
    """Format mean and standard deviation over the seeds; ``runs``: per seed one value for each cell."""
    cells = [list(values) for values in zip(*runs, strict=True)]
    return [f"{mean(cell):.1f} ± {stdev(cell):.1f}" if len(cell) > 1 else f"{cell[0]:.1f}" for cell in cells]


def tabulate_hm_report(files: Mapping[str, Json]) -> str:
    """Make the table of the H&M two-tower report per shop, and the factor by which a restriction multiplies the score.

    ``files``: name of the file -> figures.
    """
    parts = []
    for figures in files.values():
        for shop, block in figures["shops"].items():
            rows = [[ROW_NAMES.get(name, name), *_format_scores(row)] for name, row in block["rows"].items()]
            parts.append(f"**{shop}**: {block['about']}.")
            parts.append(markdown_table(["row", "MAP@12", "minus base", "AUC"], rows))
            folds = [
                [name, f"{row['fold']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"]
                for name, row in block["folds"].items()
            ]
            parts.append(markdown_table(["restriction", "times the MAP@12"], folds))
    return "\n\n".join(parts)


def _format_scores(row: Json) -> list[str]:
    auc: Any = row["auc"]
    return [format_figure(row["map12"]), format_figure(row["minus"], "+"), "" if auc is None else f"{auc['mean']:.3f}"]
