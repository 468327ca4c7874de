#!/bin/sh
# Run a grocer's shop (Complete Journey, MIT): long histories and steady habits.
# A sample of 617 customers has 320,040 transactions. docs/data.md says how the columns are filled.
# The time has not been measured yet.
# Usage: runs/grocery.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: runs/grocery.sh FOLDER" >&2; exit 2; }
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

# Point params.yaml at the folder, run all stages, print the tables.
make repro DATA="$folder"

# List the articles that are bought at a steady pace, and the customers who are due.
.venv/bin/python -m insights.cadence cadence.csv
