# make lab: open the course.  make test: everything that is checked.  make help: the list.
PYTHON ?= python3
VENV ?= .venv
# What `make lab` installs: versions that were tested together, so that no release of the first day
# of term breaks a course. The newest that pyproject.toml allows: make clean lab LOCK=
LOCK ?= requirements.lock
TORCH ?= $(shell sed -n 's/.*"\(torch>=[^"]*\)".*/\1/p' pyproject.toml)
# On Linux the default index has the CUDA build (5 GB); PyTorch's own index has the CPU build.
ifeq ($(shell uname -s),Linux)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif
BIN := $(VENV)/bin
# Each library wants older libraries than this course (Python 3.11 or 3.12), and not the same ones.
PEERS := replay rectools recbole
PEER_replay := "replay-rec[torch]==0.22.0" lightning==2.6.6
PEER_rectools := "rectools[torch]==0.19.0" pytorch-lightning==2.5.2
PEER_recbole := recbole==1.2.1
PEER_all := torch==2.13.0 numpy==1.26.4 pandas==2.3.3 scipy==1.17.1
# RecBole's wheel also holds the data of the comparison.
PEER_WHEEL := $(VENV)/peers-recbole/recbole-1.2.1-py3-none-any.whl
pip = $(1)/python -m pip install --disable-pip-version-check --quiet
# Torch first and alone: what comes after it is content with what is there.
torch = $(if $(TORCH_INDEX),$(pip) --no-deps --retries 0 --index-url $(TORCH_INDEX) "$(TORCH)" $(locked) 2>/dev/null ||) $(pip) --no-deps "$(TORCH)" $(locked)
locked = $(if $(LOCK),--constraint $(LOCK))
# One thread: faster for models this small, and the same on every machine.
export OMP_NUM_THREADS ?= 1

.PHONY: help lab test test-browser lint notebooks class-set site slides budget same-numbers studies peers frameworks scaling clean
help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'
lab: $(VENV)/.done ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab README.md
doctor: ## say whether everything is here that the course needs, and what to do
	$(or $(wildcard $(BIN)/python),$(PYTHON)) -m recsys_utils.doctor
test: $(VENV)/.done ## run all tests and all notebooks, and compare their outputs
	$(BIN)/python -m pytest
test-browser: $(VENV)/.browser ## test the book, its page and JupyterLab in Chromium (Debian: apt install chromium npm)
	$(BIN)/python -m pytest tests/browser --timeout=600
lint: $(VENV)/.done ## check the style of code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
notebooks: $(VENV)/.done ## run all notebooks again and store their outputs
	$(BIN)/python scripts/run_and_store.py notebooks/*.ipynb notebooks/solutions/*.ipynb
class-set: $(VENV)/.done ## make a folder and a zip for students: no outputs, no solutions
	$(BIN)/python scripts/class_set.py class-set
site: $(VENV)/npm/.done ## write the course as a book to site/html, with the page "Pick films, see why"
	rm -rf site
	BOOK_NPM=$(VENV)/npm $(BIN)/python -m sphinx -qW --keep-going -c book . site/html
	$(BIN)/python book/pick/export.py site/html/pick
slides: $(VENV)/npm/.done ## write slides of all notebooks to the folder slides; they need no network
	BOOK_NPM=$(VENV)/npm $(BIN)/python book/slides/make.py slides notebooks/*.ipynb
budget: $(VENV)/.done ## measure seconds and memory of all notebooks; fails over the promise
	$(BIN)/python scripts/budget.py docs/budget.md
same-numbers: $(VENV)/.done ## run all notebooks under ten settings; twenty minutes
	$(BIN)/python scripts/same_numbers.py docs/same-numbers.md
studies: $(VENV)/.done ## the experiments behind the sentences, over seeds and worlds; what is stored is not run again
	$(BIN)/python studies/run_all.py
	$(BIN)/python studies/page.py docs/studies.md
peers: $(PEER_WHEEL) $(PEERS:%=$(VENV)/peers-%/.done) ## our models and three libraries side by side, 60 seconds a run; what is stored is not run again
	$(BIN)/python studies/peers.py $(PEER_WHEEL) studies/peers.jsonl
	$(VENV)/peers-recbole/bin/python studies/recbole_peers.py $(PEER_WHEEL) studies --as-shipped
	$(BIN)/python studies/peers_tuned.py $(PEER_WHEEL) studies
	for name in $(PEERS); do \
	  $(VENV)/peers-$$name/bin/python studies/$${name}_peers.py $(PEER_WHEEL) studies || exit 1; done
	$(BIN)/python studies/peers_page.py studies docs/peers.md
frameworks: $(VENV)/.done $(VENV)/frameworks/.done ## one example in PyTorch, Keras, JAX and Flax; fails if a stored number is another one now
	$(BIN)/python studies/frameworks.py torch $(VENV)/frameworks/now.csv
	$(VENV)/frameworks/bin/python studies/frameworks.py others $(VENV)/frameworks/now.csv
	$(BIN)/python studies/frameworks.py compare studies/frameworks.csv $(VENV)/frameworks/now.csv
scaling: $(VENV)/.done ## how cost grows with users, films and attributes; ten minutes
	$(BIN)/python studies/scaling.py docs/scaling.md
clean: ## remove the environment
	rm -rf $(VENV)
.PHONY: doctor lock
lock: ## write requirements.lock: the newest versions, for all systems; then run make test
	$(PYTHON) -m venv $(VENV)/lock
	$(call pip,$(VENV)/lock/bin) uv
	$(VENV)/lock/bin/uv pip compile --quiet --universal --upgrade --all-extras --no-annotate --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

$(VENV)/.done: pyproject.toml $(LOCK)
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(call torch,$(BIN))
	$(call pip,$(BIN)) $(locked) -e ".[lab,test,site]"
	touch $@
$(VENV)/.browser: $(VENV)/.done $(VENV)/npm/.done
	$(call pip,$(BIN)) $(locked) -e ".[browser]"
	touch $@
# Formulas, diagrams, slides, and a search for barriers. Only the packages, not what they were made from.
$(VENV)/npm/.done: $(VENV)/.done
	rm -rf $(VENV)/npm && mkdir -p $(VENV)/npm
	cd $(VENV)/npm && npm pack --silent mathjax@3.2.2 mermaid@11.12.1 reveal.js@5.2.1 axe-core@4.14.1
	cd $(VENV)/npm && for name in mathjax mermaid reveal.js axe-core; do \
	  mkdir -p $$name && tar -xzf $$name-*.tgz --strip-components=1 -C $$name || exit 1; done
	touch $@
$(VENV)/peers-%/.done: $(VENV)/.done
	$(PYTHON) -m venv $(VENV)/peers-$*
	$(call torch,$(VENV)/peers-$*/bin)
	$(call pip,$(VENV)/peers-$*/bin) $(PEER_$*) $(PEER_all)
	touch $@
# TensorFlow, Keras, JAX and Flax: 2 GB, so not in the course's own environment.
$(VENV)/frameworks/.done: studies/frameworks.txt
	$(PYTHON) -m venv $(VENV)/frameworks
	$(call pip,$(VENV)/frameworks/bin) --no-compile -r studies/frameworks.txt
	touch $@
$(PEER_WHEEL): $(VENV)/peers-recbole/.done
	$(BIN)/python -m pip download --quiet --no-deps --dest $(@D) recbole==1.2.1
