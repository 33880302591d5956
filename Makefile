# Two commands matter: `make serve` and `make test`. Each sets up everything it needs in .venv.
SHELL := /bin/sh
PORT ?= 8000
BIND ?= 127.0.0.1
DATA ?= ../shared/data/nhcd.zip
BIN := .venv/bin

# The first Python 3.11 to 3.13 that runs: a name on the path may be a shim of one that is not installed.
PYTHON ?= $(shell for python in python3.12 python3.13 python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$python; break; }; done)

# make serve RUNTIME=tensorflow installs TensorFlow and serves on it; otherwise serving installs none.
ifeq ($(RUNTIME),tensorflow)
SERVE_LOCK := tensorflow
export AKSHAR_RUNTIME := tensorflow
else
SERVE_LOCK := serve
endif

.PHONY: help serve test fuzz lint format fonts train evaluate report bench bench-quick bench-attack lock clean
help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

serve: .venv/.$(SERVE_LOCK)  ## Serve on BIND:PORT (127.0.0.1:8000); RUNTIME=tensorflow serves on TensorFlow.
	$(BIN)/akshar serve --host $(BIND) --port $(PORT)

test: .venv/.dev  ## Run all tests.
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

fuzz: .venv/.dev  ## Attack a server with damaged input, a minute per fuzzer (ARGS="http --seconds 600 --seed 7").
	$(BIN)/python -m tests.fuzz $(ARGS)

lint: .venv/.dev  ## Check style, types, import contracts and the Dockerfile.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/hadolint Dockerfile

format: .venv/.dev  ## Fix what style checks can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fonts: fonts/node_modules  ## Fetch the fonts that the recipes train on (needs npm).

fonts/node_modules: fonts/package-lock.json
	cd fonts && npm ci --no-audit --no-fund && touch node_modules

train: .venv/.dev fonts/node_modules  ## Train on DATA, the DHCD zip beside it and fonts (needs npm); resumes if interrupted.
	$(BIN)/python -m training train --data $(DATA) $(ARGS)

evaluate: .venv/.dev  ## Score artifacts/ on the test part of DATA.
	$(BIN)/python -m training evaluate --data $(DATA) $(ARGS)

report: .venv/.dev  ## Write build/report.html and the tables and plots of the documents from docs/results/.
	$(BIN)/python -m training report --data $(DATA) $(ARGS)

bench: .venv/.dev .venv/.wrk  ## Measure parts, service and peers into build/; ARGS=--save replaces benchmarks/results.*.
	$(BIN)/python -m benchmarks $(ARGS)

bench-quick: .venv/.dev .venv/.wrk  ## Measure without the peers, in under 3 minutes.
	$(BIN)/python -m benchmarks --quick $(ARGS)

bench-attack: .venv/.dev  ## Attack the service beside normal load for 12 minutes; ARGS=--save replaces benchmarks/attack.*.
	$(BIN)/python -m benchmarks.attack $(ARGS)

# The load comes from a client in C, a package of Debian's.
.venv/.wrk: .venv/.dev
	@command -v wrk >/dev/null || { apt-get update -qq && apt-get install -y -qq wrk; } \
		|| { echo "Install wrk (Debian: apt-get install wrk)." >&2; exit 1; }
	@touch $@

lock: .venv/.dev  ## Resolve pyproject.toml into locks/ (ARGS=--upgrade for newer releases).
	PATH="$(CURDIR)/$(BIN):$$PATH" sh locks/compile.sh $(ARGS)

clean:  ## Remove the environment and all caches.
	rm -rf .venv .training .mypy_cache .pytest_cache .ruff_cache .hypothesis

# All lock files install into one .venv; a stamp file says which are installed.
.venv/.%: locks/%.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 found; name one with PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
