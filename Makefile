# Everything a contributor or CI runs. `make help` lists it.
#
# A fresh machine needs Python 3.13 and a package index, nothing else: uv is bootstrapped
# into .tools, the environment comes from hash-locked files, and the SAM CLI and checkov
# live in environments of their own because they pin other people's dependencies.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := setup

export UV_PYTHON_DOWNLOADS := never
export SAM_CLI_TELEMETRY := 0

PYTHON_VERSION := $(shell cat .python-version)
UV_VERSION := 0.13.9
UV := .tools/uv/bin/uv
BIN := .venv/bin
SAM := .tools/sam/bin/sam
CHECKOV := .tools/checkov/bin/checkov
AUDIT := .tools/audit/bin/python
ARTIFACT_FOLDER := build/artifact
COMPILE := $(UV) pip compile --quiet --universal --python-version $(PYTHON_VERSION) \
	--generate-hashes --no-header --no-emit-index-url

.PHONY: help setup demo agent test check lint types layers template-lint audit bench bench-policy campaign fan-out build lock generate clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1 \t/' | expand -t 22

setup: .venv/.synced ## Make .venv with the console script prompt-cache-warmer (plain `make` does this)

demo: setup ## Run the service on the embedded local cloud (ARTIFACT=1: the built zip; LIVE=1: one real call)
	@$(if $(ARTIFACT),$(MAKE) --no-print-directory $(ARTIFACT_FOLDER) >/dev/null,:)
	@$(BIN)/python -m infra.local.demo $(if $(ARTIFACT),--artifact) $(if $(LIVE),--live)

agent: setup ## Run the example agent's day beside the warmer: 2,000 requests, each token compared, and the report
	@PYTHONPATH=handler $(BIN)/python -m infra.local.agent_day

# On every core. A file's tests stay in one process, so that nothing is built or installed twice, and files
# start in their order: the long ones of contract and e2e first, so that no core waits for the other at the end.
test: check .tools/sam/.synced ## Check everything, then run every test with branch coverage
	$(BIN)/pytest --numprocesses logical --dist loadfile --no-loadscope-reorder

# The five beside each other; each one's output in one piece where make can do that (4.0 and later).
check: setup .tools/checkov/.synced .tools/audit/.synced ## Lint, types, layers, the template and known vulnerabilities
	@$(MAKE) --no-print-directory --jobs $(if $(filter output-sync,$(.FEATURES)),--output-sync) \
		lint types layers template-lint audit

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python

layers: setup
	$(BIN)/lint-imports

template-lint: setup .tools/checkov/.synced
	$(BIN)/python -m infra.local.lint_template template.yaml infra/monitoring.yaml
	$(CHECKOV) --config-file .checkov.yaml --file template.yaml infra/monitoring.yaml

# Of every locked file. Where nobody can be asked it says so and goes on; a vulnerability that is known fails.
audit: .tools/audit/.synced ## Ask whether a locked dependency has a known vulnerability
	$(AUDIT) infra/local/audit.py handler/requirements.txt requirements-*.lock

bench: setup .tools/sam/.synced ## Measure, as ratios within one run, and write tests/bench/*.md
	PYTHONPATH=handler $(BIN)/python -m tests.bench

bench-policy: setup ## Replay the recorded traffic in ../shared/traces under every rule, and write tests/bench/policy.md
	PYTHONPATH=handler $(BIN)/python -m tests.bench.policy

# Some tens of minutes on two free cores; a part of it runs with the tests (tests/e2e/test_campaign.py).
campaign: setup ## Inject 10,000 faults, fuzz the inputs, break the handler on purpose, and write tests/campaign/results.md
	PYTHONPATH=handler:. $(BIN)/python -m tests.campaign --results tests/campaign/results.md
	$(BIN)/pytest --no-cov -q --hypothesis-profile=campaign --timeout=0 tests/unit/test_fuzz_inputs.py
	PYTHONPATH=handler:. $(BIN)/python -m tests.campaign.mutations

# About ten minutes on two free cores; a short version runs with the tests (tests/e2e/test_fan_out_proof.py).
fan-out: setup $(ARTIFACT_FOLDER) ## Fan 10,000 entries out over SQS, kill workers of the built zip, write tests/bench/fan_out.md
	PYTHONPATH=handler:. $(BIN)/python -m tests.fan_out

build: setup .tools/sam/.synced ## sam build, as a deployment does it
	$(SAM) build

# The same as `make build` makes, and apart from it: what `sam deploy` ships changes when it is asked to.
.PHONY: $(ARTIFACT_FOLDER)
$(ARTIFACT_FOLDER): .tools/sam/.synced
	$(SAM) build --build-dir $@

lock: $(UV) ## Resolve the hash-locked requirement files again
	$(COMPILE) pyproject.toml --extra aws --output-file handler/requirements.txt
	$(COMPILE) pyproject.toml --extra aws --extra cli --extra plot --group dev \
		--constraint handler/requirements.txt --output-file requirements-dev.lock
	echo 'aws-sam-cli' | $(COMPILE) - --output-file requirements-sam.lock
	echo 'checkov' | $(COMPILE) - --output-file requirements-checkov.lock
	echo 'pip-audit' | $(COMPILE) - --output-file requirements-audit.lock

generate: setup ## Write the JSON Schema and the pages' tables again
	$(BIN)/python -m infra.local.generate

clean: ## Remove every environment, build and cache
	rm -rf .venv .tools .aws-sam build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(UV):
	@python$(PYTHON_VERSION) -m venv .tools/uv || { echo "Python $(PYTHON_VERSION) is needed: install it and run make again" >&2; exit 1; }
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.synced: $(UV) requirements-dev.lock pyproject.toml
	@$(UV) venv --quiet --clear --seed --python $(PYTHON_VERSION) .venv
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.tools/%/.synced: requirements-%.lock | $(UV)
	@$(UV) venv --quiet --clear --seed --python $(PYTHON_VERSION) .tools/$*
	@$(UV) pip sync --quiet --python .tools/$*/bin/python --require-hashes $<
	@touch $@
