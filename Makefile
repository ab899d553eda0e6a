# Two commands do everything: `make demo` and `make test`. Both create .venv and install what is needed.
PYTHON ?= python3
# One worker per core, each with a PostgreSQL of its own; a worker that is done takes tests from another.
ARGS ?= -n auto --maxprocesses 4 --dist worksteal
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test fuzz soak lint types format imports check reference docs clean help
help:
	@echo "make demo   run the guard on a sample database, end to end"
	@echo "make test   run all tests on an embedded PostgreSQL 18"
	@echo "make fuzz   compare 200,000 generated statements with PostgreSQL (about 15 minutes)"
	@echo "make soak   mixed load with faults on a real server, and what it loses, keeps or leaks (10 minutes; SECONDS=60)"
	@echo "make lint   ruff, mypy --strict, import-linter"
	@echo "make docs   the documentation as a site, in build/site"

$(STAMP): pyproject.toml pg_guard/_version.py
	@echo "Creating $(VENV) and installing pg-guard (once, about a minute) ..."
	@"$(PYTHON)" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "pg-guard needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.11 ...")'
	@"$(PYTHON)" -m venv "$(VENV)"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch "$(STAMP)"

demo: $(STAMP)
	@"$(BIN)/python" -m pg_guard demo

test: $(STAMP)
	@"$(BIN)/python" -m pytest $(ARGS)

# A long differential run against PostgreSQL, with a new seed each time: `make fuzz COUNT=1000000 SEED=7`.
fuzz: $(STAMP)
	@PG_GUARD_FUZZ_COUNT=$${COUNT:-200000} PG_GUARD_FUZZ_SEED=$${SEED:-$$(date +%s)} "$(BIN)/python" -m pytest tests/differential/test_differential.py

# Memory, connections and the audit log of a server under load while its database and its model fail: `make soak SECONDS=3600`.
soak: $(STAMP)
	@"$(BIN)/python" -m bench.soak $(or $(SECONDS),600) $(if $(JSON),--json "$(JSON)")

lint: $(STAMP)
	@"$(BIN)/python" -m ruff check .
	@"$(BIN)/python" -m ruff format --check .
	@"$(BIN)/python" -m mypy
	@"$(BIN)/lint-imports"

format: $(STAMP)
	@"$(BIN)/python" -m ruff format .
	@"$(BIN)/python" -m ruff check --fix .

# The pages of the reference that are written from the code; a test fails when they are not current.
reference: $(STAMP)
	@"$(BIN)/python" -m pg_guard.entry.reference docs/reference
	@"$(BIN)/python" -m pg_guard.policy.vocabulary_page docs/facts.md
	@"$(BIN)/python" -m pg_guard config example > .env.example

docs: reference
	@"$(BIN)/python" -c 'import material' 2>/dev/null || "$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 "$(BIN)/python" -m mkdocs build --strict --quiet
	@echo "Written to build/site; look at it with: $(BIN)/mkdocs serve"

clean:
	rm -rf "$(VENV)" build dist
