# `make run` and `make test` need only make and Python 3.11 or newer. What they install goes into .venv, once: by uv where it
# is there, by pip where it is not. `make run ARGS="--preset quick"` passes options on; PYTHON=… and VENV=… choose others.

PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11 python
VENV   ?= .venv
UV     ?= $(shell command -v uv 2>/dev/null)
ARGS   ?=
# Most of the time goes into compiling, which takes one core: a process a core, a file of tests at a time.
WORKERS ?= -n auto --dist loadfile --no-loadscope-reorder
# What one process has compiled to bytecode the next one loads, wherever this is switched off for everything.
export PYTHONDONTWRITEBYTECODE :=
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

.PHONY: help run test test-all bench calibrate docs lint types clean
.DELETE_ON_ERROR:

help:
	@echo "make run        the first study on real digits; it ends by saying where its report is"
	@echo "make test       the fast tests"
	@echo "make test-all   the slow ones too, and those on the MNIST and CIFAR-10 of TICKETLAB_DATA"
	@echo "make bench      speed, beside PyTorch's (which this installs)"
	@echo "make calibrate   how often intervals and rules are wrong, into docs/calibration.md"
	@echo "make docs       these pages, as docs/_build/html/index.html"
	@echo "make lint       style; make types: annotations"
	@echo "make clean      removes caches and built pages; your runs and $(VENV) stay"

run: $(VENV)/installed
	@$(BIN)/ticketlab run tangent-minimum $(ARGS)

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

test-all: $(VENV)/installed-dev
	$(BIN)/python -m pytest $(WORKERS) -m "" $(ARGS)

bench: $(VENV)/installed-torch
	@for benchmark in $(filter-out benchmarks/calibrate.py,$(wildcard benchmarks/[a-z]*.py)); do $(BIN)/python $$benchmark $(ARGS) || exit 1; done

calibrate: $(VENV)/installed-dev
	$(BIN)/python benchmarks/calibrate.py $(ARGS)

docs: $(VENV)/installed-dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html $(ARGS) docs docs/_build/html
	@echo "docs/_build/html/index.html"

lint: $(VENV)/installed-dev
	$(BIN)/python -m ruff check $(ARGS)
	$(BIN)/python -m ruff format --check $(ARGS)

types: $(VENV)/installed-dev
	$(BIN)/python -m mypy $(ARGS)

clean:
	rm -rf docs/_build build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Installation. A stamp says that it was done, and is older than pyproject.toml when it must be done again.

install = $(if $(UV),"$(UV)" pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

$(VENV)/installed: pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing Ticketlab into $(VENV), this once …"
	@$(install) -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing what its tests and pages need, this once …"
	@$(install) -e ".[dev]"
	@touch $@

$(VENV)/installed-torch: $(VENV)/installed-dev
	@echo "Installing PyTorch, this once …"
	@$(install) -e ".[torch]"
	@touch $@

# The first candidate that runs and is new enough: a name on the path may be an empty shim. uv can fetch a Python itself.
$(VENV)/pyvenv.cfg:
	@python=; seen=; \
	for candidate in $(PYTHON); do \
	  version=`"$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null` || continue; \
	  seen="$$seen $$candidate is $$version;"; \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ] && [ -n "$(UV)" ] && [ $(origin PYTHON) = file ]; then python='>=3.11'; fi; \
	if [ -z "$$python" ]; then \
	  echo "Ticketlab needs Python 3.11 or newer, and found:$${seen:- none.}" >&2; \
	  echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	if [ -n "$(UV)" ]; then "$(UV)" venv --quiet --python "$$python" $(VENV); exit; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python cannot make an environment: it lacks ensurepip, which Debian and Ubuntu package separately." >&2; \
	  echo "Run: sudo apt install python3-venv. Or install uv. Or name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	"$$python" -m venv $(VENV)
