# `make demo` shows the bundled scorer at work; `make test` runs the tests. Both set up what they need.
PYTHON ?= python3
BASE := .venv-base
DEV := .venv
CLIENTS := .venv-clients
NEIGHBOURS := .venv-neighbours
PIP_FLAGS := --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-browser test-all test-clients test-neighbours lint types docs dist bench bench-serving clean

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /	/' | sort

$(BASE)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/pip install $(PIP_FLAGS) -e .
	@touch $@

$(DEV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install $(PIP_FLAGS) -e '.[dev]'
	@touch $@

$(CLIENTS)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install $(PIP_FLAGS) -e '.[clients]'
	@touch $@

$(NEIGHBOURS)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(NEIGHBOURS)
	$(NEIGHBOURS)/bin/pip install $(PIP_FLAGS) -e '.[neighbours]'
	@touch $@

demo: $(BASE)/ready  ## Rank and classify real input with the bundled scorer (base install, offline)
	$(BASE)/bin/python examples/demo.py

test: $(DEV)/ready  ## Run the tests
	$(DEV)/bin/python -m pytest -q -m "not slow and not hub"

test-browser: $(DEV)/ready  ## Run the tests of the playground in Chromium (Debian: apt-get install chromium chromium-driver)
	$(DEV)/bin/python -m pytest -q -m browser

test-all: $(DEV)/ready  ## Run every test, the slow ones and those that need the Hugging Face hub too
	$(DEV)/bin/python -m pytest -q

test-clients: $(CLIENTS)/ready  ## Run the clients of LiteLLM, LangChain, LlamaIndex, rerankers and Cohere against a server
	$(CLIENTS)/bin/python -m pytest -q tests/server/test_clients.py

test-neighbours: $(NEIGHBOURS)/ready  ## Run the integrations with TRL, DSPy, LangChain, LlamaIndex, LiteLLM, Haystack, lm-eval and MCP
	$(NEIGHBOURS)/bin/python -m pytest -q tests/integrations

lint: $(DEV)/ready  ## Check style
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

types: $(DEV)/ready  ## Check types
	$(DEV)/bin/mypy

docs: $(DEV)/ready  ## Build the documentation into site/, and check that it loads nothing from elsewhere
	NO_MKDOCS_2_WARNING=1 $(DEV)/bin/mkdocs build --strict --quiet
	! grep -rnE '<(script|link|img|iframe)[^>]+(src|href)="?(https?:)?//' site --include='*.html'

dist: $(DEV)/ready  ## Build the wheel and the source distribution into dist/ and check them
	rm -rf dist
	$(DEV)/bin/python -m build -o dist . >/dev/null
	$(DEV)/bin/twine check --strict dist/*

bench: $(DEV)/ready  ## Compare speed and memory with sentence-transformers' CrossEncoder
	$(DEV)/bin/python benchmarks/against_cross_encoder.py

bench-serving: $(DEV)/ready  ## Load the server, then soak and kill it; every answer is checked (12 minutes and more)
	$(DEV)/bin/python benchmarks/serving_load.py --retry
	$(DEV)/bin/python benchmarks/serving_soak.py
	$(DEV)/bin/python benchmarks/serving_best_of_n.py

clean:  ## Remove environments and build output
	rm -rf $(BASE) $(DEV) $(CLIENTS) $(NEIGHBOURS) dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
