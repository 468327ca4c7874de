PYTHON ?= python3
# threads that wait in a busy loop slow down whoever shares the cores
export OMP_WAIT_POLICY = passive
VENV_PATH = PATH="$(CURDIR)/.venv/bin:$$PATH"

network-on network-off: .venv/ready  # NAME=lens: bring a network into params.yaml, or take it out again
	.venv/bin/python -m retail_input.switch_network $(@:network-%=%) "$(NAME)"

.PHONY: docs network-on network-off repro test lint clean bench-case bench-trex bench-two-tower bench-networks bench-tuning bench-scoring bench-scale bench-kernels bench-parsrec bench-lens bench-hm-report ablate gpu-check bench-sources

repro: .venv/ready  # from CSV files to outputs/submission.csv; DATA=folder points it at another shop for good
	$(if $(DATA),.venv/bin/python -m retail_input.point "$(DATA)",@true)
	.venv/bin/python -m submissions.check
	$(VENV_PATH) dvc repro

test: .venv/ready
	$(VENV_PATH) python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/ready
	$(VENV_PATH); ruff check && ruff format --check && mypy && lint-imports

docs: .venv/ready  # paste recorded figures into README.md, docs/ and research/*/README.md
	.venv/bin/python -m benchmarks.docs

bench-case: .venv/ready  # CASE beside TIFU-KNN, FreqRate, DNNTSP, BERT4NBR, PIETSP on Ta-Feng; DATA=folder
	.venv/bin/python -m research.case $(if $(DATA),--data "$(DATA)")

bench-trex: .venv/ready  # T-REX beside personal top categories
	.venv/bin/python -m research.trex

bench-parsrec: .venv/ready  # PARSRec on its authors' synthetic sample: ranking, attention, a category that leaves
	.venv/bin/python -m research.parsrec
bench-lens: .venv/ready  # LENS beside personal frequency: baskets, days, anomalies, alerts, segments
	.venv/bin/python -m research.lens

bench-two-tower: .venv/ready  # two towers beside ALS, BPR, item-item and popular; the rate of the search
	.venv/bin/python -m research.two_tower $(if $(DATA),--data "$(DATA)")

bench-hm-report: .venv/ready  # the H&M two-tower report on ../shared/data/hm_sample and a made-up shop; DATA=names
	.venv/bin/python -m research.hm_report $(if $(DATA),--data $(DATA))

bench-networks: .venv/ready  # the whole pipeline with and without each network
	.venv/bin/python -m benchmarks.networks $(if $(DATA),--data "$(DATA)")

bench-tuning: .venv/ready  # the models of params.yaml beside those of a search; DATA=folder TRIALS=number
	.venv/bin/python -m benchmarks.tuning $(if $(DATA),--data "$(DATA)") $(if $(TRIALS),--trials $(TRIALS))

bench-scoring: .venv/ready  # rows per second of the ranker beside compilers of its trees, where `dvc repro` has run
	.venv/bin/python -m benchmarks.scoring

ablate: .venv/ready  # the pipeline without each feature group and each source; DATA=folder
	.venv/bin/python -m benchmarks.ablate $(if $(DATA),--data "$(DATA)")

bench-scale: .venv/ready  # seconds, memory and disk of each stage as the shop grows; SCALES="0.01 0.1"
	.venv/bin/python -m benchmarks.scale $(if $(SCALES),--scales $(SCALES))

bench-sources: .venv/ready  # the sources of the competition's 11th place beside ours, where the graph has run; FOLDER=folder
	.venv/bin/python -m benchmarks.sources_table $(if $(FOLDER),--folder "$(FOLDER)")

bench-kernels: .venv/ready  # the fast paths beside plain polars, where `dvc repro` has run
	.venv/bin/python -m benchmarks.kernels

gpu-check: .venv/ready  # the same answers on the GPU as on the CPU, where there is a GPU
	.venv/bin/python -m benchmarks.gpu_check

MADE = bench checkpoints costs demo evaluation features model final_model networks pool prepared sample sources table tuned tuning

clean:  # everything that was made, the environment and your own files excepted
	rm -rf outputs insights/report.html $(MADE:%=data/%) $(MADE:%=data/.%.part) .dvc/cache .dvc/tmp dvc_plots .*_cache .hypothesis && find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[deep,dev]'
	touch $@
