"""Build the section about feature importance: the gain of the ranker's splits by group and by feature."""

import polars as pl

from submissions.report.figure import FROM_FEATURES, FROM_SOURCES, Figure, Section, plot_bars

SHOWN = 25  # features in the second figure


def build_gain_section(features: pl.DataFrame, groups: list[str]) -> Section:
    """Build the section; ``features``: columns feature and gain (share of the total gain).

    ``groups``: names of the feature groups; all other columns come from the candidate sources and the pool.
    """
    rows = features.with_columns(group=pl.col("feature").str.split("__").list.first())
    by_group = (
        rows.group_by("group").agg(pl.col("gain").sum(), pl.len()).sort(["gain", "group"], descending=[True, False])
    )
    best = rows.sort(["gain", "feature"], descending=[True, False]).head(SHOWN)
    measure = "of the total gain of the splits in the evaluated ranker's trees, mean over its models"
    parts = [
        ("gain-by-group", "Importance of each group", by_group, "group", f"A bar shows a group's share {measure}."),
        (
            "gain-by-feature",
            f"The {best.height} most important features",
            best,
            "feature",
            f"A bar shows a feature's share {measure}.",
        ),
    ]
    figures = []
    for name, title, frame, column, caption in parts:
        colours = [FROM_FEATURES if group in groups else FROM_SOURCES for group in frame["group"]]
        values = frame["gain"].to_list()
        texts = [f"{100 * value:.1f}%" for value in values]
        figure = plot_bars(frame[column].to_list(), values, colours, "share of gain", texts)
        figure.update_xaxes(tickformat=".0%")
        figures.append(Figure(name, title, figure, caption))
    text = (
        f"The ranker uses {rows.height} features in {by_group.height} groups. Green: features from the candidate "
        "sources and the pool. Pink: features from the feature groups. A large gain means that the trees split on a "
        "feature often and profitably. It does not mean that the ranker would be worse without it."
    )
    return Section("gain", "Feature importance", text, figures=figures)
