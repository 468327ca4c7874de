#!/bin/sh
# Run Online Retail II (UCI, CC BY 4.0): a gift shop with 5,852 customers and 729,673 transactions.
# docs/data.md says where to get it and how its columns become the CSV files of FOLDER.
# Measured before trainings became shorter (docs/experiments/2026-12-01-ranker-training-time.md):
# with one thread, another job on the second core: 31 min 23 s; the largest stage takes 1.9 GB.
# Of these, two_tower takes 7 minutes, the search 4 and the ranker 9. On a slower machine the stages took 37 minutes.
# Usage: runs/online_retail.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: runs/online_retail.sh FOLDER" >&2; exit 2; }
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

# Point params.yaml at the folder, run all stages, print the tables.
make repro DATA="$folder"

# Maintainers: record the figures for README.md.
# .venv/bin/python -m benchmarks.record_run online_retail --command runs/online_retail.sh && make docs
