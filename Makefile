# Needs only make, Python 3.11 or newer and a package index; everything else goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST_ARGS ?=
EPOCH = $${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 1735689600)}
# Outside this folder, so that it is built once for a machine.
HELM_VERSION := v3.19.5
HELM := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/authfactor/helm-$(HELM_VERSION)/helm
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- environment: stamp files skip finished steps ---

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python ...)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock requirements/build.lock | $(BIN)/python
	@echo "installing the server's dependencies"
	@$(PIP) install --require-hashes -r requirements/runtime.lock -r requirements/build.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock requirements/build.lock | $(BIN)/python
	@echo "installing development dependencies (about a minute, once)"
	@$(PIP) install --require-hashes -r requirements/dev.lock -r requirements/build.lock
	@touch $(VENV)/.runtime $@

# Without build isolation, the hash-checked hatchling from build.lock is used instead of another download.
$(VENV)/.editable: pyproject.toml | $(VENV)/.runtime
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: $(VENV)/.dev $(VENV)/.editable ## create .venv with all development dependencies, hash-checked

.PHONY: lock
lock: setup ## recompile requirements/*.lock from pyproject.toml (UPGRADE=1 picks the newest versions)
	@sh requirements/compile.sh $(BIN)/uv $(if $(UPGRADE),--upgrade)

# --- running ---

.PHONY: run
run: $(VENV)/.runtime $(VENV)/.editable ## serve a demo on localhost:8080 with a SQLite database
	$(BIN)/authfactor serve --demo --host 127.0.0.1 --port 8080 --data .authfactor

# --- gates ---

.PHONY: check
check: lint types imports test ## lint, types, import rules and tests

.PHONY: test
test: setup ## run the tests in three processes (PYTEST_ARGS=... adds options)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal $(PYTEST_ARGS)

.PHONY: cov
cov: setup ## run the tests with branch coverage, including subprocesses, and fail below the floors
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n 3 --dist worksteal --timeout 120 $(PYTEST_ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include='src/authfactor/otp/*,src/authfactor/crypto/*,src/authfactor/webauthn/*,src/authfactor/rules/*'

.PHONY: lint
lint: setup ## ruff, formatting, spelling, words, sizes, registry URLs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/python tools/sizes.py
	$(BIN)/python tools/addresses.py
	$(BIN)/python -m tools.words

.PHONY: types
types: setup ## mypy and pyright, strict
	$(BIN)/mypy
	$(BIN)/basedpyright

.PHONY: imports
imports: setup ## check which module imports which
	$(BIN)/lint-imports
	$(BIN)/python tools/import_cycles.py

.PHONY: fmt
fmt: setup ## format and apply safe fixes
	$(BIN)/ruff check --fix-only --exit-zero
	$(BIN)/ruff format

.PHONY: reference
reference: setup ## generate docs/reference from the code
	$(BIN)/python tools/event_examples.py
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/manual.py
	$(BIN)/python tools/samples.py

.PHONY: conformance
conformance: setup ## test all factor operations with the official SDKs (CONFORMANCE_ARGS="js 7" selects rows)
	$(BIN)/python -m conformance.run $(CONFORMANCE_ARGS)

.PHONY: samples
samples: setup ## run the samples of the API reference and of docs/how-to/sign-in.md (RECORD=1 records responses; SAMPLES_ARGS="js" selects)
	$(BIN)/python tools/samples.py
	$(BIN)/python -m conformance.samples $(if $(RECORD),--record) $(SAMPLES_ARGS)
	$(BIN)/python -m conformance.sign_in

.PHONY: examples
examples: setup ## install, run and walk through the applications of examples/
	$(BIN)/python -m pytest -q --durations=5 -m examples tests/examples $(PYTEST_ARGS)

.PHONY: broken
broken: setup ## check that conformance detects broken servers and tolerates lost responses (after make conformance)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m conformance tests/conformance $(PYTEST_ARGS)

.PHONY: attacks
attacks: setup ## run every attack of docs/threat-model.md against servers with two workers, on both databases
	$(BIN)/python -m pytest -q --durations=5 tests/security/test_*_attacks.py $(PYTEST_ARGS)

.PHONY: faults
faults: setup ## inject faults (kills, full and failing disks, lost responses, clock jumps) and check the invariants
	$(BIN)/python -m pytest -q -rP --durations=5 tests/reliability $(PYTEST_ARGS)

.PHONY: mutants
mutants: setup ## remove guards one at a time and check that a test fails (MUTANTS="name ..." selects)
	$(BIN)/python tools/mutants.py $(MUTANTS)

.PHONY: nightly
nightly: setup ## 200 kills each, 100,000 schedules, long fuzzing, all mutants: half an hour (NIGHTLY="fuzz ..." selects)
	$(BIN)/python -m tools.nightly $(NIGHTLY)

.PHONY: cluster
cluster: setup ## kill the primary of a PostgreSQL cluster under load (CLUSTER_KILLS=20)
	$(BIN)/python -m pytest -q -m cluster $(PYTEST_ARGS)

.PHONY: e2e
e2e: setup ## test the pages in a real browser (Debian's chromium)
	$(BIN)/python -m pytest -q -n 2 -m e2e tests/e2e $(PYTEST_ARGS)

# --- measuring ---

.PHONY: bench
bench: setup ## compare with the usual stack under load (BENCH_ARGS=..., DATABASE_URL=postgresql://... for authfactor alone)
	$(BIN)/python bench/run.py $(if $(DATABASE_URL),--servers authfactor --database-url $(DATABASE_URL)) $(BENCH_ARGS)
	$(if $(DATABASE_URL),,$(BIN)/python bench/signin_load.py)

.PHONY: targets
targets: setup ## measure every target of docs/performance.md: two and a half hours (TARGETS="stack commits" selects)
	$(BIN)/python bench/targets.py $(TARGETS)

.PHONY: screenshots
screenshots: setup ## retake docs/screenshots (Debian's chromium)
	$(BIN)/python tools/screenshots.py
	$(BIN)/python tools/console_screenshots.py
	$(BIN)/python tools/front_picture.py

# --- documentation and packages ---

.PHONY: docs
docs: setup ## build the documentation site into site/ in strict mode
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean
	@echo "site/index.html (its search needs a web server: python3 -m http.server --directory site)"

.PHONY: openapi
openapi: setup ## check the OpenAPI document with Spectral and Redocly (Node.js)
	$(BIN)/python tools/openapi_lint.py

.PHONY: dist
dist: setup ## build wheel, sdist and the client's wheel into dist/, reproducibly, and check their metadata
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/hatchling build
	@cd packages/client && SOURCE_DATE_EPOCH=$(EPOCH) $(abspath $(BIN))/hatchling build -t wheel -d ../../dist
	@$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

.PHONY: image
image: setup ## build the container image into dist/image, an OCI layout, as root (needs Debian's mmdebstrap)
	@SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python tools/image.py dist/image

.PHONY: executable
executable: setup ## build dist/authfactor, a single-file executable for this system
	@$(BIN)/pyinstaller --log-level WARN --distpath dist --workpath build/executable deploy/executable/authfactor.spec

$(HELM):
	@echo "building helm $(HELM_VERSION) with Go (once, about three minutes of CPU time)"
	@GOBIN=$(dir $(HELM)) GOFLAGS=-trimpath go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

.PHONY: chart
chart: setup $(HELM) ## check the Helm chart: lint, render, validate every object (needs Go 1.24 or newer)
	$(BIN)/python -m pytest -q -m packages tests/packages/test_chart.py $(PYTEST_ARGS)

.PHONY: packages
packages: setup $(HELM) ## build, start and use what is released: client, image, chart, executable (as root)
	$(BIN)/python -m pytest -q -m packages --durations=8 tests/packages $(PYTEST_ARGS)

.PHONY: walk
walk: setup ## try a new installation (wheel, PostgreSQL, the systemd unit's command line), and follow the docs to a first sign-in
	@sh tools/walk.sh
	@$(BIN)/python -m tools.walk_docs

# --- upkeep ---

.PHONY: licenses
licenses: setup ## check the license of every package that a server may install
	$(BIN)/python -m tools.licenses

.PHONY: audit
audit: setup ## check the locked versions for known vulnerabilities (AUDIT_REQUIRED=1 fails without a network)
	$(BIN)/python -m tools.advisories

.PHONY: sbom
sbom: setup ## write the bill of materials, dist/authfactor.cdx.json (CycloneDX)
	$(BIN)/python -m tools.sbom dist/authfactor.cdx.json

.PHONY: clean
clean: ## remove the environment and caches (never the data folder)
	rm -rf $(VENV) conformance/.cache build dist site .coverage htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
