"""The benchmark's figures as JSON, as tables in Markdown and as a picture."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks import record
from research.two_tower.recall import AT

MEASURES = {"pooled": "Share of all bought pairs", "customer": "Mean over customers of their share"}


def write(made: dict[str, Any], figures: dict[str, Any], folder: Path) -> None:
    """``two_tower.json``, ``.md`` and ``.png`` in ``folder``."""
    record.write_json("two_tower", made, figures, folder)
    record.write_markdown("two_tower", made, markdown(figures), folder)
    record.write_plot("two_tower", drawn(figures), folder)


def markdown(figures: dict[str, Any]) -> str:
    weeks = figures["weeks"]
    lines = [
        "# Two towers",
        "",
        f"Label weeks {weeks[0]}..{weeks[-1]} of {figures['data']}: {figures['buyers']} buyers, {figures['pairs']} "
        "bought pairs, mean over the weeks; the network was trained once, before the first of them. Every method "
        f"chooses among the articles sold in the last {figures['sold_days']} days and may name articles bought before. "
        "Intervals are 95% bootstrap over customers, differences paired.",
    ]
    for measure, meaning in MEASURES.items():
        lines += ["", f"## {meaning}", "", _recall_table(figures["recall"], measure)]
    return "\n".join([*lines, "", *_search_lines(figures), *_settings_lines(figures)])


def drawn(figures: dict[str, Any]) -> Figure:
    """Recall by the length of the list, and rates of the exact search."""
    picture = Figure(figsize=(12, 4.5))
    left, right = picture.subplots(1, 2)
    for method, of in figures["recall"].items():
        cells = [of["pooled"][f"recall@{k}"] for k in AT]
        values = [cell["value"] for cell in cells]
        below = [cell["value"] - cell["interval"][0] for cell in cells]
        above = [cell["interval"][1] - cell["value"] for cell in cells]
        wide = 2.5 if method == "two_tower" else 1
        left.errorbar(AT, values, [below, above], label=method, linewidth=wide, marker="o", markersize=3, capsize=2)
    left.set(xscale="log", xlabel="articles", ylabel="recall of the week's purchases (pooled)", title="Recall")
    left.set_xticks(AT, labels=[str(k) for k in AT])
    left.minorticks_off()
    left.legend(fontsize=8)
    search = figures["search"]
    rates = search["per_second"].values()
    middle = [rate["median"] for rate in rates]
    spread = [[rate["median"] - rate["least"] for rate in rates], [rate["most"] - rate["median"] for rate in rates]]
    right.bar(list(search["per_second"]), middle, yerr=spread, capsize=4)
    right.set(ylabel="queries per second", title=f"{search['take']} best of {search['articles']:,} x {search['size']}")
    picture.tight_layout()
    return picture


def _recall_table(recall: dict[str, Any], measure: str) -> str:
    heads = [f"recall@{k}" for k in AT]
    rows = []
    for method, of in recall.items():
        cells = [f"{of[measure][head]['value']:.4f} {_interval(of[measure][head]['interval'])}" for head in heads]
        at = of[measure]["recall@100"]
        lead = "" if method == "two_tower" else f"{at['lead']:+.4f} {_interval(at['lead_interval'], '+')}"
        rows.append([method, *cells, lead])
    return record.markdown_table(["list", *heads, "two_tower minus it, @100"], rows)


def _search_lines(figures: dict[str, Any]) -> list[str]:
    of = figures["search"]
    rates = {**of["per_second"], "faiss / torch": of["faiss_over_torch"]}
    rows = [
        [name, *(f"{rate[what]:,.2f}" if "/" in name else f"{rate[what]:,.0f}" for what in ("median", "least", "most"))]
        for name, rate in rates.items()
    ]
    lines = [
        "## Search",
        "",
        f"The {of['take']} best of {of['articles']:,} vectors of {of['size']} numbers for {of['queries']:,} queries, "
        f"{of['pairs']} runs of each in turn, {of['threads']} thread(s), {of['gpus']} GPU(s).",
        "",
        record.markdown_table(["queries per second", "median", "least", "most"], rows),
    ]
    heads = ["kind", "effort", "found of the exact", "queries per second", "seconds to build"]
    for where, found in figures["approximate"].items():
        cells = [
            [
                one["kind"],
                str(one["effort"]),
                f"{one['recall']:.4f}",
                f"{one['per_second']:,.0f}",
                f"{one['build_seconds']:.2f}",
            ]
            for one in found
        ]
        lines += ["", f"{where}:", "", record.markdown_table(heads, cells)]
    return lines


def _settings_lines(figures: dict[str, Any]) -> list[str]:
    rows = [[one["method"], one["settings"], f"{one['recall']:.4f}"] for one in figures["tuning"]]
    seconds = ", ".join(f"{name} {value:.0f}" for name, value in figures["seconds"].items())
    heads = ["method", "settings", "recall@100, pooled"]
    title = f"## The rivals' settings, tried on weeks {figures['tuning_weeks']}"
    return ["", title, "", record.markdown_table(heads, rows), "", f"Seconds: {seconds}."]


def _interval(pair: tuple[float, float], sign: str = "") -> str:
    return f"[{pair[0]:{sign}.4f}, {pair[1]:{sign}.4f}]"
