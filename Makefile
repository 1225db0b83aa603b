# `make demo`: from a fresh clone to a submission and a cheat that are read, run, experimented with and reviewed. `make test`: from there to green.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := submissions/track_cpu_demo/2026-11-21_PlainBaseline
CHEAT := tests/cheats/reads_the_book_first/cheat
# The CPU build of torch: for Linux the usual one brings gigabytes of CUDA. Where this index cannot be reached, pip's own
# is asked.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' pyproject.toml)

.PHONY: demo test lint format schemas docs clean

demo: $(VENV)/.run
	@$(BIN)/golf review $(DEMO) || { code=$$?; test $$code -ne 3 || \
	echo "It was read but not run: the line Ran above says what this machine lacks. See README.md."; exit $$code; }
	@echo; echo "And a script that learns from the validation set before it is scored on it:"; echo
	@$(BIN)/golf review $(CHEAT) || test $$? -eq 1

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

$(VENV)/.torch: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --no-deps --retries 1 --timeout 15 --index-url $(TORCH_INDEX) "$(TORCH)" \
	|| echo "no CPU build of torch from $(TORCH_INDEX); pip's own index is asked"
	touch $@

$(VENV)/.run: $(VENV)/.torch
	$(BIN)/python -m pip install --quiet --editable ".[run]"
	touch $@ $(VENV)/.light

$(VENV)/.dev: $(VENV)/.torch
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.light $(VENV)/.run

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
