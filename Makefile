# Set-up needs Python >= 3.11 and nothing else; everything lands in .venv, pinned by hash.
SHELL := /bin/sh
VENV := .venv
STAMP := $(VENV)/.installed
PY := $(VENV)/bin/python
DEMO := .demo
# a real MLflow for the tests of `analyzer registry`, apart: it would bring its 64 packages along
MLFLOW := .mlflow
# bundled: Debian's python3 has no ensurepip
PIP := tools/pip-26.3-py3-none-any.whl
BROWSER ?=
PYTHONS := $(PYTHON) python3 python3.13 python3.12 python3.11

.PHONY: help setup demo test browser mlflow lint types lock docs bench clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo    set up, then judge a month of the sample flights'
	@echo 'make test    set up, then lint, types and every test'
	@echo '             the pages are opened in a Chromium: BROWSER=/path names one, none leaves it out'
	@echo 'make lint    ruff only          make types   mypy only'
	@echo 'make docs    write the command reference again'
	@echo 'make lock    resolve both files of pinned packages again'
	@echo 'make bench   run the benchmarks (minutes)'

setup: $(STAMP)

# Done again only when the lock or the project file changed. An interrupted set-up is repaired:
# an environment whose pip does not answer is made anew.
$(STAMP): requirements.lock pyproject.toml
	@set -e; if ! "$(PY)" -m pip --version >/dev/null 2>&1; then \
	  found=''; \
	  for candidate in $(PYTHONS); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	      found="$$candidate"; break; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo 'set-up: no Python >= 3.11 found; install one, or say make PYTHON=/path/to/python' >&2; \
	    exit 1; \
	  fi; \
	  echo "set-up: $$("$$found" --version) -> $(VENV)"; \
	  rm -rf "$(VENV)"; \
	  "$$found" -m venv --without-pip "$(VENV)"; \
	  "$(PY)" $(PIP)/pip install -q --no-index --no-deps $(PIP); \
	fi
	@echo 'set-up: installing what requirements.lock names'
	@"$(PY)" -m pip install -qq --no-input --disable-pip-version-check \
	  --require-hashes -r requirements.lock
	@"$(PY)" -m pip install -qq --no-input --disable-pip-version-check \
	  --no-deps --no-build-isolation -e .
	@touch "$(STAMP)"

# The verdict's exit code is shown, not passed on: only a failure of the tool fails the demo.
demo: $(STAMP)
	@mkdir -p "$(DEMO)"
	@"$(VENV)/bin/analyzer" nightly --config sample_data/flights/rollout.toml \
	  --store "$(DEMO)/store" --out "$(DEMO)" --from 2013-06-01 --to 2013-07-01 --exit-zero
	@echo
	@echo "verdict:  $(DEMO)/verdict.json"
	@echo "page:     $(DEMO)/report.html (open it in a browser)"
	@echo "profile:  $(DEMO)/store (one folder of Parquet tables per day)"

test: browser mlflow lint types
	@ANALYZER_BROWSER="$(BROWSER)" "$(PY)" -m pytest -n 2 --dist loadgroup

# The pages are opened in a real browser. Where it is missing, root on Debian gets it (and a font to
# draw with); anybody else is told before the tests, not after minutes of them.
browser: $(STAMP)
	@set -e; if [ -z "$(BROWSER)" ] && ! "$(PY)" tests/browser/chromium.py 2>/dev/null \
	    && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo 'set-up: installing chromium'; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium fonts-dejavu-core >/dev/null; \
	fi
	@ANALYZER_BROWSER="$(BROWSER)" "$(PY)" tests/browser/chromium.py

mlflow: $(MLFLOW)/.installed

$(MLFLOW)/.installed: tests/registry/requirements.lock | $(STAMP)
	@echo 'set-up: a real MLflow for the tests -> $(MLFLOW)'
	@rm -rf "$(MLFLOW)"
	@"$(PY)" -m venv --without-pip "$(MLFLOW)"
	@"$(PY)" $(PIP)/pip --python "$(MLFLOW)/bin/python" install -qq --no-input \
	  --disable-pip-version-check --require-hashes -r tests/registry/requirements.lock
	@touch "$@"

lint: $(STAMP)
	@"$(PY)" -m ruff check .
	@"$(PY)" -m ruff format --check .

types: $(STAMP)
	@"$(PY)" -m mypy

docs: $(STAMP)
	@"$(PY)" -m analyzer.cli.reference

# No index address and no path of this machine may land in the lock; tests/test_docs.py checks.
lock:
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
	  --no-emit-index-url --no-header $(LOCK_FLAGS) pyproject.toml -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header $(LOCK_FLAGS) tests/registry/requirements.in \
	  -o tests/registry/requirements.lock

bench: $(STAMP)
	@"$(PY)" -m benchmarks

clean:
	@rm -rf "$(VENV)" "$(MLFLOW)" "$(DEMO)"
