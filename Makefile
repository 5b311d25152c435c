# Everything that one does with this checkout. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:

PYTHON_BIN := .venv/bin
# Containers often set it. Here each of many processes would then compile all that it imports, for some 10 s.
unexport PYTHONDONTWRITEBYTECODE
CHECKOV := .local/checkov/bin/checkov --config-file local/checkov.yaml
SAM := SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 .local/sam/bin/sam

# For the package that goes to AWS: the template's parameter of this name.
RUNTIME ?= python3.14
# The address of the repository, which the wheel names: make package URL=https://…
URL ?=
# `required`: a package whose layers have no byte code is an error.
BYTE_CODE ?=
# More for pytest: make test-unit PYTEST='-k lease -x'
PYTEST ?=

## help: list the targets
.PHONY: help
help:
	@awk -F ': ' '/^## [a-z0-9-]+: / { printf "  make %-18s %s\n", substr($$1, 4), substr($$0, length($$1) + 3) }' Makefile

## setup: install missing programs and environments; does nothing when all are there
.PHONY: setup
setup:
	@sh local/bootstrap.sh

# ── checks ──

## check: check formatting, lint, complexity, types, the template, the workflows, the locks and the documentation's links
.PHONY: check
check: check-code check-template check-workflows check-locks check-links

.PHONY: check-code
check-code: setup
	$(PYTHON_BIN)/ruff format --check
	$(PYTHON_BIN)/ruff check
	$(PYTHON_BIN)/mypy

DRILLS := docs/operations/drills.yaml
LINTED_REGIONS := eu-west-1 us-east-1 eu-south-1 ap-east-1 us-gov-west-1 cn-north-1
.PHONY: check-template
check-template: setup
	@sh local/bootstrap.sh checkov
	# two regions that are there by default, two that an account opts in to, GovCloud and China
	$(PYTHON_BIN)/cfn-lint template.yaml $(DRILLS) --regions $(LINTED_REGIONS)
	.local/sam/bin/python -m local.transformed template.yaml .local/transformed.json
	$(PYTHON_BIN)/python -m local.policies .local/transformed.json $(DRILLS)
	# W1028: SAM writes the condition of an optional function once more into each method of its API.
	$(PYTHON_BIN)/cfn-lint .local/transformed.json --regions $(LINTED_REGIONS) --ignore-checks W1028
	$(CHECKOV) --file .local/transformed.json $(DRILLS)
	$(SAM) validate --lint

# By the schemas that GitHub and GitLab publish, as they are in the checker itself.
CHECK_SCHEMA := $(PYTHON_BIN)/check-jsonschema
.PHONY: check-workflows
check-workflows: setup
	$(CHECK_SCHEMA) --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(CHECK_SCHEMA) --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci .gitlab-ci.yml

.PHONY: check-locks
check-locks:
	sh local/lock.sh --check

.PHONY: check-links
check-links: setup
	$(PYTHON_BIN)/pytest -q tests/unit/test_links.py

# ── tests ──

## test: run all tests, on this machine alone
.PHONY: test
# Both halves side by side: the end-to-end tests wait for their stacks most of the time.
test: setup
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-fast test-e2e

# Two more than cores: the integration tests wait for registries, and for time to pass.
WORKERS = $(shell expr $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) + 2)

## test-fast: run the unit, functional, simulation and integration tests
.PHONY: test-fast
# The workers begin far apart, so that few of them need the same registries, and take each other's tests at the end.
# What looks at the calls that these tests make comes after them.
test-fast: setup
	rm -rf .local/aws-actions
	sh local/in_memory.sh $(PYTHON_BIN)/pytest -n $(WORKERS) --dist worksteal -p tests.support.aws_actions --aws-actions .local/aws-actions \
		tests/integration tests/functional tests/hostile tests/simulation tests/unit --ignore tests/functional/test_permissions.py $(PYTEST)
	AWS_ACTIONS=.local/aws-actions $(PYTHON_BIN)/pytest -q tests/functional/test_permissions.py

## test-shuffled: run the unit and functional tests in another order each time (PYTEST='--order 4711': in that one again)
.PHONY: test-shuffled
test-shuffled: setup
	$(PYTHON_BIN)/pytest -p tests.support.shuffled tests/unit tests/functional \
		--ignore tests/functional/test_permissions.py $(PYTEST)

## test-unsteady: the same with disturbed threads (PYTEST='--again 100 -k lease': each so often; '--order 1 --timing 2': once more)
.PHONY: test-unsteady
test-unsteady: setup
	$(PYTHON_BIN)/pytest -n 2 -p tests.support.shuffled -p tests.support.unsteady tests/unit tests/functional \
		tests/hostile --ignore tests/functional/test_permissions.py $(PYTEST)

## test-unit: run the tests that need no network
.PHONY: test-unit
test-unit: setup
	$(PYTHON_BIN)/pytest tests/unit $(PYTEST)

## test-functional: test the handlers, with moto
.PHONY: test-functional
test-functional: setup
	$(PYTHON_BIN)/pytest tests/functional $(PYTEST)

## test-integration: test client and copier on real registries
.PHONY: test-integration
test-integration: setup
	$(PYTHON_BIN)/pytest tests/integration $(PYTEST)

## simulate: run a simulated world for many seeds (SEEDS=100000; FROM=, JOBS=), or tell the story of one (SEED=4711; SHRINK=1: a smaller one)
.PHONY: simulate
SEEDS ?= 200
simulate: setup
	@$(PYTHON_BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) \
		$(if $(FROM),--from $(FROM)) $(if $(JOBS),--jobs $(JOBS)) $(if $(BREAK),--break $(BREAK)) \
		$(if $(EVERY),--judge-every $(EVERY)) $(if $(SHRINK),--shrink)

## simulate-arrivals: kill whoever copies, tells or sweeps 10,000 times (CRASHES=), and see that no arrival stays untold
.PHONY: simulate-arrivals
CRASHES ?= 10000
simulate-arrivals: setup
	@PYTHONHASHSEED=0 PYTHONPATH=layers/geosync:. $(PYTHON_BIN)/python -m tests.simulation.listening --crashes $(CRASHES)

## mends: undo each mend against hostile parties in a copy, and see its test fail (ONLY=word: some of them)
.PHONY: mends
mends: setup
	@$(PYTHON_BIN)/python -m tests.hostile.undo $(ONLY)

## test-e2e: test the deployed stack, with IAM enforced
.PHONY: test-e2e
test-e2e: setup
	sh local/in_memory.sh $(PYTHON_BIN)/pytest -n 2 --dist loadgroup tests/e2e $(PYTEST)

# ── the local stack ──

## up: start three registries and three sites on this machine (.local/stack.json)
.PHONY: up
up: setup
	@$(PYTHON_BIN)/python -m local.stack up

## down: stop and remove the local stack
.PHONY: down
down:
	@if [ -x $(PYTHON_BIN)/python ]; then $(PYTHON_BIN)/python -m local.stack down; fi

## status: show whether the local stack is up, and where
.PHONY: status
status:
	@$(PYTHON_BIN)/python -m local.stack status

## demo: push real images and watch them arrive at the other sites
.PHONY: demo
demo: up
	@$(PYTHON_BIN)/python -m local.demo

## bench: measure our copy against skopeo's, and the time from push to synced
.PHONY: bench
bench: up
	@$(PYTHON_BIN)/python -m bench

# ── AWS, and the rest ──

## package: build all of a release into dist/: a folder to deploy for each processor, the wheel (RUNTIME=python3.x URL=https://…)
.PHONY: package
# It needs Python 3.11 or newer with venv, make, and what pip fetches: no browser, no registry, no root. For the byte code
# uv finds or fetches a Python of RUNTIME; without one the layers have none (BYTE_CODE=required: that fails).
# The same commit gives the same moment in the files.
package:
	@sh local/bootstrap.sh release
	@# Once for all layers: where none can be fetched, each of them would try, wait and say so.
	@.local/uv/bin/uv run --quiet --no-project --python $(RUNTIME:python%=%) python -c '' || { export BYTE_CODE=none; \
		echo 'The layers have no byte code, as no Python of $(RUNTIME) is here: each cold start compiles them.' >&2; }; \
		SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 315532800)} \
		PYTHONPATH=layers/geosync .local/release/bin/python -m release.package dist --runtime $(RUNTIME) --url "$(URL)" \
		$(if $(filter required,$(BYTE_CODE)),--needs-byte-code)

## keep: keep a release's package for the tests of upgrades (REVISION=0.1.0)
.PHONY: keep
keep:
	@sh local/bootstrap.sh release
	@PYTHONPATH=layers/geosync .local/release/bin/python -m release.keep "$(REVISION)"

## release-notes: print what a version changes, from CHANGELOG.md (VERSION=0.1.0)
.PHONY: release-notes
release-notes:
	@sh local/bootstrap.sh release
	@PYTHONPATH=layers/geosync .local/release/bin/python -m release.notes "$(VERSION)"

## openapi: write docs/openapi.json and docs/api.md from the code of the admin API
.PHONY: openapi
openapi: setup
	PYTHONPATH=layers/geosync $(PYTHON_BIN)/python -m local.openapi docs

## pictures: take the documentation's pictures of the dashboard anew (docs/pictures)
.PHONY: pictures
pictures: setup
	GEOSYNC_KEEP_PICTURES=1 $(PYTHON_BIN)/pytest -q tests/functional/admin/test_pictures.py

## lock: pin the requirements again, with hashes (LOCK=--upgrade for the newest)
.PHONY: lock
lock: setup
	sh local/lock.sh $(LOCK)

## clean: stop the stack, and remove all that was built or installed here
.PHONY: clean
clean: down
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
