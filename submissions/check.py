"""Check params.yaml and DVC's own files before ``dvc repro`` starts: ``python -m submissions.check``.

Each stage checks its own block when it begins. This check reads every block first, so that a typo in the last block
stops the run before the first stage. It also puts aside the DVC files that a killed run left incomplete.
"""

import json
import time
from importlib.util import find_spec
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils import strictyaml

from features.engine import group
from retail import params as parameters
from retail import stage
from stage1_candidates.engine import source

LOCK = Path("dvc.lock")
RWLOCK = Path(".dvc/tmp/rwlock")  # says which run holds which path; DVC ignores the entries of ended runs
# Reading a network's block imports these packages. Without them, only the blocks of networks that are on are read.
DEEP_INSTALLED = all(map(find_spec, ("torch", "lightning", "faiss")))
MOMENT = 1.0  # seconds to wait: DVC finishes writing either file within this time


def main() -> None:
    """Check every block of params.yaml, then put DVC's unreadable files aside."""
    params = parameters.read()
    for name in params.sources:
        source.load(name, params)
    for name in params.networks:
        if DEEP_INSTALLED or not source.is_off(name, params):
            source.load_network(name, params)
    for name in params.features:
        group.load(name, params)
    from stage2_ranker.model import recipe  # these two import LightGBM, which put_aside does not need
    from stage2_ranker.search import known_settings

    known_settings.check(recipe.of_params(params.ranker), params.ranker)
    put_aside(Path())


def put_aside(project: Path) -> None:
    """Rename an unreadable dvc.lock to dvc.lock.cut and remove an unreadable rwlock.

    DVC writes both files in place around every stage. A kill or a full disk during the write leaves a truncated file,
    which DVC then refuses. Without dvc.lock, DVC restores the outputs of finished stages from its cache. Another run
    may be writing either file right now, so an unreadable file is read again after MOMENT seconds.
    """
    lock, rwlock = project / LOCK, project / RWLOCK
    if is_unreadable(lock) or is_truncated(rwlock):
        time.sleep(MOMENT)
    if is_unreadable(lock):
        renamed = lock.with_name(f"{LOCK.name}.cut")
        lock.replace(renamed)
        print(
            f"check: DVC cannot read {lock}; renamed it to {renamed.name}; outputs of finished stages will be restored "
            "from DVC's cache"
        )
    if is_truncated(rwlock):
        rwlock.unlink(missing_ok=True)
        print(f"check: DVC cannot read {rwlock}; removed it, because the run that wrote it has ended")


def is_unreadable(lock: Path) -> bool:
    """Return whether the lock file exists and DVC cannot read it."""
    try:
        if lock.exists():
            strictyaml.load(str(lock), COMPILED_LOCKFILE_SCHEMA)
    except DvcException:
        return True
    return False


def is_truncated(rwlock: Path) -> bool:
    """Return whether the rwlock file exists and is not complete JSON."""
    try:
        if rwlock.exists():
            json.loads(rwlock.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return True
    return False


if __name__ == "__main__":
    stage.guarded(main, "check")
