# Two commands do everything on a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS := drawing,pronounce,tensorboard,caption,t-sne,test,check

.PHONY: demo test test-slow check bench native sanitize clean
.DEFAULT_GOAL := test

# The build tools are installed first and used without isolation, so that the pinned torch is the only one ever fetched.
$(VENV)/.installed: pyproject.toml constraints.txt CMakeLists.txt native/CMakeLists.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt scikit-build-core cmake ninja
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[$(EXTRAS)]"
	touch $@

native: $(VENV)/.installed  ## rebuild the kernels after a change in native/
	$(BIN)/cmake --build build/editable || $(BIN)/python -c 'import sys, unrolled.kernels as kernels; \
	  sys.exit("the kernels could not be rebuilt" if kernels.load() else 0)'  # without a compiler: the reference path

demo: native
	PATH="$(abspath $(BIN)):$$PATH" docs/demo.sh

check: native
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: native
	$(BIN)/python -m pytest -m slow --timeout 3600

# The peers stand in an environment of their own. One that cannot be installed is reported as a peer that cannot run.
.venv-peers/.installed: benchmarks/requirements.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	grep -v '^#' $< | xargs -n 1 .venv-peers/bin/python -m pip install --quiet || true
	touch $@

bench: native .venv-peers/.installed
	$(BIN)/python -m benchmarks

sanitize: native  ## the kernels under address, undefined-behaviour and thread sanitizers
	native/tests/sanitize

clean:
	rm -rf build $(VENV) .venv-peers src/unrolled/kernels/*.so
