"""Folders of plug-ins: what changed is computed again, what did not is kept, and a kill loses no finished week."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from retail import paths, plugin_folders, threads
from retail.plugin_folders import Task

WEEKS = [7, 8, 9]


class Counter:
    """A plug-in that writes its name and week, and counts its calls."""

    def __init__(self, name: str, fails_in: int | None = None) -> None:
        self.name, self.fails_in, self.calls = name, fails_in, list[int]()

    def __call__(self, week: int, shared: str, folder: Path) -> None:
        if week == self.fails_in:
            raise KeyboardInterrupt
        self.calls.append(week)
        (folder / f"rows_{week:03d}").write_text(f"{self.name} {week} {shared}")


def task(plugin: Counter, fingerprint: str = "a", parallel: bool = True) -> Task[str]:
    return Task(plugin.name, fingerprint, '{"use": true}', plugin, parallel)


@pytest.fixture
def fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, list[str]]]:
    """Return a function that fills data/sources and returns the files of each folder."""
    monkeypatch.chdir(tmp_path)

    def run(*tasks: Task[str]) -> dict[str, list[str]]:
        plugin_folders.fill(paths.SOURCES, tasks, WEEKS, lambda week: f"past of {week}", 1, "propose")
        folders = sorted(paths.SOURCES.iterdir())
        return {folder.name: sorted(file.name for file in folder.iterdir()) for folder in folders}

    return run


FILES = ["rows_007", "rows_008", "rows_009", "settings.json"]


def test_only_what_changed_is_computed_again(fill: Callable[..., dict[str, list[str]]]) -> None:
    a, b = Counter("a"), Counter("b")
    assert fill(task(a), task(b)) == {"a": FILES, "b": FILES}
    assert (sorted(a.calls), sorted(b.calls)) == (WEEKS, WEEKS)
    assert (paths.SOURCES / "b" / "rows_008").read_text() == "b 8 past of 8"
    assert fill(task(a), task(b, "other")) == {"a": FILES, "b": FILES}
    assert len(a.calls) == 3 and len(b.calls) == 6


def test_the_folder_of_a_deleted_plugin_goes_and_comes_back(fill: Callable[..., dict[str, list[str]]]) -> None:
    a, b = Counter("a"), Counter("b")
    fill(task(a), task(b))
    assert fill(task(a)) == {"a": FILES}
    assert fill(task(a), task(b)) == {"a": FILES, "b": FILES}
    assert len(a.calls) == 3 and len(b.calls) == 6


def test_a_plugin_that_is_off_has_its_settings_alone(fill: Callable[..., dict[str, list[str]]]) -> None:
    a = Counter("a")
    fill(task(a))
    assert fill(Task("a", "off", '{"use": false}', None)) == {"a": ["settings.json"]}
    assert (paths.SOURCES / "a" / "settings.json").read_text() == '{"use": false}'


@pytest.mark.parametrize("parallel", [True, False])
def test_a_killed_run_resumes_after_its_last_finished_week(
    fill: Callable[..., dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch, parallel: bool
) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 1)  # so that week 7 ends before week 8 begins
    killed, resumed = Counter("a", fails_in=8), Counter("a")
    with pytest.raises(KeyboardInterrupt):
        fill(task(killed, parallel=parallel))
    assert killed.calls == [7] and not paths.SOURCES.exists()
    assert fill(task(resumed, parallel=parallel)) == {"a": FILES}
    assert resumed.calls == [8, 9]


def test_weeks_run_in_parallel_unless_a_plugin_forbids_it(
    fill: Callable[..., dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 3)
    together = threading.Barrier(3, timeout=20)  # passes when all three weeks run at the same time
    used = set()

    class Meeting(Counter):
        def __call__(self, week: int, shared: str, folder: Path) -> None:
            together.wait()
            super().__call__(week, shared, folder)

    class Alone(Counter):
        def __call__(self, week: int, shared: str, folder: Path) -> None:
            used.add(threading.get_ident())
            super().__call__(week, shared, folder)

    fill(task(Meeting("a")), task(Alone("b"), parallel=False))
    assert used == {threading.get_ident()}


def test_outputs_that_were_removed_are_linked_again(fill: Callable[..., dict[str, list[str]]]) -> None:
    a = Counter("a")
    fill(task(a))
    for file in (paths.SOURCES / "a").iterdir():
        file.unlink()
    assert fill(task(a)) == {"a": FILES} and len(a.calls) == 3
    assert (paths.SOURCES / "a" / "rows_007").stat().st_nlink == 2
