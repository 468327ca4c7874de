"""What the benchmark says: the table beside the published figures, attention beside Sigma, the what-if."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.record import markdown_table
from insights.attention import Heat
from research.parsrec import spillover
from research.parsrec.attention import symmetric
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
    "1,024 customers, 100 sessions each, the settings of the authors' released sample; one test session a customer, "
    "100-article pools. The published rows are of 8,192 customers and of a draw that was not released: they cannot be "
    "compared digit by digit. The authors' own plot of this sample ends at about HR@10 .735, NDCG@10 .51, "
    "Sess-Prec@10 .74. POPRec's published figures lie below chance, so they are not of this protocol. Personal "
    "frequency counts what the customer bought before, without a training. SASRec and BERT4Rec read the last 200 "
    "articles, in the paper all of them."
)
ATTENTION = (
    "Attention is summed by category, as the paper does. Equal attention gives every chosen article the same weight: "
    "who comes with whom. Only what attention has beyond it, the last row, is the network's own preference. "
    "p: permutation of the categories."
)
WHAT_IF = (
    "Absolute error in % of the units sold in the test sessions that are left (256 customers, 40 sessions each to "
    "learn from and 32 to test, 20 articles a category; mean and standard deviation over the seeds). The pool holds "
    "what was bought, so its row says more of the pool than of the network. The change is that of the category's "
    "sales per session, in truth."
)


def markdown(table: Mapping[str, Any], seen: Mapping[str, Any], what_if: Mapping[int, Any]) -> str:
    parts = ["# PARSRec", NOTE, _ranking(table)]
    for name, one in seen.items():
        parts += [f"## Attention beside the planted Sigma: {name}", ATTENTION, _attention(one)]
    if what_if:
        parts += ["## When a category leaves", WHAT_IF, _what_if(what_if)]
    return "\n\n".join(parts)


def _ranking(table: Mapping[str, Any]) -> str:
    lines = []
    for name, row in table.items():
        cells = [f"{row['figures'][str(k)][what]:.4f}" for what, k in COLUMNS]
        cells[2] += f" ± {row['figures']['10']['HR error']:.4f}"
        lines.append([name, *cells, f"{row.get('seconds', 0):.0f}"])
    lines += [[f"{name}, published", *(f"{value:.4f}" for value in row), ""] for name, row in PUBLISHED.items()]
    return markdown_table(["row", *(f"{what}@{k}" for what, k in COLUMNS), "seconds"], lines)


def _attention(seen: Mapping[str, Any]) -> str:
    names = {
        "attention": "attention",
        "company": "equal attention (who comes with whom)",
        "lift": "attention / equal attention",
    }
    lines = []
    for key, name in names.items():
        groups = [f"{one['rho']:+.3f} (p {one['p']:.4f})" for one in seen[key]["groups"]]
        gaps = [f"{one['pair'][0]}-{one['pair'][1]}: {one['found']:+.4f}" for one in seen[key]["pairs"]]
        lines.append([name, *groups, f"{seen[key]['signs']} of {len(gaps)}", ", ".join(gaps)])
    planted = ", ".join(
        f"{one['pair'][0]}-{one['pair'][1]}: {one['planted']:+.2f}" for one in seen["attention"]["pairs"]
    )
    lines.append(["planted", "", "", "", planted])
    header = ["by category", "Spearman with Sigma, group A", "group B", "signs", "A minus B where the Sigmas differ"]
    return markdown_table(header, lines)


def _what_if(what_if: Mapping[int, Any]) -> str:
    lines = []
    for name in spillover.ESTIMATES:
        errors = np.array([run["errors"][name] for run in what_if.values()])  # (seeds, cases)
        lines.append([name, *_spread(errors)])
    lines.append(["PARSRec, published", *(f"{value:.1f}" for value in spillover.PUBLISHED)])
    lines.append(["change of sales", *_spread(np.array([run["change"] for run in what_if.values()]))])
    lines.append(["units sold", *(f"{value:.0f}" for value in np.mean([run["units"] for run in what_if.values()], 0))])
    return markdown_table(["estimate", *spillover.CASES], lines)


def _spread(values: Array) -> Sequence[str]:
    deviation = values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    return [f"{mean:.1f} ± {sd:.1f}" for mean, sd in zip(values.mean(0), deviation, strict=True)]


def plot(heat: Heat, sigmas: Sequence[Array]) -> Figure:
    """Heat maps: Sigma of each group and their difference, and under them the attention of each and its difference."""
    both = symmetric(heat.attention)
    lines = (("planted Sigma", np.stack(list(sigmas))), ("attention", both))
    figure = Figure(figsize=(12, 8), layout="constrained")
    panels = figure.subplots(2, 3)
    for line, (name, (first, second)) in zip(panels, lines, strict=True):
        for axes, title, matrix in zip(
            line, ("group A", "group B", "A minus B"), (first, second, first - second), strict=True
        ):
            shown = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
            least = -np.nanmax(np.abs(shown)) if np.nanmin(shown) < 0 else 0
            image = axes.imshow(
                shown, cmap="RdBu_r" if least < 0 else "viridis", vmin=least, vmax=np.nanmax(np.abs(shown))
            )
            axes.set(title=f"{name}, {title}", xticks=range(0, len(matrix), 4), yticks=range(0, len(matrix), 4))
            figure.colorbar(image, ax=axes, shrink=0.8)
    return figure
