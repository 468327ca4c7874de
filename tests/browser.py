"""A page in a headless browser: which of its plots were drawn, and whether it complained."""

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

MARKS = {"trace", "hm"}  # plotly's classes of what is drawn: lines, bars and points; heat maps


class Drawn(HTMLParser):
    """What a browser made of the page: plots by id, their canvases and traces."""

    def __init__(self) -> None:
        super().__init__()
        self.plot, self.depth = "", 0
        self.canvases: dict[str, int] = {}
        self.traces: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        classes = (found.get("class") or "").split()
        if tag == "div" and self.depth == 0 and "plot" in classes:
            self.plot = str(found["id"])
            self.canvases[self.plot] = self.traces[self.plot] = 0
        if not self.plot:
            return
        self.depth += tag == "div"
        self.canvases[self.plot] += tag == "svg" and "main-svg" in classes
        self.traces[self.plot] += bool(MARKS & set(classes))

    def handle_endtag(self, tag: str) -> None:
        if self.plot and tag == "div":
            self.depth -= 1
            if self.depth == 0:
                self.plot = ""


def check(page: Path, figures: list[str], folder: Path) -> None:
    """Every one of ``figures`` and nothing else is drawn on ``page``; the browser keeps its profile in ``folder``."""
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
    seen = Drawn()
    seen.feed(ended.stdout)
    assert sorted(seen.canvases) == sorted(figures)
    assert [name for name, count in seen.canvases.items() if count == 0] == []
    assert [name for name, count in seen.traces.items() if count == 0] == []
    assert "CONSOLE" not in ended.stderr, ended.stderr
