# Every target works on a fresh machine: the first one that needs it makes .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 5000
WORKERS ?= 2

.DEFAULT_GOAL := help

.PHONY: help
help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e '.[run,offline,bench,dev]'
	@touch $@

.PHONY: install
install: $(STAMP) ## Make .venv and install the project into it

.PHONY: run
run: $(STAMP) ## One search on the default budget: task=imdb search=meta (a few minutes on two cores)
	$(BIN)/python -m src.main task=imdb search=meta

.PHONY: test
test: $(STAMP) ## The test suite, two tests at a time (WORKERS=2)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: chaos
chaos: $(STAMP) ## Kill searches at random moments, share studies between many processes (15 minutes)
	$(BIN)/python -m pytest -m 'slow or not slow' -k 'not 6-12' -s tests/chaos tests/execute/test_process.py
	$(BIN)/python benchmarks/executor.py

.PHONY: lint
lint: $(STAMP) ## Style, formatting, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: $(STAMP) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: ui
ui: $(STAMP) ## MLflow's UI on 127.0.0.1 (PORT=5000)
	$(BIN)/python -m src.main job=ui tracking.port=$(PORT)

.PHONY: report
report: $(STAMP) ## One search as a page that opens offline: STUDY=name (the newest without)
	$(BIN)/python -m src.main job=report $(if $(STUDY),study=$(STUDY))

.PHONY: benchmark
benchmark: $(STAMP) ## Meta against grid, random and Bayesian search on recorded trials (under ten minutes)
	$(BIN)/python -m src.main job=benchmark $(ARGS)

.PHONY: benchmark-live
benchmark-live: $(STAMP) ## The same, really trained: benchmark.live.budget_s seconds a search (ARGS='data.dir=DIR')
	$(BIN)/python -m src.main job=benchmark benchmark.mode=live $(ARGS)

.PHONY: bench-sampler
bench-sampler: $(STAMP) ## MetaSampler on the transfer benchmark (FORETUNE_SHARED names its folder)
	$(BIN)/python benchmarks/sampler.py

.PHONY: bench-selection
bench-selection: $(STAMP) ## Which selector finds the best pretrained model (ARGS=--smoke: two minutes)
	$(BIN)/python benchmarks/selection.py $(ARGS)

.PHONY: bench-curves
bench-curves: $(STAMP) ## Early stopping on the transfer benchmark (FORETUNE_SHARED names its folder)
	$(BIN)/python benchmarks/curves.py

.PHONY: bench-trainer
bench-trainer: $(STAMP) ## The trainer against transformers.Trainer and a plain timm loop
	$(BIN)/python benchmarks/trainer.py

.PHONY: bench-history
bench-history: $(STAMP) ## How reading a history grows with its size
	$(BIN)/python benchmarks/history_scale.py

.PHONY: bench-executor
bench-executor: $(STAMP) ## What worker processes cost and give
	$(BIN)/python benchmarks/executor.py

.PHONY: clean
clean: ## Remove .venv and caches; outputs/ and mlruns/ stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
