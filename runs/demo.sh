#!/bin/sh
# Run the demo shop: an invented shop of 3,000 customers, 1,500 articles and 60 weeks.
# Measured on two idle cores: environment 2 min 53 s, kernels and graph 2 min 15 s.
# Usage: runs/demo.sh
set -eu
cd "$(dirname "$0")/.."

# Make .venv and the demo shop, run all stages, print the tables.
make repro DATA=data/demo

# Explain the list of the first customer of the submission.
customer=$(sed -n '2s/,.*//p' outputs/submission.csv)
.venv/bin/python -m submissions.explain "$customer"

# Maintainers: record the figures for README.md.
# .venv/bin/python -m benchmarks.record_run demo --command runs/demo.sh && make docs
