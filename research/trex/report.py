"""What the benchmark leaves behind: trex.json, trex.md and the plots after Fig. 2 and Fig. 4 of T-REX."""

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
DRAWN = ("G-Top", "P-Top, then G-Top", "P-Top with decay, then G-Top", MIX, PLAIN, OWN)


def write(found: dict[str, Any]) -> None:
    """Write all files of ``found``, whose "data" maps each shop's name to its figures."""
    with stage.whole_file(RESULTS / "trex.json") as part:
        part.write_text(json.dumps(found, indent=1) + "\n")
    with stage.whole_file(RESULTS / "trex.md") as part:
        part.write_text(markdown(found))
    plot_curves(found["data"], RESULTS / "trex.png")
    plot_strata(found["data"], RESULTS / "trex_strata.png")


def markdown(found: dict[str, Any]) -> str:
    """The tables: rows, differences with intervals, strata, the foil's leak."""
    lines = [
        "# T-REX-style category prediction",
        "",
        f"`{found['command']}`: {found['seconds']:.0f} s of trainings. {found['note']}",
    ]
    for name, data in found["data"].items():
        lines += ["", f"## {name}: {data['about']}", "", _head(), "|---" * (3 + 2 * len(KS)) + "|"]
        lines += [_line(row, of) for row, of in data["rows"].items()]
        lines += ["", f"{OWN} minus / {PLAIN} minus (95% interval of the mean over customers, paired bootstrap):", ""]
        lines += ["| ours | theirs | recall@10 | precision@10 |", "|---|---|---|---|"]
        for ours, others in data["differences"].items():
            for theirs, gap in others.items():
                cells = [f"{gap[k]['mean']:+.4f} [{gap[k]['low']:+.4f}, {gap[k]['high']:+.4f}]" for k in gap]
                lines.append(f"| {ours} | {theirs} | {' | '.join(cells)} |")
        for what, parts in data["strata"].items():
            rows = list(parts[0]["recall@10"])
            lines += ["", f"| {what} | customers | {' | '.join(rows)} |", "|---" * (2 + len(rows)) + "|"]
            for part in parts:
                cells = [f"{part['recall@10'][row]:.4f}" for row in rows]
                lines.append(f"| {part['of']} | {part['customers']} | {' | '.join(cells)} |")
        lines += ["", "Recall@10 of the hidden half of the last basket, the other half given or not:", ""]
        lines += ["| row | given (as in training) | not given (as in use) |", "|---|---|---|"]
        lines += [f"| {row} | {given:.4f} | {alone:.4f} |" for row, (given, alone) in data["halves"].items()]
    return "\n".join(lines) + "\n"


def _head() -> str:
    cells = [f"{what}@{k}" for what in ("recall", "precision") for k in KS]
    return f"| row | seeds | {' | '.join(cells)} | seconds |"


def _line(name: str, row: dict[str, Any]) -> str:
    cells = [f"{row['test'][what][k - 1]:.4f}" for what in ("recall", "precision") for k in KS]
    return f"| {name} | {len(row['seeds']) or ''} | {' | '.join(cells)} | {row['seconds']:.0f} |"


def plot_curves(data: dict[str, Any], file: Path) -> None:
    """Average recall@k and precision@k for k = 1..20, a line of panels per shop."""
    figure, axes = plt.subplots(len(data), 2, figsize=(10, 4 * len(data)), squeeze=False)
    for line, (name, of) in zip(axes, data.items(), strict=True):
        for panel, what in zip(line, ("recall", "precision"), strict=True):
            for row in DRAWN:
                values = of["rows"][row]["test"][what]
                panel.plot(range(1, len(values) + 1), values, label=row)
            panel.set(xlabel="k", ylabel=f"{what}@k", title=name)
        line[1].legend(fontsize="small")
    _save(figure, file)


def plot_strata(data: dict[str, Any], file: Path) -> None:
    """Recall@10 by length of the last basket and by previous sessions."""
    figure, axes = plt.subplots(len(data), 2, figsize=(10, 4 * len(data)), squeeze=False)
    for line, (name, of) in zip(axes, data.items(), strict=True):
        for panel, (what, parts) in zip(line, reversed(of["strata"].items()), strict=True):
            rows = list(parts[0]["recall@10"])
            for k, row in enumerate(rows):
                heights = [part["recall@10"][row] for part in parts]
                panel.bar([x + k * 0.8 / len(rows) for x in range(len(parts))], heights, 0.8 / len(rows), label=row)
            panel.set_xticks([x + 0.3 for x in range(len(parts))], [part["of"] for part in parts])
            panel.set(xlabel=what, ylabel="recall@10", title=name)
        line[1].legend(fontsize="small")
    _save(figure, file)


def _save(figure: Any, file: Path) -> None:
    figure.tight_layout()
    with stage.whole_file(file) as part:
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
