"""Compare what two runs of the graph wrote, file by file: ``python -m benchmarks.compare_runs OLD NEW``.

OLD and NEW are project folders in which `dvc repro` has run. After a change that keeps all results, such as
a renamed module, every file of OLD has the same MD5 in NEW. Files that hold seconds are left out. ``--moved
old/folder=new/folder`` names a file or folder that lies elsewhere in NEW. The exit code
is 1 if a file differs or is missing.
"""

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from retail import paths, stage
from retail.errors import InputError

TIMED = ("cost.json", "report.html")  # they hold seconds, which differ from run to run
UNCOMPARED = (paths.COSTS, paths.CHECKPOINTS, paths.DATA / "bench")


def list_files(project: Path, folders: tuple[str, ...]) -> list[Path]:
    """List the files that a run wrote, relative to ``project``, in the order of their paths."""
    written = [file.relative_to(project) for folder in folders for file in sorted((project / folder).rglob("*"))]
    return [
        file
        for file in written
        if (project / file).is_file() and file.name not in TIMED and not any(map(file.is_relative_to, UNCOMPARED))
    ]


def map_path(file: Path, moved: Mapping[str, str]) -> Path:
    """Map the path ``file`` in OLD to its path in NEW.

    >>> map_path(Path("data/refit/model.txt"), {"data/refit": "data/final"}).as_posix()
    'data/final/model.txt'
    """
    for old, new in moved.items():
        if file.is_relative_to(old):
            return Path(new) / file.relative_to(old) if file != Path(old) else Path(new)
    return file


def compare(old: Path, new: Path, folders: tuple[str, ...], moved: Mapping[str, str]) -> dict[str, list[Path]]:
    """Sort the files of OLD into "equal", "different" and "missing" by their MD5 in NEW."""
    outcome: dict[str, list[Path]] = {"equal": [], "different": [], "missing": []}
    for file in list_files(old, folders):
        other = new / map_path(file, moved)
        kind = "missing" if not other.is_file() else "equal" if _md5(old / file) == _md5(other) else "different"
        outcome[kind].append(file)
    return outcome


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def main() -> None:
    """Compare both runs and print the table; exit with code 1 if a file differs or is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_runs", description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--folders", nargs="+", default=[paths.DATA.as_posix(), paths.OUTPUTS.as_posix()])
    parser.add_argument("--moved", nargs="*", default=[], metavar="OLD=NEW", help="files or folders that lie elsewhere")
    arguments = parser.parse_args()
    if odd := [pair for pair in arguments.moved if pair.count("=") != 1]:
        raise InputError(f"--moved {odd[0]}: expected old=new")
    moved = dict(pair.split("=") for pair in arguments.moved)
    outcome = compare(arguments.old, arguments.new, tuple(arguments.folders), moved)
    if not any(outcome.values()):
        raise InputError(f"{arguments.old}: no file of a run; run `dvc repro` there first")
    table = Table("folder", *outcome, title=f"{arguments.old} compared with {arguments.new}")
    for folder in sorted({file.parent for kind in outcome.values() for file in kind}):
        counts = [sum(file.parent == folder for file in kind) for kind in outcome.values()]
        table.add_row(folder.as_posix(), *map(str, counts))
    table.add_section()
    table.add_row("all", *[str(len(kind)) for kind in outcome.values()], style="bold")
    Console(width=120).print(table)
    for kind in ("different", "missing"):
        for file in outcome[kind]:
            print(f"{kind}: {file}")
    if outcome["different"] or outcome["missing"]:
        raise SystemExit(1)


if __name__ == "__main__":
    stage.guarded(main, "compare_runs")
