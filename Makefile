# Two commands on a fresh machine: `make demo` and `make test`. Both make the environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.installed
DEMO ?= kinfinity-demo

.PHONY: help demo test test-processors check static format lint imports types compiled compiled-old docs wheel bench bench-peers clean

help:
	@grep -E '^## ' $(MAKEFILE_LIST) | sed 's/^## //'

$(ENV): pyproject.toml constraints.txt
	@echo "==> making the environment in $(VENV) (about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "kinfinity needs Python 3.11 or later; run: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev,docs]'
	@touch $@
	@echo "==> environment ready"

## make demo    sweep three networks on the digits and write a report (under 3 minutes)
demo: $(ENV)
	@echo "==> measuring how fast K_0 approaches K_inf for three networks"
	@$(BIN)/kinfinity validate --output $(DEMO)

## make test    run the tests
test: $(ENV) compiled
	@echo "==> running the tests"
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal  # a process for each core already

## make test-processors   the numerical tests as other processors would run them
test-processors: $(ENV)
	@bash .ci/processors $(BIN)

## make check   format, lint, imports, types, tests, docs and the wheel
check: $(ENV)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target static
	@$(MAKE) --no-print-directory test test-processors
	@echo "==> everything passed"

static: format lint imports compiled compiled-old types docs wheel

format: $(ENV)
	@echo "==> checking the format"
	@$(BIN)/ruff format --check .

lint: $(ENV)
	@echo "==> linting"
	@$(BIN)/ruff check .

imports: $(ENV)
	@echo "==> checking that imports run downwards"
	@$(BIN)/lint-imports

types: $(ENV)
	@echo "==> checking the types"
	@$(BIN)/pyright --pythonpath $(BIN)/python

compiled: $(ENV)
	@echo "==> compiling"
	@OMP_NUM_THREADS=1 $(BIN)/python .ci/compile_first.py

compiled-old: $(ENV)
	@ONLY_COMPILE=1 bash .ci/processors $(BIN) old

## make docs    build the documentation
docs: $(ENV)
	@echo "==> building the documentation"
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -d docs/_build/doctrees docs docs/_build/html

## make wheel   install the wheel into an empty environment and type-check a script against it
wheel: $(ENV) compiled
	@echo "==> building the wheel and trying it in an empty environment"
	@bash .ci/wheel $(BIN)/python

## make bench   speed and memory of K_inf against the machine's limits (3 to 9 minutes)
bench: $(ENV)
	@$(BIN)/python benchmarks/analytic_start.py
	@$(BIN)/python benchmarks/analytic_speed.py
	@$(BIN)/python benchmarks/images_speed.py

PEERS := $(VENV)-peers
$(PEERS)/.installed:
	@echo "==> making an environment for neural-tangents in $(PEERS)"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --no-deps neural-tangents==0.6.5
	@$(PEERS)/bin/python -m pip install --quiet jax==0.5.3 jaxlib==0.5.3 frozendict typing_extensions "numpy<2.3" scipy
	@touch $@

## make bench-peers   speed and accuracy against neural-tangents (10 minutes)
bench-peers: $(ENV) $(PEERS)/.installed
	@$(BIN)/python benchmarks/analytic_speed.py $(PEERS)/bin/python
	@$(BIN)/python benchmarks/images_speed.py $(PEERS)/bin/python
	@$(BIN)/python benchmarks/analytic_accuracy.py $(PEERS)/bin/python docs/accuracy.md

clean:
	rm -rf $(VENV) $(VENV)-peers build dist *.egg-info docs/_build $(DEMO)
