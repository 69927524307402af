# Every target sets up what it needs by itself: see tools/bootstrap.py.

PY := .venv/bin/python
FIRST := $(firstword $(sort $(wildcard notebooks/0*.ipynb)))
export JUPYTER_PREFER_ENV_PATH = 1
.PHONY: help run lab data handouts badges test test-all bench execute lint clean setup setup-dev setup-colab
.NOTPARALLEL:

help:
	@echo 'make run      runs every notebook on drawn scenes (no data set needed): pages in build/html/'
	@echo 'make lab      opens the notebooks in JupyterLab'
	@echo 'make data     gets the SiftFlow photographs, for the full run (140 MB; see data/README.md)'
	@echo 'make handouts builds the editions for a class: student, instructor, one-file, nbgrader (see TEACHING.md)'
	@echo 'make badges   stamps "Open in Colab" links, from the git remote or ARGS=OWNER/NAME; ARGS=none removes them'
	@echo 'make test     runs the tests of the code (a few minutes)'
	@echo 'make test-all runs every test: notebooks, browser, Colab, grading (15 to 25 minutes on 2 cores)'
	@echo 'make bench    times losses, scores and a training step against what others have (some minutes)'
	@echo 'make execute  re-runs the committed notebooks whose code changed, and saves them'
	@echo 'make lint     says what ruff would change (ruff check, ruff format)'
	@echo 'make clean    removes what these wrote (build/ and caches), not .venv and not data/'
	@echo
	@echo 'The first of them sets up .venv (about 1 GB to download, 3 GB on disk, some minutes).'
	@echo "Options go in ARGS: make run ARGS='--only 06', make test ARGS='-k scores', make lab ARGS=--no-browser"

# Any Python at all can run the set-up, which finds a supported one; each is tried, since a name may be an empty launcher.
define bootstrap
@for python in $(PY) "$$PYTHON" python3 python python3.13 python3.12 python3.11 python3.10; do \
	if "$$python" -c '' >/dev/null 2>&1; then exec "$$python" tools/bootstrap.py $(1); fi; \
done; \
echo 'No Python was found: install Python 3.10 to 3.13 (or set PYTHON to where it is), then run the same command again.' >&2; \
exit 1
endef

setup:
	$(call bootstrap)

setup-dev:
	$(call bootstrap,--dev)

# Colab's packages in an environment of their own, in which the tests run the one-file notebooks.
setup-colab: setup .venv-colab/complete

.venv-colab/complete: tools/colab.txt
	@echo "Making .venv-colab, with Colab's packages: some minutes, once."
	@$(PY) -m venv .venv-colab
	@.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check -r tools/colab.txt
	@touch .venv-colab/complete

run: setup
	@$(PY) tools/notebooks.py run $(ARGS)

lab: setup
	@$(PY) -m jupyterlab $$([ "$$(id -u)" != 0 ] || echo --allow-root) --LabApp.default_url=/lab/tree/$(FIRST) $(ARGS)

data: setup
	@$(PY) -m helpers.siftflow get $(ARGS)

handouts: setup
	@$(PY) tools/handouts.py $(ARGS)

badges: setup
	@$(PY) tools/badges.py $(ARGS)

# Whole files of tests in three processes, which keep two cores busy; then, alone, the tests that measure time.
test: setup-dev
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m 'not slow and not alone' $(ARGS)

# With ARGS that leave none of the second kind, pytest ends with 5, which is no failure.
test-all: setup-dev
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m 'not alone' --junitxml=build/tests.xml $(ARGS); first=$$?; \
	$(PY) -m pytest $(if $(ARGS),,$$(grep -rl --include='*.py' mark.alone tests)) -m alone --junitxml=build/tests-alone.xml $(ARGS); second=$$?; \
	[ $$second != 5 ] || [ -z '$(ARGS)' ] || second=0; [ $$first = 0 ] && [ $$second = 0 ]

bench: setup-dev
	@$(PY) tools/bench.py $(ARGS)

execute: setup-dev
	@$(PY) tools/notebooks.py execute $(ARGS)

lint: setup-dev
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

clean:
	rm -rf build .pytest_cache .ruff_cache *.egg-info
	find . -name '.venv*' -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
	@echo 'Kept .venv and data/. To remake the environment: rm -rf .venv'
