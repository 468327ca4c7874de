"""Format the results: ranking with the published figures, attention compared with the Sigmas, the what-if."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.record import markdown_table
from insights.attention import Heat
from research.parsrec import spillover
from research.parsrec.attention import symmetrise
from retail.log import Array

COLUMNS = (
    ("HR", 1), ("HR", 5), ("HR", 10), ("NDCG", 5), ("NDCG", 10), ("Sess-Prec", 1), ("Sess-Prec", 5), ("Sess-Prec", 10)
)  # fmt: skip
PUBLISHED = {  # table 2, 8,192 customers
    "POPRec": (0.0005, 0.0028, 0.0066, 0.0013, 0.0026, 0.0005, 0.0029, 0.0068),
    "SASRec": (0.1816, 0.3919, 0.5133, 0.2872, 0.3253, 0.1826, 0.3931, 0.5151),
    "BERT4Rec": (0.1963, 0.4150, 0.5441, 0.3061, 0.3426, 0.1974, 0.4163, 0.5357),
    "PARSRec": (0.2136, 0.4791, 0.5825, 0.3489, 0.3800, 0.2249, 0.4784, 0.5792),
}
NOTE = (
    "The shop has the settings of the authors' released sample: 1,024 customers with 100 sessions each. There is one "
    "test session per customer, with a pool of 100 articles. The published rows are of 8,192 customers and of sales "
    "that were not released, so digits cannot be compared. The authors' own plot of this sample ends at about HR@10 "
    ".735, NDCG@10 .51, Sess-Prec@10 .74. POPRec's published figures are below random, so they are not of this "
    "protocol. Personal frequency counts the customer's earlier purchases and needs no training. SASRec and BERT4Rec "
    "read the last 200 articles; in the paper they read all."
)
ATTENTION = (
    "Attention is summed by category, as in the paper. Equal attention gives every chosen article the same weight, so "
    "it only shows which categories are bought together. The network's own preference is their ratio, in the third "
    "row. p-values come from permuting the categories."
)
WHAT_IF = (
    "Absolute error in % of the units sold in the test sessions left: mean and standard deviation over the seeds. The "
    "shop has 256 customers with 40 training and 32 test sessions each, and 20 articles per category. The pool holds "
    "the articles that were bought, so its row says more about the pool than about the network. The change of sales "
    "is the true change of the category's sales per session."
)


def render_markdown(table: Mapping[str, Any], agreement: Mapping[str, Any], what_if: Mapping[int, Any]) -> str:
    """Render all tables as Markdown."""
    parts = ["# PARSRec", NOTE, _format_ranking(table)]
    for name, figures in agreement.items():
        parts += [f"## Attention compared with the planted Sigma: {name}", ATTENTION, _format_attention(figures)]
    if what_if:
        parts += ["## When a category leaves", WHAT_IF, _format_what_if(what_if)]
    return "\n\n".join(parts)


def _format_ranking(table: Mapping[str, Any]) -> str:
    lines = []
    for name, row in table.items():
        cells = [f"{row['figures'][str(k)][measure]:.4f}" for measure, k in COLUMNS]
        cells[2] += f" ± {row['figures']['10']['HR error']:.4f}"
        lines.append([name, *cells, f"{row.get('seconds', 0):.0f}"])
    lines += [[f"{name}, published", *(f"{value:.4f}" for value in row), ""] for name, row in PUBLISHED.items()]
    return markdown_table(["row", *(f"{measure}@{k}" for measure, k in COLUMNS), "seconds"], lines)


def _format_attention(figures: Mapping[str, Any]) -> str:
    names = {
        "attention": "attention",
        "company": "equal attention (bought together)",
        "lift": "attention / equal attention",
    }
    lines = []
    for key, name in names.items():
        groups = [f"{group['rho']:+.3f} (p {group['p']:.4f})" for group in figures[key]["groups"]]
        gaps = [f"{pair['pair'][0]}-{pair['pair'][1]}: {pair['found']:+.4f}" for pair in figures[key]["pairs"]]
        lines.append([name, *groups, f"{figures[key]['signs']} of {len(gaps)}", ", ".join(gaps)])
    planted = ", ".join(
        f"{pair['pair'][0]}-{pair['pair'][1]}: {pair['planted']:+.2f}" for pair in figures["attention"]["pairs"]
    )
    lines.append(["planted", "", "", "", planted])
    header = [
        "by category",
        "Spearman with Sigma, group A",
        "group B",
        "equal signs",
        "A minus B where the Sigmas differ",
    ]
    return markdown_table(header, lines)


def _format_what_if(what_if: Mapping[int, Any]) -> str:
    lines = []
    for name in spillover.ESTIMATES:
        errors = np.array([run["errors"][name] for run in what_if.values()])  # (seeds, cases)
        lines.append([name, *_format_spread(errors)])
    lines.append(["PARSRec, published", *(f"{value:.1f}" for value in spillover.PUBLISHED)])
    lines.append(["change of sales", *_format_spread(np.array([run["change"] for run in what_if.values()]))])
    lines.append(["units sold", *(f"{value:.0f}" for value in np.mean([run["units"] for run in what_if.values()], 0))])
    return markdown_table(["estimate", *spillover.CASES], lines)


def _format_spread(values: Array) -> Sequence[str]:
    deviation = values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    return [f"{mean:.1f} ± {sd:.1f}" for mean, sd in zip(values.mean(0), deviation, strict=True)]


def plot(heat: Heat, sigmas: Sequence[Array]) -> Figure:
    """Plot heat maps of both groups and their difference: the Sigmas above, the attention below."""
    both = symmetrise(heat.attention)
    maps = (("planted Sigma", np.stack(list(sigmas))), ("attention", both))
    figure = Figure(figsize=(12, 8), layout="constrained")
    panels = figure.subplots(2, 3)
    for row, (name, (first, second)) in zip(panels, maps, strict=True):
        for axes, title, matrix in zip(
            row, ("group A", "group B", "A minus B"), (first, second, first - second), strict=True
        ):
            shown = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
            least = -np.nanmax(np.abs(shown)) if np.nanmin(shown) < 0 else 0
            image = axes.imshow(
                shown, cmap="RdBu_r" if least < 0 else "viridis", vmin=least, vmax=np.nanmax(np.abs(shown))
            )
            axes.set(title=f"{name}, {title}", xticks=range(0, len(matrix), 4), yticks=range(0, len(matrix), 4))
            figure.colorbar(image, ax=axes, shrink=0.8)
    return figure
