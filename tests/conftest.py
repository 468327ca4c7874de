"""Settings of the test session."""

import os

import pytest

# Threads that wait in a busy loop starve the other test processes of a small machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: whoever runs files side by side would else wait for it alone at the end."""
    items.sort(key=lambda item: item.path.name != "test_repro.py")
