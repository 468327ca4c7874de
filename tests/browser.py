"""Open a page in a headless browser and check that every plot is drawn without a console message."""

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

TRACE_CLASSES = {"trace", "hm"}  # plotly's CSS classes: of lines, bars and points; of heat maps


class PlotParser(HTMLParser):
    """Count the canvases and traces of each plot in the page's HTML after rendering."""

    def __init__(self) -> None:
        super().__init__()
        self.plot, self.depth = "", 0
        self.canvases: dict[str, int] = {}
        self.traces: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        classes = (attributes.get("class") or "").split()
        if tag == "div" and self.depth == 0 and "plot" in classes:
            self.plot = str(attributes["id"])
            self.canvases[self.plot] = self.traces[self.plot] = 0
        if not self.plot:
            return
        self.depth += tag == "div"
        self.canvases[self.plot] += tag == "svg" and "main-svg" in classes
        self.traces[self.plot] += bool(TRACE_CLASSES & set(classes))

    def handle_endtag(self, tag: str) -> None:
        if self.plot and tag == "div":
            self.depth -= 1
            if self.depth == 0:
                self.plot = ""


def check(page: Path, figures: list[str], folder: Path) -> None:
    """Check that ``page`` draws exactly the plots ``figures``; the browser stores its profile in ``folder``."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on the path")
    ended = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=5000",
            "--enable-logging=stderr", f"--user-data-dir={folder}", "--host-resolver-rules=MAP * ~NOTFOUND",
            page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    plots = PlotParser()
    plots.feed(ended.stdout)
    assert sorted(plots.canvases) == sorted(figures)
    assert [name for name, count in plots.canvases.items() if count == 0] == []
    assert [name for name, count in plots.traces.items() if count == 0] == []
    assert "CONSOLE" not in ended.stderr, ended.stderr
