"""How much of what was bought the candidates hold: recall of each source and of their union."""

from typing import Any

import plotly.graph_objects as go

from submissions.report.figure import AGAINST, BOUGHT, DASHES, FROM_SOURCES, SOURCES, Figure, Section, bars, plot


def recall(figures: dict[str, Any]) -> Section:
    """The figures of data/pool/recall.json: recall@N by source, and what the union loses without each."""
    names = sorted(name for name, row in figures.items() if isinstance(row, dict) and "rows" in row and name != "union")
    keys = [key for key in figures["union"] if key.startswith("recall@")]
    at = [int(key.removeprefix("recall@")) for key in keys]
    lines = [_line("union", [figures["union"][key] for key in keys], at, BOUGHT, "solid", 4)]
    for k, name in enumerate(names):
        colour, dash = SOURCES[k % len(SOURCES)], DASHES[k // len(SOURCES) % len(DASHES)]
        lines.append(_line(name, [figures[name][key] for key in keys], at, colour, dash, 2))
    axis = {"tickvals": at, "title": "first N candidates of a customer", "rangemode": "tozero"}
    parts = [
        Figure(
            "recall-by-source",
            "Recall@N of each source and of their union",
            plot(
                lines,
                600,
                xaxis=axis,
                yaxis={"title": "share of what was bought", "tickformat": ".0%", "rangemode": "tozero"},
                legend={"font": {"size": 11}, "maxheight": 400},  # pixels: on a phone all names stand below each other
            ),
            "Share of all (customer, article) pairs bought in a label week that are among the customer's first N "
            "candidates; mean of the label weeks, all buyers. A source that proposes fewer stays flat from there on.",
        )
    ]
    if len(names) > 1:
        parts.append(_without(figures, names, keys[-1]))
    text = (
        "Sources propose candidates, their union is cut to size and the ranker orders it. What no source proposes "
        f"cannot be recommended: a perfect ranker of this pool would reach MAP@12 {figures['oracle_map12']:.3f}."
    )
    return Section("recall", "What the candidates hold", text, figures=parts)


def _line(name: str, values: list[float], at: list[int], colour: str, dash: str, width: int) -> Any:
    line = {"color": colour, "dash": dash, "width": width}
    return go.Scatter(x=at, y=values, name=name, mode="lines+markers", line=line, hovertemplate="%{y:.3f}")


def _without(figures: dict[str, Any], names: list[str], key: str) -> Figure:
    lost = {name: figures["union"][key] - figures[f"union without {name}"][key] for name in names}
    order = sorted(names, key=lambda name: (-lost[name], name))
    values = [lost[name] for name in order]
    figure = bars(
        order,
        values,
        [FROM_SOURCES if value > 0 else AGAINST for value in values],
        f"{key} lost",
        [f"{v:+.4f}" for v in values],
    )
    says = (
        f"{key} of the union of all sources minus that of the union without this one, mean of the label weeks. Below "
        "zero the others do better without it: its candidates push better ones down."
    )
    return Figure("union-without", "What the union loses without each source", figure, says)
