"""What a page is made of, sections of figures and tables, and how every figure looks."""

from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

# Colours that are told apart by all eyes (Okabe and Ito); a list has the same one in every figure.
TWELVE, REPURCHASE, POPULAR, BOUGHT = "#0072B2", "#D55E00", "#7F7F7F", "#222222"
COLOURS = {"twelve": TWELVE, "repurchase_popular": REPURCHASE, "popular": POPULAR, "bought": BOUGHT}
NAMES = {
    "twelve": "twelve",
    "repurchase_popular": "repurchase, then popular",
    "popular": "popular",
    "bought": "what they bought",
}
FROM_SOURCES, FROM_FEATURES = "#009E73", "#CC79A7"  # who says what the ranker knows
PLAIN, AGAINST = "#5B7083", "#B0894F"  # figures that are of no list; what speaks against
SOURCES = ("#332288", "#44AA99", "#CC6677", "#999933", "#88CCEE", "#882255", "#117733", "#AA4499")
DASHES = ("solid", "dash", "dot")
LONG = 28  # characters of a bar's name that would leave a phone no room for the bar
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"


@dataclass(frozen=True)
class Figure:
    """A plot under a fixed id, and the sentences below it: what one sees, how it was computed."""

    id: str
    title: str
    plot: Any  # plotly.graph_objects.Figure
    says: str
    half: bool = False  # two stand side by side where the screen is wide


@dataclass(frozen=True)
class Table:
    """Rows of text below a head; the first column names the row."""

    head: list[str]
    rows: list[list[str]]
    says: str
    marked: bool = False  # the first row is what all is about


@dataclass(frozen=True)
class Section:
    """A part of the page, reached by ``#id``; ``people`` is filled by the customers' section alone."""

    id: str
    title: str
    text: str
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    people: list[Any] = field(default_factory=list)


def plot(traces: list[Any], height: int, **layout: Any) -> Any:
    """A figure of ``traces`` in the page's look; the legend lies above the plot, where it never covers a point."""
    return dressed(go.Figure(traces), height, **layout)


def dressed(figure: Any, height: int, **layout: Any) -> Any:
    """``figure`` in the page's look: no zoom, so that a finger on it scrolls the page."""
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


def bars(names: list[str], values: list[float], colour: str | list[str], label: str, shown: list[str]) -> Any:
    """Lying bars, the first name on top, ``shown`` written at their ends."""
    trace = go.Bar(
        x=values, y=names, orientation="h", marker={"color": colour}, text=shown, textposition="outside",
        cliponaxis=False, hoverinfo="x+y", showlegend=False,
    )  # fmt: skip
    low, high = min([*values, 0]), max([*values, 0])
    room = (0.45 if low < 0 else 0.4) * ((high - low) or 1)  # for what is written at the ends
    figure = plot([trace], 76 + 22 * len(names), xaxis={"title": label})
    size = 12 if max(map(len, names), default=0) < LONG else 10
    figure.update_xaxes(range=[low - room if low < 0 else 0, high + room], nticks=4, tickangle=0)
    figure.update_yaxes(autorange="reversed", ticksuffix=" ", tickfont={"size": size})
    return figure
