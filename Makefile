# The two commands are `make demo` and `make test`; both install what is missing into .venv.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= $(shell nproc 2>/dev/null || echo 2)
# Compiled modules are kept: the tests start many processes, and each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test check fast lint types fuzz torture

setup: .venv/installed

# A change of one of these two files is installed by the next command.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "stgraph needs Python 3.11 or later; this is `$(PYTHON) --version`. Name another: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	@# By itself and by its exact version first, so that no other package's range brings in another build of it.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep ^torch== constraints.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/python -m data_prep builtin --out data/builtin.h5
	$(BIN)/python -m stgraph.train --exp demo --restart
	$(BIN)/python -m stgraph.evaluate --exp demo
	$(BIN)/python -m stgraph.render --exp demo --recording "S13/exercise 30/54138969" --out reports/demo/demo.gif
	@echo "The report is reports/demo/report.md, the GIF reports/demo/demo.gif."

# A process for each core, one thread each. Each begins with tests that lie together and so share what they need.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

# Before a commit: all that takes seconds, the type checker beside the tests.
check: lint
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types fast

# Shapes are checked by `make test` alone: looking at every argument takes its time.
fast: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --jaxtyping-packages=

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# More room for new objects than Node's default, so that it collects garbage less often.
types: setup
	NODE_OPTIONS=--max-semi-space-size=64 $(BIN)/pyright --pythonpath $(BIN)/python

# Changed files for every reader, in bounded memory: INPUTS of them, or as many as fit into MINUTES.
INPUTS ?= 1000000
MINUTES ?= inf
fuzz: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --inputs $(INPUTS) --minutes $(MINUTES)

# Trainings and preparations killed at random moments and resumed; the results are compared bit for bit.
KILLS ?= 1000
torture: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture --kills $(KILLS) --minutes $(MINUTES)
