"""Settings of the test session, and which tests train models: `make test-fast` leaves those out."""

import os
from pathlib import Path

import pytest

# One test process runs per core. More threads of torch or LightGBM would compete for it, and waiting threads would
# keep it busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

HERE = Path(__file__).parent
LONGEST = ("test_repro.py", "test_contracts.py")
TRAINING = (  # folders and files whose tests train a model, run stages of the graph or make a whole shop
    "benchmarks",
    "insights",
    "shops/test_hm_shop.py",
    "stage1_candidates/networks",
    "stage2_ranker/test_ranker.py",
    "stage2_ranker/test_tune.py",
    "submissions/test_explain.py",
)
NETWORKS = sorted(file.parent.name for file in (HERE.parent / "stage1_candidates/networks").glob("*/plugin.py"))


def trains(item: pytest.Item) -> bool:
    """Tell whether a test trains a model: by its file, its parameter, or the fixture of a built project."""
    if any(item.path.is_relative_to(HERE / name) for name in TRAINING):
        return True
    parameters = getattr(item, "callspec", None)
    names = set() if parameters is None else {value for value in parameters.params.values() if isinstance(value, str)}
    return bool(names & set(NETWORKS)) or "built" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that train, and run the longest files first, so that no process waits for one of them alone."""
    for item in items:
        if trains(item):
            item.add_marker(pytest.mark.trains)
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
