# Everything a person needs; each target sets up what it uses. PYTHON names another interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NODE_20 := node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null
.PHONY: demo serve test test-js lint lint-js types bench format build clean

demo: $(VENV)/ready-demo ; @$(BIN)/python -m tidegate.client_demo.local
serve: $(VENV)/ready-demo ; @$(BIN)/tidegate serve
test: $(VENV)/ready-test ; $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile && $(MAKE) --no-print-directory test-js
test-js: ; @if $(NODE_20); then cd client_js && npm ci --silent --no-fund --no-audit && TIDEGATE=$(abspath $(BIN))/tidegate npm test --silent; else echo "The TypeScript client was not tested: that needs Node 20 and npm."; fi
lint: $(VENV)/ready-dev ; $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(MAKE) --no-print-directory lint-js
lint-js: ; @if $(NODE_20); then cd client_js && npm ci --silent --no-fund --no-audit && npm run lint --silent; fi
types: $(VENV)/ready-dev ; $(BIN)/mypy && $(BIN)/pyright --pythonpath $(BIN)/python
bench: $(VENV)/ready-test ; $(BIN)/python -m bench.core
format: $(VENV)/ready-dev ; $(BIN)/ruff check --fix . && $(BIN)/ruff format .
build: $(VENV)/ready-dev ; $(BIN)/python -m build
clean: ; rm -rf $(VENV) build dist *.egg-info src/*.egg-info .*_cache .hypothesis

$(VENV)/ready-%: pyproject.toml ; $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet --upgrade pip && $(BIN)/pip install --quiet --editable '.[$*]' && touch $@
