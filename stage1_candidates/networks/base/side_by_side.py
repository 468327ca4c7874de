"""Run commands in parallel, each in its own process that ends when its parent ends."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from retail.cores import cores

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
POLL = 0.2  # seconds between two checks that the parent is alive


def run(module: str, arguments: list[list[str]], parallel: int) -> None:
    """Run ``python -m module`` with each list of ``arguments``, in order, ``parallel`` at a time.

    The commands get equal shares of the cores. Raises SystemExit with the exit code of the first command that fails,
    once the running commands have ended. The command itself has printed the cause.
    """
    threads = str(max(cores() // parallel, 1))
    lines = list(range(parallel))  # free screen lines for the progress bars

    def run_command(words: list[str]) -> int:
        line = lines.pop()
        environment = {**os.environ, **dict.fromkeys(THREADS, threads), "TQDM_POSITION": str(line)}
        code = subprocess.run([sys.executable, "-m", module, *words], env=environment, check=False).returncode
        lines.append(line)
        return code

    with ThreadPoolExecutor(parallel) as pool:
        pending = [pool.submit(run_command, words) for words in arguments]
        for future in pending:
            if code := future.result():
                pool.shutdown(wait=True, cancel_futures=True)
                raise SystemExit(code)


def end_with_parent(end: Callable[[int], None] = os._exit) -> None:
    """Start a thread that calls ``end`` with exit code 1 as soon as the parent process has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        end(1)

    threading.Thread(target=watch, daemon=True).start()
