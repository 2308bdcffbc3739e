# Guard. `make` lists what there is. Every target honours the GUARD_… variables.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
ISSUE ?= gate

.PHONY: help run test install demo demo-training bench check soak system acceptance lock

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: .venv/base ## Set everything up and serve on 127.0.0.1:8080 (GUARD_PORT, GUARD_DATA_DIR)
	@exec $(BIN)/guard serve

test: .venv/dev .venv/train check ## Set everything up and run all tests
	$(BIN)/python -m pytest -n 2 -q

install: .venv/base ## Make .venv with the base installation; .venv/bin/guard is the command

demo: .venv/base ## The first five minutes, against a running `make run`
	@$(BIN)/guard demo

check: .venv/dev ## Format, lint, types, contracts of imports
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

demo-training: .venv/train ## From a table to a private model that answers at the gate (ADULT=adult.csv)
	@docs/demo-training.sh

bench: .venv/base ## Run the benchmarks of ISSUE (default: gate)
	$(BIN)/python -m benchmarks run --issue $(ISSUE)

soak: .venv/base ## The long versions of the counting tests
	$(BIN)/python -m benchmarks soak

system: ## Tools that some tests use and that need root (apt-get)
	@command -v strace >/dev/null || { apt-get update -qq && apt-get install -y --no-install-recommends strace; }

acceptance: ## Every line of an issue's "To show when done", from a clean clone (ISSUE=name)
	tests/acceptance/$(ISSUE).sh

COMPILE = $(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --no-header -c requirements/constraints.in
lock: .venv/dev ## Renew the hash locks after a change of pyproject.toml
	$(COMPILE) --allow-unsafe -o requirements/base.txt pyproject.toml
	$(COMPILE) --allow-unsafe --extra dev -c requirements/base.txt -o requirements/dev.txt pyproject.toml
	$(COMPILE) --unsafe-package torch --unsafe-package setuptools --extra train -c requirements/base.txt -c requirements/dev.txt -o requirements/train.txt pyproject.toml

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no $(PYTHON) here. Run: apt-get install -y python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Guard needs Python 3.11 or later; here is $$($(PYTHON) --version 2>&1). Try: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv' 2>/dev/null || { \
		echo "This Python has no module venv. Run: apt-get install -y python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo "This Python cannot give an environment its pip. Run: apt-get install -y python3-venv"; exit 1; }
	@echo "making .venv"
	@$(PYTHON) -m venv .venv || { \
		rm -rf .venv; echo "The environment .venv could not be made; see above, then again: make run"; exit 1; }

.venv/base: requirements/base.txt pyproject.toml | .venv/bin/python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		echo "The environment .venv has no pip. Run: rm -rf .venv && make run"; exit 1; }
	@echo "installing the base (about a minute the first time)"
	@$(PIP) --require-hashes -r requirements/base.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.txt .venv/base
	@echo "installing what the tests need"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

.venv/train: requirements/train.txt .venv/base
	@echo "installing what training needs"
	@$(PIP) torch==2.13.0
	@$(PIP) --require-hashes --no-deps -r requirements/train.txt
	@touch $@
