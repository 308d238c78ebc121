# make demo | test | coverage | faults | check | wheel | lock | clean; each installs what it needs into .venv first.

# The first Python here that the project runs on; `make PYTHON=python3.12 …` chooses another.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
  2>/dev/null && echo $$python && break; done)
BIN := .venv/bin

# A test process that imports TensorFlow takes about 700 MB and 8 s to start on a slow core.
TEST_WORKERS ?= 2
TEST_FLAGS ?=

DEMO := runs/demo
# Chosen so that the whole demo takes under 3 minutes on 2 cores.
DEMO_TRAIN_FLAGS ?= --model_option=width=0.25 --batch_size=32 --epochs=6

.PHONY: demo test coverage faults check wheel lock clean
.DELETE_ON_ERROR:

.venv: .venv/installed

# Every package is checked against its hash, and the lock file names all of them: pip is kept from
# looking for more, which fails as soon as a newer release of what another package asks for with
# an extra appears. The project itself is only linked to, and built with the hatchling that is
# already there, so that nothing unchecked is fetched for it. At last pip checks that nothing lacks.
.venv/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "catdog needs Python 3.11, 3.12 or 3.13; none found" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check --quiet
	touch $@

demo: .venv
	rm -rf $(DEMO)
	$(BIN)/python -m data_tools.sample --output_dir=$(DEMO)/pictures
	$(BIN)/python -m data_tools.build_tfrecords --source=$(DEMO)/pictures \
	  --output_dir=$(DEMO)/data --splits=train=0.8,validation=0.2
	$(BIN)/python -m catdog.train --data_dir=$(DEMO)/data --model_dir=$(DEMO)/model \
	  $(DEMO_TRAIN_FLAGS)
	$(BIN)/python -m catdog.evaluate --data_dir=$(DEMO)/data --model_dir=$(DEMO)/model \
	  --split=validation --views=ten > $(DEMO)/evaluation.json
	@cat $(DEMO)/evaluation.json
	$(BIN)/python -m catdog.predict --model_dir=$(DEMO)/model \
	  --output_file=$(DEMO)/predictions.csv $(DEMO)/pictures/train/*[0-9]7.jpg
	@echo "The learning curve: $(DEMO)/model/learning_curve.png; a few predictions:"
	@head -n 5 $(DEMO)/predictions.csv

# One file's tests stay on one worker: they share the models and data sets they made. A worker that
# crashes ends the tests; with a new one in its place they may wait forever.
test: .venv
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --max-worker-restart=0 $(TEST_FLAGS)

# The same with a count of the lines that no test reaches, in all processes. Apart, because tracing
# alone makes the import of TensorFlow, of which the tests have many, half as long again.
coverage: .venv
	$(MAKE) test TEST_FLAGS="--cov --cov-report=term $(TEST_FLAGS)"

# The long form of the fault tests; `make faults FAULT_FLAGS=…` chooses among them, and the variable
# CATDOG_FAULT_SEED repeats the moments of an earlier run.
FAULT_FLAGS ?=
faults: .venv
	CATDOG_FAULTS=long $(BIN)/python -m pytest -m faults -s $(FAULT_FLAGS)

check: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: .venv
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

# Pins what pyproject.toml asks for, for every Python and system it allows. What is pinned stays
# while it fits; `make lock LOCK_FLAGS=--upgrade` takes the newest.
LOCK_FLAGS ?=
lock: .venv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --custom-compile-command "make lock" --quiet \
	  --output-file requirements.lock $(LOCK_FLAGS)

clean:
	rm -rf .venv runs dist build .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* htmlcov
