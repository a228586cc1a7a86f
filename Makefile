# Every target does its own set-up: a virtual environment in .venv with what constraints.txt pins.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A folder with real data, if there is one; `make demo AMBULO_DATA=` runs without.
AMBULO_DATA ?= $(wildcard ../shared/datasets)
export AMBULO_DATA

.PHONY: demo test check bench bench-aeon clean setup
.DEFAULT_GOAL := test

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ambulo needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV); this takes a minute or two ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/python examples/demo.py demo

$(VENV)/browser: $(VENV)/ready scripts/install-debian-packages scripts/install-browser-runtime
	scripts/install-debian-packages
	scripts/install-browser-runtime
	touch $@

test: setup $(VENV)/browser
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

bench: setup
	$(BIN)/python benchmarks/reading.py
	$(BIN)/python benchmarks/starting.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/streaming.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/page.py waist

# aeon wants an older numpy than constraints.txt pins, so it gets an environment of its own.
bench-aeon:
	$(PYTHON) -m venv $(VENV)-aeon
	$(VENV)-aeon/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VENV)-aeon/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[train]' aeon
	$(VENV)-aeon/bin/python benchmarks/rocket.py

clean:
	rm -rf $(VENV) $(VENV)-aeon demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
