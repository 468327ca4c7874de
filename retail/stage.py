"""Run a stage: report bad input in one line, record the cost, and write outputs whole or not at all."""

import errno
import json
import os
import re
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil

from retail import clock, paths
from retail.errors import InputError

# LightGBM loads OpenMP, which reads this variable; so it must be set before. Threads that wait in a busy loop make
# training several times slower when another process uses the same cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

BAD_INPUT = 2
STATUS = Path("/proc/self/status")
INTERVAL = 0.5  # seconds between two readings of the memory of child processes
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_ROOM_TEXT = re.compile(  # messages without an errno, of polars, safetensors, SQLite, LightGBM, numpy, torch
    r"No space left|Disk quota|disk is full|Cannot write binary data|requested and \d+ written|unexpected pos \d+ vs"
)
_NO_WRITE = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR}
_NO_FILE = {errno.EISDIR}


def run(main: Callable[[], None], name: str) -> None:
    """Run a stage's ``main`` as ``guarded`` does, say how long it will take, and record its cost.

    Writes ``data/costs/<name>.json``: wall seconds and peak resident memory in MB of this process and its children, and
    the values of ``retail.clock``.
    """

    def run_and_record() -> None:
        watch = clock.start(name)
        started = time.perf_counter()
        with ProcessTree() as tree:
            main()
        seconds = time.perf_counter() - started
        cost = {"seconds": round(seconds, 2), "peak_mb": round(tree.peak() / 2**20)}
        with whole_file(paths.COSTS / f"{name}.json") as part:
            part.write_text(json.dumps({**cost, **watch.stop()}))

    guarded(run_and_record, name)


class ProcessTree:
    """Watch the resident memory of this process and all its children within a ``with`` block."""

    def __init__(self) -> None:
        self._largest = 0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()  # without it, threads would pile up where many stages run in one process

    def _watch(self) -> None:
        here = psutil.Process()
        while not self._ended.is_set():
            if children := here.children(recursive=True):
                self._largest = max(self._largest, sum(map(_read_memory, [here, *children])))
            self._ended.wait(INTERVAL)

    def peak(self) -> int:
        """Return the peak in bytes: exact for this process alone, the largest reading with children."""
        return max(self._largest, _read_own_peak())


def _read_own_peak() -> int:
    """Return the peak of this process in bytes. Linux's getrusage is unsuitable: it starts at the parent's memory."""
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024  # KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _read_memory(process: psutil.Process) -> int:
    """Return the resident memory of ``process`` in bytes, 0 if it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # the process has just ended
        return 0


def guarded(main: Callable[[], None], name: str) -> None:
    """Run ``main``. On an error that the user can fix, print one line and exit with code 2."""
    try:
        main()
    except InputError as error:
        _exit(f"{name}: {error}")
    except Exception as error:  # not only OSError: polars raises ComputeError on a full disk
        line = describe_os_error(error)
        if line is None:
            raise
        _exit(f"{name}: {line}")


def describe_os_error(error: BaseException) -> str | None:
    """Describe in one line a full disk, an unwritable path, or a file in place of a folder; None for other errors."""
    where = getattr(error, "filename", None) or "the output folder"
    code = getattr(error, "errno", None)
    text = str(error)
    if code in _NO_ROOM or _NO_ROOM_TEXT.search(text):
        return f"{where}: the disk is full; free some space (or `dvc gc -w`) and run `dvc repro` again"
    if code in _NO_WRITE or "Permission denied" in text or "Read-only file system" in text:
        return f"{where}: cannot be written; give yourself write permission on its folder and run again"
    if code in _NO_FOLDER:
        return f"{where}: a file lies where a folder is needed; move it away and run again"
    if code in _NO_FILE:
        where = getattr(error, "filename2", None) or where  # the target of a rename
        return f"{where}: a folder lies where a file is needed; move it away or name another file"
    return None


def _exit(line: str) -> None:
    """Print ``line`` to stderr and exit with code 2."""
    print(" ".join(line.split()), file=sys.stderr)
    raise SystemExit(BAD_INPUT)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it is renamed to ``path``, on failure it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it replaces ``path``, on failure it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        shutil.rmtree(path, ignore_errors=True)
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
