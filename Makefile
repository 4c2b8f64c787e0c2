# make demo: see what Skysort does.
# make check: format, lint, types, floors, quick tests.  make test: the same with every test.
# make coverage: every test, and which lines none of them runs.
# make fuzz: a long search for inputs that break it.
# make faults: every fault of a file system, tried one by one.  make check-data: the recipes on real data.
# make lowest: what a small device runs, with the lowest versions that pyproject.toml allows.
# make words: add the new words of the studio's pages to the catalogues of translations.
# make docs: the documentation site, into site/.  make dist: wheel and source distribution, into dist/.
# make bench: every benchmark, with figures into runs/bench.
PYTHON ?= python3
ENV := .venv
BIN := $(ENV)/bin
# One process per core, each with one thread: threads of several processes would wait for each other.
TESTS := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

# Tests start hundreds of processes: none of them should compile what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: env demo check test lint quick all coverage fuzz faults lowest check-data words docs dist bench clean

env: $(ENV)/installed

$(ENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet --editable '.[all,dev,docs]'
	touch $@

demo: env
	$(BIN)/python examples/demo.py

# Types and tests are checked side by side: with nothing cached, mypy takes a minute of one core.
check: env
	$(MAKE) --jobs=2 --output-sync --no-print-directory lint quick

test: env
	$(MAKE) --jobs=2 --no-print-directory lint all

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

quick: env
	$(TESTS) --quick

all: env
	$(TESTS)

coverage: env
	$(TESTS) --cov --cov-report=term-missing:skip-covered

fuzz: env
	$(BIN)/pytest --hypothesis-profile=fuzz -m hypothesis tests

faults: env
	$(BIN)/python -m tests.faults.campaign

# A part of make test, where the package registry is within reach.
lowest: env
	SKYSORT_REGISTRY=1 $(BIN)/pytest tests/commands/test_small_device.py -k lowest

check-data: env
	$(BIN)/python benchmarks/check_data.py

words: env
	$(BIN)/python -m tests.web.catalogue

docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

dist: env
	$(BIN)/python -m build --no-isolation

# Threads of ours wait as they do in `skysort train`, which sets this before PyTorch is loaded.
AS_TRAIN := GOMP_SPINCOUNT=30000

bench: demo
	$(BIN)/python benchmarks/same_math.py --output runs/bench/same_math.json
	$(BIN)/python benchmarks/time_to_accuracy.py --output runs/bench/time_to_accuracy.json
	$(BIN)/python benchmarks/at_a_time.py cifar10 --budget 10m --output runs/bench/cifar10_in_10m.json
	$(BIN)/python benchmarks/at_a_time.py cifar10 --budget 30m --repeats 1 --output runs/bench/cifar10_in_30m.json
	$(BIN)/python benchmarks/at_a_time.py mnist --budget-of mnist-cnn --output runs/bench/mnist_in_plain_time.json
	$(BIN)/python benchmarks/forms.py skies digits mnist cifar10 birds-vs-airplanes --repeats 3 --output runs/bench/forms.json
	$(AS_TRAIN) $(BIN)/python benchmarks/limit.py swift --set network.width=128 --output runs/bench/limit.json
	$(BIN)/python benchmarks/pictures.py $(SKYSORT_DATA)/cifar10.zip --output runs/bench/pictures.json
	$(BIN)/python benchmarks/inference.py runs/demo/swift --output runs/bench/inference.json
	$(BIN)/python benchmarks/start.py skies cifar10 --output runs/bench/start.json
	$(BIN)/python benchmarks/start.py birds-vs-airplanes --whole --set network.stride=2 training.epochs=3 --output runs/bench/whole.json
	$(AS_TRAIN) $(BIN)/python benchmarks/device.py --output runs/bench/device.json
	$(AS_TRAIN) $(BIN)/python benchmarks/scale.py --output runs/bench/scale.json
	$(BIN)/python benchmarks/serve.py runs/demo/convnet --output runs/bench/serve.json
	$(BIN)/python benchmarks/serve_long.py runs/demo/convnet --output runs/bench/serve_long.json
	$(BIN)/python benchmarks/review.py --output runs/bench/review.json
	$(BIN)/python benchmarks/watch.py runs/demo/convnet --output runs/bench/watch.json
	$(BIN)/python benchmarks/more_pictures.py $(SKYSORT_DATA)/birds20.zip --output runs/bench/more_pictures.json
	$(BIN)/python benchmarks/features.py $(SKYSORT_DATA)/birds20.zip --output runs/bench/features.json
	$(BIN)/python benchmarks/photographs.py $(SKYSORT_DATA)/birds20.zip --output runs/bench/photographs.json
	$(BIN)/python benchmarks/folds.py $(SKYSORT_DATA)/cifar10.zip --output runs/bench/folds.json
	$(BIN)/python benchmarks/audit.py --output runs/bench/audit.json
	$(BIN)/python benchmarks/year.py --output runs/bench/year.json
	$(BIN)/python benchmarks/peers.py --output runs/bench/peers.json
	$(BIN)/python benchmarks/photograph_peers.py $(SKYSORT_DATA)/birds20.zip --output runs/bench/photograph_peers.json

clean:
	rm -rf $(ENV) runs/demo site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
