"""Count the cores that this process may use."""

import os


def cores() -> int:
    """Count the cores that this process may use: its CPU affinity, or fewer if OMP_NUM_THREADS is lower."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(available, int(limit)) if limit.isdigit() and int(limit) else available
