"""Fill one folder per plug-in, week by week: compute what changed, keep the rest, and resume after a kill.

Stages ``propose`` and ``build_features`` run all their plug-ins in one process, so that the log is read and the
libraries are imported once. Finished files lie in data/checkpoints under a fingerprint of all that they are computed
from, and the stage's output links to them. Weeks run in parallel threads. A week's files depend on that week alone, so
the number of threads never changes a byte.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tqdm import tqdm

from retail import kept, paths, stage
from retail.threads import map_weeks

DONE = ".week_{:03d}"  # marks a finished week in an unfinished folder
W = TypeVar("W")  # what the plug-ins of a week share, such as its history


@dataclass(frozen=True)
class Task(Generic[W]):
    """One plug-in's folder."""

    name: str
    fingerprint: str  # of all that the files are computed from
    settings: str  # the text of settings.json
    write_week: Callable[[int, W, Path], None] | None  # (week, shared, folder); None for a plug-in that is off
    parallel: bool = True  # whether weeks may run in parallel threads


def fill(
    root: Path, tasks: Sequence[Task[W]], weeks: Sequence[int], start_week: Callable[[int], W], rows: int, name: str
) -> None:
    """Make ``root`` hold one folder per task, each with settings.json and the files of all ``weeks``.

    ``start_week`` computes what the tasks of a week share. ``rows``: of the log. ``name``: of the stage; the files lie
    in data/checkpoints/<name>. Prints the seconds of each plug-in that ran.
    """
    store = paths.CHECKPOINTS / name
    folders = {task.name: store / f"{task.name}_{task.fingerprint}" for task in tasks if task.write_week is not None}
    _remove_others(store, {folder.name for folder in folders.values()})
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    seconds = dict.fromkeys(folders, 0.0)

    def run_week(week: int, group: Sequence[Task[W]]) -> None:
        shared = start_week(week)
        for task in group:
            if task.write_week is None or (folders[task.name] / DONE.format(week)).exists():
                continue
            began = time.perf_counter()
            task.write_week(week, shared, folders[task.name])
            (folders[task.name] / DONE.format(week)).touch()
            seconds[task.name] += time.perf_counter() - began
            bar.update()

    waiting = [
        task for task in tasks
        if task.name in folders and not all((folders[task.name] / DONE.format(week)).exists() for week in weeks)
    ]  # fmt: skip
    together, alone = ([task for task in waiting if task.parallel is parallel] for parallel in (True, False))
    with tqdm(total=len(weeks) * len(waiting), desc=name, unit="file") as bar:
        if together:
            map_weeks(lambda week: run_week(week, together), weeks, rows)
        for task in alone:
            for week in weeks:
                run_week(week, [task])
    with stage.whole_folder(root) as part:
        for task in tasks:
            (part / task.name).mkdir()
            (part / task.name / paths.SETTINGS).write_text(task.settings)
            if task.name in folders:
                _link_files(folders[task.name], part / task.name)
    names = [task.name for task in waiting]
    if kept_names := [name for name in folders if name not in names]:
        print(f"{name}: unchanged: {', '.join(kept_names)}")
    if names:
        print(f"{name}: seconds: {', '.join(f'{plugin} {seconds[plugin]:.1f}' for plugin in names)}")


def digest_files(folder: Path) -> str:
    """Return a digest of the names and contents of all files under ``folder``; it is "" where there is no folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return kept.fingerprint([path.relative_to(folder).as_posix() for path in files], files) if folder.is_dir() else ""


def _link_files(folder: Path, target: Path) -> None:
    """Link every file of ``folder`` into ``target``, so that it takes no space twice; copy it where links fail."""
    for file in sorted(folder.iterdir()):
        if file.name.startswith("."):
            continue
        try:
            os.link(file, target / file.name)
        except OSError:  # another disk, or a file system without hard links
            shutil.copy2(file, target / file.name)


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove every folder in ``folder`` that is not in ``names``."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path)
