"""Render sections as one HTML file. It contains plotly.js and every figure, so it needs no internet connection."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from submissions.report.figure import Section

HERE = Path(__file__).parent


def render_html(title: str, sections: list[Section], facts: dict[str, str], lead: str) -> str:
    """Render the page as HTML; ``lead``: its first paragraph; ``facts``: name -> text, listed below it."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    plots = [f"{json.dumps(figure.id)}: {figure.plot.to_json()}" for part in sections for figure in part.figures]
    return environment.get_template("page.html.j2").render(
        title=title,
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        figures=Markup("{\n" + ",\n".join(plots).replace("</", "<\\/") + "\n}"),
        sections=sections,
        facts=facts,
        lead=lead,
    )
