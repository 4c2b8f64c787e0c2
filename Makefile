# make demo: see what Skysort does.  make test: every check.  make check-data: the recipes on real data.
PYTHON ?= python3
ENV := .venv
BIN := $(ENV)/bin

.PHONY: env demo test check-data clean

env: $(ENV)/installed

$(ENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]'
	touch $@

demo: env
	$(BIN)/python examples/demo.py

test: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

check-data: env
	$(BIN)/python benchmarks/check_data.py

clean:
	rm -rf $(ENV) runs/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
