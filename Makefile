# Two commands: `make run` and `make test`. Everything else is a part of them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# The parts share one .venv and one target folder; cargo and pytest use the cores themselves.
.NOTPARALLEL:

PYTHON ?= python3
BIN := .venv/bin
CARGO := cargo
# One profile for build, test and lint: each further one compiles BoringSSL again.
PROFILE := --release --locked

NATIVE := sfu/plane/_native.abi3.so
RUST_SOURCES := Cargo.toml Cargo.lock sfu/plane/_native.pyi $(shell find sfu/plane -name '*.rs' -o -name Cargo.toml)

.PHONY: help run setup test check check-long lint format types browsers engine test-rust test-python test-e2e fuzz test-fuzz mutants bench bench-join bench-forward bench-layers bench-crowd bench-offers image clean

help: ## What there is to make
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: setup ## Start the service in development mode and print the address of the try-it page (LAN=1: for a phone, too)
	@exec $(BIN)/sfu serve --dev $(if $(filter-out 0 no false,$(LAN)),--lan)

setup: .venv/.packages $(NATIVE) ## Make .venv with the sfu command in it (release build); needs no root

# Each step leaves a file, and only if it succeeded: the next `make` goes on where this one stopped.
.venv/.made: scripts/check-tools scripts/make-venv
	@PYTHON=$(PYTHON) scripts/check-tools
	@PYTHON=$(PYTHON) scripts/make-venv
	@touch $@

# A checkout that was moved or copied is set up again: what was made in it contains the old path.
ifneq ($(file <.venv/.place),$(CURDIR))
.venv/.made: FORCE
FORCE:
endif

# Tells every cargo in this folder which cmake and libclang to use.
.cargo/config.toml: .venv/.made pyproject.toml constraints.txt scripts/install-build-tools scripts/configure-build
	@scripts/install-build-tools
	@touch $@

.venv/.packages: .cargo/config.toml pyproject.toml constraints.txt scripts/install-python tests/packaging/requirements.txt
	@echo "setup: Python packages into .venv (the first time about a minute)"
	@scripts/install-python $(BIN)/python
	@touch $@

$(NATIVE): .cargo/config.toml .venv/.packages scripts/build-native $(RUST_SOURCES)
	@scripts/build-native
	@touch $@

test: test-rust test-python ## Run all tests: Rust, Python, browsers

# Asked each time: what is missing today may be installed tomorrow, and CI must not skip what a desk may.
browsers: setup
	@scripts/install-browsers
	@scripts/install-gstreamer
	@scripts/install-npm

# Here too: what builds and runs the image in its test.
engine: setup
	@scripts/install-engine

# The Python binding has its tests in Python; without it cargo need not build PyO3 a second time.
test-rust: setup ## The packet plane alone
	$(CARGO) test $(PROFILE) --workspace --exclude plane-py --all-targets

test-python: setup browsers engine ## Rooms, doors, browsers, image, chart, examples
	$(BIN)/python -m pytest

test-e2e: setup browsers ## Only what needs browsers and other real peers
	$(BIN)/python -m pytest tests/e2e

test-fuzz: setup ## Build the fuzz targets with the address sanitizer, replay their corpora
	@$(BIN)/python scripts/fuzz --check

fuzz: setup ## Run the fuzz targets (TARGET=rtcp MINUTES=10 KEEP=1 COVERAGE=1; HELP=1 says what they are)
	@$(BIN)/python scripts/fuzz $(if $(TARGET),--target $(TARGET)) $(if $(MINUTES),--minutes $(MINUTES)) \
	    $(if $(KEEP),--keep) $(if $(COVERAGE),--coverage) $(if $(HELP),--help)

mutants: setup ## Change the pure parts in small ways and tell what no test noticed (ONLY=rust FILE=receive/nack.rs MINUTES=20)
	@$(BIN)/python scripts/mutants $(if $(ONLY),--only $(ONLY)) $(if $(PART),--part $(PART)) $(if $(FILE),--file $(FILE)) \
	    $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(AGAIN),--again)

check: lint types test test-fuzz ## What CI runs: lint, types, tests

check-long: setup browsers ## The tests that wait for a minute or more, which make check leaves out
	$(BIN)/python -m pytest -m long

lint: setup ## ruff, rustfmt, clippy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(PROFILE) --workspace --all-targets -- -D warnings

format: setup ## Rewrite the sources as lint wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(CARGO) fmt --all

types: setup ## mypy strict, and the stub of the native module against the module
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sfu.plane._native

bench: setup ## The packet plane's core alone: one track to N slots
	$(CARGO) bench --profile release --locked -p plane-core

bench-join: setup browsers ## How long a join takes, what a subscriber costs
	$(BIN)/python -m loadtest join

bench-forward: setup ## CPU time of the service for each packet it forwards, over loopback
	$(BIN)/python -m loadtest forward

bench-layers: setup ## How fast layers switch, what that costs publishers, a slot and a join into a large room
	$(BIN)/python -m loadtest layers
	$(BIN)/python -m tests.benchmark.crowd
	$(CARGO) bench --profile release --locked -p plane-core --bench slot

bench-crowd: setup ## What one change of a large room costs Python: a join, a microphone, another dominant speaker, a message to all
	$(BIN)/python -m tests.benchmark.crowd
	$(BIN)/python -m tests.benchmark.large_room --members 200 --publishers 10
	$(BIN)/python -m tests.benchmark.large_room
	$(BIN)/python -m tests.benchmark.large_room --members 1000 --publishers 50
	$(BIN)/python -m tests.benchmark.sockets
	$(BIN)/python -m tests.benchmark.collector

bench-offers: setup ## How long the event loop waits while large offers arrive, and what they cost
	$(BIN)/python -m tests.benchmark.offers

image: ## Build the container image with buildah, docker or podman (IMAGE=name:tag)
	@scripts/build-image $(or $(IMAGE),localhost/sfu:dev)

clean: ## Remove what was made, but for Rust's target folder
	rm -rf .venv .cargo .platform .sfu-dev.json sfu/plane/*.so
