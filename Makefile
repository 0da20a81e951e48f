# Two commands do everything on a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS := drawing,pronounce,tensorboard,caption,t-sne,test,check

.PHONY: browser demo test test-slow check bench native sanitize clean
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
	$(BIN)/cmake --build build/editable

demo: native
	PATH="$(abspath $(BIN)):$$PATH" docs/demo.sh

check: native
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Pages are tested in a browser. Where none can be installed (no root, no apt) those tests skip and say so.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { test "$$(id -u)" = 0 && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
		echo "no Chromium, and none can be installed here: the tests of pages are skipped"

test: check browser
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: native
	$(BIN)/python -m pytest -m slow --timeout 3600

# The peers stand in an environment of their own. One that cannot be installed is reported as a peer that cannot run.
.venv-peers/.installed: benchmarks/requirements.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	-.venv-peers/bin/python -m pip install --quiet --requirement $<
	touch $@

bench: native .venv-peers/.installed
	$(BIN)/python -m benchmarks

sanitize: native  ## the kernels under address, undefined-behaviour and thread sanitizers
	native/tests/sanitize

clean:
	rm -rf build $(VENV) .venv-peers src/unrolled/kernels/*.so
