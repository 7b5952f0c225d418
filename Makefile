# Two commands for users: `make demo` and `make test`. `make install` only prepares .venv, which both use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-slow test-all lab check fix protos clean

install: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing emucluster into $(VENV) (once; about a minute)"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --config-settings editable_mode=compat -e '.[dev]'
	@$(BIN)/python -m compileall -q emucluster
	@touch $(STAMP)

demo: install
	@$(BIN)/python -m examples.demo $(ARGS)

# Tests of clusters mostly wait, so some run at a time; a worker has a shared cluster and those of its test,
# and a machine addresses for eight. Those that measure come by themselves.
WORKERS ?= 3
SLOW ?= slow and not measured
PYTEST := $(BIN)/python scripts/leaves_nothing.py $(BIN)/python -m pytest --durations=15
# Empty: compiled files are kept, whatever the environment says; else every run compiles all anew.
test test-slow test-all: export PYTHONDONTWRITEBYTECODE :=

# EMUCLUSTER_THOROUGH=1 tries twenty times as many examples in property tests.
test: install
	$(PYTEST) -n $(WORKERS) -m "not slow and not measured"

test-slow: install
	status=0; \
	$(PYTEST) -n $(WORKERS) -m "$(SLOW)" || status=1; \
	$(PYTEST) -n 0 -m measured || status=1; \
	exit $$status

test-all: test test-slow

# Every experiment that ships, many times, and many random schedules; hours. Rewrites docs/lab/.
TRIALS ?= 20
JOBS ?= 2
SCHEDULES ?= 300

lab: install
	mkdir -p docs/lab
	status=0; \
	$(BIN)/python scripts/lab.py --trials $(TRIALS) --jobs $(JOBS) --out docs/lab || status=1; \
	EMUCLUSTER_SCHEDULES=$(SCHEDULES) EMUCLUSTER_SCHEDULES_PAGE=docs/lab/schedules.md \
	  $(BIN)/python -m pytest -q tests/lab/test_schedules.py || status=1; \
	exit $$status

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
