# The template's commands; `make` lists them. They need make, and Python 3.13 with pip.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Values from the command line reach a recipe as environment variables, just as they were typed: make must not run
# a $(shell …) in them, nor may a shell. So recipes use "$$name", never $(name). This comes before any $(shell …) here.
$(foreach given,$(.VARIABLES),$(if $(filter command,$(origin $(given))),\
	$(eval override $(given) := $$(value $(given)))$(eval export $(given))))

# A shim of another Python version can be first on the PATH and fail, so this runs uv instead of looking for it.
# A uv in .uv/ that another machine installed in a shared folder is installed again.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || \
	{ .uv/bin/uv --version >/dev/null 2>&1 || rm -rf .uv; echo .uv/bin/uv; })
RUN := $(UV) run
# Cookiecutter alone makes a service, so the first `make demo` does not fetch the tools of the tests.
BAKE := $(RUN) --no-project --with 'cookiecutter>=2.7' python -m dev.bake
# In the user's cache instead of /tmp: uv can link its downloads there, and nobody else can write.
export SCRATCH := $(or $(value XDG_CACHE_HOME),$(value HOME)/.cache)/cookiecutter-fastapi-microservice
# The template's own, and those of a service.
WORKFLOWS := .github/workflows/*.yml '{{cookiecutter.project_slug}}/.github/workflows/'*.yml
PYTEST := $(RUN) pytest -rs --numprocesses auto --maxprocesses 4 -m
NEEDS := $(filter .uv/%,$(UV))
# A make in a baked service finds the same uv.
export PATH := $(if $(NEEDS),$(CURDIR)/.uv/bin:)$(PATH)

# Without bytecode each start compiles all imports again, which takes seconds. Containers often switch it off.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo bake test test-quick check format check-bake check-workflows chaos bench release-notes

##@ Try

demo: $(NEEDS) ## Make a service with the default answers, and run it
	@echo 'Making a service with the default answers'
	@$(BAKE) "$$SCRATCH/demo"
	@echo 'Running `make dev` in it; Ctrl-C stops it'
	@$(MAKE) -C "$$(echo "$$SCRATCH"/demo/*/)" dev

bake: $(NEEDS) ## Make a service, with other answers: make bake ANSWERS="license=MIT owner=Me"
	@$(BAKE) "$$SCRATCH/bake" "$$ANSWERS"

help: ## List these commands
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "%s%s\n", line, substr($$0, 5); line = "\n"} \
		/^[a-z][a-z-]*:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ Test

test: check ## Run all checks and tests, and those of containers if Docker works here
	@$(PYTEST) 'not heavy'
	@$(RUN) pytest -rs -m heavy

test-quick: $(NEEDS) ## Run the tests that take a few minutes: no containers, no chaos
	@$(PYTEST) 'not container and not slow'

chaos: $(NEEDS) ## Break the database of a running service, and attack the service
	@$(RUN) pytest tests/chaos

check-bake: bake ## Make a service, and run its checks: make check-bake ANSWERS="kubernetes=yes"
	@$(MAKE) -C "$$(echo "$$SCRATCH"/bake/*/)" check

##@ Check

check: $(NEEDS) ## Check format, lint, types and workflows of the template
	@$(RUN) ruff format --check --quiet . || { echo 'To format the code: make format' >&2; exit 1; }
	@$(RUN) ruff check --quiet .
	@$(RUN) mypy --no-error-summary
	@$(RUN) check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS) >/dev/null
	@$(RUN) check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml '{{cookiecutter.project_slug}}/.github/dependabot.yml' >/dev/null
	@found="$$($(RUN) zizmor --quiet --offline --persona=pedantic .github '{{cookiecutter.project_slug}}/.github')" || \
		{ echo "$$found"; exit 1; }

format: $(NEEDS) ## Format the template's Python, and write the generated parts of the documents
	@$(RUN) ruff check --fix-only --quiet .
	@$(RUN) ruff format --quiet .
	@$(RUN) python -m dev.readme

check-workflows: $(NEEDS) ## Check all workflows with actionlint
	@$(RUN) actionlint .github/workflows/*.yml
	@$(RUN) python -m dev.service_workflows

##@ Measure and release

bench: $(NEEDS) ## Compare the service with others, in two minutes: make bench QUICK=1
	@$(RUN) python -m benchmarks "$$SCRATCH/bench"

release-notes: $(NEEDS) ## Print the changelog of a version: make release-notes tag=v1.2.0
	@$(RUN) python -m dev.release_notes

# The same version as in the Makefile of a service; a test says so.
.uv/bin/uv:
	@echo 'Installing uv in .uv/, because no uv works here'
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .uv uv==0.13.9
