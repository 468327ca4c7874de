"""Before the graph starts: every block of params.yaml is read, and a lock file that DVC cannot read is put aside.

``python -m submissions.check``. The stages check their own blocks as they begin; this finds a typo in the last block
before the first stage has run.
"""

import time
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils import strictyaml

from features import group
from retail import params as parameters
from retail import stage
from stage1_candidates import source

LOCK = Path("dvc.lock")
MOMENT = 1.0  # seconds, in which DVC has written its lock file


def main() -> None:
    params = parameters.read()
    for name in (*params.sources, *params.networks):
        source.load(name, params)
    for name in params.features:
        group.load(name, params)
    put_aside(LOCK)


def put_aside(lock: Path) -> None:
    """Rename a lock file that DVC would refuse; what had run comes back from DVC's cache.

    DVC writes the file in place after every stage, so a kill or a full disk in that moment leaves the half of it. A run
    elsewhere may be in that moment now.
    """
    if refused(lock):
        time.sleep(MOMENT)
    if refused(lock):
        aside = lock.with_name(f"{lock.name}.cut")
        lock.replace(aside)
        print(f"check: DVC cannot read {lock}; put aside as {aside.name}, what has run comes back from DVC's cache")


def refused(lock: Path) -> bool:
    """Whether there is a lock file that DVC cannot read."""
    try:
        if lock.exists():
            strictyaml.load(str(lock), COMPILED_LOCKFILE_SCHEMA)
    except DvcException:
        return True
    return False


if __name__ == "__main__":
    stage.guarded(main, "check")
