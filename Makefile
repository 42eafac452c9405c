# Two commands: `make run` and `make test`. The other targets are parts of them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# The parts share one .venv and one target folder; cargo and pytest use the cores themselves.
.NOTPARALLEL:

PYTHON ?= python3
BIN := .venv/bin
CARGO := cargo
# One profile for build, test and lint: each other profile compiles BoringSSL again.
PROFILE := --release --locked

NATIVE := sfu/plane/_native.abi3.so
RUST_SOURCES := Cargo.toml Cargo.lock sfu/plane/_native.pyi $(shell find sfu/plane -name '*.rs' -o -name Cargo.toml)

.PHONY: help run setup test check check-long lint format types browsers engine test-rust test-python test-e2e fuzz test-fuzz mutants bench bench-join bench-forward bench-layers bench-crowd bench-offers bench-events sweep image clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: setup ## Start the service in development mode and print the address of the try-it page (LAN=1: for a phone, too)
	@exec $(BIN)/sfu serve --dev $(if $(filter-out 0 no false,$(LAN)),--lan)

setup: .venv/.packages $(NATIVE) ## Make .venv with the sfu command in it (release build); needs no root

# A step leaves a file only if it succeeded, so the next `make` continues at the failed step.
.venv/.made: scripts/check-tools scripts/make-venv
	@PYTHON=$(PYTHON) scripts/check-tools
	@PYTHON=$(PYTHON) scripts/make-venv
	@touch $@

# A checkout that was moved or copied is set up again, because its build results contain the old path.
ifneq ($(file <.venv/.place),$(CURDIR))
.venv/.made: FORCE
FORCE:
endif

# Configures cmake and libclang for every cargo command in this folder.
.cargo/config.toml: .venv/.made pyproject.toml constraints.txt scripts/install-build-tools scripts/configure-build
	@scripts/install-build-tools
	@touch $@

.venv/.packages: .cargo/config.toml pyproject.toml constraints.txt clients/python/pyproject.toml scripts/install-python tests/packaging/requirements.txt
	@echo "setup: Python packages into .venv (the first time about a minute)"
	@scripts/install-python $(BIN)/python
	@touch $@

$(NATIVE): .cargo/config.toml .venv/.packages scripts/build-native $(RUST_SOURCES)
	@scripts/build-native
	@touch $@

test: test-rust test-python ## Run all tests: Rust, Python, browsers

# Runs each time: a missing program may be installed meanwhile, and CI must not skip tests.
browsers: setup
	@scripts/install-browsers
	@scripts/install-gstreamer
	@scripts/install-coturn
	@scripts/install-npm

# Runs each time, too: the engine that builds and runs the image in its test.
engine: setup
	@scripts/install-engine

# Without the Python binding, whose tests are in Python: cargo need not build PyO3 again.
test-rust: setup ## Test the packet plane alone
	$(CARGO) test $(PROFILE) --workspace --exclude plane-py --all-targets

test-python: setup browsers engine ## Test rooms, REST and signalling, browsers, image, chart, examples
	$(BIN)/python -m pytest

test-e2e: setup browsers ## Run only the tests with browsers and other real peers
	$(BIN)/python -m pytest tests/e2e

test-fuzz: setup ## Build the fuzz targets with the address sanitizer, replay their corpora
	@$(BIN)/python scripts/fuzz --check

fuzz: setup ## Run the fuzz targets (TARGET=rtcp MINUTES=10 KEEP=1 COVERAGE=1; HELP=1 describes them)
	@$(BIN)/python scripts/fuzz $(if $(TARGET),--target $(TARGET)) $(if $(MINUTES),--minutes $(MINUTES)) \
	    $(if $(KEEP),--keep) $(if $(COVERAGE),--coverage) $(if $(HELP),--help)

mutants: setup ## Change the pure parts in small ways and report changes that no test detects (ONLY=rust FILE=receive/nack.rs MINUTES=20)
	@$(BIN)/python scripts/mutants $(if $(ONLY),--only $(ONLY)) $(if $(PART),--part $(PART)) $(if $(FILE),--file $(FILE)) \
	    $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(AGAIN),--again)

check: lint types test test-fuzz ## Run what CI runs: lint, types, tests

check-long: setup browsers ## Run the tests that wait for a minute or more, which make check leaves out
	$(BIN)/python -m pytest -m long

lint: setup ## Run ruff, rustfmt, clippy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(PROFILE) --workspace --all-targets -- -D warnings

format: setup ## Format the sources as lint requires
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(CARGO) fmt --all

types: setup ## Run mypy (strict), and check the stub of the native module
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sfu.plane._native

bench: setup ## Measure the packet plane's core alone: one track to N slots
	$(CARGO) bench --profile release --locked -p plane-core

bench-join: setup browsers ## Measure the duration of a join, and the cost of a subscriber
	$(BIN)/python -m loadtest join

bench-forward: setup ## Measure the CPU time of the service per forwarded packet, over loopback
	$(BIN)/python -m loadtest forward

bench-layers: setup ## Measure how fast layers switch, and the cost for publishers, a slot, a join into a large room and an allocation
	$(BIN)/python -m loadtest layers
	$(BIN)/python -m tests.benchmark.crowd
	$(BIN)/python -m tests.benchmark.allocation
	$(CARGO) bench --profile release --locked -p plane-core --bench slot

bench-crowd: setup ## Measure what one change of a large room costs Python: a join, a microphone, another dominant speaker, a message to all
	$(BIN)/python -m tests.benchmark.crowd
	$(BIN)/python -m tests.benchmark.large_room --members 200 --publishers 10
	$(BIN)/python -m tests.benchmark.large_room
	$(BIN)/python -m tests.benchmark.large_room --members 1000 --publishers 50
	$(BIN)/python -m tests.benchmark.sockets
	$(BIN)/python -m tests.benchmark.collector

bench-offers: setup ## Measure how long large offers block the event loop, and what they cost
	$(BIN)/python -m tests.benchmark.offers

bench-events: setup ## Measure the cost of events, written and followed; and kill the service 100 times and compare its events with its answers
	$(BIN)/python -m tests.benchmark.events
	$(BIN)/python -m tests.api.kill --kills 100

sweep: setup ## Simulate all rows of bad networks with all seeds, write loadtest/NETWORKS.md, try new seeds (NEW=2 a row; ROW=step: only rows with this text)
	@NEW=$(or $(NEW),2) ROW="$(ROW)" $(CARGO) test $(PROFILE) -q -p plane-core --test networks -- --ignored --nocapture --exact sweep

image: ## Build the container image with buildah, docker or podman (IMAGE=name:tag)
	@scripts/build-image $(or $(IMAGE),localhost/sfu:dev)

clean: ## Remove build results, except Rust's target folder
	rm -rf .venv .cargo .platform .sfu-dev.json sfu/plane/*.so
