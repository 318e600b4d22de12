PYTHON ?=
VENV ?= .venv
TESTS ?= tests
# llama-cpp-python is compiled without its multimodal library, which nothing here uses.
CMAKE_ARGS ?= -DLLAVA_BUILD=OFF
# Its author's prebuilt wheels, for processors alone. It is compiled with other arguments, with WHEELS= (empty), and where
# compiling finds the graphics by itself.
WHEELS ?= $(if $(filter file-Linux,$(origin CMAKE_ARGS)-$(shell uname)),https://abetlen.github.io/llama-cpp-python/whl/cpu)

RUN = $(VENV)/bin/python
SETUP = VENV="$(VENV)" PYTHON="$(PYTHON)" CMAKE_ARGS="$(CMAKE_ARGS)" sh scripts/setup.sh
GGUF = WHEELS="$(WHEELS)" $(SETUP) requirements/gguf.txt
LOCK = $(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--no-header --no-emit-index-url --generate-hashes $(if $(UPGRADE),--upgrade)
PLAIN ?= var/bench/venv
BROWSER = $(or $(CHROMIUM),$(shell command -v chromium || command -v chromium-browser || command -v google-chrome))
PYTEST = CHROMIUM="$(BROWSER)" $(RUN) -m pytest --dist loadfile --no-loadscope-reorder
# One more than there are processors, where many tests wait; those in a browser do not.
SIDE_BY_SIDE = $(shell $(RUN) -c "import os; print(min((os.cpu_count() or 1) + 1, 4))")
DOMAINS = $(or $(DOMAIN),$(notdir $(patsubst %/,%,$(dir $(wildcard corpora/*/domain.toml)))))

.DEFAULT_GOAL := help
.PHONY: help setup run ingest eval test check doctor lock extra model model-embed load bench clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## the environment in .venv, pinned (PYTHON=/path/to/python3.12 to choose one)
	@$(SETUP) requirements.txt

run: setup  ## set-up, index of what changed, then the page (PORT=7860 HOST=127.0.0.1)
	@$(if $(PORT),LACERTA_PORT="$(PORT)") $(if $(HOST),LACERTA_HOST="$(HOST)") exec $(RUN) app.py

ingest: setup  ## bring the indexes up to date (DOMAIN=space SOURCE=path)
	@exec $(RUN) -m ingest $(DOMAIN) $(if $(SOURCE),--source "$(SOURCE)")

eval: setup  ## figures on the domains' own questions, with reports (DOMAIN=space; GATE=1 fails on a drop)
	@$(SETUP) requirements/evaluation.txt
	@$(RUN) -m ingest $(DOMAINS)
	@exec $(RUN) -m evaluation domain $(DOMAINS) $(if $(GATE),--gate)

test: setup  ## install what tests need and run all of them (TESTS=tests/test_text.py for some)
	@$(SETUP) requirements/dev.txt
	@if command -v c++ >/dev/null || $(RUN) -c "import llama_cpp" 2>/dev/null; then $(SETUP) requirements/gguf.txt; else \
		echo "test: no C++ compiler, so the tests of GGUF models are skipped. On Debian: apt-get install build-essential"; fi
	@[ -n "$(BROWSER)" ] || echo "test: no Chromium, so the tests of the page are skipped." \
		"On Debian: apt-get install chromium. Elsewhere: make test CHROMIUM=/path/to/chrome"
ifeq ($(TESTS),tests)
	$(PYTEST) --numprocesses $(SIDE_BY_SIDE) --ignore tests/browser tests
	$(PYTEST) --numprocesses auto --maxprocesses 4 tests/browser
else
	$(PYTEST) --numprocesses auto --maxprocesses 4 $(TESTS)
endif

check: setup  ## ruff and mypy
	@$(SETUP) requirements/dev.txt
	$(RUN) -m ruff check .
	$(RUN) -m mypy

doctor:  ## what is installed and ready, and how to mend what is not (NETWORK=1 asks model servers too)
	@[ -x "$(RUN)" ] || { echo "doctor: there is no environment in $(VENV): make setup makes it"; exit 1; }
	@exec $(RUN) -m web doctor $(if $(NETWORK),--network)

lock: setup  ## resolve the dependencies again and write the locks (UPGRADE=1 for newer versions)
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(LOCK) requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/evaluation.in -o requirements/evaluation.txt
	$(LOCK) requirements/bench.in -o requirements/bench.txt
	$(LOCK) requirements/gguf.in -o requirements/gguf.txt
	$(LOCK) requirements/models.in -o requirements/models.txt --excludes requirements/models.excludes

extra: setup  ## EXTRA=gguf (local chat models), EXTRA=models (large embedders), EXTRA=langchain-... (a provider)
	@case "$(EXTRA)" in \
	gguf) $(GGUF) ;; \
	models) $(RUN) -c "import torch" 2>/dev/null || { echo "extra: install torch first, the build that fits" \
		"the hardware: $(RUN) -m pip install torch (see https://pytorch.org/get-started)"; exit 2; }; \
		$(SETUP) requirements/models.txt ;; \
	langchain-*) $(SETUP) "$(EXTRA)" ;; \
	*) echo "extra: EXTRA should be gguf, models or a LangChain provider's package such as langchain-anthropic," \
		"is now '$(EXTRA)'. For example: make extra EXTRA=gguf"; exit 2 ;; \
	esac

model: setup  ## chat models for this machine; NAME=qwen3-4b fetches one and installs what runs it
	@$(call fetch,)

model-embed: setup  ## the same for a large multilingual embedder
	@$(call fetch,--embed)

# The name is checked first, since compiling takes minutes.
define fetch
if [ -z "$(NAME)" ]; then exec $(RUN) -m rag.models $(1); fi; \
	$(RUN) -m rag.models $(1) --dry-run "$(NAME)" >/dev/null || exit $$?; \
	case "$(NAME)" in tiktoken:*) ;; *) $(GGUF) || exit $$? ;; esac; \
	exec $(RUN) -m rag.models $(1) "$(NAME)"
endef

load: setup  ## the program under load: PART=overhead, search (needs wrk), page (CHUNKS=50000) or soak (MINUTES=10); see docs/scaling.md
	@[ "$(PART)" != page ] || $(SETUP) requirements/dev.txt
	$(RUN) -m evaluation service $(or $(PART),soak) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(CHUNKS),--chunks $(CHUNKS)) \
		$(if $(filter page,$(PART)),--browser "$(BROWSER)")

bench: setup  ## speed, memory, disk beside a plain LangChain pipeline (ONLY=start CHUNKS="10000" TORCH=1 WRITE=1; see docs/benchmarks.md)
	@VENV="$(PLAIN)" PYTHON="$(RUN)" sh scripts/setup.sh requirements/bench.txt
	@[ -z "$(TORCH)" ] || cat requirements/bench*.txt | cmp -s - $(PLAIN)/.torch || { $(PLAIN)/bin/python -m pip install \
		-r requirements/bench-torch.txt && cat requirements/bench*.txt >$(PLAIN)/.torch; }
	$(RUN) -m evaluation bench --plain "$(PLAIN)/bin/python" $(if $(CHUNKS),--chunks $(CHUNKS)) $(foreach part,$(ONLY),--only $(part)) \
		$(if $(DOCUMENTS),--documents "$(DOCUMENTS)") $(if $(MODEL),--gguf "$(MODEL)") \
		$(if $(WRITE),--write docs/benchmarks.md) $(OPTIONS)

clean:  ## remove the environment and tool caches; var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
