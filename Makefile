# One word a task. `make` alone lists them. Needs Python >= 3.11 and make; PYTHON=... chooses the interpreter.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# Where compiled modules run, with the rest of $(VENV) beside them; with BATONMQ_PURE=1 it is $(VENV) that runs.
COMPILED := build/compiled
RUN := $(if $(filter-out 0,$(BATONMQ_PURE)),$(VENV),$(COMPILED))/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --require-hashes
# Built with what the lock of the tests has installed, so that this fetches nothing unlocked either.
CLIENTS := $(INSTALL) --no-build-isolation --requirement requirements/clients.txt
ARGS ?=
# Two processes more than cores: a third of the time a test waits for a process of its own, for the disk, or for time to pass.
PROCESSES = $(shell $(BIN)/python -c 'import os; print(min(4, (os.cpu_count() or 1) + 2))')
PARALLEL = --numprocesses $(PROCESSES) --dist worksteal
# Where input is made up by hypothesis.
FUZZED = $(shell grep -rlE '^from hypothesis(\.stateful import| import .*given)' tests)
# What the coverage of broker/ is measured with: its own tests, but for those that would take as long again.
COVERING = tests/broker $(addprefix --ignore=,$(filter tests/broker/%,$(FUZZED)))
# Of the suite, what goes through compiled modules; the kills of .ci/run are of what is compiled anyway.
CHECKED_COMPILED = $(addprefix tests/,test_compiling.py test_fields.py test_ordering.py test_properties.py) \
	$(addprefix tests/,api broker conformance contrib/kombu engines model protocols server store)

# Of the suite, what uses libraries of others.
CHECKED_LOWEST = $(addprefix tests/,api cli contrib engines management server proof/test_fuzz.py test_json_text.py)

.DEFAULT_GOAL := help
.PHONY: help serve compiled test test-compiled test-lowest of-lowest clients engines check check-sources check-coverage format bench bench-peers crash crash-embedded power soak siege fuzz fuzz-guided lock release clean damage docs

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: compiled ## start the broker: AMQP on 127.0.0.1:5672, data in ./data (ARGS="--port 5673" adds flags)
	@exec $(RUN)/batonmq serve --data ./data $(ARGS)

# Done again whenever a source is another than the one it was made of; the compiler runs when one has changed that it reads.
compiled: $(VENV)/.locked-run
	@test $(RUN) = $(BIN) || $(BIN)/python scripts/compiled.py $(COMPILED)

# Hundreds of processes read the sources: only the first compiles them.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.locked-test $(VENV)/.locked-clients $(if $(ARGS),,build/.read) ## run the whole suite (ARGS="-k queue" chooses)
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

# Each process of the suite reads all of it. In a new clone each would compile all of it, too: first, they share that.
build/.read: | $(VENV)/.locked-test
	@mkdir -p $(@D)
	@find tests -name node_modules -prune -o -name 'test_*.py' -print | sort | xargs -n 120 -P $(PROCESSES) \
		$(BIN)/python -m pytest --quiet --collect-only >/dev/null 2>&1 || true
	@touch $@

test-compiled: export PYTHONDONTWRITEBYTECODE :=
test-compiled: export BATONMQ_COMPILED := 1
test-compiled: $(VENV)/.locked-test $(VENV)/.locked-clients ## the suite with compiled modules: brokers, protocols, stores, clients, crashes
	@$(BIN)/python scripts/compiled.py $(COMPILED)
	@$(COMPILED)/bin/python -m pytest $(PARALLEL) $(if $(ARGS),$(ARGS),$(CHECKED_COMPILED))

test-lowest: ## the suite with the oldest of each library that pyproject.toml allows: what calls them
	@$(MAKE) --no-print-directory VENV=build/lowest of-lowest

of-lowest: export PYTHONDONTWRITEBYTECODE :=
of-lowest: $(VENV)/.locked-test $(VENV)/.locked-clients $(VENV)/.locked-lowest
	@$(BIN)/python -m pytest $(PARALLEL) $(if $(ARGS),$(ARGS),$(CHECKED_LOWEST))

clients: $(VENV)/.locked-test ## install clients that are compiled, for their tests: a C compiler builds them
	@$(CLIENTS)
	@touch $(VENV)/.locked-clients

engines: $(VENV)/.locked-test ## the tests of every engine with real brokers, installed below ~/.cache (ARGS=--no-fetch)
	@$(BIN)/python -m tests.peers engines $(ARGS)

# Two at a time: each takes about as long as the other.
check: $(VENV)/.locked-test ## ruff, mypy --strict, import rules, coverage of broker/
	@$(MAKE) --no-print-directory --jobs 2 check-sources check-coverage

check-sources: $(VENV)/.locked-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python scripts/unasync.py --check
	@$(BIN)/python -m pytest -q tests/test_imports.py

check-coverage: $(VENV)/.locked-test
	@$(BIN)/python -m coverage run -m pytest -q $(COVERING)
	@$(BIN)/python -m coverage report --format=total

format: $(VENV)/.locked-test ## put sources and imports in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Not --quiet, which hides warnings from --strict too. NO_MKDOCS_2_WARNING: no notice of what will follow the theme.
docs: export NO_MKDOCS_2_WARNING := 1
docs: $(VENV)/.locked-docs ## build the documentation's site in build/site: what leads nowhere fails it
	@$(BIN)/python -m mkdocs build --strict $(ARGS)
	@echo "build/site/index.html is its first page; to search it: python3 -m http.server --directory build/site"

bench: compiled ## measure this broker, beside others where they are installed
	@$(RUN)/python -m bench $(ARGS)

bench-peers: $(VENV)/.locked-run $(VENV)/.locked-bench ## install what bench draws with, and queues in files to measure beside ours

crash: compiled ## a broker is killed a hundred times under load: is every promise kept? (ARGS="--kills 1000")
	@$(RUN)/python -m proof.crash $(ARGS)

soak: compiled ## ten minutes of load and churn on every protocol: is all level? (ARGS="--minutes 60")
	@$(RUN)/python -m proof.soak $(ARGS)

siege: compiled ## five minutes of hostile clients: do others notice? (ARGS="--minutes 1 --untimed")
	@$(RUN)/python -m proof.siege $(ARGS)

damage: compiled ## a thousand damaged stores: nothing wrong is served, and nothing is missing in silence (ARGS="--files 5000")
	@$(RUN)/python -m proof.damage $(ARGS)

crash-embedded: compiled ## programs that share a file are killed: is every promise kept? (ARGS="--kills 1000")
	@$(RUN)/python -m proof.crash.embedded $(ARGS)

power: $(VENV)/.locked-test compiled ## ten thousand losses of power in one run: is every promise kept? (ARGS="--states 500 --seed 2")
	@$(RUN)/python -m proof.power $(ARGS)

fuzz: $(VENV)/.locked-test compiled ## any input for all that reads bytes, and whole queues, other each time (ARGS="--inputs 1000000")
	@$(RUN)/python -m proof.fuzz $(ARGS)
	@HYPOTHESIS_PROFILE=fuzz $(RUN)/python -m pytest --timeout 900 $(FUZZED)

fuzz-guided: $(VENV)/.locked-test $(VENV)/.locked-guided ## a minute for each target with inputs made by atheris, guided by coverage (ARGS="stomp --guided 600")
	@$(BIN)/python -m proof.fuzz --guided 60 $(ARGS)

release: $(VENV)/.locked-test ## maintainers: is this commit a release, and do its artefacts work? Uploads nothing (ARGS=--rehearse)
	@$(BIN)/python scripts/release.py $(ARGS)

lock: ## maintainers: resolve the lock files anew (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --upgrade \
		--python-version 3.11 --custom-compile-command 'make lock' \
		pyproject.toml --group build --output-file requirements/run.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --upgrade \
		--python-version 3.11 --custom-compile-command 'make lock' --constraint requirements/run.txt \
		pyproject.toml --group test --output-file requirements/test.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --upgrade \
		--python-version 3.11 --custom-compile-command 'make lock' --constraint requirements/test.txt \
		pyproject.toml --group clients --output-file requirements/clients.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --upgrade \
		--python-version 3.11 --custom-compile-command 'make lock' --constraint requirements/test.txt \
		pyproject.toml --group docs --output-file requirements/docs.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --upgrade \
		--python-version 3.11 --custom-compile-command 'make lock' --constraint requirements/test.txt \
		pyproject.toml --group bench --output-file requirements/bench.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --upgrade \
		--python-version 3.11 --custom-compile-command 'make lock' --constraint requirements/test.txt \
		pyproject.toml --group guided --output-file requirements/guided.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --upgrade \
		--python-version 3.11 --custom-compile-command 'make lock' --resolution lowest-direct \
		pyproject.toml --all-extras --group lowest --output-file requirements/lowest.txt

clean: ## remove what builds and runs left behind; ./data stays
	rm -rf $(VENV) build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests bench proof -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "batonmq needs Python 3.11 or later: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "batonmq needs Python 3.11 or later; $(PYTHON) is older" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp per lock file: an installation happens when there is none yet, or when the lock has changed since.
$(VENV)/.locked-%: requirements/%.txt pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --requirement $<
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Older versions take the place of what the suite has otherwise.
$(VENV)/.locked-lowest: $(VENV)/.locked-test $(VENV)/.locked-clients

# Tried once: where it fails the suite runs without them. `make clients` tries again.
$(VENV)/.locked-clients: requirements/clients.txt | $(VENV)/.locked-test
	@$(CLIENTS) >/dev/null 2>&1 || echo "Some clients could not be compiled: their tests are skipped. make clients says why."
	@touch $@
