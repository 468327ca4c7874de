PYTHON ?= python3
# `make repro EXTRAS=` installs neither torch nor faiss; switch the networks off in params.yaml first
EXTRAS ?= deep,dev
# threads that wait in a busy loop slow down other processes on the same cores
export OMP_WAIT_POLICY = passive
VENV_PATH = PATH="$(CURDIR)/.venv/bin:$$PATH"

network-on network-off: .venv/ready  # NAME=lens: bring a network into params.yaml, or take it out again
	.venv/bin/python -m retail_input.switch_network $(@:network-%=%) "$(NAME)"

.PHONY: docs network-on network-off repro test-fast test test-slow lint clean bench-case bench-trex bench-two-tower bench-networks bench-tuning bench-scoring bench-scale bench-speed bench-quality bench-kernels bench-parsrec bench-lens bench-hm-report ablate gpu-check bench-sources

# the first compiled kernel outside of the environment; data/ and the hidden folders hold none
FIND_KERNEL = find . \( -path './.?*' -o -path ./data \) -prune -o -name '*.nbi' -print -quit

repro: .venv/ready  # from CSV files to outputs/submission.csv; DATA=folder points it at another shop for good
	$(if $(DATA),.venv/bin/python -m retail_input.point "$(DATA)",@true)
	.venv/bin/python -m submissions.check
	@test -n "$$($(FIND_KERNEL))" || .venv/bin/python -m benchmarks.compile_kernels || echo "the stages compile the kernels themselves"
	@began=$$(date +%s); $(VENV_PATH) dvc repro && .venv/bin/python -m retail.clock --since $$began

PYTEST = $(VENV_PATH) python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test-fast: .venv/ready  # contracts and units: no graph, no training
	$(PYTEST) --ignore tests/slow -m "not trains"

test: .venv/ready  # what a contributor runs before a commit
	$(PYTEST) --ignore tests/slow

test-slow: .venv/ready  # whole-graph runs, kills, and the reproductions of papers
	$(PYTEST) tests/slow research

lint: .venv/ready
	$(VENV_PATH); ruff check && ruff format --check && mypy && lint-imports

docs: .venv/ready  # paste recorded figures into README.md, docs/ and research/*/README.md
	.venv/bin/python -m benchmarks.docs

bench-case: .venv/ready  # compare CASE with TIFU-KNN, FreqRate, DNNTSP, BERT4NBR, PIETSP on Ta-Feng; DATA=folder
	.venv/bin/python -m research.case $(if $(DATA),--data "$(DATA)")

bench-trex: .venv/ready  # compare T-REX with personal top categories
	.venv/bin/python -m research.trex

bench-parsrec: .venv/ready  # PARSRec on its authors' synthetic sample: ranking, attention, a removed category
	.venv/bin/python -m research.parsrec
bench-lens: .venv/ready  # compare LENS with personal frequency: baskets, days, anomalies, alerts, segments
	.venv/bin/python -m research.lens

bench-two-tower: .venv/ready  # compare two towers with ALS, BPR, item-item and popular; speed of the vector search
	.venv/bin/python -m research.two_tower $(if $(DATA),--data "$(DATA)")

bench-hm-report: .venv/ready  # reproduce the H&M two-tower report on ../shared/data/hm_sample and an invented shop; DATA=names
	.venv/bin/python -m research.hm_report $(if $(DATA),--data $(DATA))

bench-networks: .venv/ready  # MAP@12 of the pipeline with and without each network; DATA=folder
	.venv/bin/python -m benchmarks.networks $(if $(DATA),--data "$(DATA)")

bench-tuning: .venv/ready  # compare the models of params.yaml with searched models; DATA=folder TRIALS=number
	.venv/bin/python -m benchmarks.tuning $(if $(DATA),--data "$(DATA)") $(if $(TRIALS),--trials $(TRIALS))

bench-scoring: .venv/ready  # rows per second of the ranker and of compilers of its trees; run `dvc repro` first
	.venv/bin/python -m benchmarks.scoring

ablate: .venv/ready  # MAP@12 of the pipeline without each feature group and each source; DATA=folder
	.venv/bin/python -m benchmarks.ablate $(if $(DATA),--data "$(DATA)")

bench-scale: .venv/ready  # seconds, memory and disk of each stage by size of the shop; SCALES="0.01 0.1"
	.venv/bin/python -m benchmarks.scale $(if $(SCALES),--scales $(SCALES))

bench-speed: .venv/ready  # time two commits side by side; BASE=clone NEW=clone ROWS="demo nothing" REPEATS=3 DATA=folder
	$(if $(and $(BASE),$(NEW)),,$(error give two clones: make bench-speed BASE=folder NEW=folder))
	.venv/bin/python -m benchmarks.speed "$(BASE)" "$(NEW)" $(if $(ROWS),--rows $(ROWS)) $(if $(REPEATS),--repeats $(REPEATS)) $(if $(DATA),--data "$(DATA)")

bench-quality: .venv/ready  # compare the lists of two commits; BASE=clone NEW=clone DATA=folder DROP=8 WEEKS=8 TRAININGS="1 3"
	$(if $(and $(BASE),$(NEW)),,$(error give two clones: make bench-quality BASE=folder NEW=folder))
	.venv/bin/python -m benchmarks.quality "$(BASE)" "$(NEW)" $(if $(DATA),--data "$(DATA)") $(if $(DROP),--drop $(DROP)) $(if $(WEEKS),--weeks $(WEEKS)) $(if $(TRAININGS),--trainings $(TRAININGS))

bench-sources: .venv/ready  # compare our sources with those of the competition's 11th place; run `dvc repro` first; FOLDER=folder
	.venv/bin/python -m benchmarks.sources_table $(if $(FOLDER),--folder "$(FOLDER)")

bench-kernels: .venv/ready  # compare the fast paths with plain polars; run `dvc repro` first
	.venv/bin/python -m benchmarks.kernels

gpu-check: .venv/ready  # check that the GPU, if there is one, gives the CPU's results
	.venv/bin/python -m benchmarks.gpu_check

MADE = bench checkpoints costs demo evaluation features model final_model networks pool prepared sample sources table tuned tuning

clean:  # everything that was made, the environment and your own files excepted
	rm -rf outputs insights/report.html $(MADE:%=data/%) $(MADE:%=data/.%.part) .dvc/cache .dvc/tmp dvc_plots .*_cache .hypothesis && find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.$(if $(EXTRAS),[$(EXTRAS)])'
	.venv/bin/python -m benchmarks.compile_kernels
	touch $@
