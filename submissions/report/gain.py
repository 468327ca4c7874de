"""What the ranker looks at: the splits' gain by feature group, and the features that bring most of it."""

import polars as pl

from submissions.report.figure import FROM_FEATURES, FROM_SOURCES, Figure, Section, bars

SHOWN = 25


def gain(features: pl.DataFrame, groups: list[str]) -> Section:
    """``features``: feature, gain (share of all); ``groups``: names of the feature groups, all others are sources'."""
    rows = features.with_columns(group=pl.col("feature").str.split("__").list.first())
    of_group = (
        rows.group_by("group").agg(pl.col("gain").sum(), pl.len()).sort(["gain", "group"], descending=[True, False])
    )
    best = rows.sort(["gain", "feature"], descending=[True, False]).head(SHOWN)
    how = "Share of the gain of all splits of the evaluated ranker's trees, mean over its models."
    parts = [
        ("gain-by-group", "Gain by feature group", of_group, "group", f"{how} Of each group all features together."),
        ("gain-by-feature", f"The {best.height} features with most gain", best, "feature", how),
    ]
    figures = []
    for name, title, frame, column, says in parts:
        colours = [FROM_FEATURES if group in groups else FROM_SOURCES for group in frame["group"]]
        values = frame["gain"].to_list()
        shown = [f"{100 * value:.1f}%" for value in values]
        figure = bars(frame[column].to_list(), values, colours, "gain", shown)
        figure.update_xaxes(tickformat=".0%")
        figures.append(Figure(name, title, figure, says))
    text = (
        f"{rows.height} features in {of_group.height} groups. Green: what the sources and the pool say of a candidate; "
        "pink: what the feature groups compute. Gain tells what trees split by, not what they could do without."
    )
    return Section("gain", "What the ranker looks at", text, figures=figures)
