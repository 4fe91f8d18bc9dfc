# The menu. `make run` and `make test` prepare everything themselves from Python >= 3.11 and a package index.
PYTHON ?= python3
ARGS ?=
SEED ?= 3343875798
BIN := .venv/bin

.PHONY: help run test test-long check bench docs pictures lock clean

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 16

run: .venv/run   ## the boarding-pass story on a real server, which then stays up (ARGS=--once ends after it)
	$(BIN)/carnet demo $(ARGS)

test: .venv/dev  ## every test, on a real database (SEED=n for another order)
	$(BIN)/python -m pytest -n 4 -m "not long" --randomly-seed=$(SEED) $(ARGS)  # four on two cores: they wait as much as they compute

test-long: .venv/dev .venv/tpm/tpm.json ## the same code, longer campaigns
	CARNET_LONG=1 $(BIN)/python -m pytest -n 2 $(ARGS)

check: .venv/dev ## format, lint, types, import rules, type completeness of the SDK
	$(BIN)/python tools/check.py

bench: .venv/dev ## speed, as ratios side by side in one run
	$(BIN)/python -m bench $(ARGS)

docs: .venv/dev  ## pages and vectors that are made from the code
	$(BIN)/python tools/make_docs.py

pictures: .venv/dev ## the dialogs and badges in docs/pictures, from real windows on a virtual display
	$(BIN)/python tools/make_pictures.py

lock:            ## refresh the locked dependencies (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --upgrade pyproject.toml --extra server --group build -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --upgrade pyproject.toml --extra server --group build --group dev -c requirements.lock -o requirements-dev.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --upgrade --group tpm -c requirements-dev.lock -o requirements-tpm.lock

.venv/run: requirements.lock pyproject.toml
	$(PYTHON) tools/prepare.py .venv requirements.lock
	@touch $@

.venv/dev: requirements-dev.lock pyproject.toml
	$(PYTHON) tools/prepare.py .venv requirements-dev.lock
	$(BIN)/python tools/prepare_display.py .venv
	$(BIN)/python tools/prepare_softhsm.py .venv
	@touch .venv/run $@

.venv/tpm/tpm.json: .venv/dev requirements-tpm.lock
	$(BIN)/python tools/prepare_tpm.py .venv

clean:           ## forget the environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build dist
