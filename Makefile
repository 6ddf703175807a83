# Everything a person needs; each target sets up what it uses. PYTHON names another interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
.PHONY: demo serve test lint types bench format build clean

demo: $(VENV)/ready-demo ; @$(BIN)/python -m tidegate.client_demo.local
serve: $(VENV)/ready-demo ; @$(BIN)/tidegate serve
test: $(VENV)/ready-test ; $(BIN)/python -m pytest
lint: $(VENV)/ready-dev ; $(BIN)/ruff check . && $(BIN)/ruff format --check .
types: $(VENV)/ready-dev ; $(BIN)/mypy && $(BIN)/pyright --pythonpath $(BIN)/python
bench: $(VENV)/ready-test ; $(BIN)/python -m bench.core
format: $(VENV)/ready-dev ; $(BIN)/ruff check --fix . && $(BIN)/ruff format .
build: $(VENV)/ready-dev ; $(BIN)/python -m build
clean: ; rm -rf $(VENV) build dist *.egg-info src/*.egg-info .*_cache .hypothesis

$(VENV)/ready-%: pyproject.toml ; $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet --upgrade pip && $(BIN)/pip install --quiet --editable '.[$*]' && touch $@
