# `make demo`: from a fresh clone to a review of a real submission. `make test`: from a fresh clone to green.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := submissions/track_cpu_demo/2026-11-21_PlainBaseline

.PHONY: demo test lint format schemas docs clean

demo: $(VENV)/.light
	$(BIN)/golf check $(DEMO)

test: lint
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: $(VENV)/.light
	$(BIN)/python -m harness.model.schema

docs: $(VENV)/.light
	$(BIN)/python -m harness.rulepages

$(VENV)/.light: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# torch is asked for by its pinned version and first, so that pip takes a CPU build where one is offered.
$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.light

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
