"""Build the section about the variety of the lists: coverage, novelty, repeat purchases, new articles."""

import polars as pl

from submissions.report.figure import COLOURS, NAMES, Figure, Section, plot_bars
from submissions.scoring.variety import RECENT_DAYS

COMPARED_LISTS = ("twelve", "repurchase_popular", "popular", "bought")


def build_variety_section(rows: pl.DataFrame) -> Section:
    """Build the section with the mean over the weeks of ``rows``, the table of ``measure_variety``."""
    means = rows.group_by("list").agg(pl.mean("coverage", "novelty", "repeat", "new"))
    by_list = {row["list"]: row for row in means.iter_rows(named=True)}
    days = RECENT_DAYS
    parts = [
        (
            "coverage", "Coverage", "share of articles",
            f"Share of the articles sold in the {days} days before the week that appear in at least one customer's "
            "list. A higher share shows more of the assortment.",
        ),
        (
            "novelty", "Novelty", "bits",
            f"Mean of -log2 of the article's share of the sales of these {days} days. One bit more "
            "means that the articles sell half as often.",
        ),
        (
            "repeat", "Repeat purchases", "share of list places",
            "Share of the list places whose article the customer bought before the week.",
        ),
        (
            "new", "New articles", "share of list places",
            f"Share of the list places whose article was first sold in these {days} days or later.",
        ),
    ]  # fmt: skip
    figures = []
    for key, title, label, caption in parts:
        values = [by_list[name][key] for name in COMPARED_LISTS]
        texts = [f"{value:.1f}" if key == "novelty" else f"{100 * value:.1f}%" for value in values]
        figure = plot_bars(
            [NAMES[name] for name in COMPARED_LISTS], values, [COLOURS[name] for name in COMPARED_LISTS], label, texts
        )
        figure.update_xaxes(tickformat="" if key == "novelty" else ".0%")
        figures.append(Figure(key, title, figure, caption, half=True))
    weeks = rows["week"].n_unique()
    text = (
        "Lists with the same score can contain different articles. The figures compare the lists with the actual "
        f"purchases of the same customers; all values are means of {weeks} held-out weeks."
    )
    return Section("variety", "Variety of the lists", text, figures=figures)
