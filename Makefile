# make demo   load a real data set, query it live, look into its past; it ends with what else to try
# make test   run all tests
# make check  static checks: ruff, mypy, pyright, import-linter
# make cover  run all tests, and tell which lines none of them reaches; takes twice as long
# make bench  measure beside sqlite3, raw LMDB and others; results go to bench/results/
# make clean  remove everything that the other targets made
#
# Each makes what it needs first. PYTHON=... picks an interpreter, VENV=... another place.

VENV ?= .venv
BIN := $(VENV)/bin
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
PYTHON ?= $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c 'import sys; print("$(p)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# Python compiles what it imports, which is a small part of what is installed.
INSTALL := $(PIP) install --no-compile
TEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: help demo test check lint mypy pyright layers cover bench clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: $(VENV)/.examples
	@$(BIN)/python -m examples.cars

test: $(VENV)/.test $(VENV)/.clients
	@$(TEST)

# The variables start coverage in the workers, and in the processes that the tests start.
cover: $(VENV)/.test $(VENV)/.clients
	@$(BIN)/coverage erase
	COVERAGE_PROCESS_START="$(CURDIR)/pyproject.toml" COVERAGE_FILE="$(CURDIR)/.coverage" \
	  $(TEST); status=$$?; \
	  $(BIN)/coverage combine --quiet; $(BIN)/coverage report; exit $$status

# Apart, so that --jobs runs them side by side.
check: lint mypy pyright layers

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

mypy: $(VENV)/.dev
	$(BIN)/mypy

pyright: $(VENV)/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(VENV)/.dev
	$(BIN)/lint-imports

# make bench BENCH=--quick passes options on; RESULTS=... names another file.
bench: $(VENV)/.bench
	@mkdir -p bench/results
	$(BIN)/python -m bench $(BENCH) \
	  --output $(or $(RESULTS),bench/results/$(shell date +%Y-%m-%d-%H%M%S).json)

clean:
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache \
	  .ruff_cache .import_linter_cache tests/clients/node_modules bench/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
	  echo "Headwater needs Python 3.11 or newer, and none was found: make PYTHON=/path/to/python3" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)

# Stamps: a second run installs nothing unless pyproject.toml has changed.
$(VENV)/.examples: $(BIN)/python pyproject.toml
	@echo "installing headwater and its examples into $(VENV) ..."
	@$(INSTALL) --editable '.[examples,cli,server]'
	@touch $@

# PGlite comes from npm; without it the suite says so and measures the others.
$(VENV)/.bench: $(BIN)/python pyproject.toml bench/package-lock.json
	@$(INSTALL) --editable '.[bench]'
	@if command -v npm >/dev/null; then npm ci --prefix bench --ignore-scripts --no-audit --no-fund; fi
	@touch $@

# Dependency groups came with pip 25.1; Python 3.11 brings an older one.
$(VENV)/.pip: $(BIN)/python
	@$(INSTALL) --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.test: $(VENV)/.pip pyproject.toml
	@$(INSTALL) --editable '.[examples]' --group test
	@touch $@

# What the official clients need, from npm; without it their tests are skipped.
$(VENV)/.clients: $(BIN)/python tests/clients/package-lock.json
	@if command -v npm >/dev/null; then \
	  (cd tests/clients && npm ci --ignore-scripts --no-audit --no-fund) && touch $@; \
	else echo "npm was not found: tests of the official clients are skipped" >&2; fi

# Committed, so that the example needs no packages of npm: made anew after a change of its source.
examples/chat/page/chat.js: examples/chat/page/chat.jsx $(VENV)/.test $(VENV)/.clients
	$(BIN)/python -m tests.clients.bundling $< $@

$(VENV)/.dev: $(VENV)/.pip pyproject.toml
	@$(INSTALL) --editable '.[examples]' --group dev
	@touch $@ $(VENV)/.test
