"""Write the benchmark's figures as JSON, as Markdown tables and as a plot."""

from typing import Any

from matplotlib.figure import Figure

from benchmarks import record

KAGGLE_MAP12 = {  # published MAP@12 on Kaggle's private leaderboard
    "base": 0.00084,
    "diversified": 0.00332,
    "personalised": 0.00293,
    "diversified, bought before": 0.01302,
    "personalised, bought before": 0.01061,
}
SAVED_PRECISION10 = {  # precision@10 on the last baskets of a tenth of the customers, saved by the author's code
    "MLP, two layers": 0.00010,
    "embedding": 0.00081,
    "base": 0.00093,
    "deep": 0.00112,
    "articles diversified": 0.00226,
    "diversified": 0.00311,
}
HELD_OUT_ERROR = {  # published squared error on validation data
    "base": 0.1759,
    "embedding": 0.1802,
    "deep": 0.1655,
    "diversified": 0.0971,
}


def write(shop: str, origin: dict[str, Any], figures: dict[str, Any]) -> str:
    """Write ``hm_report_<shop>.json``, ``.md`` and ``.png``; return the Markdown text.

    ``origin``: the answer of ``record.made_from``.
    """
    text, name = render_markdown(figures), f"hm_report_{shop}"
    record.write_json(name, origin, figures)
    record.write_markdown(name, origin, text)
    record.write_plot(name, plot(figures))
    return text


def render_markdown(figures: dict[str, Any]) -> str:
    """Render the tables of all shops."""
    lines = ["# The H&M two-tower report", "", figures["note"]]
    for name, shop in figures["shops"].items():
        lines += ["", f"## {name}: {shop['about']}", "", *_render_rows(shop["rows"]), "", *_render_chain(shop["chain"])]
        lines += ["", *_render_ratios(shop["folds"])]
        if shop["features"]:
            lines += ["", *_render_ablations(shop["features"])]
        lines += ["", f"Groups, customers before the last cut: {shop['groups']}."]
    return "\n".join(lines)


def plot(figures: dict[str, Any]) -> Figure:
    """Plot two panels per shop: MAP@12 and AUC of the rows."""
    shops = figures["shops"]
    most = max(len(shop["rows"]) for shop in shops.values())
    figure = Figure(figsize=(12, (0.28 * most + 1) * len(shops)), layout="constrained")
    panels = figure.subplots(len(shops), 2, squeeze=False)
    for (left, right), (name, shop) in zip(panels, shops.items(), strict=True):
        for axes, measure, label in ((left, "map12", "MAP@12"), (right, "auc", "share of article pairs in order")):
            rows = {row: values[measure] for row, values in shop["rows"].items() if values[measure]}
            for place, value in enumerate(rows.values()):
                axes.plot([value["low"], value["high"]], [place, place], color="tab:blue")
                axes.plot(value["mean"], place, "o", color="tab:blue", markersize=4)
            axes.set_yticks(range(len(rows)), list(rows), fontsize=8)
            axes.invert_yaxis()
            axes.locator_params(axis="x", nbins=5)
            axes.set(xlabel=f"{label}, 95% interval over customers", title=name)
    return figure


def _render_rows(rows: dict[str, Any]) -> list[str]:
    head = [
        "row", "MAP@12", "95%", "minus base", "95%", "AUC", "held-out loss", "seeds", "seconds",
        "published MAP@12", "published precision@10", "published held-out error",
    ]  # fmt: skip
    cells = [
        [
            name, f"{row['map12']['mean']:.4f}", _format_interval(row["map12"]), f"{row['minus']['mean']:+.4f}",
            _format_interval(row["minus"], "+"), f"{row['auc']['mean']:.3f}" if row["auc"] else "",
            f"{row['held']:.4f}" if row["held"] else "", str(len(row["by_seed"])) if row["seconds"] else "",
            f"{row['seconds']:.0f}" if row["seconds"] else "",
            *(_format_published(name, published) for published in (KAGGLE_MAP12, SAVED_PRECISION10, HELD_OUT_ERROR)),
        ]
        for name, row in rows.items()
    ]  # fmt: skip
    return [record.markdown_table(head, cells)]


def _render_chain(chain: list[dict[str, Any]]) -> list[str]:
    head = ["published order", "MAP@12", "95%", "p (Holm)", "AUC", "95%", "p (Holm)"]
    cells = []
    for step in chain:
        row = [f"{step['more']} minus {step['less']}"]
        for measure in ("map12", "auc"):
            figure = step[measure]
            row += [f"{figure['mean']:+.4f}", _format_interval(figure, "+"), f"{figure['holm']:.3f}"]
        cells.append(row)
    return [record.markdown_table(head, cells)]


def _render_ratios(ratios: dict[str, Any]) -> list[str]:
    head = ["restriction", "times the MAP@12", "95%"]
    cells = [[name, f"{row['fold']:.1f}", f"[{row['low']:.1f}, {row['high']:.1f}]"] for name, row in ratios.items()]
    return [record.markdown_table(head, cells)]


def _render_ablations(features: dict[str, Any]) -> list[str]:
    head = ["diversified", "MAP@12 minus diversified", "95%", "AUC minus diversified", "95%", "p (Holm), AUC"]
    cells = [
        [
            name, f"{row['map12']['mean']:+.4f}", _format_interval(row["map12"], "+"), f"{row['auc']['mean']:+.4f}",
            _format_interval(row["auc"], "+"), f"{row['auc']['holm']:.3f}",
        ]
        for name, row in features.items()
    ]  # fmt: skip
    return [record.markdown_table(head, cells)]


def _format_published(name: str, published: dict[str, float]) -> str:
    """Format the published figure of a row in italics; empty if there is none."""
    return f"*{published[name]:.5f}*" if name in published else ""


def _format_interval(figure: dict[str, float], sign: str = "") -> str:
    return f"[{figure['low']:{sign}.4f}, {figure['high']:{sign}.4f}]"
