"""Write the figures of the benchmark as JSON, as tables in Markdown and as a plot."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks import record
from research.two_tower.recall import CUTOFFS

MEASURES = {"pooled": "Share of all bought pairs", "customer": "Mean over customers of their share"}


def write(origin: dict[str, Any], figures: dict[str, Any], folder: Path) -> None:
    """Write ``two_tower.json``, ``.md`` and ``.png`` to ``folder``."""
    record.write_json("two_tower", origin, figures, folder)
    record.write_markdown("two_tower", origin, render_markdown(figures), folder)
    record.write_plot("two_tower", plot(figures), folder)


def render_markdown(figures: dict[str, Any]) -> str:
    """Render all tables as Markdown."""
    weeks = figures["weeks"]
    lines = [
        "# Two towers",
        "",
        f"Label weeks {weeks[0]}..{weeks[-1]} of {figures['data']}: {figures['buyers']} buyers, {figures['pairs']} "
        "bought pairs; figures are means over the weeks. The network was trained once, before the first week. Every "
        f"method ranks the articles sold in the last {figures['sold_days']} days, including those bought before. "
        "Intervals are 95% bootstrap intervals over customers; differences are paired.",
    ]
    for measure, meaning in MEASURES.items():
        lines += ["", f"## {meaning}", "", _format_recall(figures["recall"], measure)]
    return "\n".join([*lines, "", *_format_search(figures), *_format_tuning(figures)])


def plot(figures: dict[str, Any]) -> Figure:
    """Plot recall by the length of the list, and the rates of the exact search."""
    figure = Figure(figsize=(12, 4.5))
    left, right = figure.subplots(1, 2)
    for method, measures in figures["recall"].items():
        cells = [measures["pooled"][f"recall@{k}"] for k in CUTOFFS]
        values = [cell["value"] for cell in cells]
        below = [cell["value"] - cell["interval"][0] for cell in cells]
        above = [cell["interval"][1] - cell["value"] for cell in cells]
        width = 2.5 if method == "two_tower" else 1
        left.errorbar(
            CUTOFFS, values, [below, above], label=method, linewidth=width, marker="o", markersize=3, capsize=2
        )
    left.set(
        xscale="log", xlabel="length of the list", ylabel="recall of the week's purchases (pooled)", title="Recall"
    )
    left.set_xticks(CUTOFFS, labels=[str(k) for k in CUTOFFS])
    left.minorticks_off()
    left.legend(fontsize=8)
    search = figures["search"]
    rates = search["per_second"].values()
    medians = [rate["median"] for rate in rates]
    spread = [[rate["median"] - rate["least"] for rate in rates], [rate["most"] - rate["median"] for rate in rates]]
    right.bar(list(search["per_second"]), medians, yerr=spread, capsize=4)
    right.set(ylabel="queries per second", title=f"top {search['take']} of {search['articles']:,} x {search['size']}")
    figure.tight_layout()
    return figure


def _format_recall(recall: dict[str, Any], measure: str) -> str:
    heads = [f"recall@{k}" for k in CUTOFFS]
    rows = []
    for method, measures in recall.items():
        cells = [
            f"{measures[measure][head]['value']:.4f} {_format_interval(measures[measure][head]['interval'])}"
            for head in heads
        ]
        at_100 = measures[measure]["recall@100"]
        lead = (
            "" if method == "two_tower" else f"{at_100['lead']:+.4f} {_format_interval(at_100['lead_interval'], '+')}"
        )
        rows.append([method, *cells, lead])
    return record.markdown_table(["method", *heads, "two_tower minus the method, recall@100"], rows)


def _format_search(figures: dict[str, Any]) -> list[str]:
    search = figures["search"]
    rates = {**search["per_second"], "faiss / torch": search["faiss_over_torch"]}
    rows = [
        [name, *(f"{rate[key]:,.2f}" if "/" in name else f"{rate[key]:,.0f}" for key in ("median", "least", "most"))]
        for name, rate in rates.items()
    ]
    lines = [
        "## Search",
        "",
        f"Top {search['take']} of {search['articles']:,} vectors of size {search['size']}. "
        f"{search['queries']:,} queries, {search['pairs']} runs of each method in turn, {search['threads']} thread(s), "
        f"{search['gpus']} GPU(s).",
        "",
        record.markdown_table(["queries per second", "median", "minimum", "maximum"], rows),
    ]
    heads = ["kind", "effort", "recall of the exact search", "queries per second", "seconds to build"]
    for vectors, kinds in figures["approximate"].items():
        cells = [
            [
                kind["kind"],
                str(kind["effort"]),
                f"{kind['recall']:.4f}",
                f"{kind['per_second']:,.0f}",
                f"{kind['build_seconds']:.2f}",
            ]
            for kind in kinds
        ]
        lines += ["", f"{vectors}:", "", record.markdown_table(heads, cells)]
    return lines


def _format_tuning(figures: dict[str, Any]) -> list[str]:
    rows = [[trial["method"], trial["settings"], f"{trial['recall']:.4f}"] for trial in figures["tuning"]]
    seconds = ", ".join(f"{name} {value:.0f}" for name, value in figures["seconds"].items())
    heads = ["method", "settings", "recall@100, pooled"]
    title = f"## Tuning of the baselines on weeks {figures['tuning_weeks']}"
    return ["", title, "", record.markdown_table(heads, rows), "", f"Seconds: {seconds}."]


def _format_interval(pair: tuple[float, float], sign: str = "") -> str:
    return f"[{pair[0]:{sign}.4f}, {pair[1]:{sign}.4f}]"
