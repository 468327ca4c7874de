"""Before the graph starts: every block of params.yaml is read, and what a kill left of DVC's own files is put aside.

``python -m submissions.check``. The stages check their own blocks as they begin; this finds a typo in the last block
before the first stage has run.
"""

import json
import time
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils import strictyaml

from features.engine import group
from retail import params as parameters
from retail import stage
from stage1_candidates.engine import source

LOCK = Path("dvc.lock")
HOLDERS = Path(".dvc/tmp/rwlock")  # which run holds which path; DVC passes over those of a run that has ended
MOMENT = 1.0  # seconds, in which DVC has written either


def main() -> None:
    params = parameters.read()
    for name in (*params.sources, *params.networks):
        source.load(name, params)
    for name in params.features:
        group.load(name, params)
    from stage2_ranker.model import recipe
    from stage2_ranker.search import known_settings  # bring LightGBM, which who puts aside alone has no use for

    known_settings.check(recipe.of_params(params.ranker), params.ranker)
    put_aside(Path())


def put_aside(project: Path) -> None:
    """Rename a lock file that DVC would refuse, remove its list of holders; what had run comes back from DVC's cache.

    DVC writes both in place around every stage, so a kill or a full disk in that moment leaves the half of one. A run
    elsewhere may be in that moment now.
    """
    lock, holders = project / LOCK, project / HOLDERS
    if refused(lock) or cut(holders):
        time.sleep(MOMENT)
    if refused(lock):
        aside = lock.with_name(f"{LOCK.name}.cut")
        lock.replace(aside)
        print(f"check: DVC cannot read {lock}; put aside as {aside.name}, what has run comes back from DVC's cache")
    if cut(holders):
        holders.unlink(missing_ok=True)
        print(f"check: DVC cannot read {holders}; removed, a run that had ended held what it told of")


def refused(lock: Path) -> bool:
    """Whether there is a lock file that DVC cannot read."""
    try:
        if lock.exists():
            strictyaml.load(str(lock), COMPILED_LOCKFILE_SCHEMA)
    except DvcException:
        return True
    return False


def cut(holders: Path) -> bool:
    """Whether there is a list of holders that ends before its end."""
    try:
        if holders.exists():
            json.loads(holders.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return True
    return False


if __name__ == "__main__":
    stage.guarded(main, "check")
