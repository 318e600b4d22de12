PYTHON ?=
VENV ?= .venv
UV = $(VENV)/bin/python -m uv
SETUP = VENV=$(VENV) PYTHON=$(PYTHON) sh scripts/setup.sh
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--no-header --no-emit-index-url --generate-hashes

.DEFAULT_GOAL := help
.PHONY: help setup run test ingest check lock extra clean

help:  ## This list
	@grep -E '^[a-z]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup:  ## The environment in .venv, pinned
	@$(SETUP) requirements.txt

lock: setup  ## Resolve the dependencies again and write the locks (UPGRADE=1 takes newer versions)
	$(LOCK) $(if $(UPGRADE),--upgrade) requirements.in -o requirements.txt
	for name in uv dev gguf models; do \
		$(LOCK) $(if $(UPGRADE),--upgrade) $$([ $$name != models ] || echo --excludes requirements/models.excludes) \
			requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done
