# The one front door. Each target sets up what it needs in .venv and build/; `make help` lists them.
#   make test STRICT=1            a skip is a failure
#   make demo DEMO_ARGS="..."     arguments for `corestate demo`
#   make test PYTEST_ARGS="..."   arguments for pytest
#   make bench BENCH_FORM=full    slower, steadier, and the native suite as well
#   make bench BENCH_PARTS="..."  some of: peers floors native page

PYTHON     ?= python3
VENV       := .venv
BIN        := $(VENV)/bin
STRICT     ?=
DEMO_ARGS  ?=
PYTEST_ARGS ?=
BENCH_FORM ?= short
BENCH_PARTS ?=
BENCH_ARGS ?=
export STRICT PYTEST_ARGS BENCH_FORM BENCH_PARTS BENCH_ARGS PYTHON

# The package is built again only when something that is compiled, or how it is compiled, has changed.
NATIVE := pyproject.toml setup.py \
          $(wildcard csrc/src/*.[ch] csrc/port/*.[ch] csrc/include/corestate/*.h) \
          $(wildcard src/corestate/*.c src/corestate/*.h src/corestate/_build/*.py)

.DEFAULT_GOAL := help
.PHONY: help demo test test-core test-cross test-python test-proof test-board test-wasm \
        lint format audit pin bench docs wheel check-wheel venv venv-dev venv-bench clean distclean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

demo: venv ## the main job: an engine, agents and an observer live in one block of memory
	@$(BIN)/corestate demo $(DEMO_ARGS)

test: venv-dev venv-bench ## everything that can run here; names what it skipped and why
	@tools/test-all

test-core: ## the C conformance suite on this machine, also under the sanitizers
	@tools/test-core

test-cross: ## the core compiled for the other platforms, and run where an emulator allows
	@tools/test-cross

test-python: venv-dev venv-bench ## the Python tests
	@tools/test-python

test-proof: venv-dev ## crash points, kills, fuzzing, races and models
	@tools/test-proof

test-board: venv-dev ## the core on emulated boards
	@tools/test-board

test-wasm: venv-dev ## the core in wasm, in node and in a browser
	@tools/test-wasm

lint: venv-dev ## ruff, mypy, clang-format, clang-tidy, shellcheck, and the rules of the tree
	@tools/lint

format: venv-dev ## writes what `make lint` asks of the formatting
	@tools/lint --fix

audit: ## whether an advisory names a version that is pinned here
	@tools/audit

pin: ## writes requirements/*.txt, with hashes, from requirements/*.in
	@tools/pin

bench: venv-dev venv-bench ## corestate measured beside its peers; writes docs/benchmarks.md and the README's figures
	@tools/bench

venv-bench: $(VENV)/.built $(VENV)/.bench ## the same with the peers that it is measured beside

docs: $(VENV)/.docs ## the API reference, from docstrings and header, in build/docs
	@tools/docs

wheel: venv-dev ## sdist and wheel in dist/
	@tools/wheel

check-wheel: wheel ## the wheel installed in a clean environment and tested there
	@tools/check-wheel

venv: $(VENV)/.built ## .venv with the package as it is in this tree

venv-dev: $(VENV)/.built $(VENV)/.dev ## the same with the tools for tests and lint

$(VENV)/.base: requirements/base.txt tools/venv
	@tools/venv base

$(VENV)/.built: $(VENV)/.base $(NATIVE)
	@tools/venv package

$(VENV)/.dev: requirements/dev.txt $(VENV)/.base
	@tools/venv dev

$(VENV)/.bench: requirements/bench.txt $(VENV)/.base
	@tools/venv bench

$(VENV)/.docs: requirements/docs.txt $(VENV)/.built
	@tools/venv docs

clean: ## removes what builds made
	@rm -rf build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	@rm -f src/corestate/*.so src/corestate/*.pyd src/corestate/_core.c src/corestate/_core.o $(VENV)/.built
	@find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## also removes .venv
	@rm -rf $(VENV)
