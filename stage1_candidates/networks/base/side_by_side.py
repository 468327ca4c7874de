"""Commands side by side, each a process of its own that ends when whoever started it is gone."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
LOOK = 0.2  # seconds between two looks whether the parent lives


def cores() -> int:
    """Cores that this process may use: those it was given, or fewer where OMP_NUM_THREADS says so."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(given, int(wanted)) if wanted.isdigit() and int(wanted) else given


def run(module: str, arguments: list[list[str]], at_once: int) -> None:
    """Run ``python -m module *a`` for each ``a`` of ``arguments``, the first ones first; they share the cores evenly.

    Ends with the exit code of the first that fails, after those under way; what failed has said why itself.
    """
    threads = str(max(cores() // at_once, 1))
    lines = list(range(at_once))  # of the screen, for the progress bars

    def one(words: list[str]) -> int:
        line = lines.pop()
        environment = {**os.environ, **dict.fromkeys(THREADS, threads), "TQDM_POSITION": str(line)}
        code = subprocess.run([sys.executable, "-m", module, *words], env=environment, check=False).returncode
        lines.append(line)
        return code

    with ThreadPoolExecutor(at_once) as pool:
        pending = [pool.submit(one, words) for words in arguments]
        for ended in pending:
            if code := ended.result():
                pool.shutdown(wait=True, cancel_futures=True)
                raise SystemExit(code)


def end_with_parent(end: Callable[[int], None] = os._exit) -> None:
    """From now on ``end`` this process, at once and whatever it does, when its parent is no more."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        end(1)

    threading.Thread(target=look, daemon=True).start()
