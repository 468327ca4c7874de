"""Build the section about the candidates: recall of each source and of their union."""

from typing import Any

import plotly.graph_objects as go

from submissions.report.figure import AGAINST, BOUGHT, DASHES, FROM_SOURCES, SOURCES, Figure, Section, plot, plot_bars


def build_recall_section(figures: dict[str, Any]) -> Section:
    """Build the section from the figures of data/pool/recall.json."""
    names = sorted(name for name, row in figures.items() if isinstance(row, dict) and "rows" in row and name != "union")
    keys = [key for key in figures["union"] if key.startswith("recall@")]
    depths = [int(key.removeprefix("recall@")) for key in keys]
    lines = [_draw_line("union", [figures["union"][key] for key in keys], depths, BOUGHT, "solid", 4)]
    for k, name in enumerate(names):
        colour, dash = SOURCES[k % len(SOURCES)], DASHES[k // len(SOURCES) % len(DASHES)]
        lines.append(_draw_line(name, [figures[name][key] for key in keys], depths, colour, dash, 2))
    axis = {"tickvals": depths, "title": "N, first candidates of a customer", "rangemode": "tozero"}
    parts = [
        Figure(
            "recall-by-source",
            "Recall@N of each source and of their union",
            plot(
                lines,
                600,
                xaxis=axis,
                yaxis={"title": "share of purchases", "tickformat": ".0%", "rangemode": "tozero"},
                legend={"font": {"size": 11}, "maxheight": 400},  # pixels; on a phone the names are listed vertically
            ),
            "A point is the share of a held-out week's purchases that are among the customer's first N candidates. It "
            "is the mean of the weeks; higher is better. A line is flat beyond the number of candidates that "
            "the source proposes.",
        )
    ]
    if len(names) > 1:
        parts.append(_plot_losses(figures, names, keys[-1]))
    text = (
        "Each source proposes candidate articles. The best of their union form the pool, which the ranker orders. An "
        "article that no source proposes cannot be recommended, so the recall of the union limits the result. A "
        f"perfect ranking of the pool would reach MAP@12 {figures['oracle_map12']:.3f}."
    )
    return Section("recall", "Recall of the candidates", text, figures=parts)


def _draw_line(name: str, values: list[float], depths: list[int], colour: str, dash: str, width: int) -> Any:
    line = {"color": colour, "dash": dash, "width": width}
    return go.Scatter(x=depths, y=values, name=name, mode="lines+markers", line=line, hovertemplate="%{y:.3f}")


def _plot_losses(figures: dict[str, Any], names: list[str], key: str) -> Figure:
    losses = {name: figures["union"][key] - figures[f"union without {name}"][key] for name in names}
    order = sorted(names, key=lambda name: (-losses[name], name))
    values = [losses[name] for name in order]
    figure = plot_bars(
        order,
        values,
        [FROM_SOURCES if value > 0 else AGAINST for value in values],
        f"loss of {key}",
        [f"{v:+.4f}" for v in values],
    )
    caption = (
        f"A bar shows how much {key} of the union drops without the source, mean of the held-out weeks. A long bar "
        "marks a source that the others cannot replace. Below zero, the union is better without the source, because "
        "its candidates push better ones down."
    )
    return Figure("union-without", "Loss of recall without each source", figure, caption)
