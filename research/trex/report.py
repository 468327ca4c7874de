"""Write the results of the benchmark: trex.json, trex.md and plots in the form of Fig. 2 and Fig. 4 of T-REX."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from research.trex.figures import KS
from research.trex.rows import MIX, OWN, PLAIN
from retail import stage

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
PLOTTED = ("G-Top", "P-Top, then G-Top", "P-Top with decay, then G-Top", MIX, PLAIN, OWN)


def write(results: dict[str, Any]) -> None:
    """Write all files of ``results``, whose "data" maps the name of each shop to its figures."""
    with stage.whole_file(RESULTS / "trex.json") as part:
        part.write_text(json.dumps(results, indent=1) + "\n")
    with stage.whole_file(RESULTS / "trex.md") as part:
        part.write_text(render_markdown(results))
    plot_curves(results["data"], RESULTS / "trex.png")
    plot_strata(results["data"], RESULTS / "trex_strata.png")


def render_markdown(results: dict[str, Any]) -> str:
    """Render the tables: rows, differences with intervals, strata, the leak of the masked baseline."""
    lines = [
        "# T-REX-style category prediction",
        "",
        f"`{results['command']}`: {results['seconds']:.0f} s of training. {results['note']}",
    ]
    for name, data in results["data"].items():
        lines += ["", f"## {name}: {data['about']}", "", _format_header(), "|---" * (3 + 2 * len(KS)) + "|"]
        lines += [_format_row(row, values) for row, values in data["rows"].items()]
        lines += ["", "Row minus baseline (mean over customers and its 95% interval, paired bootstrap):", ""]
        lines += ["| row | baseline | recall@10 | precision@10 |", "|---|---|---|---|"]
        for row, baselines in data["differences"].items():
            for baseline, gap in baselines.items():
                cells = [f"{gap[k]['mean']:+.4f} [{gap[k]['low']:+.4f}, {gap[k]['high']:+.4f}]" for k in gap]
                lines.append(f"| {row} | {baseline} | {' | '.join(cells)} |")
        for criterion, parts in data["strata"].items():
            rows = list(parts[0]["recall@10"])
            lines += ["", f"| {criterion} | customers | {' | '.join(rows)} |", "|---" * (2 + len(rows)) + "|"]
            for part in parts:
                cells = [f"{part['recall@10'][row]:.4f}" for row in rows]
                lines.append(f"| {part['of']} | {part['customers']} | {' | '.join(cells)} |")
        lines += [
            "",
            "Recall@10 of the hidden half of the last basket, with and without the visible half as input:",
            "",
        ]
        lines += ["| row | with (as in training) | without (as in use) |", "|---|---|---|"]
        lines += [f"| {row} | {seen:.4f} | {unseen:.4f} |" for row, (seen, unseen) in data["halves"].items()]
    return "\n".join(lines) + "\n"


def _format_header() -> str:
    cells = [f"{metric}@{k}" for metric in ("recall", "precision") for k in KS]
    return f"| row | seeds | {' | '.join(cells)} | seconds |"


def _format_row(name: str, row: dict[str, Any]) -> str:
    cells = [f"{row['test'][metric][k - 1]:.4f}" for metric in ("recall", "precision") for k in KS]
    return f"| {name} | {len(row['seeds']) or ''} | {' | '.join(cells)} | {row['seconds']:.0f} |"


def plot_curves(data: dict[str, Any], file: Path) -> None:
    """Plot mean recall@k and precision@k for k = 1..20, a line of panels per shop."""
    figure, axes = plt.subplots(len(data), 2, figsize=(10, 4 * len(data)), squeeze=False)
    for line, (name, shop) in zip(axes, data.items(), strict=True):
        for panel, metric in zip(line, ("recall", "precision"), strict=True):
            for row in PLOTTED:
                values = shop["rows"][row]["test"][metric]
                panel.plot(range(1, len(values) + 1), values, label=row)
            panel.set(xlabel="k", ylabel=f"{metric}@k", title=name)
        line[1].legend(fontsize="small")
    _save(figure, file)


def plot_strata(data: dict[str, Any], file: Path) -> None:
    """Plot recall@10 by the size of the last basket and by the number of earlier baskets."""
    figure, axes = plt.subplots(len(data), 2, figsize=(10, 4 * len(data)), squeeze=False)
    for line, (name, shop) in zip(axes, data.items(), strict=True):
        for panel, (criterion, parts) in zip(line, reversed(shop["strata"].items()), strict=True):
            rows = list(parts[0]["recall@10"])
            for k, row in enumerate(rows):
                heights = [part["recall@10"][row] for part in parts]
                panel.bar([x + k * 0.8 / len(rows) for x in range(len(parts))], heights, 0.8 / len(rows), label=row)
            panel.set_xticks([x + 0.3 for x in range(len(parts))], [part["of"] for part in parts])
            panel.set(xlabel=criterion, ylabel="recall@10", title=name)
        line[1].legend(fontsize="small")
    _save(figure, file)


def _save(figure: Any, file: Path) -> None:
    figure.tight_layout()
    with stage.whole_file(file) as part:
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
