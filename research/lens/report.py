"""What the benchmark leaves behind: lens.json, lens.md and lens.png."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks import record
from research.lens.rows import OWN, PERSONAL

PUBLISHED = {  # recall, precision, F1 of the paper's Table 2
    "XGBoost, as published": (0.0948, 0.2779, 0.1414),
    "LENS1000, as published": (0.1138, 0.3723, 0.1743),
    "LENS2000, as published": (0.1255, 0.4032, 0.1914),
}
WHY = (
    "The published figures cannot be compared: they are means over lists of up to ten on the last baskets of a random "
    "30% of all 32,266 Ta-Feng customers, with protocol and code unpublished; these are of whole baskets, on Ta-Feng "
    "of the 1,412 test users of the CASE paper's files, which tell the repeated part of the last basket alone. A "
    "precision of .37 to .40 beside a recall of .11 to .13 is out of reach of any free-running evaluation known here; "
    "teacher-forced steps, which are told the true articles before and the true length, stand in columns of their own."
)
OURS = (
    "Ours departs from the paper: a bonus to articles of the customer's own, the shop's sales before the basket's day "
    "read beside the funnel (so that day is taken as known), vectors of articles from the baskets alone and frozen, "
    "baskets learned in drawn orders and named at once, by the first step's chances, in the length that promises the "
    "best F1. The other rows name article after article, the most sold first."
)


def write(made: dict[str, Any], found: dict[str, Any], folder: Path) -> None:
    record.write_json("lens", made, found, folder)
    record.write_markdown("lens", made, markdown(found), folder)
    record.write_plot("lens", drawn(found), folder)


def markdown(found: dict[str, Any]) -> str:
    lines = ["# LENS: the next basket, its day, and what may be made of them", "", WHY, "", OURS]
    for name, of in found["baskets"].items():
        lines += ["", f"## {name}: {of['about']}", "", _baskets(of), "", *_chosen(of)]
    lines += ["", "As published:", "", _published(), "", "## Days until the next basket", "", _times(found["times"])]
    lines += ["", "## Fifty customers learned by heart, baskets of up to ten articles", "", _heart(found["by heart"])]
    lines += ["", "## Insights", "", _insights(found["insights"])]
    return "\n".join(lines)


def _baskets(of: dict[str, Any]) -> str:
    head = ["row", "seeds", "recall", "precision", "F1", "F1 of means", "forced P", "forced F1", "length"]
    head += [*(f"F1 minus {name}" for name in PERSONAL), "seconds"]
    rows = []
    for name, row in of["rows"].items():
        free, forced = row["free"], row.get("forced")
        cells = [_four(free[key]) for key in ("recall", "precision", "f1", "f1_of_means")]
        told = [_four(forced["precision"]), _four(forced["f1"]), f"{row['length']:.1f}"] if forced else ["", "", ""]
        gaps = of["F1 minus"].get(name)
        minus = [_gap(gaps[theirs]) if gaps else "" for theirs in PERSONAL]
        seeds, seconds = _cost(row)
        rows.append([name, seeds, *cells, *told, *minus, seconds])
    return record.markdown_table(head, rows)


def _chosen(of: dict[str, Any]) -> list[str]:
    of_all, decayed = of["chosen"]["personal top"], of["chosen"]["personal top with decay"]
    lists = ", ".join(f"{name} {_four(row['lists']['f1_of_means'])}" for name, row in of["rows"].items())
    return [
        f"True baskets hold {of['mean length']:.1f} articles. Best length, by validation: {of_all['length']}, with "
        f"decay {decayed['length']} (half-life {decayed['half_life']:.0f} days); own length: the customer's mean so "
        "far. F1 is the mean over customers; F1 of means is that of mean recall and precision, the paper's way; minus: "
        "paired bootstrap over customers, 95%.",
        "",
        f"Mean over the first k = 1..10 articles, F1 of means: {lists}.",
    ]


def _published() -> str:
    rows = [[name, *map(_four, values)] for name, values in PUBLISHED.items()]
    return record.markdown_table(["row", "recall", "precision", "F1"], rows)


def _times(times: dict[str, Any]) -> str:
    rows = []
    for task, of in times.items():
        for name, row in of["rows"].items():
            minus = [_gap(gap, 2) for gap in row.get("minus", {}).values()] or ["", ""]
            seeds, seconds = _cost(row)
            rows.append([f"{task}: {name}", str(of["customers"]), seeds, f"{row['days']:.2f}", *minus, seconds])
    head = [
        "predictor",
        "customers",
        "seeds",
        "mean absolute error, days",
        "minus the mean gap's",
        "minus the median's",
    ]
    return record.markdown_table([*head, "seconds"], rows)


def _heart(found: dict[str, Any]) -> str:
    rows = [
        [name, *(_four(row[key]) for key in ("recall", "precision", "f1")), f"{row['seconds']:.0f}"]
        for name, row in found.items()
    ]
    return record.markdown_table(["row", "recall", "precision", "F1", "seconds"], rows)


def _insights(found: dict[str, Any]) -> str:
    head = ["shop, model", "AUC, swapped baskets", "AUC, gaps five times as long", "clusters", "alerts P, R, per day"]
    rows = []
    for shop, models in found.items():
        for model, of in models.items():
            auc, alerts = of["anomalies"], of["alerts"]
            cells = [f"{_four(auc[key]['within'])} (alone {_four(auc[key]['alone'])})" for key in ("articles", "time")]
            cells.append(str(auc["about"]["clusters"]))
            for way in ("per day", "cumulative"):
                one = alerts[way]
                cells.append(f"{one['precision']:.2f}, {one['recall']:.2f} (of all {one['share of all days']:.2f})")
            purity = of.get("purity")
            cells.append(f"{purity['articles']:.2f}, {purity['customers']:.2f}" if purity else "")
            rows.append([f"{shop}, {model}", *cells])
    return record.markdown_table([*head, "alerts P, R, cumulative", "purity of articles, customers"], rows)


def drawn(found: dict[str, Any]) -> Figure:
    """F1 of whole baskets by task and row; errors of the days; AUC of the injected changes."""
    picture = Figure(figsize=(13, 7), layout="constrained")
    panels = picture.subplots(2, 2).flatten()
    for axes, (name, of) in zip(panels, found["baskets"].items(), strict=False):
        rows = of["rows"]
        axes.barh(list(rows), [row["free"]["f1"] for row in rows.values()],
                  color=["tab:orange" if row == OWN else "tab:blue" if "forced" in of else "tab:grey"
                         for row, of in rows.items()])  # fmt: skip
        axes.invert_yaxis()
        axes.set(xlabel="F1 of the whole basket, free running", title=name)
    bars = {f"{task}: {name}": row["days"] for task, of in found["times"].items() for name, row in of["rows"].items()}
    panels[2].barh(list(bars), list(bars.values()))
    panels[2].invert_yaxis()
    panels[2].set(xlabel="mean absolute error, days", title="days until the next basket")
    auc = {f"{shop}, {model}: {what}": of["anomalies"][what]["within"] for shop, models in found["insights"].items()
           for model, of in models.items() for what in ("articles", "time")}  # fmt: skip
    panels[3].barh(list(auc), list(auc.values()))
    panels[3].axvline(0.8, color="black", linewidth=0.8)
    panels[3].invert_yaxis()
    panels[3].set(xlabel="ROC-AUC of injected changes", xlim=(0.5, 1), title="anomalies")
    return picture


def _cost(row: dict[str, Any]) -> tuple[str, str]:
    """Number of seeds and seconds, nothing for a row without a training."""
    return (str(len(row["seeds"])), f"{row['seconds']:.0f}") if "seeds" in row else ("", "")


def _four(value: float) -> str:
    return f"{value:.4f}"


def _gap(gap: dict[str, float], digits: int = 4) -> str:
    return f"{gap['mean']:+.{digits}f} [{gap['low']:+.{digits}f}, {gap['high']:+.{digits}f}]"
