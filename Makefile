# The commands of the course. `make` alone lists them. On Windows without make, see README.md.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
PY     := $(VENV)/bin/python
PROFILE ?= quick
NOTEBOOKS ?= $(sort $(wildcard notebooks/*.ipynb))

# The environment is made anew for another Python or a moved folder, and brought up to date in place for another
# requirement; a touched file does neither.
KEY := $(shell { echo "$(CURDIR)"; $(PYTHON) --version; } 2>&1 | cksum | cut -d' ' -f1)
REQUIREMENTS := $(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
MADE          := $(VENV)/made-$(KEY)
INSTALLED     := $(VENV)/installed-$(KEY)-$(REQUIREMENTS)
INSTALLED_GRADING := $(VENV)/installed-grading-$(KEY)-$(REQUIREMENTS)
INSTALLED_DEV := $(VENV)/installed-dev-$(KEY)-$(REQUIREMENTS)

# Torch's threads spin while they wait; on a machine whose cores others use too, training then takes ten times as long.
export OMP_WAIT_POLICY ?= PASSIVE

# Set for the runs that are compared or stored; a learner's own JupyterLab keeps its progress bars.
STEADY := COURSE_PROFILE=quick COURSE_SEED=0 COURSE_DEVICE=cpu COURSE_QUIET=1 PYTHONHASHSEED=0

# What is compared, stored or measured begins without a cache: no file of an earlier version can be used. `make test`
# makes one for all of its parts.
EMPTY_CACHE := $(if $(COURSE_TEST_CACHE),,$(PY) -m tools.empty_cache)

# In a container one often is root, and Jupyter then refuses to start without this.
ROOT_OK := $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help lab test check lint unit browser-and-notebooks coverage browser-short browser slow notebooks install install-dev run figures claims confirm fresh bench release grade lock links clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(INSTALLED) ## install if need be, and open JupyterLab on the first notebook (ARGS="--no-browser --port 9999")
	$(PY) -m jupyterlab --ServerApp.root_dir=. notebooks/01_pca.ipynb $(ROOT_OK) $(ARGS)

# The browser tests wait as well as compute, so the unit tests run beside them; the notebooks follow the browser, which
# ends first. All three at once, or a third process for the units, took longer on two cores.
test: $(INSTALLED_DEV) ## everything: ruff, mypy, stored outputs fresh, unit and browser tests, every notebook by nbval
	@status=0; export COURSE_TEST_CACHE=$$(mktemp -d); export COURSE_CACHE=$$COURSE_TEST_CACHE; \
	  start=$$(date +%s); \
	  for parts in "timed-lint timed-fresh" "timed-unit browser-and-notebooks" coverage; do \
	    $(MAKE) --no-print-directory -k -j2 --output-sync=target $$parts || status=1; done; rm -rf "$$COURSE_TEST_CACHE"; \
	  [ $$status = 0 ] && said="all passed" || said="FAILED, see above"; \
	  echo "make test: $$said, $$(($$(date +%s) - start)) s"; exit $$status

browser-and-notebooks: $(INSTALLED_DEV)
	@status=0; for part in browser-short notebooks; do $(MAKE) --no-print-directory timed-$$part || status=1; done; exit $$status

timed-%: $(INSTALLED_DEV)
	@start=$$(date +%s); status=0; $(MAKE) --no-print-directory $* || status=1; \
	  echo "$*: $$(($$(date +%s) - start)) s"; exit $$status

check: $(INSTALLED_DEV) ## the fast part of it: ruff, mypy, unit tests but for the long ones, stored outputs fresh
	@$(MAKE) --no-print-directory -k -j2 --output-sync=target lint fresh
	OMP_NUM_THREADS=1 $(PY) -m pytest --ignore tests/browser -m "not browser and not slow and not long" -n 2 --dist loadscope -q $(ARGS)

lint: $(INSTALLED_DEV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

fresh: $(INSTALLED_DEV) ## are stored notebooks and rows of the ledger as old as their code and data?
	$(EMPTY_CACHE) $(PY) -m tools.fresh

# Two processes with a thread each are faster than one with two. Status 5: ARGS choose none of these tests.
# `--ignore` spares importing the browser tests; the mark leaves them out where ARGS name their folder.
unit: $(INSTALLED_DEV) ## the unit tests but for those that train for long
	OMP_NUM_THREADS=1 nice $(PY) -W "ignore:Unable to activate:RuntimeWarning" -m slipcover --json --out .coverage.json \
	  -m pytest --ignore tests/browser -m "not browser and not slow" -n 2 --dist loadscope --no-loadscope-reorder $(ARGS) || [ $$? = 5 ]

# What the unit tests reach, branches counted. Most of what they do not reach measures the ledger, for hours.
coverage: $(INSTALLED_DEV)
	@test -n "$(ARGS)" || $(PY) -m slipcover --merge .coverage.json --format text --skip-covered --out /dev/stdout --fail-under 93

browser-short: $(INSTALLED_DEV)
	OMP_NUM_THREADS=1 $(PY) -m pytest -m browser -p no:cacheprovider $(or $(ARGS),tests/browser) || [ $$? = 5 ]

browser: $(INSTALLED_DEV) ## all notebooks in a real browser, trained as learners train them
	$(PY) -m pytest -m browser --trained $(or $(ARGS),tests/browser)

slow: $(INSTALLED_DEV) ## the tests that train for long
	OMP_NUM_THREADS=1 $(PY) -m pytest -m slow -n 2 $(ARGS)

notebooks: $(INSTALLED_DEV)
	$(STEADY) OMP_NUM_THREADS=1 nice $(EMPTY_CACHE) $(PY) -m pytest -p no:cacheprovider -p tools.compare_known --nbval-lax \
	  --nbval-cell-timeout=600 --durations=5 -n 2 --dist loadfile $(NOTEBOOKS)

install: $(INSTALLED) ## make .venv and install the course
install-dev: $(INSTALLED_DEV) ## the same with the test tools

$(MADE):
	@test -n "$(PYTHON)" || { echo "No python3 found; install Python 3.11 or later, or call make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11, or does not start; call make PYTHON=/path/to/python3.11"; exit 1; }
	@test ! -e $(VENV) -o -e $(VENV)/pyvenv.cfg || { echo "$(VENV) is no virtual environment: not touched"; exit 1; }
	rm -f $(VENV)/made-* $(VENV)/installed-*
	rm -rf $(VENV)
	@# Debian splits ensurepip off into python3-venv; pip can serve a venv from outside, too.
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(PY) install -q pip; } \
	  || { rm -rf $(VENV); echo "$(PYTHON) can make no environment. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	@touch $@

$(INSTALLED): | $(MADE)
	@echo "Installing what the course needs: some minutes the first time ..."
	$(PY) -m pip install -q -c constraints.txt -e .
	@touch $@

$(INSTALLED_GRADING): | $(INSTALLED)
	$(PY) -m pip install -q -c constraints.txt -e '.[grading]'
	@touch $@

$(INSTALLED_DEV): | $(INSTALLED)
	$(PY) -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

run: $(INSTALLED_DEV) ## execute the notebooks top to bottom and store their outputs (NOTEBOOKS="notebooks/01_pca.ipynb")
	$(STEADY) $(EMPTY_CACHE) $(PY) -m tools.notebooks run $(NOTEBOOKS)

figures: $(INSTALLED_DEV) ## write figures/: the README's pictures, out of the stored notebooks
	$(PY) -m tools.notebooks figures

claims: $(INSTALLED_DEV) ## measure every claim of the chapter: figures/claims.json and .md (PROFILE=full WORKERS=2)
	$(EMPTY_CACHE) $(PY) -m course_utils.claims all --profile $(PROFILE) --json figures/claims.json $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

confirm: $(INSTALLED_DEV) ## after a change of form alone: one seed of each stale row of the ledger must give its stored value
	$(EMPTY_CACHE) $(PY) -m course_utils.claims confirm --profile $(PROFILE)

bench: $(INSTALLED_DEV) ## the training loop, the search and grading beside their peers; each notebook's time and memory
	$(PY) -m pip install -q -c constraints.txt -e '.[bench]'
	COURSE_QUIET=1 $(PY) benchmarks/training_loop.py
	$(STEADY) $(EMPTY_CACHE) $(PY) benchmarks/course.py
	COURSE_QUIET=1 $(PY) benchmarks/search.py
	COURSE_QUIET=1 $(PY) benchmarks/grading.py
	$(PY) benchmarks/tables.py

release: $(INSTALLED_GRADING) ## make the exercises' student versions, and try them (CHAPTERS="1 2")
	$(PY) -m course_grading release $(CHAPTERS) $(ARGS)

grade: $(INSTALLED_GRADING) ## grade a class, as TEACHING.md says (CHAPTERS="1 2" ARGS="--workers 4")
	$(PY) -m course_grading grade $(CHAPTERS) $(ARGS)

lock: $(INSTALLED_DEV) ## write constraints.txt, and the checksums of the offline data, from what is installed in .venv
	$(PY) -m tools.lock > $(VENV)/constraints.txt && mv $(VENV)/constraints.txt constraints.txt
	$(PY) -m tools.known_data

links: $(INSTALLED_DEV) ## put the repository's name into the README's Binder links (REPO=owner/name)
	$(PY) -m tools.links $(REPO)

clean: ## remove .venv and caches
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage.json tests/browser/screenshots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
