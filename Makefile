# Everything a person needs; each target sets up what it uses. PYTHON names another interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NODE_20 := node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
.PHONY: demo serve pages test test-js test-browser lint lint-js types bench format build clean

demo: $(VENV)/ready-demo ; @$(MAKE) --no-print-directory pages || echo "The demo goes on without its pages."; $(BIN)/python -m tidegate.client_demo.local
serve: $(VENV)/ready-demo ; @$(BIN)/tidegate serve
pages: ; @if $(NODE_20); then node client_demo/pages/build.mjs; else echo "The gateway's pages are not built: that needs Node 20 and npm. All else works."; fi
test: $(VENV)/ready-test pages ; $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile && $(MAKE) --no-print-directory test-js test-browser
test-js: ; @if $(NODE_20); then cd client_js && npm ci --silent --no-fund --no-audit && TIDEGATE=$(abspath $(BIN))/tidegate npm test --silent && cd ../client_demo/pages && npm ci --silent --no-fund --no-audit && npm test --silent; else echo "The TypeScript parts were not tested: that needs Node 20 and npm."; fi
test-browser: pages ; @if test -x "$(CHROMIUM)" && $(NODE_20); then cd tests/browser && npm ci --silent --no-fund --no-audit && CHROMIUM=$(CHROMIUM) TIDEGATE=$(abspath $(BIN))/tidegate npm test --silent; else echo "The pages were not tested in a browser: that needs Node 20, npm and chromium."; test -z "$$CI"; fi
lint: $(VENV)/ready-dev ; $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(MAKE) --no-print-directory lint-js
lint-js: ; @if $(NODE_20); then for each in client_js client_demo/pages tests/browser; do (cd $$each && npm ci --silent --no-fund --no-audit && npm run lint --silent) || exit 1; done; fi
types: $(VENV)/ready-dev ; $(BIN)/mypy && $(BIN)/pyright --pythonpath $(BIN)/python
bench: $(VENV)/ready-test ; $(BIN)/python -m bench.core
format: $(VENV)/ready-dev ; $(BIN)/ruff check --fix . && $(BIN)/ruff format .
build: $(VENV)/ready-dev ; $(BIN)/python -m build
clean: ; rm -rf $(VENV) gateway/pages build dist *.egg-info src/*.egg-info .*_cache .hypothesis

$(VENV)/ready-%: pyproject.toml ; $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet --upgrade pip && $(BIN)/pip install --quiet --editable '.[$*]' && touch $@
