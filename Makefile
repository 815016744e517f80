# Needs only make, Python 3.11 or newer and a package index; everything else goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST_ARGS ?=
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- environment: stamp files make every later call a no-op ---

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python ...)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock requirements/build.lock | $(BIN)/python
	@echo "installing what the server needs"
	@$(PIP) install --require-hashes -r requirements/runtime.lock -r requirements/build.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock requirements/build.lock | $(BIN)/python
	@echo "installing what development needs (about a minute, once)"
	@$(PIP) install --require-hashes -r requirements/dev.lock -r requirements/build.lock
	@touch $(VENV)/.runtime $@

# Without isolation the build uses the hash-checked hatchling from build.lock instead of fetching another one.
$(VENV)/.editable: pyproject.toml | $(VENV)/.runtime
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: $(VENV)/.dev $(VENV)/.editable ## make .venv with everything development needs, hash-checked

.PHONY: lock
lock: setup ## refresh requirements/*.lock from pyproject.toml (UPGRADE=1 takes the newest versions)
	@sh requirements/compile.sh $(BIN)/uv $(if $(UPGRADE),--upgrade)

# --- running ---

.PHONY: run
run: $(VENV)/.runtime $(VENV)/.editable ## serve a demo on 127.0.0.1:8080 with an embedded database
	$(BIN)/authfactor serve --demo --host 127.0.0.1 --port 8080 --data .authfactor

# --- gates ---

.PHONY: check
check: lint types imports test ## lint, types, import rules and tests

.PHONY: test
test: setup ## run the tests, three at a time (PYTEST_ARGS=... adds options)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal $(PYTEST_ARGS)

.PHONY: cov
cov: setup ## tests with branch coverage, subprocesses included
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q $(PYTEST_ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

.PHONY: lint
lint: setup ## ruff, formatting, spelling, sizes, addresses
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/python tools/sizes.py
	$(BIN)/python tools/addresses.py

.PHONY: types
types: setup ## mypy and pyright, strict
	$(BIN)/mypy
	$(BIN)/basedpyright

.PHONY: imports
imports: setup ## which module may import which
	$(BIN)/lint-imports

.PHONY: fmt
fmt: setup ## format and apply safe fixes
	$(BIN)/ruff check --fix-only --exit-zero
	$(BIN)/ruff format

.PHONY: reference
reference: setup ## write docs/reference from the code
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/samples.py

.PHONY: conformance
conformance: setup ## walk a factor's life with the official SDKs (CONFORMANCE_ARGS="js 7" picks rows)
	$(BIN)/python -m conformance.run $(CONFORMANCE_ARGS)

.PHONY: samples
samples: setup ## run the samples that the reference shows (RECORD=1 keeps the answers; SAMPLES_ARGS="js" picks)
	$(BIN)/python tools/samples.py
	$(BIN)/python -m conformance.samples $(if $(RECORD),--record) $(SAMPLES_ARGS)

.PHONY: broken
broken: setup ## broken servers turn conformance red, lost answers harm nobody (after make conformance)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m conformance tests/conformance $(PYTEST_ARGS)

.PHONY: attacks
attacks: setup ## every attack of docs/threat-model.md against running servers of two workers, on both databases
	$(BIN)/python -m pytest -q --durations=5 tests/attacks $(PYTEST_ARGS)

.PHONY: faults
faults: setup ## kill, fill, tear, fail, slow down, lose answers, move clocks; then check the invariants
	$(BIN)/python -m pytest -q -rP --durations=5 tests/faults $(PYTEST_ARGS)

.PHONY: mutants
mutants: setup ## take guards away, one at a time, and see that a test notices (MUTANTS="name ..." picks)
	$(BIN)/python tools/mutants.py $(MUTANTS)

.PHONY: nightly
nightly: setup ## 200 kills each, 100,000 schedules, long fuzz, all mutants: half an hour (NIGHTLY="fuzz ..." picks)
	$(BIN)/python -m tools.nightly $(NIGHTLY)

.PHONY: cluster
cluster: setup ## kill the primary of a PostgreSQL cluster under load, race for one use (CLUSTER_KILLS=20)
	$(BIN)/python -m pytest -q -m cluster $(PYTEST_ARGS)

.PHONY: e2e
e2e: setup ## pages in a real browser (Debian's chromium)
	$(BIN)/python -m pytest -q -n 2 -m e2e tests/e2e $(PYTEST_ARGS)

# --- measuring ---

.PHONY: bench
bench: setup ## compare with the usual stack under load (BENCH_ARGS=..., DATABASE_URL=postgresql://... for ours alone)
	$(BIN)/python bench/run.py $(if $(DATABASE_URL),--servers authfactor --database-url $(DATABASE_URL)) $(BENCH_ARGS)
	$(if $(DATABASE_URL),,$(BIN)/python bench/signin_load.py)

.PHONY: targets
targets: setup ## measure and judge every target of docs/performance.md: two hours and a half (TARGETS="stack commits" picks)
	$(BIN)/python bench/targets.py $(TARGETS)

.PHONY: screenshots
screenshots: setup ## take the pictures of docs/screenshots (Debian's chromium)
	$(BIN)/python tools/screenshots.py
	$(BIN)/python tools/console_screenshots.py

# --- documentation and packages ---

.PHONY: docs
docs: setup ## build the documentation site into site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean
	@echo "site/index.html"

.PHONY: dist
dist: setup ## build wheel and sdist into dist/, the same bytes each time
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 1735689600)} $(BIN)/hatchling build

.PHONY: walk
walk: setup ## a newcomer's walk: empty venv, wheel, PostgreSQL, the systemd unit's command line, the tour
	@sh tools/walk.sh

# --- upkeep ---

.PHONY: licences
licences: setup ## check the licence of every package that a server may have
	$(BIN)/python -m tools.licences

.PHONY: audit
audit: setup ## look the locked versions up in the advisory database (AUDIT_REQUIRED=1: fail without a network)
	$(BIN)/python -m tools.advisories

.PHONY: sbom
sbom: setup ## write the bill of materials, dist/authfactor.cdx.json (CycloneDX)
	$(BIN)/python -m tools.sbom dist/authfactor.cdx.json

.PHONY: clean
clean: ## remove the environment and caches (never the data folder)
	rm -rf $(VENV) conformance/.cache build dist site .coverage htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
