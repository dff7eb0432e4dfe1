# make demo: set up and answer a question.  make test: the whole test suite.  make lint: style and types.
# Tests that need a network or a GPU are left out: run them with `.venv/bin/pytest -m network` or `-m gpu`.
# make browser-test: the tests that open pages in the system's Chromium (Debian package chromium).
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test browser-test lint
demo: .venv/installed
	.venv/bin/twnm demo

test: .venv/installed-dev
	.venv/bin/python -m pytest -q

browser-test: .venv/installed-dev
	.venv/bin/python -m pytest -q -m browser

lint: .venv/installed-dev
	.venv/bin/ruff check src tests tools benchmarks
	.venv/bin/ruff format --check src tests tools benchmarks
	.venv/bin/mypy

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	touch $@ .venv/installed
