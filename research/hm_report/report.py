"""The benchmark's figures as JSON, as tables in Markdown and as a picture."""

from typing import Any

from matplotlib.figure import Figure

from benchmarks import record

KAGGLE = {  # MAP@12, private board
    "base": 0.00084,
    "diversified": 0.00332,
    "personalised": 0.00293,
    "diversified, bought before": 0.01302,
    "personalised, bought before": 0.01061,
}
SAVED = {  # precision@10 on the last baskets of a tenth of the customers, as saved by the author's code
    "MLP, two layers": 0.00010,
    "embedding": 0.00081,
    "base": 0.00093,
    "deep": 0.00112,
    "articles diversified": 0.00226,
    "diversified": 0.00311,
}
HELD = {"base": 0.1759, "embedding": 0.1802, "deep": 0.1655, "diversified": 0.0971}  # squared error, validation


def write(shop: str, made: dict[str, Any], figures: dict[str, Any]) -> str:
    """``hm_report_<shop>.json``, ``.md`` and ``.png``; the Markdown text."""
    text, name = markdown(figures), f"hm_report_{shop}"
    record.write_json(name, made, figures)
    record.write_markdown(name, made, text)
    record.write_plot(name, drawn(figures))
    return text


def markdown(figures: dict[str, Any]) -> str:
    lines = ["# The H&M two-tower report", "", figures["note"]]
    for name, shop in figures["shops"].items():
        lines += ["", f"## {name}: {shop['about']}", "", *_rows(shop["rows"]), "", *_chain(shop["chain"])]
        lines += ["", *_folds(shop["folds"])]
        if shop["features"]:
            lines += ["", *_features(shop["features"])]
        lines += ["", f"Groups, customers before the last cut: {shop['groups']}."]
    return "\n".join(lines)


def drawn(figures: dict[str, Any]) -> Figure:
    """For each shop its rows by MAP@12, and by the order of all articles that sell."""
    shops = figures["shops"]
    most = max(len(shop["rows"]) for shop in shops.values())
    figure = Figure(figsize=(12, (0.28 * most + 1) * len(shops)), layout="constrained")
    panels = figure.subplots(len(shops), 2, squeeze=False)
    for (left, right), (name, shop) in zip(panels, shops.items(), strict=True):
        for axes, what, label in ((left, "map12", "MAP@12"), (right, "auc", "share of article pairs in order")):
            rows = {row: of[what] for row, of in shop["rows"].items() if of[what]}
            for place, of in enumerate(rows.values()):
                axes.plot([of["low"], of["high"]], [place, place], color="tab:blue")
                axes.plot(of["mean"], place, "o", color="tab:blue", markersize=4)
            axes.set_yticks(range(len(rows)), list(rows), fontsize=8)
            axes.invert_yaxis()
            axes.locator_params(axis="x", nbins=5)
            axes.set(xlabel=f"{label}, 95% interval over customers", title=name)
    return figure


def _rows(rows: dict[str, Any]) -> list[str]:
    head = [
        "row", "MAP@12", "95%", "minus base", "95%", "AUC", "held-out loss", "seeds", "seconds",
        "published MAP@12", "published precision@10", "published held-out error",
    ]  # fmt: skip
    cells = [
        [
            name, f"{of['map12']['mean']:.4f}", _interval(of["map12"]), f"{of['minus']['mean']:+.4f}",
            _interval(of["minus"], "+"), f"{of['auc']['mean']:.3f}" if of["auc"] else "",
            f"{of['held']:.4f}" if of["held"] else "", str(len(of["by_seed"])) if of["seconds"] else "",
            f"{of['seconds']:.0f}" if of["seconds"] else "", *(_known(name, those) for those in (KAGGLE, SAVED, HELD)),
        ]
        for name, of in rows.items()
    ]  # fmt: skip
    return [record.markdown_table(head, cells)]


def _chain(chain: list[dict[str, Any]]) -> list[str]:
    head = ["published order", "MAP@12", "95%", "p (Holm)", "AUC", "95%", "p (Holm)"]
    cells = []
    for step in chain:
        row = [f"{step['more']} minus {step['less']}"]
        for measure in ("map12", "auc"):
            of = step[measure]
            row += [f"{of['mean']:+.4f}", _interval(of, "+"), f"{of['holm']:.3f}"]
        cells.append(row)
    return [record.markdown_table(head, cells)]


def _folds(folds: dict[str, Any]) -> list[str]:
    head = ["restriction", "times the MAP@12", "95%"]
    cells = [[name, f"{of['fold']:.1f}", f"[{of['low']:.1f}, {of['high']:.1f}]"] for name, of in folds.items()]
    return [record.markdown_table(head, cells)]


def _features(features: dict[str, Any]) -> list[str]:
    head = ["diversified", "MAP@12 minus diversified", "95%", "AUC minus diversified", "95%", "p (Holm), AUC"]
    cells = [
        [
            name, f"{of['map12']['mean']:+.4f}", _interval(of["map12"], "+"), f"{of['auc']['mean']:+.4f}",
            _interval(of["auc"], "+"), f"{of['auc']['holm']:.3f}",
        ]
        for name, of in features.items()
    ]  # fmt: skip
    return [record.markdown_table(head, cells)]


def _known(name: str, published: dict[str, float]) -> str:
    return f"*{published[name]:.5f}*" if name in published else ""


def _interval(of: dict[str, float], sign: str = "") -> str:
    return f"[{of['low']:{sign}.4f}, {of['high']:{sign}.4f}]"
