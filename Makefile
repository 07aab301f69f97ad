# make lab: open the course.  make test: everything that is checked.  make help: the list.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
# On Linux the default index has the CUDA build (5 GB); PyTorch's own index has the CPU build.
ifeq ($(shell uname -s),Linux)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
# One thread: faster for models this small, and the same on every machine.
export OMP_NUM_THREADS ?= 1

.PHONY: help lab test test-browser lint notebooks class-set site budget clean
help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'
lab: $(VENV)/.done ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks
test: $(VENV)/.done ## run all tests and all notebooks, and compare their outputs
	$(BIN)/python -m pytest
test-browser: $(VENV)/.browser ## test the site and JupyterLab in Chromium (Debian: apt install chromium npm)
	$(BIN)/python -m pytest tests/browser
lint: $(VENV)/.done ## check the style of code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
notebooks: $(VENV)/.done ## run all notebooks again and store their outputs
	$(BIN)/python scripts/run_and_store.py notebooks/*.ipynb notebooks/solutions/*.ipynb
class-set: $(VENV)/.done ## make a folder and a zip for students: no outputs, no solutions
	$(BIN)/python scripts/class_set.py class-set
site: $(VENV)/.done ## write the course as web pages to site/
	$(BIN)/python scripts/build_site.py site
budget: $(VENV)/.done ## measure seconds and memory of all notebooks; fails over the promise
	$(BIN)/python scripts/budget.py docs/budget.md
clean: ## remove the environment
	rm -rf $(VENV)

$(VENV)/.done: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) --no-deps --retries 0 --index-url $(TORCH_INDEX) "$(TORCH)" 2>/dev/null ||) $(PIP) --no-deps "$(TORCH)"
	$(PIP) -e ".[lab,test,site]"
	touch $@
$(VENV)/.browser: $(VENV)/.done
	$(PIP) -e ".[browser]"
	npm install --silent --no-save --prefix $(VENV) axe-core@4.14.1
	touch $@
