"""Settings of the test session."""

import os

# Threads that wait in a busy loop starve the other test processes of a small machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
