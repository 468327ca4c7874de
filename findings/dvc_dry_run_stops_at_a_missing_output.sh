#!/bin/sh
# DVC 3.67.1: `dvc repro --dry` fails where a stage depends on an output that no stage has made yet.
# Expected: it lists every stage that it would run. The manual says that it only prints the commands to be executed.
# Seen: on a graph that has not run it prints the first stage, then ends with code 255, because the output of the first
# stage is missing for the second one. `dvc stage list` shows all stages.
# Ends with a code other than 0 if this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -qq --disable-pip-version-check dvc==3.67.1
cd "$folder"
cat > dvc.yaml <<'YAML'
stages:
  first:
    cmd: echo a > a.txt
    outs: [a.txt]
  second:
    cmd: cp a.txt b.txt
    deps: [a.txt]
    outs: [b.txt]
YAML
dvc() { "$folder/env/bin/dvc" "$@"; }
dvc init --no-scm -q
[ "$(dvc stage list --name-only | tr '\n' ' ')" = "first second " ]
code=0
dvc repro --dry > said.txt 2>&1 || code=$?
[ "$code" -eq 255 ]
grep -q "Running stage 'first'" said.txt
grep -q "failed to reproduce 'second'" said.txt
grep -q "No such file or directory" said.txt
dvc repro -q
dvc repro --dry > said.txt 2>&1
grep -q "up to date" said.txt
echo "dvc $(dvc --version): --dry stops at the first output that no stage has made yet (exit code 255)"
