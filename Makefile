# Two commands for a newcomer: `make demo` and `make test`; each sets up everything it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MONTHS ?= 3-6
SEED ?= 7
KEEP ?=
PARALLEL := -n 2 --dist loadfile
# Stores, delivery and the loop: what meets a database or a broker.
CONTAINER_TESTS := \
  $(addprefix tests/spine/test_,db.py inbox.py relay.py postgres.py) tests/delivery \
  $(addprefix tests/registry/test_,store.py handlers.py api_forced.py api_capacity.py candidates.py app.py) \
  $(addprefix tests/trainer/test_,handlers.py requests.py runs.py app.py) \
  $(addprefix tests/monitor/test_,handlers.py technical_store.py closing.py rollbacks.py ingest.py) \
  $(addprefix tests/monitor/test_,lease.py reconciling.py members.py measuring.py technical_rollbacks.py) \
  $(addprefix tests/console/test_,app.py publishing.py sending.py states.py) \
  tests/e2e/test_replay.py
export OMP_NUM_THREADS ?= 1
export BENTOML_DO_NOT_TRACK := True

.PHONY: help secrets demo demo-year test test-clients test-containers ci check chaos bench-serving bench-monitor soak lint types fast lock docs clean

help: ## Show what can be asked for
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@echo "==> Setting up $(VENV) from requirements.lock (about a minute the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Headrace needs Python 3.11 or newer; say make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV) || (echo "Python's venv module is missing; on Debian: apt-get install python3-venv" && exit 1)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP) ## Play New York's flights of 2013 through the whole system (MONTHS=3-6 SEED=7 REPORT=FILE)
	@$(BIN)/headrace demo flights --months $(MONTHS) --seed $(SEED) $(if $(REPORT),--report $(REPORT)) $(if $(KEEP),--keep)

demo-year: $(STAMP) ## The same for March to December
	@$(MAKE) --no-print-directory demo MONTHS=3-12

test: $(STAMP) lint types ## Everything CI checks: style, types, all tests on real Kafka
	@echo "==> Tests in memory and on an embedded Apache Kafka"
	@$(BIN)/pytest -q -m "not e2e" $(PARALLEL)
	@echo "==> Tests of the whole system"
	@$(BIN)/pytest -q -m e2e

chaos: $(STAMP) ## Kill, pause, tear, repeat and fill, then count whether anything was lost (QUICK=1 SEED=7 REPORT=FILE)
	@$(BIN)/python -m tests.chaos.run $(if $(QUICK),,--long) --seed $(SEED) $(if $(REPORT),--report $(REPORT))

bench-serving: $(STAMP) ## Measure serving beside MLflow, BentoML, MLServer, LitServe and FastAPI (QUICK=1 REPORT=FILE)
	@$(BIN)/python -m benchmarks.serving.run $(if $(QUICK),--quick) $(if $(REPORT),--report $(REPORT))

bench-monitor: $(STAMP) ## Measure profiles and alarms beside Evidently, NannyML, whylogs, alibi-detect and scipy (QUICK=1 REPORT=FILE)
	@$(BIN)/python -m benchmarks.monitor.run $(if $(QUICK),--quick) $(if $(REPORT),--report $(REPORT))

soak: $(STAMP) ## Swaps under load, a million requests, Kafka away for ten minutes, a full capacity (REPORT=FILE)
	@$(BIN)/python -m benchmarks.serving.soak $(if $(REPORT),--report $(REPORT))

test-clients: $(STAMP) ## Ask serving with the V2 clients of KServe, Triton and MLServer, in an environment of their own
	@$(BIN)/python -m tests.clients.run

test-containers: $(STAMP) ## Stores, delivery and the loop again, on Kafka and PostgreSQL in containers (needs Docker)
	@echo "==> Tests on Kafka and PostgreSQL in containers"
	@HEADRACE_CONTAINERS=1 $(BIN)/pytest -q $(CONTAINER_TESTS)

ci: ## What CI runs: make test, the short chaos run, make test-containers
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory chaos QUICK=1 REPORT=build/chaos.json
	@$(MAKE) --no-print-directory test-containers

check: $(STAMP) ## Style, types and the tests that need no Kafka (under a minute)
	@$(MAKE) --no-print-directory -j3 lint types fast

lint: $(STAMP)
	@echo "==> Style"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(STAMP)
	@echo "==> Types"
	@$(BIN)/mypy

fast: $(STAMP)
	@echo "==> Fast tests"
	@$(BIN)/pytest -q -m "not kafka and not e2e and not slow" $(PARALLEL)

secrets: ## Random passwords and an API key for docker compose, in secrets/; what is there stays
	@$(PYTHON) deploy/make_secrets.py

lock: ## Pin every dependency again, with hashes and without addresses (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade -o requirements.lock

docs: $(STAMP) ## Build the documentation site, strictly, into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "==> build/site/index.html"

clean: ## Remove what running leaves behind, except the virtual environment
	rm -rf .headrace .clients build .mypy_cache .ruff_cache .pytest_cache
