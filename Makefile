# make demo: a made-up shop, end to end.  make test: every check.  Both build .venv from requirements.lock first; nothing else is needed but Python.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: venv demo test proof lock clean

venv: $(INSTALLED)

$(INSTALLED): requirements.lock requirements-spark.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "whobuys needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there); name another one, for example: make $(or $(MAKECMDGOALS),venv) PYTHON=python3.12" >&2; \
		exit 1; }
	@echo "Installing what requirements.lock lists into .venv: about 1.2 GB, a minute or two" >&2
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements.lock
	@if command -v java >/dev/null; then \
		echo "There is Java here: installing PySpark, too, so that engine = \"spark\" is tested (400 MB)" >&2; \
		$(PIP) --require-hashes --no-deps --no-build-isolation -r requirements-spark.lock || \
			echo "PySpark could not be installed: the tests of Spark are skipped" >&2; \
	fi
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

demo: venv
	$(BIN)/whobuys demo demo-shop

test: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --maxprocesses 4

# the long runs with their full numbers, then what is measured against baselines and rivals
proof: venv
	$(BIN)/pytest -m proof
	@missed=""; for script in benchmarks/[a-z]*.py; do \
		echo "$$script"; \
		$(BIN)/python "$$script" || missed="$$missed $$script"; \
	done; test -z "$$missed" || { echo "a stated figure is missed by:$$missed (what and why: docs/evaluation.md)" >&2; exit 1; }

# keeps what the lock has as long as pyproject.toml allows it; make lock UPGRADE=--upgrade takes the newest releases instead
lock: venv
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile $(UPGRADE) --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv demo-shop build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
