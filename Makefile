# Every target works from a fresh clone: it needs Python 3.11 or newer, git, make, and a Python
# package registry. `make` alone tells what there is.

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench corpus clean
# The interpreter for .venv, as in: make test PYTHON=python3.12
PYTHON ?=
# More words for pytest, as in: make test ARGS="-x tests/git"
ARGS ?=
# The folder of charts for make corpus
CHARTS ?=
export PYTHON

BIN := .venv/bin

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: ## the project and all that its tests need, in .venv
	@.ci/setup test

demo: ## the whole way on a repository made for it: scan, dry run, merge request, merge, and nothing left to do
	@.ci/setup runtime
	@.ci/tools demo
	@PATH="$(CURDIR)/.venv/tools:$$PATH" $(BIN)/reconcile demo

lint: setup ## style, types, and the picture of imports
	@echo "lint: style, types, imports"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@$(BIN)/mypy --no-error-summary
	@said=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$said"; exit 1; }

test: lint ## lint, then every test, with real servers (ARGS goes to pytest)
	@.ci/servers
	@.ci/tools
	@.ci/contracts
	@.ci/specs
	@.ci/page
	@$(BIN)/python -m pytest -n auto --dist worksteal -rs $(ARGS)

bench: setup ## every promise about speed, against the obvious alternative; those of sizing with TRACES=FILE
	@.ci/bench

corpus: setup ## how much of a folder of charts is traced: make corpus CHARTS=DIR (ARGS=--prove-all edits every container)
	@test -n "$(CHARTS)" || { echo "make corpus CHARTS=DIR: name a folder with a chart in each of its folders"; exit 2; }
	@.ci/tools
	@$(BIN)/python tests/corpus_run.py "$(CHARTS)" $(ARGS)

clean: ## remove everything that the others made
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
