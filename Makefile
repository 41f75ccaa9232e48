# Everything starts here. Each target makes .venv and installs what it needs first.
PYTHON ?= python3
BIN := .venv/bin
# modules are compiled when they are first imported: most of them never are
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo check test docs slow mutants bench lab explore readme notebooks audit gpu hooks clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/'

# pip comes first: that of Python 3.11 takes four times as long to choose versions
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(PIP) pip

.venv/installed: settings.ini setup.py constraints.txt | .venv/bin/python
	$(PIP) -e '.[train,explore]'
	touch $@

.venv/installed-dev: settings.ini setup.py constraints.txt | .venv/bin/python
	$(PIP) -e '.[dev,docs,all]'
	touch .venv/installed $@

demo: .venv/installed ## three boxes on real sections, then a training run on synthetic ones, and a report: in runs/demo
	refcon run nbs/run_training.ipynb -p real true -p rival refcon-tiny --out runs/demo

FAST := $(addprefix tests/test_,$(addsuffix .py,repository losses textual tables axis confidence))
check: .venv/installed-dev ## a minute: layout, lint, modules equal notebooks, fast tests
	ruff format --check
	ruff check
	python -m pytest $(FAST) -q -n auto --dist loadfile --max-worker-restart 0

test: .venv/installed-dev ## all notebooks, then tests/
	ruff format --check
	ruff check
	OMP_NUM_THREADS=1 REFCON_PRECISION=fp32 PYTHONPATH=tests python -m notebooks --path nbs --skip_file_re '^(_|\.|run_)' --n_workers 2 --do_print
	python -m pytest tests -q -rs -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

docs: .venv/installed-dev ## documentation site of notebooks, package and docs/: in site
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo "open $(CURDIR)/site/index.html"

slow: .venv/installed-dev ## long tests: 50 kills and more at random moments; REFCON_KILLS=seed draws them
	REFCON_SLOW=1 python -m pytest tests/test_interruption.py -q -rs

SEED ?= 1
FAULTS ?= 200
mutants: .venv/installed-dev ## small faults planted one at a time: which does no test notice? SEED=1 FAULTS=200 draws them
	PYTHONPATH=tests python -m mutants --seed $(SEED) --faults $(FAULTS)

bench: .venv/installed-dev ## speed and memory as ratios, against the machine's peak and against other ways: an hour or two
	python benchmarks/bench.py
	python benchmarks/second.py
	python benchmarks/training.py --out runs/bench/training.json
	python benchmarks/search.py
	python benchmarks/peers.py
	python benchmarks/survey.py

lab: .venv/installed ## JupyterLab on the notebooks
	jupyter lab --notebook-dir nbs

INDEX ?= runs/demo/real/index
explore: .venv/installed ## search a survey in the browser: make explore INDEX=folder
	refcon explore $(INDEX) --allow-labels

readme: .venv/installed-dev ## write README.md from nbs/index.ipynb
	jupyter nbconvert --to markdown --log-level ERROR --stdout nbs/index.ipynb | sed 's#](images/#](nbs/images/#g' > README.md

notebooks: .venv/installed-dev ## export modules, clean notebooks
	nbdev_export
	nbdev_clean --fname nbs

audit: .venv/installed-dev ## known vulnerabilities of the pinned packages; audit-ignored.txt holds those without a fix, with reasons
	pip-audit --strict --no-deps --disable-pip --progress-spinner off -r constraints.txt $$(sed -n 's/^\([A-Z][A-Za-z0-9-]*\) .*/--ignore-vuln \1/p' audit-ignored.txt)

gpu: .venv/installed ## swap faiss-cpu for faiss-gpu
	$(BIN)/python -m pip uninstall --yes --quiet faiss-cpu
	$(PIP) -e '.[gpu]'
	$(BIN)/python -m pip uninstall --yes --quiet faiss-cpu
	$(PIP) --force-reinstall --no-deps faiss-gpu

hooks: .venv/installed-dev ## git hooks: clean and export notebooks, ruff, no large files
	$(PIP) pre-commit
	pre-commit install

clean: ## remove .venv and build leftovers, keep runs/
	rm -rf .venv build dist *.egg-info
