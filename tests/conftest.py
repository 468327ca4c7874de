"""Settings of the test session."""

import os

import pytest

# There is a test process for each core: torch's and LightGBM's threads beside it would take turns with another's, and
# those that wait in a busy loop would starve it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: whoever runs files side by side would else wait for it alone at the end."""
    items.sort(key=lambda item: item.path.name != "test_repro.py")
