# Two commands for users: `make demo` and `make test`. `make install` only prepares .venv, which both use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-slow test-all check fix protos clean

install: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing emucluster into $(VENV) (once; about a minute)"
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check \
	  --config-settings editable_mode=compat -e '.[dev]'
	@$(BIN)/python -m compileall -q emucluster
	@touch $(STAMP)

demo: install
	@$(BIN)/python -m examples.demo $(ARGS)

test: install
	$(BIN)/python -m pytest -m "not slow"

test-slow: install
	$(BIN)/python -m pytest -m slow

test-all: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy emucluster
	$(BIN)/lint-imports

fix: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protos: install
	$(BIN)/python protos/generate.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
