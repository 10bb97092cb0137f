# `make demo` and `make test` do all set-up themselves; only Python >= 3.10 is needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
DEMO := runs/demo
SHORT := --set training.max_epochs=20  # in a few minutes; 80 by default

.PHONY: demo ray triton docs test test-slow lint types audit clean

demo: $(STAMP)
	@test -f $(DEMO)/model.safetensors || $(BIN)/sitenet train --output $(DEMO) $(SHORT) \
	    $$(test ! -f $(DEMO)/config.yaml || echo --resume)
	$(BIN)/sitenet predict $(DEMO) examples/structures --output $(DEMO)/examples.csv
	@cat $(DEMO)/examples.csv
	@echo "Figures: $(DEMO)/figures   Test set: $(DEMO)/predictions.csv"

# The tests of work on a cluster run where this was done.
ray: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[ray]'

# The kernels for GPUs are tested, without one, where this was done.
triton: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[gpu-tests]'

# The site goes to site/; a link or a name that leads nowhere is an error.
docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Files of tests side by side, a process for each core: half the time on two. In their own
# order: by numbers of tests, those of few and long ones would come last, on one core.
test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy --strict pyg_sitenet cli

# Code that is unsafe, then installed packages with known weaknesses.
audit: $(STAMP)
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml pyg_sitenet cli
	$(BIN)/python scripts/audit.py

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "Python >= 3.10 is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build site *.egg-info
