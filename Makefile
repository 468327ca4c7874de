PYTHON ?= python3
VENV_PATH = PATH="$(CURDIR)/.venv/bin:$$PATH"

.PHONY: repro test lint clean

repro: .venv/ready  # from CSV files to submissions/submission.csv; DATA=folder points it at another shop for good
	$(if $(DATA),.venv/bin/python -m retail.point "$(DATA)",@true)
	.venv/bin/python -m submissions.check
	$(VENV_PATH) dvc repro

test: .venv/ready
	$(VENV_PATH) python -m pytest

lint: .venv/ready
	$(VENV_PATH); ruff check && ruff format --check && mypy && lint-imports

clean:  # everything that was made, the environment excepted
	rm -rf data .dvc/cache .dvc/tmp dvc_plots .*_cache .hypothesis && find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	rm -f submissions/submission.csv submissions/metrics.json submissions/map_by_week.csv submissions/recall.csv

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
