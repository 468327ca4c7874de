"""Define the sections, figures and tables of a page, and style the figures."""

from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

# Colours that colour-blind readers can distinguish (Okabe and Ito). A list has the same colour in every figure.
TWELVE, REPURCHASE, POPULAR, BOUGHT = "#0072B2", "#D55E00", "#7F7F7F", "#222222"
COLOURS = {"twelve": TWELVE, "repurchase_popular": REPURCHASE, "popular": POPULAR, "bought": BOUGHT}
NAMES = {
    "twelve": "Twelve",
    "repurchase_popular": "repurchase baseline",
    "popular": "best-seller baseline",
    "bought": "actual purchases",
}
FROM_SOURCES, FROM_FEATURES = "#009E73", "#CC79A7"  # columns of candidate sources; columns of feature groups
PLAIN, AGAINST = "#5B7083", "#B0894F"  # bars about no particular list; bars of a second or negative quantity
SOURCES = ("#332288", "#44AA99", "#CC6677", "#999933", "#88CCEE", "#882255", "#117733", "#AA4499")
DASHES = ("solid", "dash", "dot")
LONG = 28  # characters: from this length on, names of bars get a smaller font, so that bars stay visible on a phone
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"


@dataclass(frozen=True)
class Figure:
    """A plot, its id in the page, and its caption: what it shows and how to read it."""

    id: str
    title: str
    plot: Any  # plotly.graph_objects.Figure
    caption: str
    half: bool = False  # half width on a wide screen, so that two figures share a row


@dataclass(frozen=True)
class Table:
    """A header, rows of text, and a caption; the first column names the row."""

    head: list[str]
    rows: list[list[str]]
    caption: str
    marked: bool = False  # highlight the first row


@dataclass(frozen=True)
class Section:
    """A section of the page with the anchor ``#id``; only the customers' section has ``people``."""

    id: str
    title: str
    text: str
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    people: list[Any] = field(default_factory=list)


def plot(traces: list[Any], height: int, **layout: Any) -> Any:
    """Plot ``traces`` in the page's style, with the legend above the plot, so that it covers no point."""
    return apply_style(go.Figure(traces), height, **layout)


def apply_style(figure: Any, height: int, **layout: Any) -> Any:
    """Apply the page's style to ``figure``. Zoom is off, so that touching a figure on a phone scrolls the page."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        autosize=True,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        font={"family": FONT, "size": 13, "color": "#222222"},
        title=None,
        dragmode=False,
        bargap=0.25,
        hoverlabel={"font": {"size": 13}},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "title": None},
    )
    figure.update_xaxes(automargin=True, fixedrange=True, zerolinecolor="#999999")
    figure.update_yaxes(automargin=True, fixedrange=True, zerolinecolor="#999999")
    figure.update_layout(**layout)
    return figure


def plot_bars(names: list[str], values: list[float], colour: str | list[str], label: str, texts: list[str]) -> Any:
    """Plot horizontal bars, the first name on top, with ``texts`` at their ends."""
    trace = go.Bar(
        x=values, y=names, orientation="h", marker={"color": colour}, text=texts, textposition="outside",
        cliponaxis=False, hoverinfo="x+y", showlegend=False,
    )  # fmt: skip
    low, high = min([*values, 0]), max([*values, 0])
    margin = (0.45 if low < 0 else 0.4) * ((high - low) or 1)  # space for the texts at the ends
    figure = plot([trace], 76 + 22 * len(names), xaxis={"title": label})
    size = 12 if max(map(len, names), default=0) < LONG else 10
    figure.update_xaxes(range=[low - margin if low < 0 else 0, high + margin], nticks=4, tickangle=0)
    figure.update_yaxes(autorange="reversed", ticksuffix=" ", tickfont={"size": size})
    return figure
