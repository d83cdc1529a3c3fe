# The template's commands; `make` lists them. All that they need beyond make is Python 3.13 with pip.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The shim of another Python version can be first on the PATH and fail, so uv is tried and not looked for. What was
# got for another machine that shares this folder is got again.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || \
	{ .uv/bin/uv --version >/dev/null 2>&1 || rm -rf .uv; echo .uv/bin/uv; })
RUN := $(UV) run
# To make a service takes cookiecutter alone, so that the first `make demo` does not fetch the tools of the tests.
BAKE := $(RUN) --no-project --with 'cookiecutter>=2.7' python -m dev.bake
# In the user's cache and not in /tmp: there uv can link what it has downloaded, and nobody else can write.
SCRATCH := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cookiecutter-fastapi-microservice
# Both the template's own and those of a service, which are copied as they stand.
WORKFLOWS := .github/workflows/*.yml '{{cookiecutter.project_slug}}/.github/workflows/'*.yml
PYTEST := $(RUN) pytest -rs --numprocesses auto --maxprocesses 4 -m
NEEDS := $(filter .uv/%,$(UV))
# What make starts in a baked service finds the same uv.
export PATH := $(if $(NEEDS),$(CURDIR)/.uv/bin:)$(PATH)

# Without bytecode every start compiles what it imports again, for seconds. Containers often switch it off.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo bake test test-quick chaos check format bench check-bake check-workflows release-notes

help: ## Show this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{printf "  make %-15s %s\n", $$1, $$2}'

demo: $(NEEDS) ## Make a service of the default answers outside of this folder, and run it
	@echo 'Making the service of the default answers'
	@$(BAKE) '$(SCRATCH)/demo'
	@echo 'Running `make dev` in it; Ctrl-C stops all of it'
	@$(MAKE) -C "$$(echo '$(SCRATCH)'/demo/*/)" dev

bake: $(NEEDS) ## Make a service outside of this folder; answers: make bake ANSWERS="license=MIT owner=Me"
	@$(BAKE) '$(SCRATCH)/bake' $(ANSWERS)

test: check ## Run all checks and tests that this machine can run, containers included where there is an engine
	@$(PYTEST) 'not heavy'
	@$(RUN) pytest -rs -m heavy

test-quick: $(NEEDS) ## Run the tests that need a few minutes at most: no containers, no chaos, one check of a service
	@$(PYTEST) 'not container and not slow'

chaos: $(NEEDS) ## Break the database of a running service in every way, under load; takes minutes, ends with a table
	@$(RUN) pytest tests/chaos

check: $(NEEDS) ## Check format, lint, types and workflows of the template itself
	@$(RUN) ruff format --check --quiet . || { echo 'make format puts it right'; exit 1; }
	@$(RUN) ruff check --quiet .
	@$(RUN) mypy --no-error-summary
	@$(RUN) check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS) >/dev/null
	@$(RUN) check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml '{{cookiecutter.project_slug}}/.github/dependabot.yml' >/dev/null
	@found="$$($(RUN) zizmor --quiet --offline --persona=pedantic .github '{{cookiecutter.project_slug}}/.github')" || \
		{ echo "$$found"; exit 1; }

format: $(NEEDS) ## Format the Python of the template itself, fix what can be fixed, write the generated parts of the documents
	@$(RUN) ruff check --fix-only --quiet .
	@$(RUN) ruff format --quiet .
	@$(RUN) python -m dev.readme

bench: $(NEEDS) ## Compare the service with others, in ten minutes, or in two: make bench QUICK=1 (Linux, two cores, wrk)
	@$(RUN) python -m benchmarks '$(SCRATCH)/bench'

check-bake: bake ## Make a service outside of this folder, and run its own checks; answers as in make bake
	@$(MAKE) -C "$$(echo '$(SCRATCH)'/bake/*/)" check

check-workflows: $(NEEDS) ## Check all workflows with actionlint
	@$(RUN) actionlint .github/workflows/*.yml
	@$(RUN) python -m dev.service_workflows

release-notes: $(NEEDS) ## Print what the changelog says of a version: make release-notes tag=v1.2.0
	@$(RUN) python -m dev.release_notes

.uv/bin/uv:
	@echo 'No uv works here; getting one into .uv/'
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .uv uv
