"""Sections as one file: plotly.js, every figure and every text lie in it, so that it needs no network to be read."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from submissions.report.figure import Section

HERE = Path(__file__).parent


def html(title: str, parts: list[Section], about: dict[str, str], first: str) -> str:
    """The whole page as one text; ``about``: what it is about, in a line each, ``first``: its first sentences."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = [f"{json.dumps(figure.id)}: {figure.plot.to_json()}" for part in parts for figure in part.figures]
    return environment.get_template("page.html.j2").render(
        title=title,
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        figures=Markup("{\n" + ",\n".join(drawn).replace("</", "<\\/") + "\n}"),
        sections=parts,
        facts=about,
        lead=first,
    )
