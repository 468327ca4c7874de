"""What the lists are made of beside what was bought: coverage, novelty, repeat purchases, new articles."""

import polars as pl

from submissions.report.figure import COLOURS, NAMES, Figure, Section, bars
from submissions.scoring import variety as computed

LISTS = ("twelve", "repurchase_popular", "popular", "bought")


def variety(rows: pl.DataFrame) -> Section:
    """``rows``: the weekly figures of ``submissions.scoring.variety``; the page shows their means."""
    means = rows.group_by("list").agg(pl.mean("coverage", "novelty", "repeat", "new"))
    of_list = {row["list"]: row for row in means.iter_rows(named=True)}
    days = computed.LATELY
    parts = [
        (
            "coverage", "Coverage", "share of articles",
            f"Of the articles sold in the {days} days before the label week, the share in one of its lists or more.",
        ),
        (
            "novelty", "Novelty", "bits",
            f"Mean of -log2 of the article's share of the sales of these {days} days: the higher, the less known.",
        ),
        (
            "repeat", "Repeat share", "share of entries",
            "Share of the list entries that the same customer bought before the label week.",
        ),
        (
            "new", "New articles", "share of entries",
            f"Share of the list entries whose article was not sold before these {days} days.",
        ),
    ]  # fmt: skip
    figures = []
    for key, title, label, says in parts:
        values = [of_list[name][key] for name in LISTS]
        shown = [f"{value:.1f}" if key == "novelty" else f"{100 * value:.1f}%" for value in values]
        figure = bars([NAMES[name] for name in LISTS], values, [COLOURS[name] for name in LISTS], label, shown)
        figure.update_xaxes(tickformat="" if key == "novelty" else ".0%")
        figures.append(Figure(key, title, figure, says, half=True))
    weeks = rows["week"].n_unique()
    text = (
        f"Lists that score alike can differ in what they show. Means of {weeks} label weeks; a list has twelve entries "
        "for each buyer of the week, what they bought one for each customer and article."
    )
    return Section("variety", "What the lists are made of", text, figures=figures)
