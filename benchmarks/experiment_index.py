"""Rewrite the tables of docs/experiments/INDEX.md: ``python -m benchmarks.experiment_index``.

Each experiment is a file named by date and topic. It begins with front matter (``key: value`` lines between two lines
``---``) and has a title. The first sentence under ``## Result`` is its row's result.
"""

import re
from pathlib import Path
from typing import NamedTuple

from retail import stage
from retail.errors import InputError

FOLDER = Path("docs/experiments")
VERDICTS = ("kept", "negative", "open")  # in the order of their tables
KEYS = ("date", "verdict", "data", "weeks", "command")  # that every front matter has; "commit" is optional
MARK = "<!-- Below: written by `python -m benchmarks.experiment_index`. -->\n"


class Experiment(NamedTuple):
    """A row of the index."""

    file: str
    date: str
    verdict: str
    title: str
    result: str


def read_front_matter(text: str, file: str) -> dict[str, str]:
    """Parse the front matter of the file named ``file``; raise InputError where a key is missing."""
    parts = text.split("---\n", 2)
    lines = parts[1].splitlines() if len(parts) == 3 and not parts[0] else []
    values = {key: value for key, _, value in (line.partition(": ") for line in lines)}
    missing = [key for key in KEYS if not values.get(key)]
    if missing:
        raise InputError(f"{file}: the front matter lacks {', '.join(missing)}; add it between two lines ---")
    return values


def read_experiment(text: str, file: str) -> Experiment:
    """Parse the experiment in the file named ``file``; raise InputError where a part is missing."""
    values = read_front_matter(text, file)
    if values["verdict"] not in VERDICTS:
        raise InputError(f"{file}: the verdict is '{values['verdict']}'; expected one of {', '.join(VERDICTS)}")
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    result = re.search(r"^## Result\n+([^|#\s].*?[.!?])(?=\s|$)", text, re.MULTILINE | re.DOTALL)
    if title is None or result is None:
        raise InputError(f"{file}: expected a title ('# ...') and a sentence right under '## Result'; add them")
    return Experiment(file, values["date"], values["verdict"], title[1], " ".join(result[1].split()))


def format_tables(experiments: list[Experiment]) -> str:
    """Format a Markdown table per verdict, the newest experiment first; ties break by file name."""
    text = ""
    for verdict in VERDICTS:
        rows = sorted((row for row in experiments if row.verdict == verdict), key=lambda row: row.file)
        rows.sort(key=lambda row: row.date, reverse=True)
        text += f"\n## {verdict.capitalize()}\n\n| date | experiment | result |\n|---|---|---|\n"
        text += "".join(f"| {row.date} | [{row.title}]({row.file}) | {row.result} |\n" for row in rows)
    return text


def main() -> None:
    """Read every experiment and replace what follows the mark in INDEX.md."""
    files = sorted(FOLDER.glob("[0-9]*.md"))
    tables = format_tables([read_experiment(file.read_text("utf-8"), file.name) for file in files])
    head, mark, _ = (FOLDER / "INDEX.md").read_text("utf-8").partition(MARK)
    if not mark:
        raise InputError(f"{FOLDER}/INDEX.md: the line {MARK.strip()} is missing; add it where the tables begin")
    with stage.whole_file(FOLDER / "INDEX.md") as part:
        part.write_text(head + mark + tables, "utf-8")


if __name__ == "__main__":
    stage.guarded(main, "experiment_index")
