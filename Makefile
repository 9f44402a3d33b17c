# The project's commands; `make` or `make help` lists them. Everything is built in build/<preset>.

PRESET ?= release
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)

BUILD := build/$(PRESET)
PYTHON := .venv/bin/python
MEASURED = MLXE_BINARY_DIR=$(CURDIR)/$(BUILD)
ORACLE := .venvs/oracle
ADAPTERS := .venvs/adapters
INTEROP := .venvs/interop
WHEELS := .venvs/wheel
CLANG_FORMAT ?= $(firstword $(shell command -v clang-format-19 clang-format) clang-format-19)
MODEL := build/models/all-MiniLM-L6-v2
PYTEST_FOLDERS = $(sort $(dir $(wildcard tests/*/test_*.py)))
BENCH_TEXTS ?= $(firstword $(wildcard ../shared/bench/corpus/sentences.txt) LICENSE)
SOURCES = git ls-files '*.h' '*.cpp'

.DEFAULT_GOAL := help
.PHONY: help setup configure build demo test bench compare numerics parity architectures adapters interop wheel asan tsan format lint fixtures clean

help:  ## list the commands
	@sed -n 's/^\([a-z]*\):.*  ## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'
	@echo "Variables: PRESET (release, dev, asan, tsan), JOBS, BENCH_TEXTS (a file of lines), COMPARE_FLAGS"

setup:  ## install what is missing: system packages, cargo, .venv, the default model
	@tools/setup.sh

configure: setup
	@echo "== configure: $(BUILD)"
	@cmake --preset $(PRESET) --log-level=NOTICE

build: configure  ## set up and build everything (PRESET=release)
	@echo "== build: $(BUILD)"
	@cmake --build --preset $(PRESET) --parallel $(JOBS)

demo: configure  ## set up, build, and embed real text with the default model
	@echo "== build: $(BUILD)/bin/mlx_embeddings"
	@cmake --build --preset $(PRESET) --parallel $(JOBS) --target bin/mlx_embeddings
	@mkdir -p build/demo
	@echo "== how alike are three sentences to all-MiniLM-L6-v2? (heat map: build/demo/heatmap.svg)"
	@$(BUILD)/bin/mlx_embeddings similarity -m $(MODEL) --heatmap build/demo/heatmap.svg $(DEMO_TEXTS)
	@echo "== their vectors, in short"
	@$(BUILD)/bin/mlx_embeddings embed -m $(MODEL) --output summary $(DEMO_TEXTS)

DEMO_TEXTS = "I like grapes" "I like fruits" "The slow green turtle crawls under the busy ant."

# Both run whatever the first one says, so that one run shows everything that fails.
test: build  ## set up, build and run every test: C++ (ctest), then Python (pytest)
	@status=0; \
	echo "== test: ctest"; \
	ctest --preset $(PRESET) --parallel $(JOBS) || status=1; \
	if [ -n "$(strip $(PYTEST_FOLDERS))" ]; then \
	  echo "== test: pytest $(strip $(PYTEST_FOLDERS))"; \
	  MLXE_BINARY_DIR=$(CURDIR)/$(BUILD) $(PYTHON) -m pytest -q $(PYTEST_FOLDERS) || status=1; \
	fi; \
	exit $$status

bench: build  ## kernels as a share of the machine's peak, then the whole engine on BENCH_TEXTS
	@echo "== bench: kernels (JSON lines)"
	@$(BUILD)/bin/bench_kernels
	@echo "== bench: encode $(BENCH_TEXTS)"
	@$(BUILD)/bin/mlx_embeddings bench encode -m $(MODEL) -i $(BENCH_TEXTS)

compare: build  ## beside the peers of ../shared/bench, interleaved; writes docs/performance.md
	@$(MEASURED) $(PYTHON) bench/compare.py --write $(COMPARE_FLAGS)

numerics: build  ## how far each precision moves the vectors; writes docs/numerics.md
	@$(MEASURED) $(PYTHON) bench/numerics.py

parity: build  ## every fixture beside its oracle; writes docs/parity.md
	@$(MEASURED) $(PYTHON) bench/parity.py

architectures: build $(ORACLE)/.stamp  ## the speed of each architecture beside bert, on random weights
	@[ -d build/bench-models ] || { rm -rf build/bench-models.part; \
	  $(ORACLE)/bin/python bench/random_models.py build/bench-models.part && mv build/bench-models.part build/bench-models; }
	@$(MEASURED) $(PYTHON) bench/architectures.py

adapters: build $(ADAPTERS)/.stamp  ## the Python package's adapters with the frameworks themselves (installs torch, for mteb)
	@$(MEASURED) $(ADAPTERS)/bin/python -m pytest -q -o python_files='check_*.py' -o asyncio_mode=auto -o asyncio_default_fixture_loop_scope=function tests/adapters

$(ADAPTERS)/.stamp: tools/requirements-adapters.txt
	@echo "== environment of the adapters: $(ADAPTERS)"
	@$(PYTHON) -m venv $(ADAPTERS)
	@$(ADAPTERS)/bin/python -m pip install --disable-pip-version-check --quiet -r tools/requirements-adapters.txt
	@touch $@

interop: build $(INTEROP)/.stamp  ## convert beside the PyPI package mlx-embeddings (installs 1 GB)
	@$(MEASURED) $(INTEROP)/bin/python -m pytest -q -o python_files='check_*.py' tests/interop

$(INTEROP)/.stamp: tools/requirements-interop.txt
	@echo "== environment of mlx-embeddings: $(INTEROP)"
	@$(PYTHON) -m venv $(INTEROP)
	@$(INTEROP)/bin/python -m pip install --disable-pip-version-check --quiet -r tools/requirements-interop.txt
	@touch $@

# On Linux auditwheel puts the system libraries inside that a machine may lack, and names the oldest glibc that does.
# libmlx stays out: whoever wants it installs the package mlx.
wheel: setup $(WHEELS)/.stamp  ## the Python package in build/dist: its source archive, and a wheel made of that
	@rm -rf build/dist && mkdir -p build/dist/plain
	@$(WHEELS)/bin/python -m build --outdir build/dist/plain .
	@mv build/dist/plain/*.tar.gz build/dist
	@if [ "$$(uname -s)" = Linux ]; then \
	  PATH="$(CURDIR)/$(WHEELS)/bin:$$PATH" auditwheel repair --exclude libmlx.so --wheel-dir build/dist build/dist/plain/*.whl; \
	else mv build/dist/plain/*.whl build/dist; fi
	@rm -r build/dist/plain && ls build/dist

$(WHEELS)/.stamp: tools/requirements-wheel.txt
	@echo "== environment of the wheel: $(WHEELS)"
	@$(PYTHON) -m venv $(WHEELS)
	@$(WHEELS)/bin/python -m pip install --disable-pip-version-check --quiet -r tools/requirements-wheel.txt
	@touch $@

asan:  ## every C++ test under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory sanitized PRESET=asan

tsan:  ## every C++ test under the thread sanitizer
	@$(MAKE) --no-print-directory sanitized PRESET=tsan

.PHONY: sanitized
sanitized: build
	@echo "== test: ctest ($(PRESET))"
	@TSAN_OPTIONS="suppressions=$(CURDIR)/tools/tsan_suppressions.txt" UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	  ctest --preset $(PRESET) --parallel $(JOBS)

format:  ## format C++ and Rust
	@$(SOURCES) | xargs $(CLANG_FORMAT) -i
	@cargo fmt --manifest-path src/tokenizer/rust/Cargo.toml

lint:  ## check the format and the layers
	@$(SOURCES) | xargs $(CLANG_FORMAT) --dry-run -Werror
	@cargo fmt --manifest-path src/tokenizer/rust/Cargo.toml --check
	@python3 tools/check_layers.py

fixtures: setup $(ORACLE)/.stamp  ## make the goldens of tests/fixtures anew, with the reference libraries (installs torch)
	@$(ORACLE)/bin/python tools/make_tokenizer_fixture.py
	@$(ORACLE)/bin/python tools/make_fixture.py
	@$(ORACLE)/bin/python tools/make_fixture.py --bf16
	@$(ORACLE)/bin/python tools/make_fixture.py --defaults
	@$(ORACLE)/bin/python tools/make_fixture.py --minilm $(MODEL)

$(ORACLE)/.stamp: tools/requirements-oracle.txt
	@echo "== environment of the oracles: $(ORACLE)"
	@$(PYTHON) -m venv $(ORACLE)
	@$(ORACLE)/bin/python -m pip install --disable-pip-version-check --quiet -r tools/requirements-oracle.txt
	@touch $@

clean:  ## remove the build trees and the demo's output; keeps .venv and the default model
	@rm -rf build/release build/dev build/asan build/tsan build/demo build/dist build/wheel build/bench-models*
