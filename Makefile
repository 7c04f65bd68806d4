# Two commands on a fresh machine: `make run` and `make test`. Everything is installed into .venv.
PYTHON ?= python3
MONTH ?= 2026-10
DAGSTER_PORT ?= 3000
MLFLOW_PORT ?= 5000
SIZES ?= 100000 1000000
UPGRADE ?= --upgrade
BIN := .venv/bin
UV := VIRTUAL_ENV=.venv $(BIN)/uv
LOCK = $(UV) pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --no-header

.PHONY: help setup run test soak test-spark ui lock audit bench bench-old-home clean

help: ## Show this help.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.complete ## Create the environment from the locked requirements.

.venv/.complete: requirements-uv.txt requirements.txt pyproject.toml
	@echo "Creating the environment from requirements.txt (once; a minute or two)"
	@$(PYTHON) -c 'import sys; sys.exit("python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -P -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-uv.txt
	$(UV) pip install --quiet --no-deps --require-hashes -r requirements.txt
	$(BIN)/python -P -m compileall -q -j 0 -x '/tests?/' .venv/lib > /dev/null || true # some packages ship files for other Pythons
	$(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

run: setup ## Run the month of the bundled sample, or MONTH=YYYY-MM.
	$(BIN)/oneclick run --month $(MONTH)

test: setup ## Lint, types, import contracts, structure, dead code, definitions, all tests; in another order with ORDER=SEED.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -P .ci/structure.py
	$(BIN)/python -P .ci/dead_code.py
	$(BIN)/dagster definitions validate -w workspace.yaml
	$(BIN)/pytest -n 2 --dist loadscope $(if $(ORDER),-p pytest_randomly --randomly-seed=$(ORDER))

test-spark: setup .spark/.complete ## The tests of Spark on a real cluster of this machine; needs Java 17, downloads 490 MB once.
	PYTHONPATH=$(CURDIR)/.spark $(BIN)/pytest -n 0 -m spark oneclick_pipeline_tests/engine

.spark/.complete: requirements-spark.txt | setup # beside .venv, which stays as it is locked
	@command -v java > /dev/null || { echo "Java 17 is needed: no java is on the PATH"; exit 1; }
	rm -rf .spark
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target .spark -r requirements-spark.txt
	@touch $@

soak: setup ## The tests that take minutes each: kills, full disks, lost databases, a team's processes, ten retrains, a year, 2,000 dialects.
	$(BIN)/pytest -n 2 --dist loadscope -m soak

ui: setup ## Open Dagster, with its daemon, and MLflow on this machine.
	$(BIN)/oneclick ui --dagster-port $(DAGSTER_PORT) --mlflow-port $(MLFLOW_PORT)

bench: setup ## Measure the month next to a plain script, and cost against size, SIZES="100000 1000000".
	$(BIN)/python -m benchmarks.month
	$(BIN)/python -m benchmarks.scale --customers $(SIZES)

bench-old-home: setup ## Measure a home of 60 months, 500 runs and 40 model versions next to a new one: a quarter of an hour.
	$(BIN)/python -m benchmarks.old_home

lock: setup ## Compile the requirements again from pyproject.toml with the newest versions; UPGRADE= keeps those that are locked.
	$(LOCK) --extra dev pyproject.toml -o requirements.txt
	echo uv | $(LOCK) - -o requirements-uv.txt
	$(BIN)/python -P -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["spark"], sep="\n")' \
		| $(LOCK) --constraint requirements.txt - -o requirements-spark.txt
	$(LOCK) --extra postgres --constraint requirements.txt pyproject.toml deploy/build.in -o deploy/requirements.txt
	echo pip-audit | $(LOCK) --constraint requirements.txt - -o requirements-audit.txt

audit: .audit/.complete ## Ask the database of advisories about every locked version; fails if it could not be asked.
	.audit/bin/python .ci/audit.py .audit/bin/pip-audit requirements.txt deploy/requirements.txt requirements-*.txt

.audit/.complete: requirements-audit.txt # beside .venv, which stays as it is locked
	$(PYTHON) -m venv --clear .audit
	.audit/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-audit.txt
	@touch $@

clean: ## Remove what runs have written below data/, and the environment.
	rm -rf .venv .spark .audit data/tables data/reports data/mlflow data/dagster data/staging
