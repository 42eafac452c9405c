# Two commands: `make run` and `make test`. Everything else is a part of them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
CARGO := cargo
# One profile for build, test and lint: each further one compiles BoringSSL again.
PROFILE := --release --locked

RUST_SOURCES := $(shell find sfu/plane -name '*.rs') Cargo.toml Cargo.lock $(wildcard sfu/plane/*/Cargo.toml)

.PHONY: help run setup test check lint format types test-rust test-python test-browsers bench bench-join bench-forward bench-layers clean

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: setup ## Start the service in development mode and print the address of the try-it page (LAN=1: for a phone, too)
	@exec $(BIN)/sfu serve --dev $(if $(LAN),--lan)

setup: .setup/python .setup/native ## Make .venv with the sfu command in it (release build)

.setup/tools:
	@PYTHON=$(PYTHON) scripts/check-tools
	@mkdir -p .setup && touch $@

.setup/python: .setup/tools pyproject.toml constraints.txt
	@echo "setup: Python packages into .venv"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@scripts/install-python $(BIN)/python
	@touch $@

.setup/native: .setup/tools .setup/python $(RUST_SOURCES)
	@scripts/build-native
	@touch $@

test: setup .setup/browsers test-rust test-python ## Run all tests: Rust, Python, browsers

.setup/browsers:
	@scripts/install-browsers
	@mkdir -p .setup && touch $@

test-rust: setup
	$(CARGO) test $(PROFILE) --workspace --all-targets

test-python: setup
	$(BIN)/python -m pytest tests

check: lint types test ## What CI runs: lint, types, tests

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

bench-join: setup ## How long a join takes, what a subscriber costs
	$(BIN)/python -m loadtest join

bench-forward: setup ## CPU time of the service for each packet it forwards, over loopback
	$(BIN)/python -m loadtest forward

clean: ## Remove what was built, but for the Rust target folder
	rm -rf .venv .setup sfu/plane/*.so
