"""Before the graph starts: is every block of params.yaml understood, and can DVC read its lock file?

``python -m submissions.check``. The stages check their own blocks as they begin; this finds a typo in the last block
before the first stage has run.
"""

from pathlib import Path

from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils import strictyaml

from features import group
from retail import params as parameters
from retail import stage
from stage1_candidates import source

LOCK = Path("dvc.lock")


def main() -> None:
    params = parameters.read()
    for name in (*params.sources, *params.networks):
        source.load(name, params)
    for name in params.features:
        group.load(name, params)
    drop_cut_lock(LOCK)


def drop_cut_lock(lock: Path) -> None:
    """Delete a lock file that DVC would refuse; what had run comes back from DVC's cache.

    DVC writes the file in place after every stage, so a kill or a full disk in that moment leaves the half of it.
    """
    try:
        if lock.exists():
            strictyaml.load(str(lock), COMPILED_LOCKFILE_SCHEMA)
    except DvcException:
        lock.unlink()
        print(f"check: {lock} was cut off while DVC wrote it; deleted, what has run comes back from DVC's cache")


if __name__ == "__main__":
    stage.guarded(main, "check")
