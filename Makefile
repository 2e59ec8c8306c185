# Every target sets itself up: all it needs is make and a Python of at least 3.11.
#   make demo     render a small dataset, attack the shipped network, write a report
#   make test     run the tests            make types   run the type checker
#   make check    format, lint, types, tests
#   make bench    measure, and print tables
# ARGS is passed on, e.g. `make demo ARGS=--help`, `make test ARGS="-k resample"`.

.PHONY: help demo test check lint types bench clean
.DEFAULT_GOAL := help

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin
# One thread for each of pytest's workers: more of them only fight over the processors.
TEST := OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n auto --dist loadfile

help:
	@sed -n 's/^#   //p' Makefile

demo: $(READY)
	$(RUN)/turncoat demo $(ARGS)

test: $(READY)
	$(TEST) $(ARGS)

check: lint types test

lint: $(READY)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

# A mapped editable install is invisible to type checkers, so the checkout is linked under its import name.
types: $(READY)
	@mkdir -p build/types && ln -sfn ../.. build/types/turncoat
	$(RUN)/python -m mypy $(ARGS)

bench: $(READY)
	$(RUN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info

# Candidates are run, not only looked for: a pyenv shim exists for every version and fails for most. 3.11 comes first
# because constraints.txt was resolved for it.
$(READY): pyproject.toml constraints.txt
	@new='import sys; sys.exit(sys.version_info < (3, 11))'; \
	if ! $(RUN)/python -c "import pip; $$new" 2>/dev/null; then \
	  for python in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	    if $$python -c "$$new" >/dev/null 2>&1; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "turncoat needs Python 3.11 or newer and found none on the PATH; install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	  fi; \
	  echo "Setting up $(VENV) with $$($$found --version); this downloads PyTorch and takes a few minutes, once."; \
	  $$found -m venv --clear $(VENV) || exit 1; \
	fi
	$(RUN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
